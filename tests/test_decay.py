"""Weights that shrink, -diag(d) W: against Oja's closed form, finite differences, and events counted by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product, SynapseArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.tiled import TiledArray
from neurohw.devices.laws import ConstantStep
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.digital_work import DigitalUpdates, LayerWork
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.networks.layer import Layer
from neurohw.training.rules import build_rule

DOUBLE = torch.float64
QUIET = ReadPath(None, None, 0.0, 0.0, 1.0, math.inf)


def some(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def oja(array: SynapseArray, x: Tensor) -> OuterProducts:
    """dw = y x - y^2 w, averaged over samples (Oja 1982, Eq. 3)."""
    y = array.read(x)
    return OuterProducts((Product(y, x),), 1 / len(x), decay=y * y)


@pytest.mark.parametrize("optimizer", ["pulsed-sgd", "sgd"])
def test_ojas_rule_finds_the_first_principal_component(optimizer: str) -> None:
    """Its fixed point is the eigenvector of the largest eigenvalue of <x x'>, of norm 1 (Oja 1982)."""
    x = (
        some(500, 6)
        * torch.tensor([2.0, 1.0, 0.7, 0.5, 0.3, 0.1], dtype=DOUBLE)
        @ torch.linalg.qr(some(6, 6, seed=1))[0]
    )
    layer = Layer(IdealArray(0.1 * some(1, 6, seed=2)))
    layer.bias = None
    rule = build_rule(optimizer, [layer], [0.05])
    for _ in range(600):
        rule.apply(layer, oja(layer.array, x))
    first = torch.linalg.eigh(x.t() @ x).eigenvectors[:, -1]
    w = layer.array.snapshot()[0]
    assert torch.linalg.vector_norm(w).item() == pytest.approx(1.0, abs=1e-9)
    assert abs(w @ first).item() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("bias", ["digital", "line"])
def test_winner_take_all_descends_the_distance_to_the_winners(bias: str) -> None:
    """dW = sum_b z_b (x) x_b - diag(sum_b z_b) W is minus the gradient of 1/2 sum z_bi |x_b - w_i|^2, biases alike."""
    x, z = some(5, 4), some(5, 3, seed=1).softmax(1)
    weights, offset = some(3, 4, seed=2), some(3, seed=3)
    with_line = torch.cat([weights, offset[:, None]], 1)
    layer = Layer(IdealArray(with_line if bias == "line" else weights), bias)
    if layer.bias is not None:
        layer.bias.copy_(offset)
    layer.update(OuterProducts((Product(z, x),), 1.0, decay=z), 0.01)
    inputs = torch.cat([x, torch.ones(5, 1, dtype=DOUBLE)], 1)

    def energy(w: Tensor) -> float:
        return float((z * (inputs[:, None] - w).square().sum(2)).sum() / 2)

    gradient = torch.zeros_like(with_line)
    for i in range(3):
        for j in range(5):
            h = torch.zeros_like(with_line)
            h[i, j] = 1e-5
            gradient[i, j] = (energy(with_line + h) - energy(with_line - h)) / 2e-5
    now = layer.array.snapshot()
    now = now if layer.bias is None else torch.cat([now, layer.bias[:, None]], 1)
    torch.testing.assert_close(now - with_line, -0.01 * gradient, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("batch", [1, 16])
def test_rows_are_read_and_incremented_once_a_batch(batch: int) -> None:
    """4 outputs and 6 inputs on 2 x 2 tiles; outputs 0 and 3 shrink by a tenth."""
    siemens = 1e-6
    device = DevicePopulation(ConstantStep(), zero=-0.7, siemens=siemens)

    def make(block: Tensor, place: str) -> SynapseArray:
        return AnalogArray(block, device, read_path=QUIET, generator=torch.Generator().manual_seed(int(float(place))))

    weights = torch.full((4, 6), 0.5)
    weights[3] = -0.25
    ledger, clock = EnergyLedger(), Clock()
    array = MeteredArray(TiledArray(weights, (2, 3), make), ledger, clock, "W1", ArraySettings())
    start = array.snapshot()  # as the cells hold them
    decay = torch.zeros(batch, 4)
    decay[:, [0, 3]] = 0.1 / batch
    silent = Product(torch.zeros(batch, 4), torch.zeros(batch, 6))
    with clock.during("update"):
        writes = array.update(OuterProducts((silent,), 1.0, decay), 1.0)
    counts = ledger.counts()
    events = counts["W1"]["update"]
    assert events["reads_transposed"] == 2  # rows, once a batch
    assert events["dac_conversions"] == 2 * 2  # the row's line in either tile that has it
    assert events["adc_conversions"] == 2 * 6
    assert events["read_conductance"] == pytest.approx(siemens * float((start[[0, 3]] + 0.7).sum()), rel=1e-5)
    assert events["programmed_cells"] == 12
    assert counts["digital"]["update"]["macs"] == 12  # of what was read with what it shrinks by
    steps = (0.1 * start / ConstantStep().granularity).round()  # 50 and -25 a cell, less where bounds are nearer
    assert events["pulses_down"] == writes.pulses_down == pytest.approx(float(steps[0].sum()), abs=6)
    assert events["pulses_up"] == writes.pulses_up == pytest.approx(-float(steps[3].sum()), abs=6)
    assert array.meter.updates == 1
    moved = array.snapshot() - start
    assert torch.equal(moved[1:3], torch.zeros(2, 6))
    assert moved[0].mean().item() == pytest.approx(-0.05, rel=0.4)  # steps differ by 30 % from cell to cell
    assert moved[3].mean().item() == pytest.approx(0.025, rel=0.4)


@pytest.mark.parametrize(("optimizer", "outer"), [("pulsed-sgd", 0), ("sgd", 16 * 9 * 8 * 10)])
def test_sums_over_a_batch_are_counted_by_presented_vectors(optimizer: str, outer: int) -> None:
    """8 outputs of 9 inputs and a bias each, presented 9 patches an image: sums of biases, of decays, and products."""
    layer = LayerWork(outputs=8, cells=80, vectors=9, biases=8, operands=(8 + 9) * 7)
    updates = DigitalUpdates((layer,), optimizer)
    products = OuterProducts((Product(torch.zeros(16, 72), torch.zeros(16, 72)),), 1.0, decay=torch.zeros(16, 72))
    learnt = updates.learnt([products])
    bits = 16 * 9 * (8 + 9) * 7 * (outer > 0)
    assert learnt == {"outer": outer, "operands": bits, "sums": 16 * 9 * 8, "decays": 16 * 9 * 8}
    counted: dict[str, float] = {}
    for _, _, event, number in updates.of(batches=1, **learnt):
        counted[event] = counted.get(event, 0.0) + number
    assert counted == {"adds": 2 * 16 * 9 * 8, "bias_updates": 8, "macs": outer, "bits": bits}


def test_a_metered_array_shrinks_as_it_would_without_its_meter() -> None:
    def trained(metered: bool) -> Tensor:
        array: SynapseArray = AnalogArray(0.1 * some(5, 4).float(), generator=torch.Generator().manual_seed(3))
        array = MeteredArray(array, EnergyLedger(), Clock(), "W1") if metered else array
        for _ in range(5):
            array.update(oja(array, some(4, 4, seed=1).float()), 0.1)
        return array.snapshot()

    assert torch.equal(trained(True), trained(False))


@pytest.mark.parametrize("metered", [False, True])
def test_a_negative_rate_grows_what_a_positive_one_shrinks(metered: bool) -> None:
    array: SynapseArray = IdealArray(some(3, 4).float())
    before = array.snapshot()
    if metered:
        array = MeteredArray(array, EnergyLedger(), Clock(), "W1", ArraySettings.of(array))
    nothing = Product(torch.zeros(2, 3), torch.zeros(2, 4))
    array.update(OuterProducts((nothing,), 1.0, decay=torch.tensor([[0.5, 0.0, 1.0], [0.5, 0.0, 0.0]])), -0.1)
    assert torch.allclose(array.snapshot(), before * torch.tensor([[1.1], [1.0], [1.1]]), rtol=1e-6)


def test_what_does_not_shrink_is_not_written() -> None:
    """A verified increment reads every cell, a decay of nothing none."""
    array = AnalogArray(some(3, 4), DevicePopulation(ConstantStep()), increments="verified")
    ledger = EnergyLedger()
    metered = MeteredArray(array, ledger, Clock(), "W1", ArraySettings.of(array))
    nothing = Product(torch.zeros(2, 3), torch.zeros(2, 4))
    metered.update(OuterProducts((nothing,), 1.0, decay=torch.zeros(2, 3)), 0.1)
    assert not ledger.counts().get("W1", {}).get("inference", {}).get("verifying_reads")

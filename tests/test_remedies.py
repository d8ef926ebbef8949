"""What each remedy of the analog engine promises, what it refuses, and that a saved array goes on to the last bit."""

from __future__ import annotations

import hashlib
import io
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar import ir_drop
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import OuterProducts, Product, Writes
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.pairs import OneSidedPair
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import CELLS, WRITINGS, CellKind, Remedy, names
from neurohw.crossbar.single_device import SingleDevice
from neurohw.crossbar.unit_cells import Parts
from neurohw.crossbar.wires import Wires
from neurohw.devices.faults import FaultRates
from neurohw.devices.laws import ConstantStep, LinearStep, PulseResponse, SoftBounds
from neurohw.devices.library import load_device
from neurohw.devices.retention import Retention
from neurohw.errors import InputError, NeurohwError

EVEN: dict[str, Any] = {"step_dtod": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
CERTAIN: dict[str, Any] = {**EVEN, "step_ctoc": 0.0}
COUNTED = PulseScheme(length=1000, kind="deterministic")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def array_of(
    law: PulseResponse,
    remedy: str | Remedy,
    shape: tuple[int, int] = (20, 20),
    start: float = 0.0,
    sided: int = 2,
    pulses: PulseScheme = COUNTED,
    seed: int = 1,
    **parameters: Any,
) -> AnalogArray:
    return AnalogArray(
        torch.full(shape, start), DevicePopulation(law, sided=sided), remedy, read_path=ReadPath.perfect(),
        pulses=pulses, generator=seeded(seed), remedy_parameters=parameters,
    )  # fmt: skip


def pulses(writes: Writes) -> tuple[int | None, int | None]:
    return writes.pulses_up, writes.pulses_down


def step_all(array: AnalogArray, steps: float) -> Tensor:
    """Give every weight so many of its steps, and return how far it moved."""
    before = array.snapshot()
    ones = Product(torch.ones(1, array.shape[0]), torch.ones(1, array.shape[1]))
    array.update(OuterProducts((ones,), 1.0), steps * array.cells.granularity)
    return array.snapshot() - before


# pairs and several devices


def test_a_differential_pair_has_symmetric_steps_at_zero() -> None:
    """A device whose depression is 30 % weaker: alone 1 against 0.7; in a pair both steps are their sum."""
    law = SoftBounds(asymmetry=0.3, **CERTAIN)
    steps = {}
    for remedy in ("none", "differential"):
        up, down = (step_all(array_of(law, remedy), sign)[0, 0].item() for sign in (1, -1))
        steps[remedy] = (up, down)
    assert steps["none"] == pytest.approx((0.001, -0.0007), rel=1e-3)
    assert steps["differential"] == pytest.approx((0.0017, -0.0017), rel=1e-3)


@pytest.mark.parametrize("law", [SoftBounds, LinearStep], ids=["soft-bounds", "linear"])
def test_a_pair_of_devices_of_uneven_range_moves_as_asked_where_it_stands(law: type) -> None:
    """Both devices start in the middle of their range, where the steps are not those at zero."""
    array = array_of(law(w_max=0.8, w_min=-0.3, asymmetry=0.2, step=0.002, **CERTAIN), "differential")
    up, down = (step_all(array, sign * 10.0).mean().item() for sign in (1, -1))
    assert (up - down) / 20 == pytest.approx(array.cells.granularity, rel=0.03)


@pytest.mark.parametrize("weight", [0.05, 0.3, -0.3])
def test_a_one_sided_pair_is_set_from_each_devices_own_bottom(weight: float) -> None:
    """Bottoms spread by 30 %: the weight is exact wherever the range allows it."""
    law = ConstantStep(**{**CERTAIN, "w_min_dtod": 0.3}, w_max=1.0, w_min=-0.3)
    array = array_of(law, "one-sided", (40, 40), start=weight, sided=1)
    torch.testing.assert_close(array.snapshot(), torch.full((40, 40), weight))
    assert array.clipped == 0.0


def test_an_update_of_no_samples_writes_nothing() -> None:
    for remedy in names():
        array = array_of(SoftBounds(asymmetry=0.1), remedy)
        before = array.snapshot()
        writes = array.update(OuterProducts((Product(torch.zeros(0, 20), torch.zeros(0, 20)),), 1.0), 0.1)
        assert pulses(writes) == (0, 0)
        assert torch.equal(array.snapshot(), before)


def test_a_pair_has_twice_the_range() -> None:
    array = array_of(ConstantStep(**CERTAIN), "differential")
    for _ in range(5):
        step_all(array, 900)
    torch.testing.assert_close(array.snapshot(), torch.full((20, 20), 1.2))


@pytest.mark.parametrize("devices", [4, 9])
@pytest.mark.parametrize("spread", ["step_ctoc", "step_dtod"])
def test_several_devices_reduce_a_spread_by_the_root_of_their_number(spread: str, devices: int) -> None:
    """10,000 weights: a standard deviation is known to 0.7 %."""
    law = ConstantStep(**{**CERTAIN, spread: 0.3})
    moved = step_all(array_of(law, "several-cells", (100, 100), devices=devices), 1)
    assert moved.std().item() == pytest.approx(0.3 * 0.001 / math.sqrt(devices), rel=0.04)
    assert moved.mean().item() == pytest.approx(0.001, rel=0.01)


def test_devices_of_one_weight_are_written_together() -> None:
    array = array_of(ConstantStep(**CERTAIN), "several-cells", devices=3)
    step_all(array, 7)
    assert [pulses.unique().tolist() for pulses in array.writes().values()] == [[7], [7], [7]]


def balanced(array: AnalogArray, pairs: int) -> Tensor:
    """Return the weights after so many pairs of opposite pulses."""
    for _ in range(pairs):
        step_all(array, 1)
        step_all(array, -1)
    return array.snapshot()


@pytest.mark.parametrize("law", [SoftBounds(step=0.005, asymmetry=-0.3, step_ctoc=0.0)], ids=["soft-bounds"])
def test_balanced_pulses_leave_a_reference_cell_at_zero(law: PulseResponse) -> None:
    """The bare device goes to its symmetry point, -0.1 on average; less its reference it stays within a step of 0.

    But for the few whose symmetry point lies beyond the range of the reference device.
    """
    bare, array = balanced(array_of(law, "none"), 300), array_of(law, "reference-cell")
    reached = array.cells.banks["reference"].kept == array.cells.banks["cell"].symmetry_point()
    assert reached.float().mean().item() > 0.95
    referred = balanced(array, 300)[reached]
    assert bare.mean().item() < -0.06
    assert referred.abs().max().item() < 0.01
    assert abs(referred.mean().item()) < 0.005


def test_the_error_of_a_reference_shifts_the_weights_that_are_kept() -> None:
    law = SoftBounds(asymmetry=-0.3, **CERTAIN)
    exact, off = (array_of(law, "reference-cell", (100, 100), error=error) for error in (0.0, 5.0))
    shift = off.cells.banks["reference"].kept - exact.cells.banks["reference"].kept
    assert shift.std().item() == pytest.approx(0.005, rel=0.04)
    torch.testing.assert_close(off.snapshot(), torch.zeros(100, 100))


@pytest.mark.parametrize("devices", [2, 3])
def test_a_carry_moves_what_the_finest_device_holds_to_the_coarser_ones(devices: int) -> None:
    """Significances by 8: 60 times 4 steps would fill the finest device twice; carried over, nothing is lost."""
    law = ConstantStep(**CERTAIN)
    array = array_of(law, "several-cells", (3, 4), devices=devices, base=8.0, carry_every=10)
    finest = list(array.cells.banks.values())[-1]
    step = array.cells.granularity
    for turn in range(1, 61):
        array.increment(torch.full((3, 4), 40 * step))
        torch.testing.assert_close(
            array.snapshot(), torch.full((3, 4), 40 * step * turn), rtol=0, atol=turn * step / 20
        )
        if turn % 10 == 0:
            assert finest.kept.abs().max() < 8 * law.step  # within a coarser device's step of its middle
    assert array.cells.banks["cell0"].kept.min() > 0.03


def test_pulses_of_a_carry_are_given_one_by_one() -> None:
    array = array_of(ConstantStep(**CERTAIN), "several-cells", (3, 4), devices=2, base=8.0, carry_every=1)
    writes = array.increment(torch.full((3, 4), 40 * array.cells.granularity))
    assert writes.serial.cell_pulses == sum(number or 0 for number in pulses(writes)) - 12 * 40 > 0


# one-sided


def test_a_refresh_keeps_the_weight_and_frees_the_range() -> None:
    """Up and down by 100 steps in turn: without refresh both devices of a pair are full after 10 of each.

    The rewritten difference is off by at most half a step, so 25 refreshes are by at most 13.
    """
    law, ends = ConstantStep(**CERTAIN, w_max=1.0, w_min=0.0), {}
    for every in (4, 10_000):
        array = array_of(law, "one-sided", start=0.05, sided=1, refresh_every=every)
        moved = [step_all(array, 100 * (-1) ** turn).mean().item() for turn in range(100)]
        ends[every] = array.snapshot()
        if every == 4:
            assert moved == pytest.approx([0.1 * (-1) ** turn for turn in range(100)], abs=0.004)
            assert isinstance(array.cells, OneSidedPair)
            assert array.cells.plus.kept.max() < 0.75 + 0.4
            assert array.cells.minus.kept.max() < 0.75 + 0.4
        else:
            assert moved[-1] == 0.0
    torch.testing.assert_close(ends[4], torch.full((20, 20), 0.05), rtol=0, atol=0.013)


def test_a_refresh_touches_pairs_only_in_which_both_are_full() -> None:
    """The larger device above 0.75, the smaller above 0.25: a reset of each, and the difference on one of them."""
    law = ConstantStep(**CERTAIN, w_max=1.0, w_min=0.0)
    array = array_of(law, "one-sided", (1, 3), sided=1, refresh_every=2)
    array.increment(torch.tensor([[0.8, 0.8, 0.3]]))
    before = array.writes()["minus"].clone()
    array.increment(torch.tensor([[-0.3, -0.2, -0.2]]))
    assert (array.writes()["minus"] - before).tolist() == [[301, 200, 200]]
    assert isinstance(array.cells, OneSidedPair)
    torch.testing.assert_close(array.cells.plus.kept, torch.tensor([[0.5, 0.8, 0.3]]))
    torch.testing.assert_close(array.cells.minus.kept, torch.tensor([[0.0, 0.2, 0.2]]))


def pcm_pair(plus: float, minus: float, shape: tuple[int, int] = (1, 1), **law: float) -> OneSidedPair:
    device = DevicePopulation.of(load_device("pcm"))
    device = replace(device, response=replace(device.response, **law))
    cells = AnalogArray(torch.zeros(shape), device, "one-sided", generator=seeded()).cells
    assert isinstance(cells, OneSidedPair)
    cells.plus.set(torch.full(shape, plus))
    cells.minus.set(torch.full(shape, minus))
    return cells


def test_a_refresh_leaves_alone_what_it_could_only_harm() -> None:
    """w+ is saturated and w- empty: there is nothing to free, and four looks leave W = 1.6 without a pulse."""
    cells = pcm_pair(1.6, 0.0, **CERTAIN)
    assert [pulses(cells._refresh()) for _ in range(4)] == [(0, 0)] * 4
    assert cells.weights().item() == pytest.approx(1.6)


def test_a_refresh_rewrites_with_the_steps_from_the_bottom() -> None:
    """dw(w) = 0.01 (1 + 27.235 exp(-2.5 w)) is 0.28235 at 0, and 0.144 there: one pulse for W = 0.30, not two."""
    cells = pcm_pair(1.6, 1.3, **CERTAIN)
    assert pulses(cells._refresh()) == (1, 2)
    assert (cells.plus.kept.item(), cells.minus.kept.item()) == pytest.approx((0.28235, 0.0))
    assert pulses(cells._refresh()) == (0, 0)


def test_a_refresh_of_real_pairs_takes_few_pulses() -> None:
    """With the spreads and the noise of pcm, whose steps scatter by 0.19 at the bottom; open-loop: 0.30, 49 pulses."""
    cells = pcm_pair(1.6, 1.3, (40, 40))
    before = cells.weights().clone()
    shares = torch.stack([cells.plus.filled(), cells.minus.filled()])
    full = (shares.amax(0) > 0.75) & (shares.amin(0) > 0.25)
    writes = cells._refresh()
    error = (cells.weights() - before)[full].square().mean().sqrt().item()
    assert writes.pulses_down == 2 * int(full.sum())
    assert (writes.pulses_up or 0) < 5 * int(full.sum())
    assert error < 0.075
    assert cells.plus.filled()[full].mean() < 0.5


def test_a_pair_that_cannot_get_there_is_reset_and_rewritten() -> None:
    """From w+ = 1.6, w- = 0 to -1.5, w- would have to reach 3.1; to 5.0, w+ ends at its bound without a reset."""
    law = ConstantStep(**CERTAIN, w_max=2.0, w_min=0.0)
    array = array_of(law, "one-sided", (1, 2), start=1.6, sided=1)
    writes = array.program(torch.tensor([[-1.5, 5.0]]))
    assert pulses(writes) == (1500 + 400, 2)
    torch.testing.assert_close(array.snapshot(), torch.tensor([[-1.5, 2.0]]))


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_pair_is_reset_and_rewritten_however_it_learns(writing: str) -> None:
    law = ConstantStep(**CERTAIN, w_max=2.0, w_min=0.0)
    array = array_of(law, Remedy("one-sided", writing), (1, 2), start=1.6, sided=1)
    assert pulses(array.program(torch.tensor([[-1.5, 5.0]]))) == (1500 + 400, 2)
    torch.testing.assert_close(array.snapshot(), torch.tensor([[-1.5, 2.0]]))


def test_one_sided_devices_are_only_potentiated() -> None:
    array = array_of(SoftBounds(w_min=0.0, w_max=1.0), "one-sided", sided=1)
    for sign in (1, -1):
        before = {name: bank.kept.clone() for name, bank in array.cells.banks.items()}
        step_all(array, 20 * sign)
        grew = {name: bool((bank.kept > before[name]).all()) for name, bank in array.cells.banks.items()}
        assert grew == {"plus": sign > 0, "minus": sign < 0}


def test_a_pair_is_not_reset_for_less_than_a_rewrite_gains() -> None:
    """w+ = 2 is at its bound and 0.07 is lacking; from the bottom, a step of 0.28 could not write 0.12 at all."""
    device = DevicePopulation.of(load_device("pcm"))
    device = replace(device, response=replace(device.response, **CERTAIN))
    array = AnalogArray(torch.zeros(1, 1), device, "one-sided", ReadPath.perfect(), generator=seeded())
    assert isinstance(array.cells, OneSidedPair)
    array.cells.plus.set(torch.full((1, 1), 2.0))
    array.cells.minus.set(torch.full((1, 1), 1.95))
    assert pulses(array.program(torch.full((1, 1), 0.12))) == (0, 0)
    assert pulses(array.program(torch.full((1, 1), 1.0)))[1] == 2
    assert array.snapshot().item() == pytest.approx(1.0, abs=0.032 / 2)


# mixed precision


def sum_products(array: AnalogArray) -> tuple[Tensor, Writes]:
    """Return what 50 updates asked for, [5, 6], and what they wrote."""
    generator, wanted, writes = seeded(2), torch.zeros(5, 6, dtype=torch.float64), Writes(0, 0)
    for _ in range(50):
        post, pre = torch.randn(4, 5, generator=generator), torch.randn(4, 6, generator=generator)
        writes += array.update(OuterProducts((Product(post, pre, 1), Product(post, pre.flip(0), -1)), 0.25), 0.002)
        wanted += 0.0005 * (post.t() @ pre - post.t() @ pre.flip(0)).double()
    return wanted, writes


@pytest.mark.parametrize("cell", [name for name in CELLS if name != "reference-cell"])
def test_mixed_precision_loses_nothing(cell: str) -> None:
    """sum of the products = pulses * step + chi * step, exactly; |chi| < 1."""
    law = ConstantStep(**CERTAIN, w_max=10.0, w_min=-10.0)
    array = array_of(law, Remedy(cell, "mixed-precision"), (5, 6))
    wanted, _ = sum_products(array)
    chi, step = array.cells.buffers["chi"], 0.002 if cell == "differential" else 0.001
    torch.testing.assert_close(array.snapshot().double() + step * chi.double(), wanted, rtol=0, atol=1e-5)
    assert chi.abs().max() < 1
    assert array.snapshot().abs().max() > 0.005


@pytest.mark.parametrize("remedy", [Remedy("reference-cell", "mixed-precision"), "mixed-precision"])
def test_mixed_precision_on_zero_shifted_cells_pulses_every_whole_step(remedy: Remedy | str) -> None:
    parameters = {"zero_shift": True} if remedy == "mixed-precision" else {}
    array = array_of(SoftBounds(step=0.001, asymmetry=0.1), remedy, (5, 6), **parameters)
    wanted, writes = sum_products(array)
    steps = (writes.pulses_up or 0) - (writes.pulses_down or 0) + float(array.cells.buffers["chi"].double().sum())
    assert steps * array.cells.granularity == pytest.approx(float(wanted.sum()), abs=1e-5)
    assert array.anatomy.devices == 2


@pytest.mark.parametrize("writing", WRITINGS)
def test_zero_shifting_devices_without_a_symmetry_point_is_refused(writing: str) -> None:
    with pytest.raises(InputError, match="has no symmetry point"):
        array_of(ConstantStep(**CERTAIN), Remedy("reference-cell", writing))


def test_mixed_precision_sums_digital_changes_too() -> None:
    """0.3 of a step, 1,000 times: 300 pulses and nothing drawn at random."""
    array = array_of(ConstantStep(**CERTAIN), "mixed-precision", (5, 6))
    writes = Writes.total(array.increment(torch.full((5, 6), 0.0003)) for _ in range(1000))
    assert writes.pulses_up == pytest.approx(300 * 30, abs=30)
    left = array.snapshot() + 0.001 * array.cells.buffers["chi"]
    torch.testing.assert_close(left, torch.full((5, 6), 0.3), rtol=0, atol=1e-5)


def test_mixed_precision_waits_for_whole_steps() -> None:
    array = array_of(ConstantStep(**CERTAIN), "mixed-precision")
    assert [step_all(array, 0.4)[0, 0].item() for _ in range(5)] == pytest.approx([0, 0, 0.001, 0, 0.001], abs=1e-7)


# Tiki-Taka and its kin

TIKI_TAKA = ("tiki-taka", "tiki-taka-v2", "chopped-tiki-taka", "agad")
UNEVEN = SoftBounds(step=0.002, asymmetry=-0.3, step_ctoc=0.3)
RATE = 0.02


def trained(remedy: str, post: Tensor, pre: Tensor, **parameters: Any) -> Tensor:
    """Return the weights after one update for each sample, post [n, 12], pre [n, 10]."""
    options: dict[str, dict[str, Any]] = {"tiki-taka": {"fast_rate": 0.05}, "agad": {"memory": 100.0, "chop": 0.1}}
    parameters = {**options.get(remedy, {"memory": 100.0}), **parameters}
    rate = 1.0 if remedy == "tiki-taka" else RATE
    array = array_of(UNEVEN, remedy, (12, 10), pulses=PulseScheme(), **parameters)
    for d, x in zip(post, pre, strict=True):
        array.update(OuterProducts((Product(d[None], x[None]),), 1.0), rate)
    return array.snapshot()


def noise(number: int) -> tuple[Tensor, Tensor]:
    """Return products of random sign whose sum is exactly zero: each comes with its opposite, in random order."""
    generator = seeded(3)
    post, pre = torch.randn(number // 2, 12, generator=generator), torch.rand(number // 2, 10, generator=generator)
    order = torch.randperm(2 * (number // 2), generator=generator)
    return torch.cat([post, -post])[order], torch.cat([pre, pre])[order]


@pytest.mark.parametrize("remedy", TIKI_TAKA)
def test_a_constant_product_moves_the_visible_array_its_way(remedy: str) -> None:
    post, pre = torch.randn(1, 12, generator=seeded(4)), torch.rand(1, 10, generator=seeded(5)) + 0.1
    found = trained(remedy, post.expand(300, -1) * 0.2, pre.expand(300, -1))
    wanted = post.t() @ pre
    large = wanted.abs() > 0.2
    assert found.abs().max() > 0.01
    assert (found.sign() == wanted.sign())[large].float().mean() > 0.9
    assert torch.nn.functional.cosine_similarity(found.flatten(), wanted.flatten(), 0) > 0.7


@pytest.mark.parametrize("remedy", ["tiki-taka", "tiki-taka-v2", "chopped-tiki-taka"])
def test_products_of_zero_mean_do_not_move_the_visible_array(remedy: str) -> None:
    """Against the same products with their signs aligned; and without a preferred side.

    Each column is read 20 times, and gets a pulse of 0.002 a read at most.
    """
    post, pre = noise(200)
    still, moved = (trained(remedy, sides * 0.2, pre, zero_shift=True) for sides in (post, post.abs()))
    assert moved.mean() > 0.02
    assert abs(still.mean().item()) < 0.15 * moved.mean().item()


def test_agad_removes_the_offset_that_version_two_integrates() -> None:
    """Without zero-shifting the fast devices rest at their symmetry points, -0.1 on average.

    Each column is read 60 times: -0.12 at most.
    """
    post, pre = noise(600)
    biased, dynamic = (trained(remedy, post * 0.2, pre).mean().item() for remedy in ("tiki-taka-v2", "agad"))
    print(f"tiki-taka-v2 {biased:.4f}, agad {dynamic:.4f}")
    assert biased < -0.05
    assert abs(dynamic) < 0.25 * abs(biased)


def holding(remedy: str, values: Tensor, **parameters: Any) -> Any:
    """Return cells whose fast array holds these values."""
    cells: Any = array_of(ConstantStep(**CERTAIN), remedy, tuple(values.shape), **parameters).cells  # type: ignore[arg-type]
    cells.fast.set(values)
    return cells


def test_the_dynamic_reference_is_the_running_mean_at_the_last_flip_and_nothing_is_pulsed_before() -> None:
    """Columns flip at every fourth read; each read adds 2 / 4 of itself to the mean. By hand, column by column."""
    cells = holding("agad", torch.zeros(3, 5), chop=0.25, tail=2.0)
    draws = seeded(2)
    mean, reference, total, sign = torch.zeros(3, 5), torch.zeros(3, 5), torch.zeros(3, 5), 1.0
    wanted = torch.zeros(3, 5)
    for sweep in range(14):
        held = torch.rand(3, 5, generator=draws) * 0.4 - 0.2
        cells.fast.set(held)
        cells._transfer(torch.arange(5 * sweep, 5 * sweep + 5), 6.0)
        if sweep in (4, 8, 12):
            reference = mean.clone()
        total += 6.0 * sign * (held - reference)
        mean = mean / 2 + held / 2
        full = total.abs() >= 1
        if sweep > 4:
            wanted[full] += total[full].sign()
        total[full] = 0.0
        sign *= -1 if sweep % 4 == 3 else 1
        torch.testing.assert_close(cells.buffers["reference"], reference)
        assert cells.buffers["sign"].tolist() == [sign] * 5
    assert wanted.abs().sum() > 10
    torch.testing.assert_close(cells.weights(), wanted * 0.001)


def test_what_is_full_gets_one_pulse_and_is_emptied() -> None:
    """H += 10 x 0.03, 0.07, -0.2, thrice: the last is full at once and by far, and still gets one pulse a read."""
    cells = holding("tiki-taka-v2", torch.tensor([[0.03], [0.07], [-0.2]]))
    for turn in range(3):
        cells._transfer(torch.tensor([turn]), 10.0)
    torch.testing.assert_close(cells.weights(), torch.tensor([[0.0], [0.001], [-0.003]]))
    torch.testing.assert_close(cells.buffers["sum"], torch.tensor([[0.9], [0.7], [0.0]]), rtol=0, atol=1e-5)


def test_a_typical_product_fills_its_share_of_a_train_and_the_learning_rate_is_put_back() -> None:
    """kappa = 0.25 x 20 x 0.001 / (2 x 0.5) = 0.005, so that the largest product gets 5 pulses a sample.

    The first transfer, after two samples, adds A_0 (0.003 / 0.005) (2 x 5 / 40) / 0.001 = 150 A_0 to the first sum.
    """
    cells = holding("tiki-taka-v2", torch.zeros(300, 5), fast_rate=0.25, every=2, memory=40.0)
    held = torch.zeros(300, 5)
    held[:, 0] = torch.linspace(-0.9, 0.9, 300) / 150
    cells.fast.set(held)
    post, pre = torch.full((2, 300), 0.5), torch.tensor([[0.0, 0.0, 0.0, -1.0, 2.0]]).expand(2, -1)
    cells.write(OuterProducts((Product(post, pre),), 1.0), 0.003, PulseScheme(length=20))
    written = cells.fast.weights()[:, 3:].mean(0) / 2 / 0.001  # pulses a sample
    assert written.tolist() == pytest.approx([-2.5, 5.0], rel=0.25)  # rows share the pulses of a column
    torch.testing.assert_close(cells.buffers["sum"][:, 0], 150 * held[:, 0])


@pytest.mark.parametrize(("chop", "flips"), [(0.0, 0.0), (0.2, 0.2)])
def test_signs_flip_at_random_after_a_read(chop: float, flips: float) -> None:
    cells, seen = holding("chopped-tiki-taka", torch.zeros(2, 400), chop=chop), 0
    for turn in range(10):
        before = cells.buffers["sign"].clone()
        cells._transfer(torch.arange(400 * turn, 400 * turn + 400), 1.0)
        seen += int((cells.buffers["sign"] != before).sum())
    assert seen / 4000 == pytest.approx(flips, abs=0.03)


@pytest.mark.parametrize("remedy", TIKI_TAKA)
@pytest.mark.parametrize(("every", "batch"), [(1, 4), (3, 4), (1, 25), (7, 4), (2, 25)])
def test_every_column_is_transferred_in_its_turn(
    remedy: str, every: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many samples, of version 1 batches; of the two terms of a contrast each has its samples."""
    array = array_of(ConstantStep(**CERTAIN), remedy, (4, 10), pulses=PulseScheme(), every=every)
    seen: list[int] = []
    read: Any = array.cells._read_columns  # type: ignore[attr-defined]

    def reading(cells: Any, lines: Tensor) -> Tensor:
        assert lines.sum(1).tolist() == [1.0] * len(lines)
        assert len(lines.argmax(1).unique()) == len(lines)
        seen.extend(lines.argmax(1).tolist())
        return read(cells, lines)  # type: ignore[no-any-return]

    monkeypatch.setattr(array.cells, "_read_columns", reading)
    draws = seeded(1)
    for _ in range(6):
        terms = [
            Product(torch.randn(batch, 4, generator=draws), torch.rand(batch, 10, generator=draws), s) for s in (1, -1)
        ]
        array.update(OuterProducts(tuple(terms), 1 / batch), 0.1)
    passed = 6 if remedy == "tiki-taka" else 6 * 2 * batch
    assert seen == [turn % 10 for turn in range(passed // every)]


def test_a_learning_rate_means_the_same_however_products_and_rate_share_their_size() -> None:
    """W += rate products: products of half the size at twice the rate are the same change, to the bit."""
    post, pre = torch.randn(200, 12, generator=seeded(4)), torch.rand(200, 10, generator=seeded(5))
    found = []
    for share in (1.0, 0.5):
        array = array_of(UNEVEN, "tiki-taka-v2", (12, 10), pulses=PulseScheme(), memory=100.0)
        for d, x in zip(post.split(10), pre.split(10), strict=True):
            array.update(OuterProducts((Product(share * d, x),), 1.0), RATE / share)
        found.append(array.snapshot())
    assert found[0].std() > 0.005
    assert torch.equal(*found)


# refusals


@pytest.mark.parametrize("remedy", [name for name in names() if name not in ("one-sided", "mixed-precision")])
def test_a_device_that_only_potentiates_needs_a_pair(remedy: str) -> None:
    with pytest.raises(InputError, match=rf"'{remedy}'.*only potentiates.*cell one-sided .*writing mixed-precision"):
        array_of(SoftBounds(), remedy, sided=1)


@pytest.mark.parametrize("remedy", TIKI_TAKA)
def test_a_digital_change_cannot_go_through_a_hidden_array(remedy: str) -> None:
    with pytest.raises(NeurohwError, match=f"'{remedy}'.*hidden array"):
        array_of(SoftBounds(), remedy).increment(torch.zeros(20, 20))


@pytest.mark.parametrize(
    ("remedy", "parameters", "said"),
    [
        ("magic", {}, r"unknown remedy 'magic'.*agad"),
        ("none", {"devices": 2}, r"'single' has no parameter 'devices'; allowed: -"),
        ("several-cells", {"cells": 2}, r"no parameter 'cells'; allowed: devices"),
        ("several-cells", {"devices": 0}, r"devices: got 0; allowed: whole numbers of at least 1"),
        ("several-cells", {"devices": 2.5}, r"devices: got 2.5"),
        ("several-cells", {"devices": True}, r"devices: got True"),
        ("one-sided", {"refresh_every": 0}, r"refresh_every: got 0"),
        ("one-sided", {"refresh_at": -0.1}, r"refresh_at: got -0.1; allowed: numbers of at least 0"),
        ("agad", {"every": 0}, r"every: got 0"),
        ("agad", {"columns": 1}, r"no parameter 'columns'; allowed: fast_rate, every, memory"),
        ("agad", {"chop": 0}, r"chop: got 0; allowed: numbers above 0, up to 1"),
        ("chopped-tiki-taka", {"chop": 1.5}, r"chop: got 1.5; allowed: numbers of at least 0, up to 1"),
        ("tiki-taka-v2", {"memory": 0.0}, r"memory: got 0.0; allowed: numbers above 0"),
        ("agad", {"chop": "often"}, r"chop: got 'often'"),
        ("agad", {"chop": math.nan}, r"chop: got nan"),
        ("mixed-precision", {"zero_shift": 1}, r"zero_shift: got 1; allowed: true, false"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(remedy: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        array_of(SoftBounds(), remedy, **parameters)


# replay


COMBINED = (
    Remedy("differential", "agad"),
    Remedy("one-sided", "tiki-taka"),
    Remedy("several-cells", "tiki-taka-v2", {"base": 4.0, "carry_every": 3}),
    Remedy("several-cells", "mixed-precision"),
)


def everything(remedy: str | Remedy, seed: int = 7) -> AnalogArray:
    """Return an array with every non-ideality on."""
    device = DevicePopulation(
        SoftBounds(step=0.01, write_noise=2.0),
        Retention(drift_nu=0.05, drift_nu_dtod=0.01, drift_nu_state=0.02, lifetime=500.0, lifetime_dtod=0.1,
                  diffusion=0.001, diffusion_dtod=0.1, relaxation=0.005, read_noise_1f=0.01),
        FaultRates(0.03, 0.03, 0.03, 0.05, 0.05, endurance=300.0, endurance_dtod=0.5),
        levels=128, zero=-1.5, siemens=1e-5, read_noise=0.01,
    )  # fmt: skip
    path = ReadPath(6, 8, 0.02, weight_noise=0.01, input_noise=0.01, relative_noise=0.01, column_gain=0.05,
                    column_offset=0.02, nonlinearity=0.01)  # fmt: skip
    weights = (torch.rand(7, 9, generator=seeded(8)) - 0.5) * 0.4
    return AnalogArray(
        weights, device, remedy, path, backward=ReadPath(5, 7, coding="bit-serial", signed_passes=True),
        pulses=PulseScheme(15), generator=seeded(seed), weight_range=2.0, compensation="per-column",
        wire_resistance=Wires(20.0, 30.0, 5.0, 5.0),
    )  # fmt: skip


def lived(array: AnalogArray, generator: torch.Generator, turns: int) -> list[Tensor]:
    """Use the array in every way, and return all that it said."""
    said = []
    for turn in range(turns):
        pre, post = torch.rand(3, 9, generator=generator), torch.randn(3, 7, generator=generator)
        said += [array.read(pre), array.read_transposed(post)]
        products = OuterProducts((Product(post, pre, 1), Product(post.flip(0), pre, -1)), 1 / 3)
        array.update(products, 0.1 * (-1) ** turn)
        if turn % 7 == 3:
            array.elapse(10.0 * turn)
            said += [array.read(pre), array.snapshot()]
        if turn % 20 == 5 and not array.anatomy.transfers:
            array.increment(0.05 * post.t() @ pre)
        if turn % 20 == 6:
            array.program(torch.zeros(7, 9))
    return [*said, array.snapshot(), *array.writes().values(), *array.conductances().values()]


@pytest.mark.parametrize("remedy", [*names(), *COMBINED], ids=str)
def test_a_restored_array_goes_on_to_the_last_bit(remedy: str | Remedy, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every non-ideality on, and past the changes at which the IR drop is computed anew."""
    monkeypatch.setattr(ir_drop, "_MOST_CHANGES", 13)
    array, restored = everything(remedy), everything(remedy, seed=8)
    lived(array, seeded(9), 8)
    file = io.BytesIO()
    torch.save(array.state_dict(), file)
    file.seek(0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    first, second = (lived(one, seeded(10), 9) for one in (array, restored))
    assert len(first) == len(second)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(tensor.isfinite().all() for tensor in first)


def digest() -> str:
    """Return the fingerprint of what every remedy says in a short life."""
    found = hashlib.sha256()
    for remedy in names():
        for tensor in lived(everything(remedy), seeded(11), 4):
            found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def test_another_process_with_the_same_seed_says_the_same_bits() -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", "from tests.test_remedies import digest; print(digest())"]
    other = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert other.returncode == 0, other.stderr
    assert other.stdout.strip() == digest()


def test_another_seed_says_something_else() -> None:
    one, other = everything("none", 1), everything("none", 2)
    assert not torch.equal(one.read(torch.ones(1, 9)), other.read(torch.ones(1, 9)))


@pytest.mark.parametrize(
    ("remedy", "parameters", "expected"),
    [
        ("none", {}, {}),
        ("reference-cell", {}, {}),
        ("several-cells", {"devices": 3}, {"crossbars": 3}),
        ("several-cells", {"devices": 3, "base": 2.0}, {}),  # the finest device takes the pulses
        ("differential", {}, {"crossbars": 2, "opposed": True}),
        ("one-sided", {}, {"pair": True}),
        ("mixed-precision", {}, {"serial": True, "words": 2}),
        ("tiki-taka", {}, {"fast_gain": 1.0}),
        ("tiki-taka", {"fast_rate": 0.0}, {}),
        ("tiki-taka-v2", {"fast_rate": 0.3}, {"fast_rate": 0.3}),
        ("chopped-tiki-taka", {}, {"fast_rate": 0.5, "chopped": True}),
        ("agad", {"chop": 0.1}, {"fast_rate": 0.5, "chopped": True}),
    ],
)
def test_cells_say_what_trains_write_them(remedy: str, parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    """Steps of a device; two of a pair that moves both ways, a seventh of one of the finest of three."""
    law = SoftBounds()
    cells = AnalogArray(torch.zeros(3, 4), DevicePopulation(law), remedy, remedy_parameters=parameters).cells
    share = {"differential": 2.0}.get(remedy, 1 / 7 if parameters.get("base") else 1.0)
    driving = cells.driving
    assert driving.granularity == pytest.approx(law.granularity * share)
    assert driving == replace(Driving(driving.granularity), **expected)


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize(
    ("cell", "crossbars", "pair"), [("differential", 2, False), ("one-sided", 1, True), ("several-cells", 4, False)]
)
def test_every_writing_says_how_many_crossbars_its_trains_write(
    cell: str, crossbars: int, pair: bool, writing: str
) -> None:
    driving = AnalogArray(torch.zeros(3, 4), DevicePopulation(SoftBounds()), Remedy(cell, writing)).cells.driving
    assert (driving.crossbars, driving.pair) == (crossbars, pair)


class BareDevice(SingleDevice):
    """Subtracts nothing."""

    def _new_reference(self, parts: Parts) -> None:
        return None


def test_a_cell_that_forgets_the_reference_of_conductances_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights would be read, would drift and would be accounted as if one were subtracted."""
    monkeypatch.setitem(CELLS, "bare", CellKind("bare", "", "tests.test_remedies:BareDevice"))
    conducting = DevicePopulation(SoftBounds(), zero=-0.7, siemens=1e-6, signed=False)
    for reference in (None, "column"):
        with pytest.raises(InputError, match=r"cell 'bare': it subtracts no (array|column) of references"):
            AnalogArray(torch.zeros(3, 4), conducting, "bare", reference=reference)
    assert AnalogArray(torch.zeros(3, 4), conducting, "bare", reference="offset").anatomy.devices == 1
    assert AnalogArray(torch.zeros(3, 4), DevicePopulation(SoftBounds()), "bare").anatomy.reference == "none"

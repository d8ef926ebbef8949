"""The same engine on a GPU: skipped, visibly, where there is none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.remedies import names
from neurohw.deepstdp import torch_steps
from neurohw.devices.faults import FaultRates
from neurohw.devices.laws import LAWS, SoftBounds
from neurohw.devices.retention import Retention
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.capture import Capture
from neurohw.networks.ep import Dynamics, EPNetwork
from neurohw.networks.layer import Layer
from neurohw.runs.evaluate import evaluate
from neurohw.runs.restored import read_exactly, restored_chip
from neurohw.runs.run import run
from neurohw.testing import MakeArray, SynapseArrayConformance
from tests.approximately import approx
from tests.test_aihwkit_array import product
from tests.test_stdp_network import LIVELY, trains
from tests.test_stdp_torch import EACH, assert_same_samples, assert_same_steps, in_torch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
EVERYTHING: dict[str, Any] = {
    "retention": Retention(drift_nu=0.05, drift_nu_dtod=0.01, lifetime=1e4, diffusion=1e-4, read_noise_1f=0.01),
    "faults": FaultRates(stuck_low=0.02, stuck_high=0.02, dead_rows=0.02, endurance=1e4, endurance_dtod=0.5),
    "levels": 64,
    "zero": -0.7,
}

WITHOUT_SYMMETRY_POINT = ("constant", "piecewise")  # with the parameters that the laws have unless told


def array(remedy: str = "none", law: str = "soft-bounds", seed: int = 0, **population: Any) -> AnalogArray:
    generator = torch.Generator("cuda").manual_seed(seed)
    weights = torch.linspace(-0.2, 0.2, 24 * 20, device="cuda").view(24, 20)
    device = DevicePopulation(LAWS[law](), **population)
    return AnalogArray(weights, device, remedy, ReadPath(relative_noise=0.02), generator=generator)


class TestSoftBoundsOnTheGPU(SynapseArrayConformance):
    """Arrays are made from and compared with tensors on the CPU: moved at the border."""

    shape = (24, 20)
    read_sigma = 0.07
    update_gain = (0.8, 1.2)
    program_tolerance = 0.1

    @pytest.fixture
    def make_array(self) -> MakeArray:
        class Moved(AnalogArray):
            """An array on the GPU that takes and gives tensors of the CPU."""

            def read(self, pre: torch.Tensor, times: int = 1) -> torch.Tensor:
                return super().read(pre.cuda(), times).cpu()

            def read_transposed(self, post: torch.Tensor, times: int = 1) -> torch.Tensor:
                return super().read_transposed(post.cuda(), times).cpu()

            def snapshot(self) -> torch.Tensor:
                return super().snapshot().cpu()

            def update(self, products: Any, rate: float) -> Any:
                terms = tuple(type(t)(t.post.cuda(), t.pre.cuda(), t.sign) for t in products.terms)
                return super().update(type(products)(terms, products.scale), rate)

        device = DevicePopulation(SoftBounds())
        return lambda weights: Moved(weights.cuda(), device, generator=torch.Generator("cuda").manual_seed(0))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("remedy", names())
def test_every_law_and_remedy_replays(law: str, remedy: str) -> None:
    if remedy == "reference-cell" and law in WITHOUT_SYMMETRY_POINT:
        with pytest.raises(InputError, match="no symmetry point"):
            array(remedy, law, **EVERYTHING)
        return
    ends = []
    for _ in range(2):
        made = array(remedy, law, **EVERYTHING)
        for i in range(5):
            products = product(24, 20, seed=i)
            terms = tuple(type(t)(t.post.cuda(), t.pre.cuda(), t.sign) for t in products.terms)
            made.update(type(products)(terms, 0.01), 1.0)
            made.elapse(3.0)
        ends.append((made.snapshot(), made.read(torch.ones(2, 20, device="cuda"))))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert ends[0][0].isfinite().all()


@pytest.mark.parametrize("rule", ["bp", "ep"])
def test_a_run_on_the_gpu_learns_and_replays(rule: str, tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {"network.rule": rule, "hardware.device": "ecram"})
    first, second = (run(experiment, 0, tmp_path / name, device="cuda") for name in ("one", "two"))
    assert first.metrics == second.metrics
    assert first.metrics["direct_accuracy"] > 0.5


@pytest.mark.parametrize("hardware", [{}, {"hardware.device": "ecram"}])
def test_what_was_learnt_here_is_read_back_on_the_cpu(hardware: dict[str, Any], tmp_path: Path) -> None:
    record = run(load_experiment("quickstart", {"training.epochs": 2} | hardware), 0, tmp_path / "run", device="cuda")
    chip, _ = restored_chip(tmp_path / "run")
    network = read_exactly(chip)
    assert network.layers[0].array.device.type == "cpu"
    again = evaluate(chip.experiment, network, chip.task, chip.streams, "again", final=False)
    assert again["direct_accuracy"] == pytest.approx(record.metrics["direct_accuracy"], abs=0.02)


@pytest.mark.parametrize("rule", ["bp", "ep"])
def test_the_account_is_that_of_the_cpu(rule: str, tmp_path: Path) -> None:
    """The same reads and writes are priced; draws differ, so pulses and conductances do, by a few in a thousand."""
    hardware = {"hardware.device": "ecram", "hardware.periphery": "32nm"}
    experiment = load_experiment("quickstart", {"network.rule": rule, "training.epochs": 2, **hardware})
    here, there = (run(experiment, 0, tmp_path / device, device=device).energy for device in ("cpu", "cuda"))
    for quantity in ("total", "per_training_image", "per_inference", "latency"):
        assert getattr(there, quantity).nominal == approx(getattr(here, quantity).nominal, rel=0.01)


class Plain(Capture):
    """Records nothing."""

    def __call__(self, function: Any, inputs: Any, arrays: Any, key: object) -> list[torch.Tensor]:
        return list(function(inputs))


def ep_network(kind: str, captured: bool) -> EPNetwork:
    layers = []
    for i, (n_pre, n_post) in enumerate(pairwise([20, 30, 24, 10])):
        g = torch.Generator("cuda").manual_seed(i)
        weights = torch.randn(n_post, n_pre, generator=g, device="cuda") * 0.2
        if kind == "ideal":
            layers.append(Layer(IdealArray(weights)))
        else:
            device = DevicePopulation(SoftBounds(), Retention(diffusion=1e-4))
            layers.append(Layer(AnalogArray(weights, device, kind, ReadPath(relative_noise=0.02), generator=g)))
    net = EPNetwork(layers, dynamics=Dynamics(free_steps=15, nudged_steps=6), dropout=[0.2] * 4,
                    generator=torch.Generator("cuda").manual_seed(7))  # fmt: skip
    net._captured = net._captured if captured else Plain()
    return net


def ep_batches(net: EPNetwork, batches: int, seed: int = 3) -> list[torch.Tensor]:
    """Train a few batches, and return every free state."""
    g = torch.Generator("cuda").manual_seed(seed)
    states: list[torch.Tensor] = []
    for _ in range(batches):
        state = net.respond(torch.rand(16, 20, generator=g, device="cuda"), train=True)
        for layer, products in net.contrast(state, torch.rand(16, 10, generator=g, device="cuda")):
            layer.update(products, 0.05)
        net.elapse(1.0)
        states += state.states
    return states


@pytest.mark.parametrize("kind", ["ideal", "none", "differential"])
def test_the_captured_relaxation_is_the_plain_one(kind: str) -> None:
    """The first batch on the same draws: noise too is replayed from the arrays' own generators."""
    captured, plain = (ep_batches(ep_network(kind, way), 1) for way in (True, False))
    for one, other in zip(captured, plain, strict=True):
        if kind == "ideal":
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        else:  # a rounding of the product may turn a code of a converter
            assert (one - other).abs().mean() < 0.01
            assert (one - other).abs().quantile(0.5) < 1e-4


@pytest.mark.parametrize("kind", ["ideal", "none", "differential"])
def test_replays_see_weights_that_changed(kind: str) -> None:
    net = ep_network(kind, captured=True)
    x = torch.rand(16, 20, device="cuda")
    net.respond(x)
    for layer in net.layers:
        layer.array.program(torch.zeros_like(layer.array.snapshot()))
    silent = [state.mean() for state in net.respond(x).states]
    for layer in net.layers:
        layer.array.program(torch.full_like(layer.array.snapshot(), 0.2))
    driven = [state.mean() for state in net.respond(x).states]
    assert all(high > low + 0.2 for high, low in zip(driven, silent, strict=True))


@pytest.mark.parametrize("kind", ["none", "differential"])
def test_two_replays_draw_different_noise(kind: str) -> None:
    net, x = ep_network(kind, captured=True), torch.rand(16, 20, device="cuda")
    assert not torch.equal(net.respond(x).states[-1], net.respond(x).states[-1])


@pytest.mark.parametrize("kind", ["ideal", "none", "differential"])
def test_captured_training_goes_on_from_a_checkpoint_as_it_would_have(kind: str) -> None:
    net = ep_network(kind, captured=True)
    ep_batches(net, 3)
    parts = {"net": net.state_dict(), "masks": net.generator.get_state(), "signs": net.signs.get_state()}
    expected = ep_batches(net, 3)
    other = ep_network(kind, captured=True)
    for resumed in (net, other):  # the same graphs, or new ones
        resumed.load_state_dict(parts["net"])  # type: ignore[arg-type]
        resumed.generator.set_state(parts["masks"])  # type: ignore[arg-type]
        resumed.signs.set_state(parts["signs"])  # type: ignore[arg-type]
        assert all(torch.equal(a, b) for a, b in zip(ep_batches(resumed, 3), expected, strict=True))


@EACH
def test_stdp_steps_and_samples_are_those_of_the_compiled_network(values: dict[str, Any]) -> None:
    assert_same_steps(values, "cuda")
    assert_same_samples(values, "cuda")


def test_stdp_waits_for_nothing_within_a_sample() -> None:
    network, samples = in_torch(20, "cuda", **LIVELY), trains((2, 60, 20), 0.25).cuda()
    mode = torch.cuda.get_sync_debug_mode()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for sample in samples:
            torch_steps.run_steps(sample[None], network.state, network.constants)
            torch_steps.normalise(network.state, network.constants)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    assert (network.thresholds > 0).any()


def test_clusters_and_an_stdp_layer_on_the_gpu_learn_and_replay(tmp_path: Path) -> None:
    layer = tmp_path / "layer.toml"
    layer.write_text('kind = "stdp"\n')
    small: dict[str, Any] = {"stdp.engine": "torch", "data.train_limit": 300, "training.epochs": 1}
    for source, own, metric in (
        ("deep_stdp_digits", {"stdp.timesteps": 100}, "probe_accuracy"),
        (layer, {"stdp.timesteps": 150, "stdp.gain": 12.0, "network.neurons": 30}, "direct_accuracy"),
    ):
        experiment = load_experiment(source, small | own)
        ends = [run(experiment, 0, tmp_path / f"{metric}-{i}", device="cuda").metrics for i in range(2)]
        assert ends[0][metric] == ends[1][metric]
        assert ends[0][metric] > 0.3

"""The STDP network in torch against the compiled one, which is that of Brian2: step by step, and in whole samples.

The same comparisons are made on a GPU where there is one (`test_cuda`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from neurohw.deepstdp import stdp_steps, torch_steps
from neurohw.deepstdp.engines import build_network, engine_device
from neurohw.deepstdp.stdp_clustering import cluster
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.deepstdp.torch_network import TorchNetwork
from tests.test_stdp_network import LIVELY, network, one_step, trains

NETWORKS: dict[str, dict[str, Any]] = {
    "winner": LIVELY,
    "inhibition": LIVELY | {"competition": "inhibition", "gain": 4.0, "refractory": 1},
    "gain": LIVELY | {"normalisation": "gain", "weight_mean": 0.15},
    "not normalised": LIVELY | {"weight_mean": 0.0, "inhibition": 3.0, "threshold_decay": 300.0, "trace_peak": 0.7},
    "after the sample": LIVELY | {"updates": "sample"},
    "never depressed": LIVELY | {"eta_pre": 0.0, "weight_max": 0.3},
    "never potentiated": LIVELY | {"eta_post": 0.0, "weight_mean": 0.2},
    "against both bounds": LIVELY | {"eta_pre": 0.1, "eta_post": 0.2, "weight_max": 0.3, "weight_mean": 0.0},
    "never at rest": LIVELY | {"rest_between_samples": False, "trace_decay": 0.001},  # traces end at once
}
EACH = pytest.mark.parametrize("values", NETWORKS.values(), ids=NETWORKS)


def in_torch(inputs: int, device: str, **values: Any) -> TorchNetwork:
    return TorchNetwork(inputs, 8, STDPParameters(**values), torch.Generator().manual_seed(0), device)


def assert_alike(fast: STDPNetwork, slow: TorchNetwork) -> None:
    """Compare all that changes; the drive is scratch, and in torch none is kept."""
    for name, tensor in slow.state._asdict().items():
        expected = torch.from_numpy(np.atleast_2d(getattr(fast.state, name))).double()
        torch.testing.assert_close(tensor.cpu(), expected, rtol=0, atol=1e-9, msg=lambda text, n=name: f"{n}: {text}")


def assert_same_steps(values: dict[str, Any], device: str) -> None:
    """Compare every step of three samples, of which one is silent."""
    fast, slow = network(20, **values), in_torch(20, device, **values)
    samples = trains((3, 100, 20), 0.25)
    samples[1] = 0
    total = 0
    for sample in samples:
        stdp_steps.rest(fast.state, fast.constants)
        torch_steps.rest(slow.state, slow.constants)
        for row in sample:
            steps = torch_steps.run_steps(row[None, None].to(device), slow.state, slow.constants)
            counts = one_step(fast, row)
            assert steps.fired[0, 0].cpu().tolist() == counts.astype(bool).tolist()
            assert_alike(fast, slow)
            total += counts.sum()
        stdp_steps.normalise(fast.state, fast.constants)
        torch_steps.normalise(slow.state, slow.constants)
    assert total > 10


def assert_same_samples(values: dict[str, Any], device: str) -> None:
    """Compare samples that are learnt from, that are only labelled, and learnt from again."""
    fast, slow = network(40, **values), in_torch(40, device, **values)
    samples = trains((4, 150, 40), 0.15)
    for learn in (True, False, True):
        one, other = fast.present(samples, learn=learn), slow.present(samples.to(device), learn=learn)
        assert one.counts.sum() > 20
        np.testing.assert_array_equal(one.counts, other.counts)
        np.testing.assert_array_equal(one.events, other.events)
        np.testing.assert_allclose(one.closest, other.closest, rtol=0, atol=1e-9)
        if learn:
            assert_alike(fast, slow)
        torch.testing.assert_close(slow.weights.cpu(), fast.weights, rtol=0, atol=1e-12)
        torch.testing.assert_close(slow.thresholds.cpu(), fast.thresholds, rtol=0, atol=1e-9)


@EACH
def test_every_step_is_that_of_the_compiled_network(values: dict[str, Any]) -> None:
    assert_same_steps(values, "cpu")


@EACH
def test_whole_samples_are_those_of_the_compiled_network(values: dict[str, Any]) -> None:
    assert_same_samples(values, "cpu")


def test_of_neurons_that_are_alike_the_first_one_wins() -> None:
    fast, slow = network(40, **LIVELY), in_torch(40, "cpu", **LIVELY)
    fast.state.weights[:] = fast.state.weights[:, :1]
    slow.state.weights.copy_(torch.from_numpy(fast.state.weights))
    first = fast.present(trains((1, 150, 40), 0.15)).counts
    assert first.sum() > 20
    np.testing.assert_array_equal(first, slow.present(trains((1, 150, 40), 0.15)).counts)
    assert_alike(fast, slow)


class Asking(TorchDispatchMode):
    """Notes operations whose result the host waits for, or whose size only the numbers tell."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique_dim"):
            self.waits.append(name)
        if name == "index" and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]):
            self.waits.append("index by a mask")
        return func(*args, **(kwargs or {}))


@EACH
def test_nothing_within_a_sample_waits_for_the_device(values: dict[str, Any]) -> None:
    slow, samples = in_torch(20, "cpu", **values), trains((2, 60, 20), 0.25)
    with Asking() as asking:
        for sample in samples:
            torch_steps.run_steps(sample[None], slow.state, slow.constants)
            torch_steps.normalise(slow.state, slow.constants)
    assert asking.waits == []
    with Asking() as asking:
        bool((slow.weights > 0).any())
        slow.weights[slow.weights > 0]
    assert asking.waits  # which it does see


def test_a_network_goes_on_from_its_state() -> None:
    samples = trains((2, 80, 20), 0.25)
    one, other = in_torch(20, "cpu", **LIVELY), in_torch(20, "cpu", **LIVELY)
    one.present(samples[:1])
    saved = one.state_dict()
    expected = one.present(samples[1:]).counts
    other.load_state_dict(saved)
    np.testing.assert_array_equal(other.present(samples[1:]).counts, expected)
    assert torch.equal(one.weights, other.weights)


@pytest.mark.parametrize("labels", ["learning", "frozen"])
def test_features_are_clustered_to_the_same_labels(labels: str) -> None:
    """The engine of `build_network`, from the same seed: input spikes are drawn on the CPU for both."""
    features = normalize(torch.randn(40, 16, generator=torch.Generator().manual_seed(5)))
    found = []
    for engine in ("auto", "torch"):
        parameters = STDPParameters(engine=engine, timesteps=60, gain=900.0, labels=labels)  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(3)
        made = build_network(32, 10, parameters, generator, torch.device("cpu"))
        assert isinstance(made, TorchNetwork) == (engine == "torch")
        found.append(cluster(features, made, generator))
    one, other = found
    assert one.spike_counts.sum() > 100
    assert torch.equal(one.labels, other.labels)
    assert torch.equal(one.spike_counts, other.spike_counts)
    assert all(torch.equal(a.additions, b.additions) for a, b in zip(one.events, other.events, strict=True))


def test_input_spikes_are_drawn_where_the_network_is() -> None:
    gpu = torch.device("cuda")
    assert engine_device(STDPParameters(engine="torch"), gpu) == gpu
    assert engine_device(STDPParameters(engine="compiled"), gpu) == torch.device("cpu")
    assert engine_device(STDPParameters(), gpu) == torch.device("cpu")

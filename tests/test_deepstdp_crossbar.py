"""STDP clustering on a crossbar: the exact network's spikes and weights on an ideal array, a case by hand, devices."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.ideal import IdealArray
from neurohw.deepstdp.crossbar_network import CrossbarNetwork, weight_window
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.devices.library import load_device

LIVELY = {"gain": 20.0, "eta_pre": 2e-4, "eta_post": 5e-3, "weight_max": 5.0}
INPUTS, NEURONS = 20, 8


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact(**values: Any) -> STDPNetwork:
    network = STDPNetwork(INPUTS, NEURONS, STDPParameters(**LIVELY | values), seeded(0))
    network.weights.mul_(0.7).add_(
        0.03
    )  # off the lower bound, which many small falls in turn meet otherwise than their sum
    network.state.seen[...] = network.state.weights
    return network


def on_ideal(network: STDPNetwork, zero: float = -0.4, dtype: torch.dtype = torch.float64) -> CrossbarNetwork:
    bounds = zero, zero + network.parameters.weight_max
    array = IdealArray((network.weights + zero).to(dtype), bounds=bounds)
    return CrossbarNetwork(array, network.parameters, zero=zero)


def trains(shape: tuple[int, ...], probability: float = 0.25, seed: int = 1) -> Tensor:
    return (torch.rand(shape, generator=seeded(seed)) < probability).to(torch.uint8)


def samples() -> Tensor:
    spikes = trains((5, 120, INPUTS))
    spikes[1] = 0  # a silent one
    return spikes


SETTINGS = [
    {},
    {"eta_pre": 0.0},
    {"updates": "sample"},
    {"updates": "sample", "competition": "inhibition", "gain": 4.0, "rest_between_samples": False},
    {"eta_pre": 2e-2},
    {"competition": "inhibition", "gain": 4.0},
    {"weight_mean": 0.0, "inhibition": 3.0, "threshold_decay": 300.0, "trace_peak": 0.7},
    {"weight_mean": 0.0, "weight_max": 0.35, "eta_pre": 1e-2},
    {"rest_between_samples": False, "v_decay": 100.0, "trace_decay": 20.0, "refractory": 1},
]


@pytest.mark.parametrize("values", SETTINGS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_on_an_ideal_array_it_is_the_exact_network(
    values: dict[str, Any], dtype: torch.dtype, tolerance: float
) -> None:
    reference, spikes = exact(**values), samples()
    crossbar = on_ideal(reference, dtype=dtype)
    for sample in spikes:
        expected, got = reference.present(sample[None]), crossbar.present(sample[None])
        assert (got.counts == expected.counts).all()
        assert (got.events == expected.events).all()
        torch.testing.assert_close(crossbar.weights.double(), reference.weights, rtol=0, atol=tolerance)
        torch.testing.assert_close(crossbar.thresholds, reference.thresholds, rtol=0, atol=1e-9)
        assert (abs(got.closest - expected.closest) < 1e-9 + 200 * tolerance).all()
    assert reference.thresholds.max() > 0.8


def test_samples_without_learning_leave_no_trace() -> None:
    reference, spikes = exact(), samples()
    crossbar = on_ideal(reference)
    for network in (reference, crossbar):
        network.present(spikes)
    before = crossbar.state_dict()
    expected, got = (network.present(spikes, learn=False) for network in (reference, crossbar))
    assert (got.counts == expected.counts).all()
    assert got.counts.sum() > 20
    for name in ("array.weights", "threshold"):
        assert torch.equal(crossbar.state_dict()[name], before[name])


class Swapped(IdealArray):
    """What is to fall rises."""

    def update(self, products: OuterProducts, rate: float) -> Any:
        terms = tuple(Product(term.post, term.pre) for term in products.terms)
        return super().update(OuterProducts(terms, products.scale), rate)


def test_a_depression_of_the_wrong_sign_is_seen() -> None:
    reference = exact()
    wrong = CrossbarNetwork(Swapped(reference.weights.clone()), reference.parameters)
    reference.present(samples())
    wrong.present(samples())
    assert (wrong.weights - reference.weights).abs().max() > 1e-4


def test_a_devices_range_stands_for_all_weights() -> None:
    assert weight_window(0.8) == (0.4, -0.4)
    device = load_device("ecram")  # -0.8276 to 1.1724
    largest, zero = weight_window(0.8, device)
    assert largest == pytest.approx(0.8 * 1.1724 / 2)
    assert zero == pytest.approx(-0.8 * 0.8276 / 2)
    assert weight_window(0.8, device, paired=True) == (0.4, -0.4)


def on_device(name: str, reference: STDPNetwork, **settings: Any) -> CrossbarNetwork:
    largest, zero = weight_window(reference.parameters.weight_max, load_device(name))
    weights = (reference.weights + zero).float()
    array = build_array("analog", weights, device=name, weight_range=largest, **settings)
    return CrossbarNetwork(array, reference.parameters, zero=zero)


@pytest.mark.parametrize("name", ["idealized", "ecram", "reram_es"])
def test_weights_of_devices_fill_the_window(name: str) -> None:
    """Of a device with an asymmetric range too: pulses that only rise end at weight_max, on average over cells."""
    reference = exact(weight_max=0.8, weight_mean=0.0)
    network = on_device(name, reference)
    for goal, end in ((2.0, 0.8), (-2.0, 0.0)):
        network.array.program(torch.full(network.array.shape, goal))
        assert float(network.weights.mean()) == pytest.approx(end, abs=0.12)

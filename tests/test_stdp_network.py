"""The compiled STDP network against Brian2, a case by hand, and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neurohw.deepstdp import stdp_steps
from neurohw.deepstdp.brian_reference import BrianNetwork
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.errors import InputError

LIVELY = {"gain": 20.0, "eta_pre": 2e-4, "eta_post": 5e-3, "weight_max": 0.9}


def network(inputs: int, seed: int = 0, neurons: int = 8, **values: Any) -> STDPNetwork:
    return STDPNetwork(inputs, neurons, STDPParameters(**values), torch.Generator().manual_seed(seed))


def trains(shape: tuple[int, ...], probability: float, seed: int = 1) -> Tensor:
    drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return (drawn < probability).to(torch.uint8)


def one_step(fast: STDPNetwork, spikes: Tensor) -> np.ndarray:
    counts = np.zeros(len(fast.weights), np.int64)
    closest, events = np.full(len(counts), -np.inf), np.zeros(5, np.int64)
    stdp_steps.run_steps(spikes[None].numpy(), fast.state, fast.constants, counts, closest, events)
    return counts


@pytest.mark.parametrize(
    "values",
    [
        LIVELY,
        LIVELY | {"competition": "inhibition", "gain": 4.0},
        LIVELY | {"competition": "inhibition", "gain": 4.0, "v_decay": 100.0, "trace_decay": 20.0, "refractory": 1},
        LIVELY | {"normalisation": "gain", "weight_mean": 0.15},
        LIVELY | {"weight_mean": 0.0, "inhibition": 3.0, "threshold_decay": 300.0, "trace_peak": 0.7},
        LIVELY | {"eta_pre": 1e-2, "eta_post": 1e-6},  # as Table 1 has them, weights at zero
    ],
    ids=["winner", "inhibition", "exchanged", "gain", "not normalised", "depressed"],
)
def test_every_step_is_that_of_brian2(values: dict[str, Any]) -> None:
    fast = network(20, **values)
    steps, samples = 100, trains((3, 100, 20), 0.25)
    samples[1] = 0  # a silent one
    reference = BrianNetwork(fast.weights.numpy().copy(), fast.parameters, steps)
    total = 0
    for sample in samples:
        slow = reference.present(sample.numpy())
        stdp_steps.rest(fast.state, fast.constants)
        for t, row in enumerate(sample):
            np.testing.assert_array_equal(one_step(fast, row).astype(bool), slow.spikes[t])
            np.testing.assert_allclose(fast.state.potential, slow.potentials[t], rtol=0, atol=1e-9)
            np.testing.assert_allclose(fast.state.threshold, slow.thresholds[t], rtol=0, atol=1e-9)
            np.testing.assert_allclose(fast.state.trace_post, slow.traces_post[t], rtol=0, atol=1e-12)
            np.testing.assert_allclose(fast.state.trace_pre, slow.traces_pre[t], rtol=0, atol=1e-12)
        np.testing.assert_allclose(fast.weights, slow.weights, rtol=0, atol=1e-12)
        stdp_steps.normalise(fast.state, fast.constants)
        reference.rest()
        total += slow.spikes.sum()
    assert total > 10
    assert fast.thresholds.max() > 0.8


def test_two_inputs_two_neurons_five_steps_by_hand() -> None:
    """All decays are 1/2 but epsilon's (none to speak of); gain 10 mV; L = 2; each neuron listens to an input."""
    half = 1 / math.log(2)
    fast = network(
        2, neurons=2, v_rest=-65.0, v_reset=-60.0, v_threshold=-52.0, v_decay=half, trace_decay=half, refractory=2,
        threshold_step=0.7, threshold_decay=1e12, eta_pre=0.01, eta_post=0.1, inhibition=1.0, gain=10.0,
        weight_mean=0.0, weight_max=1.9, competition="inhibition",
    )  # fmt: skip
    fast.weights[:] = torch.tensor([[1.0, 0.2], [0.4, 1.8]])  # [post, pre]
    expected = [
        # inputs, spikes, V, epsilon, weights [post, pre]
        # V = -65 + 10 and -65 + 4: nobody
        ((1, 0), (0, 0), (-55.0, -61.0), (0.0, 0.0), ((1.0, 0.2), (0.4, 1.8))),
        # V = -60 + 10 = -50 > -52: 0 fires, -> -60; V_1 = -63 + 4 - 1; w_00 = 1 - .01 + .1, w_01 = .2 (trace 0)
        ((1, 0), (1, 0), (-60.0, -60.0), (0.7, 0.0), ((1.09, 0.2), (0.4, 1.8))),
        # 0 rests: -62.5, less 1; V_1 = -62.5 + 18 = -44.5: fires, -> -60;
        # tau_post (.5, 1): w_01 = .2 - .005, w_11 = 1.8 - .01 + .1, tau_pre (.5, 1): w_10 = .4 + .05
        ((0, 1), (0, 1), (-63.5, -60.0), (0.7, 0.7), ((1.09, 0.195), (0.45, 1.89))),
        # 0 is awake, V_0 = -64.25 + 10.9 + 1.95 = -51.4: above -52, not above -52 + .7; 1 rests: -62.5;
        # tau_post (.25, .5): w_00, w_01 lose .0025, w_10, w_11 lose .005
        ((1, 1), (0, 0), (-51.4, -62.5), (0.7, 0.7), ((1.0875, 0.1925), (0.445, 1.885))),
        # V_0 = -58.2 + 10.875 = -47.325: fires; V_1 = -63.75 + 4.45 - 1 = -60.3;
        # tau_post (1, .25): w_00 = 1.0875 - .01 + .1, w_10 = .445 - .0025; tau_pre (1, .5): w_01 = .1925 + .05
        ((1, 0), (1, 0), (-60.0, -60.3), (1.4, 0.7), ((1.1775, 0.2425), (0.4425, 1.885))),
    ]
    for inputs, spikes, potential, threshold, weights in expected:
        assert one_step(fast, torch.tensor(inputs, dtype=torch.uint8)).tolist() == list(spikes)
        np.testing.assert_allclose(fast.state.potential, potential, atol=1e-9)
        np.testing.assert_allclose(fast.state.threshold, threshold, atol=1e-9)
        np.testing.assert_allclose(fast.weights, weights, atol=1e-9)


def test_an_upper_bound_stops_potentiation() -> None:
    fast = network(1, neurons=1, gain=100.0, weight_mean=0.0, weight_max=0.31, eta_pre=0.0, eta_post=0.02)
    fast.weights[:] = 0.3
    fast.present(torch.ones(1, 60, 1, dtype=torch.uint8))
    assert fast.weights.item() == 0.31


def test_only_the_highest_potential_wins_and_all_rest_with_it() -> None:
    fast = network(1, neurons=3, gain=100.0, weight_mean=0.0)
    fast.weights[:] = torch.tensor([[0.2], [0.6], [0.4]])
    assert one_step(fast, torch.ones(1, dtype=torch.uint8)).tolist() == [0, 1, 0]
    assert fast.state.potential.tolist() == [-61.0, -60.0, -61.0]
    assert fast.state.refractory.tolist() == [5, 5, 5]
    assert fast.thresholds.tolist() == [0, 0.45, 0]


def test_without_input_everything_decays_in_closed_form_and_nothing_spikes() -> None:
    fast = network(10)
    fast.state.potential[:], fast.state.threshold[:] = -53.0, 3.0
    fast.state.trace_post[:], fast.state.trace_pre[:] = 0.5, 0.8
    before = fast.weights.clone()
    for _ in range(37):
        assert not one_step(fast, torch.zeros(10, dtype=torch.uint8)).any()
    np.testing.assert_allclose(fast.state.potential, -65 + 12 * math.exp(-37 / 20), rtol=1e-12)
    np.testing.assert_allclose(fast.state.threshold, 3 * math.exp(-37 / 1e7), rtol=1e-12)
    np.testing.assert_allclose(fast.state.trace_post, 0.5 * math.exp(-37 / 100), rtol=1e-12)
    np.testing.assert_allclose(fast.state.trace_pre, 0.8 * math.exp(-37 / 100), rtol=1e-12)
    assert torch.equal(fast.weights, before)


def test_a_threshold_falls_to_0_82_in_5000_samples() -> None:
    fast = network(1, neurons=1)
    fast.state.threshold[:] = 1.0
    fast.present(torch.zeros(5000, 400, 1, dtype=torch.uint8))
    assert fast.thresholds.item() == pytest.approx(math.exp(-0.2), rel=1e-6)
    assert round(fast.thresholds.item(), 2) == 0.82


@pytest.mark.parametrize("competition", ["winner", "inhibition"])
def test_neurons_are_interchangeable(competition: str) -> None:
    samples, order = trains((4, 200, 30), 0.2), torch.randperm(8, generator=torch.Generator().manual_seed(3))
    one, other = (network(30, **LIVELY | {"competition": competition}) for _ in range(2))
    other.weights[:] = one.weights[order].clone()
    counts = one.present(samples).counts
    assert counts.sum() > 50
    np.testing.assert_array_equal(counts[:, order], other.present(samples).counts)
    assert torch.equal(one.weights[order], other.weights)


def test_the_compiled_steps_are_those_that_are_written() -> None:
    """Numba keeps what it compiled: a stale copy would differ from what Python makes of the source."""
    samples = trains((1, 120, 12), 0.3)
    fast = network(12, **LIVELY)
    read = network(12, **LIVELY)
    counts = np.zeros(8, np.int64)
    names = ("decay", "receive", "fire", "learn", "inhibit", "rest", "normalise", "run_steps", "present")
    compiled = {name: getattr(stdp_steps, name) for name in names}
    try:
        for name in names:
            setattr(stdp_steps, name, compiled[name].py_func)
        stdp_steps.run_steps(samples[0].numpy(), read.state, read.constants, counts, np.full(8, -np.inf),
                             np.zeros(5, np.int64))  # fmt: skip
        stdp_steps.normalise(read.state, read.constants)
    finally:
        for name in names:
            setattr(stdp_steps, name, compiled[name])
    assert counts.sum() > 5
    np.testing.assert_array_equal(fast.present(samples).counts[0], counts)
    torch.testing.assert_close(fast.weights, read.weights, rtol=0, atol=1e-12)


def test_a_neuron_that_would_fire_by_itself_is_refused() -> None:
    with pytest.raises(InputError, match=r"stdp\.v_reset: got -50; allowed: at most v_threshold, -52 mV"):
        network(4, v_reset=-50.0)

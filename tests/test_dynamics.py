"""The kWTA's differential equations: two engines, their limits, and the behavioural law fitted to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurohw.circuits.dynamics import at_rest, contest, decision_times, transfer
from neurohw.circuits.kwta import KWTACircuit
from neurohw.circuits.resolution_fit import fit_resolution
from neurohw.errors import InputError

SOON = {"early_voltage": 0.3, "supply": 1.1, "leakage": 1e-12}  # settles in half the time: Brian2 takes small steps


def currents(n: int, trials: int, seed: int) -> np.ndarray:
    """Inputs 1 to 10 nA in random order, neighbours apart by the same factor."""
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(np.geomspace(1e-9, 1e-8, n)) for _ in range(trials)])


def test_brian2_and_scipy_settle_alike() -> None:
    circuit = KWTACircuit(n=5, k=2, **SOON)
    inputs = np.concatenate([contest(circuit, [0.01, 0.05, 0.3], 1e-8), currents(5, trials=2, seed=9)])
    slow, fast = (at_rest(circuit, inputs, engine) for engine in ("brian2", "scipy"))
    apart = [rest.nodes[:3, 1] - rest.nodes[:3, 2] for rest in (slow, fast)]
    np.testing.assert_allclose(*apart, rtol=0.005)
    np.testing.assert_allclose(slow.nodes, fast.nodes, atol=1e-4)
    np.testing.assert_allclose(slow.outputs, fast.outputs, atol=0.005 * circuit.limit_current)


@pytest.mark.parametrize(("n", "before"), [(4, 1.0), (48, 3.0)])
def test_brian2_and_scipy_decide_alike(n: int, before: float) -> None:
    circuit, differences = KWTACircuit(n), [0.06, 0.3]
    slow, fast = (decision_times(circuit, differences, 1e-8, 0.1, e, before) for e in ("brian2", "scipy"))
    assert np.isfinite(fast.seconds).all()
    np.testing.assert_allclose(slow.seconds, fast.seconds, rtol=0.01)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_exactly_k_largest_win(k: int) -> None:
    circuit, inputs = KWTACircuit(n=8, k=k), currents(8, trials=3, seed=k)
    outputs = at_rest(circuit, inputs).outputs
    won = outputs > circuit.limit_current / 4
    assert (won.sum(1) == k).all()
    assert (np.sort(inputs * won, 1)[:, -k:] == np.sort(inputs, 1)[:, -k:]).all()
    kth = np.sort(outputs, 1)[:, -k]
    np.testing.assert_allclose(kth, circuit.limit_current / 2, rtol=0.1)
    np.testing.assert_allclose(outputs.sum(1), circuit.bias, rtol=1e-5)


def test_too_small_differences_never_decide() -> None:
    seconds = decision_times(KWTACircuit(n=4), [0.0, 0.02, 0.03], 1e-8, 0.1).seconds
    assert np.isinf(seconds).tolist() == [True, True, False]


def test_rest_balances_the_currents() -> None:
    circuit, inputs = KWTACircuit(n=5, k=2), currents(5, trials=2, seed=3)
    rest = at_rest(circuit, inputs)
    delivered = circuit.source(rest.nodes, inputs)
    np.testing.assert_allclose(delivered, circuit.sink(rest.nodes, rest.common[:, None]), rtol=1e-4)
    np.testing.assert_allclose(rest.outputs.sum(1), circuit.bias, rtol=1e-5)


def test_small_differences_separate_by_the_gain() -> None:
    circuit, differences = KWTACircuit(n=4), np.array([0.002, 0.01, 0.05])
    node = at_rest(circuit, contest(circuit, 0.3, 1e-8)).nodes[0, 0]
    found = transfer(circuit, differences, 1e-8)
    np.testing.assert_allclose(found.separation, differences * (circuit.early_voltage + node), rtol=0.02)


def test_large_differences_slew() -> None:
    circuit, required = KWTACircuit(n=4), 0.02
    found = decision_times(circuit, [0.2, 0.4, 0.8], 2e-9, required).seconds
    slewing = circuit.node_capacitance * required / (2e-9 * np.array([0.2, 0.4, 0.8]))
    np.testing.assert_allclose(found, slewing, rtol=0.03)


def test_decision_time_is_inversely_proportional_to_the_current() -> None:
    slow, fast = (decision_times(KWTACircuit(n=4), [0.1], i, 0.1).seconds[0] for i in (1e-9, 1e-8))
    assert slow / fast == pytest.approx(10, rel=0.03)


def test_common_node_slows_many_competitors_after_large_inputs() -> None:
    def seconds(n: int, k: int = 1, before: float = 10.0) -> float:
        return float(decision_times(KWTACircuit(n, k), [0.3], 1e-8, 0.1, before=before).seconds[0])

    assert seconds(4) < 0.6 * seconds(16) < 0.6 * 0.5 * seconds(64)
    assert seconds(64, k=16) < 0.2 * seconds(64)  # the bias is (k - 1/2) I_lim
    assert seconds(64, before=1.0) == pytest.approx(seconds(4, before=1.0), rel=0.03)
    circuit = KWTACircuit(64)
    drop = circuit.slope_factor * circuit.thermal_voltage * math.log(10)
    discharge = circuit.total_capacitance * drop / circuit.bias
    assert seconds(64) - seconds(4) == pytest.approx(discharge, rel=0.2)


def test_shape_of_the_published_four_cell_circuit() -> None:
    """HARDWARE.md section 3: 10 nA inputs, 20 nA bias; V_A + V_w = 2.8 V, nodes resting near 0.5 V."""
    circuit = KWTACircuit(n=4, limit_current=40e-9, leakage=2e-11, early_voltage=2.3)
    found = 1e3 * transfer(circuit, [0.2, 0.05, 0.02, 0.01, 0.005], 1e-8).separation
    np.testing.assert_allclose(found, [440, 133, 55, 28, 14], rtol=0.1)


def test_law_follows_the_circuit() -> None:
    differences = np.geomspace(0.003, 0.3, 5)
    cases = [(KWTACircuit(n, k), i) for n, k in ((4, 1), (64, 1), (64, 16)) for i in (1e-9, 1e-8)]
    transfers = [transfer(circuit, differences, i) for circuit, i in cases]
    times = [decision_times(circuit, differences, i, 0.1) for circuit, i in cases]
    fit = fit_resolution(transfers, times)
    assert fit.disagreements == 0
    assert max(fit.worst) < 0.15
    assert max(fit.rms) < 0.05
    assert fit.resolution.node_capacitance == pytest.approx(50e-15, rel=0.03)
    assert fit.resolution.early_voltage == pytest.approx(2.8, rel=0.05)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n": 0}, r"circuit\.n: got 0; allowed: 1 or more"),
        ({"n": 4, "k": 0}, r"circuit\.k: got 0; allowed: 1 to 4"),
        ({"n": 4, "k": 5}, r"circuit\.k: got 5; allowed: 1 to 4"),
        ({"n": 4, "node_capacitance": -1e-15}, r"circuit\.node_capacitance: got -1e-15 F; allowed: more than 0"),
        ({"n": 4, "common_capacitance": -1e-15}, r"circuit\.common_capacitance: got -1e-15 F"),
        ({"n": 4, "supply": math.inf}, r"circuit\.supply: got inf V"),
    ],
)
def test_wrong_circuits_are_named(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KWTACircuit(**parameters)  # type: ignore[arg-type]


def test_wrong_questions_are_named() -> None:
    circuit = KWTACircuit(n=4)
    with pytest.raises(InputError, match=r"engine: got 'spice'; allowed: brian2, scipy"):
        transfer(circuit, [0.1], 1e-9, engine="spice")
    with pytest.raises(InputError, match=r"differences: got 1.5 to 1.5; allowed: 0 to 1"):
        transfer(circuit, [1.5], 1e-9)
    with pytest.raises(InputError, match=r"current: got -1e-09 A; allowed: more than 0"):
        decision_times(circuit, [0.1], -1e-9, 0.1)
    with pytest.raises(InputError, match=r"required: got 0 V; allowed: more than 0"):
        decision_times(circuit, [0.1], 1e-9, 0)
    with pytest.raises(InputError, match="runner-up"):
        contest(KWTACircuit(n=4, k=4), [0.1], 1e-9)
    with pytest.raises(InputError, match=r"inputs: got shape \(2, 3\); allowed: \[trials, 4\]"):
        at_rest(circuit, np.ones((2, 3)))

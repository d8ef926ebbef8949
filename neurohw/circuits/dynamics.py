"""The current-mode k-winners-take-all as differential equations, integrated by Brian2 (with units) and by scipy.

Every competitor i has a node V_i (capacitance C) on which its input I_i meets the sink M1, whose gate is the common
node V_c; the follower M2 (gate V_i, source V_c), limited to I_lim, feeds the common node, which a bias of
(k - 1/2) I_lim empties (Lazzaro et al. 1989 for one winner and no limit):

    C   dV_i/dt = I_i (1 - exp((V_i - V_DD)/U_T)) - I_0 exp(V_c/(n U_T)) (1 - exp(-V_i/U_T)) (1 + V_i/V_A)
    C_c dV_c/dt = sum_i J_i - (k - 1/2) I_lim (1 - exp(-V_c/U_T))
    1/J_i = 1/I_lim + 1/F_i,     F_i = I_0 exp((V_i/n - V_c)/U_T)

Transistors are the weak-inversion limit of the EKV model (Enz, Krummenacher & Vittoz 1995), bulk at ground: n is the
slope factor, U_T = kT/q, I_0 the current extrapolated to zero gate voltage. The factors in exp(-V/U_T) are a source
or sink that collapses at its rail. J is the smooth lesser of what M2 would carry (F) and what its limiter grants,
J = I_lim / (1 + exp(-(V_i/n - V_c)/U_T) I_lim/I_0), a logistic function of the node voltages. At rest the k-1
clearest winners carry nearly I_lim each, and the k-th the half that is left (if several tie, they share).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurohw.circuits.brian import brian2_and_code
from neurohw.circuits.characteristics import DecisionTimes, Numbers, Transfer
from neurohw.circuits.kwta import KWTACircuit
from neurohw.errors import InputError

ENGINES = ("brian2", "scipy")
_SETTLING = 14  # time constants C (V_A + V_DD) / I after which exp(-t) no longer matters (1e-6)
_STEP = 0.4  # Brian2's step over the shortest time constant,
_REST_STEP = 0.8  # and where only the rest is wanted, which does not depend on the step as long as it is stable


@dataclass(frozen=True)
class Rest:
    """The circuit at rest.

    Args:
        nodes: V_i, V, [trials, n].
        common: V_c, V, [trials].
        outputs: J_i, A, [trials, n].
    """

    nodes: Numbers
    common: Numbers
    outputs: Numbers


def contest(circuit: KWTACircuit, differences: ArrayLike, current: float) -> Numbers:
    """Return the hardest inputs with these differences: k of `current`, the others all smaller by the same, A.

    Args:
        circuit: says how many compete and win.
        differences: relative, 0 to 1, [points].
        current: A.

    Returns:
        [points, n], winners first.

    Raises:
        InputError: no runner-up, a difference outside 0..1, or a current that is not positive.
    """
    relative = np.atleast_1d(np.asarray(differences, dtype=np.float64))
    if circuit.k == circuit.n:
        raise InputError(f"circuit.k: got {circuit.k} of {circuit.n}; allowed: fewer, so that there is a runner-up")
    if ((relative < 0) | (relative > 1)).any():
        raise InputError(f"differences: got {relative.min()} to {relative.max()}; allowed: 0 to 1")
    _positive("current", current, "A")
    inputs = np.full((len(relative), circuit.n), current)
    inputs[:, circuit.k :] *= 1 - relative[:, None]
    return inputs


def at_rest(circuit: KWTACircuit, inputs: Numbers, engine: str = "scipy") -> Rest:
    """Return where the circuit settles, starting with all inputs equal to the largest.

    Args:
        circuit: the circuit.
        inputs: A, [trials, n].
        engine: "scipy" or "brian2".

    Raises:
        InputError: an unknown engine, or inputs of another width or not positive.
    """
    _check(circuit, inputs, engine)
    largest = float(inputs.max())
    return _ENGINES[engine](circuit, inputs, largest, _SETTLING * circuit.time_constant(largest), None)


def transfer(circuit: KWTACircuit, differences: ArrayLike, current: float, engine: str = "scipy") -> Transfer:
    """Return how far the k-th winner and the runner-up stand apart at rest (inputs: `contest`).

    Args:
        circuit: the circuit.
        differences: (I_k - I_(k+1)) / I_k, [points].
        current: I_k, A.
        engine: "scipy" or "brian2".

    Raises:
        InputError: see `contest`; an unknown engine.
    """
    inputs = contest(circuit, differences, current)
    rest = at_rest(circuit, inputs, engine)
    pair = slice(circuit.k - 1, circuit.k + 1)
    separation = rest.nodes[:, circuit.k - 1] - rest.nodes[:, circuit.k]
    difference = np.atleast_1d(np.asarray(differences, dtype=np.float64))
    return Transfer(circuit.n, circuit.k, current, difference, separation, rest.outputs[:, pair])


def decision_times(
    circuit: KWTACircuit,
    differences: ArrayLike,
    current: float,
    required: float,
    engine: str = "scipy",
    before: float = 1.0,
) -> DecisionTimes:
    """Return when the k-th winner and the runner-up are `required` apart, for good (inputs: `contest`).

    Until t = 0 all inputs are equal, and the circuit at rest. The separation slews at I d / C whatever the common
    node does, so that n hardly matters, unless the inputs were much larger before: then the common node is too high,
    falls no faster than (k - 1/2) I_lim / C_c, and nodes that reach ground meanwhile cannot part.

    Args:
        circuit: the circuit.
        differences: (I_k - I_(k+1)) / I_k, [points].
        current: I_k, A.
        required: separation, V.
        engine: "scipy" or "brian2".
        before: every input until t = 0, relative to `current`.

    Raises:
        InputError: see `contest`; an unknown engine; a value that is not positive.
    """
    _positive("required", required, "V")
    _positive("before", before, "")
    inputs = contest(circuit, differences, current)
    _check(circuit, inputs, engine)
    longest = _SETTLING * circuit.time_constant(current) + circuit.total_capacitance * circuit.supply / circuit.bias
    decided = _Decision(circuit, required)
    _ENGINES[engine](circuit, inputs, before * current, longest, decided)
    difference = np.atleast_1d(np.asarray(differences, dtype=np.float64))
    return DecisionTimes(circuit.n, circuit.k, current, required, difference, decided.seconds(len(difference)))


class _Decision:
    """Watches the separation of one trial or more, and remembers when it last came above what is required."""

    def __init__(self, circuit: KWTACircuit, required: float) -> None:
        self.pair = (circuit.k - 1, circuit.k)
        self._required = required
        self._last: dict[int, float] = {}

    def watch(self, trial: int, seconds: Numbers, separation: Numbers) -> None:
        """Note the last crossing in a stretch of time, interpolated; inf if it ends below."""
        below = np.flatnonzero(separation < self._required)
        if not len(below):
            return
        i = below[-1]
        if i == len(seconds) - 1:
            self._last[trial] = math.inf
            return
        part = (self._required - separation[i]) / (separation[i + 1] - separation[i])
        self._last[trial] = float(seconds[i] + part * (seconds[i + 1] - seconds[i]))

    def open(self) -> bool:
        """Return whether any trial was below at its end."""
        return any(math.isinf(last) for last in self._last.values())

    def seconds(self, trials: int) -> Numbers:
        """Return the times, [trials]."""
        return np.array([self._last.get(trial, 0.0) for trial in range(trials)])


def _scipy(circuit: KWTACircuit, inputs: Numbers, before: float, seconds: float, decision: _Decision | None) -> Rest:
    """Integrate each trial by a stiff solver; equal inputs share one node, as they start alike and stay alike."""
    from scipy.integrate import solve_ivp

    nodes, common = np.empty_like(inputs), np.empty(len(inputs))
    level, start = circuit.level(before)
    for trial, row in enumerate(inputs):
        different, which, counts = np.unique(row, return_inverse=True, return_counts=True)
        begin = np.append(np.full(len(different), level), start)
        slopes = _slopes(circuit, different, counts)
        dense = decision is not None
        found = solve_ivp(slopes, (0, seconds), begin, "LSODA", rtol=1e-8, atol=1e-10, dense_output=dense)
        nodes[trial], common[trial] = found.y[which, -1], found.y[-1, -1]
        if decision is not None:
            times = np.append(0.0, np.geomspace(1e-5, 1, 4000) * seconds)
            first, second = (which[cell] for cell in decision.pair)
            watched = found.sol(times)
            decision.watch(trial, times, watched[first] - watched[second])
    return Rest(nodes, common, circuit.output(nodes, common[:, None]))


def _slopes(circuit: KWTACircuit, inputs: Numbers, counts: NDArray[np.intp]) -> Callable[[float, Numbers], Numbers]:
    """Return dV/dt of the nodes and, last, of the common node; `counts` nodes have each of the inputs."""

    def slopes(_: float, state: Numbers) -> Numbers:
        nodes, common = state[:-1], state[-1]
        fed = counts @ circuit.output(nodes, common) + circuit.bias * np.expm1(-common / circuit.thermal_voltage)
        kept = circuit.source(nodes, inputs) - circuit.sink(nodes, common)
        return np.append(kept / circuit.node_capacitance, fed / circuit.total_capacitance)

    return slopes


_CELLS = """
dv/dt = (i_in * (1 - exp((v - V_DD) / U_T)) - i_sink) / C : volt
i_sink = I_0 * exp(v_c / (slope * U_T)) * (1 - exp(-v / U_T)) * (1 + v / V_A) : amp
v_c : volt (linked)
i_in : amp (constant)
"""
_COMMON = """
dv_c/dt = (j_total - I_bias * (1 - exp(-v_c / U_T))) / C_c : volt
j_total : amp
"""
_FOLLOWERS = """
j_total_post = I_lim / (1 + I_lim / I_0 * exp((v_c_post - v_pre / slope) / U_T)) : amp (summed)
"""


def _brian2(circuit: KWTACircuit, inputs: Numbers, before: float, seconds: float, decision: _Decision | None) -> Rest:
    """Integrate by Brian2; what its import and its parser say of their own code's age is kept quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return _populations(circuit, inputs, before, seconds, decision)


def _populations(
    circuit: KWTACircuit, inputs: Numbers, before: float, seconds: float, decision: _Decision | None
) -> Rest:
    """Integrate all trials at once: a population of cells, one of common nodes, and synapses that sum the outputs."""
    brian2, code = brian2_and_code()
    trials, n = inputs.shape
    made: dict[str, Any] = {
        "namespace": _namespace(circuit),
        "dt": (_STEP if decision else _REST_STEP) * _shortest(circuit, max(inputs.max(), before)) * brian2.second,
        "codeobj_class": code,
    }
    cells = brian2.NeuronGroup(trials * n, _CELLS, method="rk4", **made)
    commons = brian2.NeuronGroup(trials, _COMMON, method="rk4", **made)
    trial = np.repeat(np.arange(trials), n)
    cells.v_c = brian2.linked_var(commons, "v_c", index=trial)
    followers = brian2.Synapses(cells, commons, _FOLLOWERS, **made)
    followers.connect(i=np.arange(trials * n), j=trial)
    level, start = circuit.level(before)
    cells.i_in, cells.v, commons.v_c = inputs.ravel() * brian2.amp, level * brian2.volt, start * brian2.volt
    network = brian2.Network(cells, commons, followers)
    _run_until_settled(network, cells, seconds, decision, (trials, n), made)
    nodes, common = np.array(cells.v / brian2.volt).reshape(trials, n), np.array(commons.v_c / brian2.volt)
    return Rest(nodes, common, circuit.output(nodes, common[:, None]))


def _run_until_settled(
    network: Any, cells: Any, seconds: float, decision: _Decision | None, shape: tuple[int, int], made: dict[str, Any]
) -> None:
    """Run on until nothing moves by more than 1 in 10,000 in a seventh of the time, or all have decided."""
    brian2, _ = brian2_and_code()
    moved, monitor = math.inf, None
    while moved > 1e-4 and network.t / brian2.second < 0.999 * seconds:
        if decision is not None:
            if monitor is not None:
                network.remove(monitor)
            watched = (np.arange(shape[0])[:, None] * shape[1] + np.array(decision.pair)).ravel()
            others = {"dt": made["dt"], "codeobj_class": made["codeobj_class"]}
            monitor = brian2.StateMonitor(cells, "v", record=watched, **others)
            network.add(monitor)
        was = np.array(cells.v / brian2.volt)
        network.run(seconds / 7 * brian2.second)
        moved = float(np.abs(np.array(cells.v / brian2.volt) - was).max())
        if decision is not None and monitor is not None:
            times, pairs = np.array(monitor.t / brian2.second), np.array(monitor.v / brian2.volt)
            for trial in range(shape[0]):
                decision.watch(trial, times, pairs[2 * trial] - pairs[2 * trial + 1])
            if not decision.open():
                return


def _namespace(circuit: KWTACircuit) -> dict[str, Any]:
    """Return the constants of the equations, with units."""
    brian2, _ = brian2_and_code()
    amp, farad, volt = brian2.amp, brian2.farad, brian2.volt
    return {
        "C": circuit.node_capacitance * farad,
        "C_c": circuit.total_capacitance * farad,
        "I_0": circuit.leakage * amp,
        "I_lim": circuit.limit_current * amp,
        "I_bias": circuit.bias * amp,
        "U_T": circuit.thermal_voltage * volt,
        "V_A": circuit.early_voltage * volt,
        "V_DD": circuit.supply * volt,
        "slope": circuit.slope_factor,
    }


def _shortest(circuit: KWTACircuit, largest: float) -> float:
    """Return the shorter time constant of node and common node, s."""
    node = circuit.node_capacitance / largest
    common = circuit.total_capacitance / (circuit.k * circuit.limit_current)
    return circuit.thermal_voltage * min(node, common)


_ENGINES: dict[str, Callable[[KWTACircuit, Numbers, float, float, _Decision | None], Rest]] = {
    "brian2": _brian2,
    "scipy": _scipy,
}


def _check(circuit: KWTACircuit, inputs: Numbers, engine: str) -> None:
    if engine not in ENGINES:
        raise InputError(f"engine: got {engine!r}; allowed: {', '.join(ENGINES)}")
    if inputs.ndim != 2 or inputs.shape[1] != circuit.n:
        raise InputError(f"inputs: got shape {inputs.shape}; allowed: [trials, {circuit.n}]")
    if not (inputs >= 0).all() or not inputs.max() > 0:
        raise InputError(f"inputs: got {inputs.min()} to {inputs.max()} A; allowed: 0 A or more, one above it")


def _positive(name: str, value: float, unit: str) -> None:
    if not 0 < value < math.inf:
        raise InputError(f"{name}: got {value} {unit}".rstrip() + "; allowed: more than 0, finite")

"""What ngspice measures of a kWTA netlist: transfer, decision times, mismatch, winners.

Transfer and decision times are taken in the hardest case for N competitors: k inputs are at the unit current I and
N - k at I (1 - d), so that every competitor stands at the boundary. Equal competitors are one transistor with a
multiplier, which is the same circuit exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurohw.circuits.characteristics import DecisionTimes, Mismatch, Numbers, Transfer
from neurohw.errors import InputError
from neurohw.transistors import ngspice
from neurohw.transistors.kwta_netlist import SHIFTED, KWTANetlist, render, stimulus

_TIE_GAIN = 100.0  # of the servo that makes all outputs tie: what is left of an offset is 1 % of it as output current
_STEPS = 500  # of a transient
_AT_ONCE = 100  # cases in one process, which the time limit is for
_ROUNDS = 5  # of four times longer transients, until a decision is seen


@dataclass(frozen=True)
class Simulator:
    """How ngspice is started.

    Args:
        executable: None looks for it on the PATH.
        time_limit: of each process, s.
    """

    executable: str | Path | None = None
    time_limit: float = ngspice.TIME_LIMIT

    def run(self, netlist: str, analyses: Sequence[str]) -> list[dict[str, NDArray[np.float64]]]:
        """Run analyses (see `ngspice.run`)."""
        return ngspice.run(netlist, analyses, time_limit=self.time_limit, executable=self.executable)


@dataclass(frozen=True)
class Outputs:
    """A kWTA at rest, case by case.

    Args:
        outputs: output currents, A, [cases, n].
        supply_current: A, [cases], everything included: inputs, bias and references.
        winners: which outputs carry more than I_lim / 4, [cases, n].
    """

    outputs: Numbers
    supply_current: Numbers
    winners: NDArray[np.bool_]


def dc_transfer(netlist: KWTANetlist, differences: ArrayLike, simulator: Simulator | None = None) -> Transfer:
    """Measure how far the k-th winner and the runner-up stand apart at rest.

    Args:
        netlist: the circuit; its unit current is the winners'.
        differences: relative, [points], between 0 and 1.
        simulator: how ngspice is started.

    Raises:
        InputError: a difference outside 0 to 1, or k = n (there is no runner-up).
        NgspiceError: ngspice failed.
    """
    difference = _differences(differences)
    text = _pair(netlist, difference) + ".save v(v1) v(v2) i(vout1) i(vout2)\n"
    (vectors,) = (simulator or Simulator()).run(text, [_sweep(len(difference))])
    outputs = np.stack([vectors["i(vout1)"] / netlist.k, vectors["i(vout2)"] / (netlist.n - netlist.k)], axis=1)
    separation = vectors["v(v1)"] - vectors["v(v2)"]
    cases = slice(0, len(difference))
    return Transfer(netlist.n, netlist.k, netlist.unit_current, difference, separation[cases], outputs[cases])


def decision_times(
    netlist: KWTANetlist, differences: ArrayLike, required: float, simulator: Simulator | None = None
) -> DecisionTimes:
    """Measure how long the k-th winner and the runner-up take to stand `required` volts apart, after equality.

    Args:
        netlist, differences, simulator: as in `dc_transfer`.
        required: V.

    Raises:
        InputError: as in `dc_transfer`, or a separation that is not positive.
        NgspiceError: ngspice failed.
    """
    if not 0 < required < netlist.supply:
        raise InputError(f"required: got {required:g} V; allowed: above 0 V, below the supply, {netlist.supply:g} V")
    rest = dc_transfer(netlist, differences, simulator)
    seconds = np.full(rest.difference.shape, math.inf)
    text = _pair(netlist, rest.difference) + ".save v(v1) v(v2)\n"
    waiting = [int(j) for j in np.flatnonzero(rest.separation > required * (1 + 1e-6))]
    for longer in 4.0 ** np.arange(_ROUNDS):
        if not waiting:
            break
        stops = [longer * _expected(netlist, rest.difference[j], rest.separation[j], required) for j in waiting]
        runs = [
            f"alter vcase dc={j}\ntran {t / _STEPS:.6g} {t:.6g} 0 {t / _STEPS:.6g}"
            for j, t in zip(waiting, stops, strict=True)
        ]
        for j, vectors in zip(waiting, (simulator or Simulator()).run(text, runs), strict=True):
            seconds[j] = _crossing(vectors["time"], vectors["v(v1)"] - vectors["v(v2)"], required)
        waiting = [j for j in waiting if not math.isfinite(seconds[j])]
    if waiting:
        late = ", ".join(f"{rest.difference[j]:.3g}" for j in waiting)
        raise ngspice.NgspiceError(f"the netlist does not settle: no decision in time at differences of {late}")
    return DecisionTimes(netlist.n, netlist.k, netlist.unit_current, required, rest.difference, seconds)


def draw_shifts(netlist: KWTANetlist, generator: np.random.Generator) -> Numbers:
    """Draw one chip's threshold shifts, V, [n, 5] in the order of `netlist.SHIFTED`: A_Vt / sqrt(2 W L)."""
    return np.asarray(generator.normal(size=(netlist.n, len(SHIFTED))) * netlist.sigma_thresholds())


def monte_carlo(
    netlist: KWTANetlist, chips: int, generator: np.random.Generator, simulator: Simulator | None = None
) -> Mismatch:
    """Measure what threshold mismatch does, referred to the inputs.

    A servo in the netlist adds to each input the a_i I that makes all outputs tie, so that an input counts as
    I_i / (1 + a_i); the errors are those gains relative to their mean over the chip, less 1. One operating point per
    chip gives all n of them, without linearisation.

    Args:
        netlist: the circuit, with its A_Vt.
        chips: how many are drawn.
        generator: draws them.
        simulator: how ngspice is started.

    Raises:
        InputError: fewer than one chip.
        NgspiceError: ngspice failed.
    """
    if chips < 1:
        raise InputError(f"chips: got {chips}; allowed: at least 1")
    offsets = np.stack([tie_offsets(netlist, draw_shifts(netlist, generator), simulator) for _ in range(chips)])
    return Mismatch(netlist.n, netlist.k, netlist.unit_current, offsets)


def tie_offsets(netlist: KWTANetlist, shifts: Numbers, simulator: Simulator | None = None) -> Numbers:
    """Return one chip's input-referred errors, relative to the unit current, [n], zero mean."""
    equal = stimulus(netlist, np.full((1, netlist.n), netlist.unit_current))
    ties = [f"i(vtie{i + 1})" for i in range(netlist.n)]
    text = render(netlist, equal, shifts, tie_gain=_TIE_GAIN) + f".save {' '.join(ties)}\n"
    (vectors,) = (simulator or Simulator()).run(text, ["op"])
    added = -np.array([vectors[name][0] for name in ties]) / netlist.unit_current
    gains = 1 / (1 + added)  # of an input, as the outputs see it
    return np.asarray(gains / gains.mean() - 1)


def decide(
    netlist: KWTANetlist, inputs: ArrayLike, shifts: Numbers | None = None, simulator: Simulator | None = None
) -> Outputs:
    """Let the netlist decide, at rest.

    Args:
        netlist: the circuit.
        inputs: A, [cases, n].
        shifts: one chip's threshold shifts, V, [n, 5]; None is no mismatch.
        simulator: how ngspice is started.

    Raises:
        InputError: inputs of another shape, or outside 0.1 pA to 1 uA.
        NgspiceError: ngspice failed.
    """
    table = stimulus(netlist, inputs).currents
    simulator = simulator or Simulator()
    parts = [table[first : first + _AT_ONCE] for first in range(0, len(table), _AT_ONCE)]
    decided = [_decide(netlist, part, shifts, simulator) for part in parts]
    outputs, supply = (np.concatenate(columns) for columns in zip(*decided, strict=True))
    return Outputs(outputs, supply, outputs > netlist.limiter_current / 4)


def _decide(
    netlist: KWTANetlist, table: Numbers, shifts: Numbers | None, simulator: Simulator
) -> tuple[Numbers, Numbers]:
    """Return the output currents, [cases, n], and the supply current, [cases], A."""
    names = [f"i(vout{i + 1})" for i in range(netlist.n)]
    text = render(netlist, stimulus(netlist, table), shifts) + f".save i(vdd) {' '.join(names)}\n"
    (vectors,) = simulator.run(text, [_sweep(len(table))])
    return np.stack([vectors[name][: len(table)] for name in names], axis=1), -vectors["i(vdd)"][: len(table)]


def at_current(netlist: KWTANetlist, current: float) -> KWTANetlist:
    """Return the netlist with another unit current, A; the limiter's scales along."""
    scale = current / netlist.unit_current
    return replace(netlist, unit_current=current, limiter_current=netlist.limiter_current * scale)


def _differences(differences: ArrayLike) -> Numbers:
    values = np.atleast_1d(np.asarray(differences, dtype=np.float64))
    if values.ndim != 1 or len(values) == 0 or not ((values > 0) & (values < 1)).all():
        raise InputError(f"differences: got {values}; allowed: numbers above 0 and below 1")
    return values


def _pair(netlist: KWTANetlist, difference: Numbers) -> str:
    """Render k competitors at the unit current I and n - k at I (1 - d)."""
    if netlist.k == netlist.n:
        raise InputError(f"netlist.k: got {netlist.k} of {netlist.n}; allowed: below n, so that there is a runner-up")
    currents = np.stack([np.ones_like(difference), 1 - difference], axis=1) * netlist.unit_current
    return render(netlist, stimulus(netlist, currents, (netlist.k, netlist.n - netlist.k)))


def _sweep(cases: int) -> str:
    return f"dc vcase 0 {max(cases - 1, 1)} 1"  # a single case is swept twice: a sweep has two points at least


def _expected(netlist: KWTANetlist, difference: float, rest: float, required: float) -> float:
    """Return a time within which the decision should fall: three times C S / (I d), longer near the rest."""
    capacitance = 1.5 * netlist.node_capacitance + 20e-15
    nearness = min(required / rest, 0.999)
    slewing = capacitance * required / (netlist.unit_current * difference)
    return 3 * slewing * -math.log1p(-nearness) / nearness + 0.5 * capacitance / netlist.unit_current


def _crossing(seconds: Numbers, separation: Numbers, required: float) -> float:
    """Return when the separation first passes `required`, by linear interpolation; inf if it does not."""
    above = np.flatnonzero(separation >= required)
    if not len(above) or above[0] == 0:
        return math.inf
    j = above[0]
    return float(np.interp(required, separation[j - 1 : j + 1], seconds[j - 1 : j + 1]))

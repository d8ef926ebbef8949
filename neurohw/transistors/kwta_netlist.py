"""The kWTA as a netlist: Lazzaro et al. 1989's current-mode winner-take-all, extended to k winners by a limiter.

Cell i: a pfet mirror carries the input I_i into node V_i; M1 (gate V_c, drain V_i) draws f(V_c) (1 + V_i / V_A) from
it; M2 (gate V_i, source V_c) passes the output current, which a pfet in series limits to I_lim. All cells share the
common node V_c, from which (k - 1/2) I_lim is drawn: at rest k cells carry more than I_lim / 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurohw.circuits.characteristics import Numbers
from neurohw.errors import InputError
from neurohw.transistors.card import CARD, Size, transistor

SHIFTED = ("mirror_in", "mirror_out", "sink", "follower", "limiter")  # the transistors of a cell, in order of shifts
OPTIONS = ".options gmin=1e-16 abstol=1e-16 chgtol=1e-18 vntol=1e-8 reltol=1e-4 itl1=100 itl2=100"
MOST_COMPETITORS = 1024
_RANGES = {  # field: (low, high, unit)
    "n": (2, MOST_COMPETITORS, "competitors"),
    "supply": (1.2, 2.0, "V"),
    "unit_current": (10e-12, 100e-9, "A"),
    "limiter_current": (10e-12, 1e-6, "A"),
    "node_capacitance": (1e-15, 10e-12, "F"),
    "temperature": (233.0, 398.0, "K"),
    "a_vt": (0.0, 20e-9, "V m"),
}
_INPUTS = (1e-13, 1e-6)  # A
_INPUT_SIZE, _FOLLOWER, _LIMITER, _TAIL = Size(2e-6, 2e-6), Size(1e-6, 0.5e-6), Size(1e-6, 5e-6), Size(1e-6, 2e-6)


@dataclass(frozen=True)
class KWTANetlist:
    """A k-winners-take-all on transistors, as data.

    Args:
        n, k: competitors and winners.
        supply: V.
        unit_current: input current of the k-th winner where it is characterised, A.
        limiter_current: I_lim, the output current of a clear winner, A.
        node_capacitance: on every V_i, besides the transistors' own, F.
        temperature: K.
        a_vt: matching coefficient of a pair's thresholds (Pelgrom 1989), V m (1 V m is 1e9 mV um).
        mirror, sink, follower, limiter, tail: sizes of the pfets of an input mirror, of M1, of M2, of the pfet that
            limits, and of one of the 2 k - 1 nfets (I_lim / 2 each) on the common node.

    Raises:
        InputError: a value outside its range; the key, the value and what is allowed are named.
    """

    n: int
    k: int
    supply: float = 1.8
    unit_current: float = 1e-9
    limiter_current: float = 2e-9
    node_capacitance: float = 50e-15
    temperature: float = 300.0
    a_vt: float = 3.5e-9
    mirror: Size = _INPUT_SIZE
    sink: Size = _INPUT_SIZE
    follower: Size = _FOLLOWER
    limiter: Size = _LIMITER
    tail: Size = _TAIL

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"netlist.{name}: got {value:g} {unit}; allowed: {low:g} to {high:g} {unit}")
        if not (isinstance(self.n, int) and isinstance(self.k, int) and 1 <= self.k <= self.n):
            raise InputError(f"netlist.k: got {self.k!r} of {self.n!r}; allowed: whole numbers, 1 <= k <= n")

    def sigma_thresholds(self) -> Numbers:
        """Return the standard deviations of the threshold shifts, V, in the order of SHIFTED, [5]."""
        sizes = (self.mirror, self.mirror, self.sink, self.follower, self.limiter)
        return np.array([size.sigma_threshold(self.a_vt) for size in sizes])


@dataclass(frozen=True)
class Stimulus:
    """What the inputs do, case by case: they step from `before` to the case's currents at time 0.

    Args:
        currents: A, [cases, groups].
        counts: how many equal competitors each group stands for, [groups]; they sum to n.
        before: A, of every input.
    """

    currents: NDArray[np.float64]
    counts: tuple[int, ...]
    before: float


def stimulus(netlist: KWTANetlist, currents: ArrayLike, counts: Sequence[int] | None = None) -> Stimulus:
    """Return inputs that step from equality, all at the unit current, to the currents of a case.

    Args:
        netlist: names n and the unit current.
        currents: A, [cases, groups]; without `counts` every group is one competitor.
        counts: how many equal competitors each group stands for, [groups].

    Raises:
        InputError: shapes that do not fit n, or currents outside 0.1 pA to 1 uA.
    """
    table = np.asarray(currents, dtype=np.float64)
    members = tuple(counts) if counts is not None else (1,) * netlist.n
    if table.ndim != 2 or len(table) == 0 or table.shape[1] != len(members) or sum(members) != netlist.n:
        raise InputError(
            f"inputs: got shape {table.shape} for groups of {members} competitors; allowed: [cases, groups], "
            f"groups of n = {netlist.n} competitors in all"
        )
    low, high = _INPUTS
    if min(members) < 1:
        raise InputError(f"counts: got {members}; allowed: at least 1 competitor in each group")
    if not ((table >= low) & (table <= high)).all():  # NaN is caught too
        raise InputError(f"inputs: got {table.min():g} to {table.max():g} A; allowed: {low:g} to {high:g} A")
    return Stimulus(table, members, netlist.unit_current)


def render(netlist: KWTANetlist, inputs: Stimulus, shifts: Numbers | None = None, *, tie_gain: float = 0.0) -> str:
    """Return the netlist: set `vcase` to choose a case; `vgo` steps the inputs at time 0.

    Nodes `v1`... are the cells', `c` the common one; `i(vout1)`... are output currents (of a whole group),
    `i(vdd)` is minus the supply current.

    Args:
        netlist: the circuit.
        inputs: what drives it.
        shifts: of the thresholds, V, [groups, 5] in the order of SHIFTED.
        tie_gain: of a servo that adds to each input tie_gain times (the mean output current less its own), so that
            all outputs tie; minus `i(vtie1)`... is then what had to be added. 0 is no servo.
    """
    cells = len(inputs.counts)
    lines = [f"* kWTA: {netlist.k} of {netlist.n}", CARD, OPTIONS + f" temp={netlist.temperature - 273.15:.6g}"]
    lines += [f"vdd dd 0 {netlist.supply:.6g}", "vcase case 0 0", "vgo go 0 dc 1 pwl(0 0 1n 1)", *_biases(netlist)]
    for cell in range(cells):
        shift = None if shifts is None else shifts[cell]
        lines += [_drive(inputs, cell), *_cell(netlist, cell + 1, inputs.counts[cell], shift)]
        lines += _servo(netlist, cell + 1, tie_gain) if tie_gain else []
    return "\n".join(lines) + "\n"


def _biases(netlist: KWTANetlist) -> list[str]:
    """The limiters' reference, and (k - 1/2) I_lim on the common node by 2 k - 1 copies of I_lim / 2."""
    units = 2 * netlist.k - 1
    return [
        f"ilim lim 0 {netlist.limiter_current:.9g}",
        transistor("limref", "lim lim dd dd", "pfet", netlist.limiter),
        f"itail dd tail {netlist.limiter_current / 2:.9g}",
        transistor("tailref", "tail tail 0 0", "nfet", netlist.tail),
        "vtail c tailed 0",
        transistor("tail", "tailed tail 0 0", "nfet", netlist.tail, count=units),
    ]


def _drive(inputs: Stimulus, cell: int) -> str:
    """An ideal current out of the mirror's input: before + go (table(case) - before), times the group's count."""
    table = inputs.currents[:, cell] * inputs.counts[cell]
    before = inputs.before * inputs.counts[cell]
    points = [f"{case},{value:.12g}" for case, value in enumerate(np.append(table, table[-1]))]
    lines = ",\n+ ".join(",".join(points[i : i + 20]) for i in range(0, len(points), 20))
    return f"bin{cell + 1} p{cell + 1} 0 i={before:.12g}+v(go)*(pwl(v(case),\n+ {lines})-{before:.12g})"


def _cell(netlist: KWTANetlist, i: int, count: int, shifts: Numbers | None) -> list[str]:
    shift = dict.fromkeys(SHIFTED) if shifts is None else dict(zip(SHIFTED, shifts.tolist(), strict=True))

    def fet(name: str, nodes: str, kind: str, size: Size) -> str:
        return transistor(f"{name}{i}", nodes, kind, size, count=count, delta_threshold=shift[name])

    return [
        fet("mirror_in", f"p{i} p{i} dd dd", "pfet", netlist.mirror),
        fet("mirror_out", f"v{i} p{i} dd dd", "pfet", netlist.mirror),
        fet("sink", f"v{i} c 0 0", "nfet", netlist.sink),
        f"cnode{i} v{i} 0 {netlist.node_capacitance * count:.6g}",
        fet("limiter", f"out{i} lim dd dd", "pfet", netlist.limiter),
        f"vout{i} out{i} f{i} 0",
        fet("follower", f"f{i} v{i} c 0", "nfet", netlist.follower),
    ]


def _servo(netlist: KWTANetlist, i: int, gain: float) -> list[str]:
    return [
        f"vtie{i} tie{i} p{i} 0",
        f"ftail{i} tie{i} 0 vtail {gain / netlist.n:.9g}",
        f"fout{i} 0 tie{i} vout{i} {gain:.9g}",
    ]

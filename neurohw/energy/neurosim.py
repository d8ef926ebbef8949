"""NeuroSim V2.1's formulas of an array's read and write, as another model next to ours.

The formulas are facts read in its documentation and source; no code of it is here. Defaults are NeuroSim's: 32 nm,
128 x 128, 8 columns per converter, 240 kOhm, read 0.5 V for 10 ns, write 4 V for 50 ns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from neurohw.energy.breakdown import EnergyBreakdown
from neurohw.energy.facts import LINE_BY_LINE, ArrayFacts
from neurohw.energy.ranges import Range
from neurohw.energy.recorded import ByModel, ModelledArray
from neurohw.metering.ledger import Counts

ACTIVITY = 0.5  # NeuroSim's default share of driven rows, where no trace of inputs is given
READ_PARTS, WRITE_PARTS = ("conduction", "rows"), ("write",)  # of our account, what NeuroSim's formulas are about


@dataclass(frozen=True)
class NeuroSimArray:
    """An array as NeuroSim describes it.

    Args:
        rows, columns: of cells.
        bit_line, row: capacitance of a bit line and of a row, wire and gates, F (0.2 fF/um of wire, 128 cells of 4 F
            at 32 nm, without gates).
        read_voltage, supply: V.
        write_voltage: V; write_time: s.
        resistance: the cell's mean, Ohm.
        read_time: s, for our side of a comparison.
    """

    rows: int = 128
    columns: int = 128
    bit_line: float = 3.3e-15
    row: float = 3.3e-15
    read_voltage: float = 0.5
    supply: float = 0.9
    write_voltage: float = 4.0
    write_time: float = 50e-9
    resistance: float = 240e3
    read_time: float = 10e-9


def read_energy(array: NeuroSimArray, activity: float = 0.5) -> float:
    """Return C_BL V_read^2 N + C_row V_dd^2 rows activity, J per product: N bit lines are charged, active rows driven.

    Args:
        array: what is read.
        activity: share of the rows that are driven, 0..1.
    """
    lines = array.bit_line * array.read_voltage**2 * array.columns
    return lines + array.row * array.supply**2 * array.rows * activity


def write_energy(array: NeuroSimArray, pulses: float) -> float:
    """Return V_w^2 / R_avg t_pulse pulses, J."""
    return array.write_voltage**2 / array.resistance * array.write_time * pulses


def conduction_energy(array: NeuroSimArray, activity: float = 0.5) -> float:
    """Return our model of the same read: V^2 G t of all cells on active rows, J."""
    cells = array.rows * array.columns * activity
    return array.read_voltage**2 / array.resistance * array.read_time * cells


def array_models(breakdown: EnergyBreakdown, counts: Counts) -> list[ModelledArray]:
    """Return, array by array, what the same reads and write pulses cost by our account and by NeuroSim's formulas, J.

    Reads. Ours: the account's "conduction" (V V_supply G t of the cells as they were) and "rows" (lines charged).
    NeuroSim's: bit lines and rows charged, and no current through cells: its converters' formula takes the column's
    resistance instead.
    Of vectors: neither side has reads line by line, of hidden arrays and of cells that are verified.
    Neither side has converters, their drivers, shift and add, buffers, or leakage. "ohmic" is V^2 G t with
    NeuroSim's numbers, so that formula and numbers can be told apart.
    Writes. Ours: the account's "write". NeuroSim's: V_w^2 / R_avg t_pulse of each pulse. Neither side has half-selected
    cells or the lines of the pulses.

    NeuroSim's arrays are 128 x 128, so larger ones are cut; it takes its own defaults for all that is not counted.

    Args:
        breakdown: our account.
        counts: of the same run.

    Returns:
        Of each array; `vectors` counts every pass of a read. What the run did not count is None, and the reads of a
        network that settled by itself, which NeuroSim does not model.
    """
    steps = any(events.get("steps") for events in counts.get("clock", {}).values())
    clocked = not (breakdown.schedule.ep == "continuous" and steps)
    modelled = []
    for name, facts in breakdown.facts.arrays.items():
        phases = counts.get(name, {})
        events = phases.values()
        forward, backward = (
            sum(e.get(event, 0.0) for phase, e in phases.items() if phase not in LINE_BY_LINE) * facts.read_passes
            for event in ("reads", "reads_transposed")
        )
        pulses = sum(e.get("pulses_up", 0.0) + e.get("pulses_down", 0.0) for e in events)
        tiles = [(forward, tile) for tile in _subarrays(facts, False)]
        tiles += [(backward, tile) for tile in _subarrays(facts, True)]
        reads = writes = ByModel(ours=None, neurosim=None, ohmic=None)
        if clocked and "conductance" not in facts.uncounted:
            reads = ByModel(
                ours=_spent(breakdown, name, READ_PARTS, LINE_BY_LINE),
                neurosim=Range.of(sum(n * read_energy(tile, ACTIVITY) for n, tile in tiles)),
                ohmic=Range.of(sum(n * conduction_energy(tile, ACTIVITY) for n, tile in tiles)),
            )
        if "pulses" not in facts.uncounted:
            theirs = Range.of(write_energy(NeuroSimArray(), pulses))
            writes = ByModel(ours=_spent(breakdown, name, WRITE_PARTS), neurosim=theirs, ohmic=theirs)
        modelled.append(ModelledArray(array=name, vectors=forward + backward, pulses=pulses, read=reads, write=writes))
    return modelled


def _spent(breakdown: EnergyBreakdown, array: str, components: tuple[str, ...], without: tuple[str, ...] = ()) -> Range:
    return Range.total(
        i.energy for i in breakdown.items if i.part == array and i.component in components and i.phase not in without
    )


def _subarrays(facts: ArrayFacts, transposed: bool) -> Iterator[NeuroSimArray]:
    """Yield what NeuroSim cuts an array into: its default size, less at two edges; rows are driven, columns read."""
    rows, columns = facts.n_pre, round(facts.n_post * facts.read_devices)
    if transposed:
        rows, columns = columns, rows
    whole = NeuroSimArray()
    for height in _cut(rows, whole.rows):
        for width in _cut(columns, whole.columns):
            yield replace(whole, rows=height, columns=width)


def _cut(length: int, most: int) -> Iterator[int]:
    for start in range(0, length, most):
        yield min(most, length - start)

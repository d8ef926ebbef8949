"""How long cells last: writes per cell against endurance."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.energy.array_facts import ArrayFacts


@dataclass(frozen=True)
class Lifetime:
    """An array's wear over a run.

    Args:
        array: its name.
        mean, p999, max: pulses per cell: mean, 99.9th percentile and maximum over the cells.
        endurance: pulses that a cell lives for; None: the device's file has none.
        images: training images until the cell at the 99.9th percentile has had that many; None: not known, or never.
    """

    array: str
    mean: float
    p999: float
    max: float
    endurance: float | None
    images: float | None


def lifetime(name: str, facts: ArrayFacts, trained: float, endurance: float | None) -> Lifetime | None:
    """Return an array's wear, endurance / (writes per cell and training image); None where no writes were counted.

    Args:
        name: of the array.
        facts: with its writes per cell.
        trained: images of the run.
        endurance: pulses.
    """
    writes = facts.writes_per_cell
    if writes is None:
        return None
    known = endurance is not None and trained > 0 and writes.p999 > 0
    images = endurance / (writes.p999 / trained) if known and endurance is not None else None
    return Lifetime(name, writes.mean, writes.p999, writes.max, endurance, images)

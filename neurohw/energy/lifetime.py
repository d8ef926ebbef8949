"""How long cells last: writes per cell against endurance."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neurohw.energy.facts import ArrayFacts
from neurohw.energy.ranges import Figure
from neurohw.values import Amount, Text


@dataclass(frozen=True)
class Lifetime:
    """An array's wear over a run.

    Args:
        array: its name.
        mean, p999, max: pulses per cell: mean, 99.9th percentile and maximum over the cells.
        endurance: pulses that a cell lives for; None: the device's file has none.
        images: training images until the cell at the 99.9th percentile has had that many, or the most written one,
            where fewer than one in a thousand are written; None: not known, or none is written.
        endurance_low, endurance_high, images_low, images_high: how far the two may be off.
        source: where the endurance is from.
    """

    array: Text
    mean: Amount
    p999: Amount
    max: Amount
    endurance: Amount | None = None
    images: Amount | None = None
    endurance_low: Amount | None = None
    endurance_high: Amount | None = None
    images_low: Amount | None = None
    images_high: Amount | None = None
    source: Text | None = None


def lifetime(name: str, facts: ArrayFacts, trained: float, endurance: Figure | None) -> Lifetime | None:
    """Return an array's wear, endurance / (writes per cell and training image); None where no writes were counted.

    Args:
        name: of the array.
        facts: with its writes per cell.
        trained: images of the run.
        endurance: pulses; None: not known.
    """
    writes = facts.writes_per_cell
    if writes is None:
        return None
    wear = Lifetime(name, writes.mean, writes.p999, writes.max)
    if endurance is None:
        return wear
    pulses = endurance.range
    wear = replace(wear, endurance=pulses.nominal, endurance_low=pulses.low, endurance_high=pulses.high,
                   source=endurance.source)  # fmt: skip
    counted = writes.p999 or writes.max
    if not (trained > 0 and counted > 0):
        return wear
    images = pulses / (counted / trained)
    return replace(wear, images=images.nominal, images_low=images.low, images_high=images.high)

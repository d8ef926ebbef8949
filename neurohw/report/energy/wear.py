"""Pulses per cell and lifetimes of points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from neurohw.energy.lifetime import Lifetime
from neurohw.energy.ranges import Range
from neurohw.energy.recorded import ChipAccount


@dataclass(frozen=True)
class Wear:
    """Pulses per cell of one array in a run, and the training images that it lives for; None: not known.

    Args:
        array: its name.
        mean, p999, max: over the cells; means over the seeds.
        endurance: pulses that a cell lives for.
        images: until the cell at the 99.9th percentile (or the most written one, see `Lifetime`) has had that many; of
            the seed with the least.
        trained: images of the run.
        source: where the endurance is from.
    """

    array: str
    mean: float
    p999: float
    max: float
    endurance: Range | None
    images: Range | None
    trained: float
    source: str | None = None

    @property
    def runs(self) -> Range | None:
        """Lifetime in runs such as this one."""
        return self.images * (1 / self.trained) if self.images and self.trained else None


def wear_of(accounts: Sequence[ChipAccount]) -> tuple[Wear, ...]:
    """Return the wear of every array whose writes were counted."""
    trained = fmean(account.images.trained for account in accounts)
    by_array: dict[str, list[Lifetime]] = {}
    for account in accounts:
        for lifetime in account.lifetime:
            by_array.setdefault(lifetime.array, []).append(lifetime)
    return tuple(_wear(array, lifetimes, trained) for array, lifetimes in by_array.items())


def _wear(array: str, lifetimes: Sequence[Lifetime], trained: float) -> Wear:
    mean, p999, most = (fmean(getattr(cell, key) for cell in lifetimes) for key in ("mean", "p999", "max"))
    lives = (_bounds(cell.images_low, cell.images, cell.images_high) for cell in lifetimes)
    images = min((life for life in lives if life), key=lambda life: life.nominal, default=None)
    first = lifetimes[0]
    endurance = _bounds(first.endurance_low, first.endurance, first.endurance_high)
    return Wear(array, mean, p999, most, endurance, images, trained, first.source)


def _bounds(low: float | None, nominal: float | None, high: float | None) -> Range | None:
    """Return a figure with its spread; records of old have none."""
    if nominal is None:
        return None
    return Range(nominal if low is None else low, nominal, nominal if high is None else high)

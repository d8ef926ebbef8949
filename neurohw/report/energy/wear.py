"""Pulses per cell and lifetimes of points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from neurohw.energy.ranges import Range


@dataclass(frozen=True)
class Wear:
    """Pulses per cell of one array in a run, and the training images that it lives for; None: not known.

    Args:
        array: its name.
        mean, p999, max: over the cells; means over the seeds.
        endurance: pulses that a cell lives for.
        images: until the cell at the 99.9th percentile has had that many; of the seed with the least.
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


def wear_of(summaries: Sequence[Mapping[str, Any]]) -> tuple[Wear, ...]:
    """Return the wear of every array whose writes were counted."""
    trained = fmean(summary["images"]["trained"] for summary in summaries)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for summary in summaries:
        for wear in summary["lifetime"]:
            found.setdefault(wear["array"], []).append(wear)
    return tuple(_wear(array, wears, trained) for array, wears in found.items())


def _wear(array: str, wears: Sequence[Mapping[str, Any]], trained: float) -> Wear:
    mean, p999, most = (fmean(wear[key] for wear in wears) for key in ("mean", "p999", "max"))
    lives = [lived for wear in wears if (lived := _bounds(wear, "images")) is not None]
    images = min(lives, key=lambda lived: lived.nominal, default=None)
    return Wear(array, mean, p999, most, _bounds(wears[0], "endurance"), images, trained, wears[0].get("source"))


def _bounds(wear: Mapping[str, Any], key: str) -> Range | None:
    """Return a figure with its spread; records of old have none."""
    if (nominal := wear[key]) is None:
        return None
    low, high = wear.get(f"{key}_low"), wear.get(f"{key}_high")
    return Range(nominal if low is None else low, nominal, nominal if high is None else high)

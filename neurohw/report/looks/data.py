"""How the chips of points look: weights as images side by side, and shares of devices by conductance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurohw.report.points import Point
from neurohw.runs.looks import Histogram, Looks

_COLUMNS = ("label", "hash", "seed", "array", "devices", "low_siemens", "high_siemens", "before", "now")


@dataclass(frozen=True)
class PointLooks:
    """The looks of a point's first chip; seed: which that is."""

    point: Point
    seed: int
    looks: Looks


@dataclass(frozen=True)
class Mosaic:
    """Images of weights side by side, in reading order.

    Args:
        weights: [rows, columns] of pixels, colours averaged; NaN between images.
        scale: the largest |weight| of the array's shown neurons.
        neurons: how many images.
    """

    weights: NDArray[np.float64]
    scale: float
    neurons: int


@dataclass(frozen=True)
class Conductances:
    """One histogram: of which devices, and the shares of them in each bin, in percent."""

    point: Point
    array: str
    devices: str
    histogram: Histogram

    @property
    def label(self) -> str:
        """Array and kind of devices."""
        return self.array if self.devices == "cell" else f"{self.array}, {self.devices}"

    @property
    def edges(self) -> NDArray[np.float64]:
        """Where bins begin and end, siemens, up to the last that holds a device."""
        filled = [i for i, pair in enumerate(zip(self.histogram.before, self.histogram.now, strict=True)) if any(pair)]
        return np.arange((filled[-1] if filled else 0) + 2, dtype=np.float64) * np.float64(self.histogram.width)

    def shares(self, when: str) -> NDArray[np.float64]:
        """Return the percentage of devices in each bin, "before" or "now"."""
        counts: list[int] = getattr(self.histogram, when)
        return np.array(counts[: len(self.edges) - 1], np.float64) * np.float64(100 / max(1, sum(counts)))


def looks_data(points: Sequence[Point]) -> list[PointLooks]:
    """Return the looks of every point that has a record with some, of its first seed."""
    found = []
    for point in points:
        seen = next(((r.seed, r.looks) for r in point.records if r.looks), None)
        if seen is not None and seen[1] is not None:
            found.append(PointLooks(point, seen[0], seen[1]))
    return found


def mosaic(looks: Looks) -> Mosaic | None:
    """Return the images of weights, in full rows where that is about square; None where there are none."""
    if looks.weights is None:
        return None
    images = looks.weights.weights.mean(1)
    n, height, width = images.shape
    columns = _columns(n)
    rows = ceil(n / columns)
    drawn = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        drawn[top : top + height, left : left + width] = image
    return Mosaic(drawn, looks.weights.scale, n)


def _columns(n: int) -> int:
    """Return in how many columns n images stand: a divisor of n between sqrt(n) and twice that, if there is one."""
    even = [columns for columns in range(ceil(sqrt(n)), int(2 * sqrt(n)) + 1) if n % columns == 0]
    return min(even, key=lambda columns: abs(columns - sqrt(2 * n)), default=min(n, ceil(sqrt(2 * n))))


def conductances_of(looked: Sequence[PointLooks]) -> list[Conductances]:
    """Return every histogram of these points."""
    return [
        Conductances(each.point, array, devices, histogram)
        for each in looked
        for array, kinds in each.looks.conductances.items()
        for devices, histogram in kinds.items()
    ]


def conductances_frame(points: Sequence[Point]) -> pd.DataFrame:
    """Return a row per point, seed, array, kind of devices and bin that holds one: numbers of devices."""
    rows = (row for point in points for record in point.records if record.looks
            for row in _rows(point, record.seed, record.looks))  # fmt: skip
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _rows(point: Point, seed: int, looks: Looks) -> Iterator[tuple[Any, ...]]:
    for array, kinds in looks.conductances.items():
        for devices, histogram in kinds.items():
            for i, (before, now) in enumerate(zip(histogram.before, histogram.now, strict=True)):
                if before or now:
                    low, high = i * histogram.width, (i + 1) * histogram.width
                    yield point.label, point.config_hash, seed, array, devices, low, high, before, now

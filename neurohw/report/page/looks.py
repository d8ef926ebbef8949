"""What a page shows of how chips look: weights as canvases, and which figures stand beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurohw.report.looks.data import Conductances, Mosaic, conductances_frame, conductances_of, looks_data, mosaic
from neurohw.report.points import Point
from neurohw.runs.looks import LARGEST, ZERO

MOST_POINTS = 12  # whose weights and conductances are shown

WEIGHTS_NOTE = (
    "Weights of some neurons of the first layer, an image each, of the first seed: orange is positive, blue negative, "
    "the background 0; ± is the largest shown."
)


@dataclass(frozen=True)
class Canvas:
    """An image for the page's script: a byte a pixel, 128 is no weight, 0 stands between images."""

    point: Point
    seed: int
    drawn: Mosaic

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.drawn.weights.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.drawn.weights.shape[0])

    @property
    def pixels(self) -> str:
        """Base64 of the bytes, row after row."""
        levels = self.drawn.weights * (LARGEST / self.drawn.scale) if self.drawn.scale else self.drawn.weights
        shown = np.where(np.isnan(levels), 0, np.rint(np.nan_to_num(levels)) + ZERO)
        return base64.b64encode(shown.astype(np.uint8).tobytes()).decode()


@dataclass(frozen=True)
class LooksPart:
    """How chips look; all empty where no record says so.

    Args:
        canvases: weights, of some points.
        conductances: histograms, of some points.
        left_out: how many more points have either.
        frame: every histogram, for CSV.
    """

    canvases: tuple[Canvas, ...]
    conductances: tuple[Conductances, ...]
    left_out: int
    frame: pd.DataFrame

    def __bool__(self) -> bool:
        return bool(self.canvases or self.conductances)

    @property
    def mosaics(self) -> list[tuple[str, Mosaic]]:
        """Title and images of each."""
        return [(canvas.point.label, canvas.drawn) for canvas in self.canvases]


def looks_part(points: Sequence[Point]) -> LooksPart:
    """Return what there is to see of these points."""
    looked = looks_data(points)
    shown = looked[:MOST_POINTS]
    canvases = tuple(
        Canvas(each.point, each.seed, drawn) for each in shown if (drawn := mosaic(each.looks)) is not None
    )
    return LooksPart(canvases, tuple(conductances_of(shown)), len(looked) - len(shown), conductances_frame(points))

"""What runs are compared by besides what they measure: the nominal figures of a chip's account, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from neurohw.energy.ranges import Range
from neurohw.energy.recorded import ChipAccount
from neurohw.metrics import Metric


@dataclass(frozen=True)
class Figure:
    """A figure of a chip's account.

    Args:
        metric: its name, unit and direction.
        of: an account; None where it has no such figure.
    """

    metric: Metric
    of: Callable[[ChipAccount], float | None]


def _nominal(value: Range | None) -> float | None:
    return value.nominal if value else None


def _until_worn(chip: ChipAccount) -> float | None:
    """Return the images until the first array wears out; infinity where none is written, None where it is unknown."""
    if not chip.lifetime or any(each.endurance is None for each in chip.lifetime):
        return None
    return min(math.inf if each.images is None else each.images for each in chip.lifetime)


FIGURES = {
    figure.metric.name: figure
    for figure in (
        Figure(Metric("joules_per_training_image", "Energy per training image", "J", "lower"),
               lambda chip: _nominal(chip.per_training_image)),
        Figure(Metric("joules_per_inference", "Energy per inference", "J", "lower"),
               lambda chip: _nominal(chip.per_inference)),
        Figure(Metric("joules", "Energy of the run", "J", "lower"), lambda chip: _nominal(chip.total)),
        Figure(Metric("seconds_of_training", "Training time of the hardware", "s", "lower"),
               lambda chip: _nominal(chip.training_latency)),
        Figure(Metric("square_metres", "Area", "m2", "lower"), lambda chip: _nominal(chip.area)),
        Figure(Metric("images_until_worn", "Training images until cells wear out", "", "higher"), _until_worn),
    )
}  # fmt: skip

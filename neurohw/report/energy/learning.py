"""Accuracy against the energy spent so far, epoch by epoch, and what reaching an accuracy takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean
from typing import Any, TypeVar

from neurohw.energy.ranges import Range
from neurohw.metrics import Metric
from neurohw.report.energy.account import accuracy_of, chip_of
from neurohw.report.energy.bounds import mean_bounds
from neurohw.report.energy.digital import CHEAPEST, costs_of
from neurohw.report.points import Point
from neurohw.report.spread import Spread
from neurohw.runs.record import RunRecord

ROUND = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)  # accuracies to reach
LEVELS = 3  # of them in a table

T = TypeVar("T")


@dataclass(frozen=True)
class Step:
    """An epoch that was evaluated: how many epochs were done, the accuracy then, and the energy of training by then."""

    epoch: int
    accuracy: float
    energy: Range


@dataclass(frozen=True)
class Learning:
    """How a point learns per joule.

    Args:
        point: which.
        steps: seed -> what was evaluated, the first epoch first.
        digital: the joules are those of a digital accelerator at int8 with all weights on chip, shared out over the
            epochs in equal parts; otherwise the chip's own.
    """

    point: Point
    steps: dict[int, tuple[Step, ...]]
    digital: bool

    @property
    def name(self) -> str:
        """The point's, and what its joules are of where they are not of the hardware it names."""
        return f"{self.point.label}{', digital int8' if self.digital else ''}"

    def is_learnt(self, accuracy: float) -> bool:
        """Return whether an accuracy is above what guessing gives."""
        metric, records = accuracy_of(self.point, self.point.records)[0], self.point.records
        return metric is None or not metric.near_chance(accuracy, records[0].chance)

    def mean(self) -> list[tuple[int, Spread, Range]]:
        """Return epoch, accuracy and energy over the seeds, of the epochs that all of them evaluated."""
        by_epoch: dict[int, list[Step]] = {}
        for steps in self.steps.values():
            for step in steps:
                by_epoch.setdefault(step.epoch, []).append(step)
        complete = [(epoch, steps) for epoch, steps in sorted(by_epoch.items()) if len(steps) == len(self.steps)]
        return [
            (epoch, Spread(tuple(s.accuracy for s in steps)), mean_bounds([s.energy for s in steps]))
            for epoch, steps in complete
        ]


@dataclass(frozen=True)
class Reached:
    """What reaching an accuracy took: means over the seeds that reached it.

    Args:
        energy: of training, J.
        epochs: of training.
        seeds: that reached it; of: how many there are.
    """

    energy: Range
    epochs: float
    seeds: int
    of: int


def learning_data(points: Iterable[Point]) -> list[Learning]:
    """Return how points learn per joule, those whose records tell: each evaluated epoch, and the energy by then.

    Ideal points are on a digital accelerator, unless their epochs are of unlike length.
    """
    learnings = []
    for point in points:
        by_seed = {record.seed: _steps(record, accuracy_of(point, [record])[0]) for record in point.records}
        if steps := {seed: epochs for seed, epochs in by_seed.items() if epochs}:
            learnings.append(Learning(point, steps, not chip_of(point.records[0])))
    return learnings


def first_reached(wanted: float, accuracies: Iterable[float], spent: Iterable[T]) -> T | None:
    """Return what had been spent when an accuracy was first reached; None where it never was.

    Args:
        wanted: fraction in 0..1.
        accuracies: after each epoch.
        spent: in all up to and with each epoch: joules, or epochs.
    """
    pairs = zip(accuracies, spent, strict=True)
    return next((so_far for accuracy, so_far in pairs if accuracy >= wanted), None)


def reached(learning: Learning, wanted: float) -> Reached | None:
    """Return what a point took to reach an accuracy; None where no seed did."""
    steps = [step for step in _first_steps(learning, wanted) if step]
    if not steps:
        return None
    energy = mean_bounds([step.energy for step in steps])
    return Reached(energy, fmean(step.epoch for step in steps), len(steps), len(learning.steps))


def levels(data: Iterable[Learning]) -> list[float]:
    """Return the accuracies of a table: the highest round ones that some chip reaches with every seed, see there."""
    chips = [learning for learning in data if not learning.digital]
    return [wanted for wanted in ROUND if any(always_reaches(chip, wanted) for chip in chips)][-LEVELS:]


def always_reaches(learning: Learning, wanted: float) -> bool:
    """Return whether every seed of the point reaches an accuracy, more than guessing does, and does not end at that."""
    return not learning.point.at_chance and learning.is_learnt(wanted) and all(_first_steps(learning, wanted))


def _first_steps(learning: Learning, wanted: float) -> list[Step | None]:
    return [first_reached(wanted, (s.accuracy for s in steps), steps) for steps in learning.steps.values()]


def _steps(record: RunRecord, metric: Metric | None) -> tuple[Step, ...]:
    energies = _energies(record)
    if metric is None or len(energies) != len(record.curve):
        return ()
    rows = (
        (i + 1, _number(row, metric.name), energy)
        for i, (row, energy) in enumerate(zip(record.curve, energies, strict=True))
    )
    return tuple(Step(*row) for row in rows if isfinite(row[1]))


def _energies(record: RunRecord) -> list[Range]:
    """Return the energy of training by the end of every epoch, pre-training included."""
    if account := chip_of(record):
        return list(account.training_by_epoch)
    alike = len({row.get("phase") for row in record.curve}) == 1
    whole = next((cost.training for cost in costs_of(record) if cost.kind == CHEAPEST), None)
    if whole is None or not alike:
        return []
    return [whole * ((i + 1) / len(record.curve)) for i in range(len(record.curve))]


def _number(row: dict[str, Any], key: str) -> float:
    return float(row.get(key, nan))


def best_settings(data: Sequence[Learning], most: int) -> list[Learning]:
    """Return what is drawn: everything, or of each rule and device the setting that ends at the highest accuracy."""
    if len(data) <= most:
        return list(data)
    best: dict[tuple[str, str], Learning] = {}
    for learning in data:
        key = learning.point.name.group, learning.point.name.variant.partition(", ")[0]
        if key not in best or _last(learning) > _last(best[key]):
            best[key] = learning
    ranked = sorted(best.values(), key=lambda learning: -_last(learning))[:most]
    return [learning for learning in data if any(learning is chosen for chosen in ranked)]


def _last(learning: Learning) -> float:
    return fmean(steps[-1].accuracy for steps in learning.steps.values())

"""What equal accuracy takes: epochs, passes through the network, and energy of clustering; nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurohw.config.deep_stdp import ENERGY, FORMULA, PROBE
from neurohw.report.accuracy.data import curve_of
from neurohw.report.points import Point
from neurohw.report.spread import Spread

TRAINING_PASS = 3  # forward passes that cost as much as one forward and backward: FACTS C.2


@dataclass(frozen=True)
class Reached:
    """When a point reached an accuracy, and what it had spent by then.

    Args:
        point: which.
        best: its highest mean over seeds, with the spread there.
        best_epoch: where.
        epoch: the first evaluated one whose mean reached the level; None: none did.
        passes: forward passes through the training set until then, backward ones as two.
        counted, formula: energy of clustering until then, J, per seed; empty where nothing was clustered.
    """

    point: Point
    best: Spread
    best_epoch: int
    epoch: int | None
    passes: int | None
    counted: Spread
    formula: Spread


@dataclass(frozen=True)
class EqualAccuracy:
    """Points that learn from the same data, compared at one accuracy.

    Args:
        dataset: its name.
        level: the lowest of the best means of those that cluster, and learn.
        rows: one per point.
    """

    dataset: str
    level: float
    rows: tuple[Reached, ...]


def equal_accuracy(points: Sequence[Point]) -> list[EqualAccuracy]:
    """Return a comparison for all data from which at least two points learn by clustering."""
    tasks: dict[str, list[Point]] = {}
    for point in points:
        if _means(point, PROBE.name):
            tasks.setdefault(repr(_data(point)), []).append(point)
    return [_compared(task) for task in tasks.values() if sum(map(_clusters, task)) > 1]


def _data(point: Point) -> list[tuple[str, object]]:
    return sorted((key, value) for key, value in point.config.items() if key.startswith("data."))


def _clusters(point: Point) -> bool:
    return bool(curve_of(point, ENERGY.name))


def _means(point: Point, metric: str) -> dict[int, Spread]:
    """Return epoch -> values, of the epochs that all seeds have."""
    return {epoch: spread for epoch, spread in curve_of(point, metric).items() if spread.n == len(point.records)}


def _compared(points: Sequence[Point]) -> EqualAccuracy:
    clustering = [point for point in points if _clusters(point)]
    learning = [point for point in clustering if not point.at_chance] or clustering
    level = min(max(s.mean for s in _means(point, PROBE.name).values()) for point in learning)
    return EqualAccuracy(
        str(points[0].config["data.dataset"]), level, tuple(_reached(point, level) for point in points)
    )


def _reached(point: Point, level: float) -> Reached:
    accuracies = _means(point, PROBE.name)
    best = max(accuracies, key=lambda epoch: accuracies[epoch].mean)
    epoch = next((epoch for epoch, spread in accuracies.items() if spread.mean >= level), None)
    nothing = Spread(())
    return Reached(
        point,
        accuracies[best],
        best,
        epoch,
        None if epoch is None else epoch * (1 + TRAINING_PASS * int(point.config["training.passes"])),
        nothing if epoch is None else _means(point, ENERGY.name).get(epoch, nothing),
        nothing if epoch is None else _means(point, FORMULA.name).get(epoch, nothing),
    )

"""The numbers of a report, each with its spread, its seeds and its reference; nothing is drawn or written here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import hypot, isfinite, nan
from typing import Any

import pandas as pd

from neurohw.kinds import METRICS
from neurohw.metrics import Metric
from neurohw.report.naming import on_hardware
from neurohw.report.points import Point
from neurohw.report.spread import Spread, metric_by_seed, spread_of

CURVE_COLUMNS = ("label", "group", "variant", "hash", "metric", "epoch", "mean", "std", "seeds")


@dataclass(frozen=True)
class Gap:
    """Difference to the ideal point.

    Args:
        points: mean minus the reference's mean, in percentage points, or the metric's own unit.
        error: combined standard error, sqrt(s1^2 / n1 + s2^2 / n2), in the same; NaN for one seed.
        reference: the ideal point.
        same_length: whether both did the same number of epochs.
    """

    points: float
    error: float
    reference: Point
    same_length: bool


@dataclass(frozen=True)
class Accuracy:
    """One metric of one point: the seeds that have it, their values, and the gap to ideal hardware."""

    point: Point
    seeds: tuple[int, ...]
    spread: Spread
    gap: Gap | None


@dataclass(frozen=True)
class Accuracies:
    """One metric of all points that have it."""

    metric: Metric
    rows: tuple[Accuracy, ...]


@dataclass(frozen=True)
class Breakdown:
    """One metric at several levels, e.g. label fractions.

    Args:
        metric: which.
        levels: ascending, as in the records.
        rows: (point, as trained, one spread per level).
    """

    metric: Metric
    levels: tuple[str, ...]
    rows: tuple[tuple[Point, Spread, tuple[Spread, ...]], ...]


@dataclass(frozen=True)
class Cost:
    """What simulating a point took; memory is the largest of its processes."""

    point: Point
    images_per_second: Spread
    train_seconds: Spread
    images: int
    peak_memory_bytes: int


def in_order() -> list[Metric]:
    """Return the metrics of all kinds in the order of tables: those that are always beside another come last."""
    return sorted(METRICS.values(), key=lambda metric: metric.secondary)


def accuracy_data(points: Sequence[Point]) -> list[Accuracies]:
    """Return every metric found, per point."""
    tables = []
    precise = [point for point in points if point.full_precision]
    references = {point.anchor: reference_of(point, precise) for point in points}
    for metric in in_order():
        seen = {point.anchor: metric_by_seed(point, metric.name) for point in points}
        there = [point for point in points if seen[point.anchor]]
        metric = metric.fitted(value for values in seen.values() for value in values.values())
        rows = [_accuracy(point, seen, references[point.anchor], metric.scale) for point in there]
        if rows:
            tables.append(Accuracies(metric, tuple(rows)))
    return tables


def reference_of(point: Point, points: Iterable[Point]) -> Point | None:
    """Return the ideal point to compare with: same rule, mode, layers and data; the closest in everything else.

    None for ideal points, where there is no such point, and where several are equally close.
    """
    if point.ideal or not on_hardware(point.config):
        return None
    candidates = [other for other in points if other.full_precision and _same_task(point, other)]
    ranked = sorted(candidates, key=lambda other: _distance(point, other))
    if len(ranked) > 1 and _distance(point, ranked[0]) == _distance(point, ranked[1]):
        return None
    return ranked[0] if ranked else None


def curve_data(points: Sequence[Point]) -> pd.DataFrame:
    """Return the learning curves: a row per point, metric and epoch, with mean, sample std and number of seeds."""
    rows = []
    for point in points:
        for metric in in_order():
            for epoch, spread in curve_of(point, metric.name).items():
                name = (point.label, point.name.group, point.variant, point.config_hash)
                rows.append((*name, metric.name, epoch, spread.mean, spread.std, spread.n))
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


def curve_of(point: Point, metric: str) -> dict[int, Spread]:
    """Return epoch -> spread; where an epoch has several phases, its last evaluation counts."""
    per_seed = [_seed_curve(record.curve, metric) for record in point.records]
    epochs = sorted({epoch for curve in per_seed for epoch in curve})
    return {epoch: Spread(tuple(curve[epoch] for curve in per_seed if epoch in curve)) for epoch in epochs}


def breakdown_data(points: Sequence[Point], key: str) -> list[Breakdown]:
    """Return the metrics under `by_label_fraction` or `by_age_seconds`, level by level."""
    breakdowns = []
    for metric in in_order():
        name = metric.name
        tables = {p.anchor: [record.metrics.get(key, {}) for record in p.records] for p in points}
        levels = {level for by_seed in tables.values() for table in by_seed for level in table if name in table[level]}
        ordered = tuple(sorted(levels, key=float))
        rows = [(point, spread_of(point, name), _at_levels(tables[point.anchor], name, ordered)) for point in points]
        rows = [row for row in rows if any(spread.n for spread in row[2])]
        if rows:
            breakdowns.append(Breakdown(metric, ordered, tuple(rows)))
    return breakdowns


def cost_data(points: Sequence[Point]) -> list[Cost]:
    """Return throughput, time, images presented and memory per point."""
    return [_cost(point) for point in points]


def images_presented(timing: dict[str, float]) -> int:
    """Return how many images were presented in training, those of every epoch counted."""
    return round(timing.get("train_images_per_second", 0.0) * timing.get("train_seconds", 0.0))


def _accuracy(point: Point, seen: dict[str, dict[int, float]], reference: Point | None, scale: float) -> Accuracy:
    values = seen[point.anchor]
    spread = Spread(tuple(values.values()))
    gap = None
    if reference is not None and seen[reference.anchor]:
        ideal = Spread(tuple(seen[reference.anchor].values()))
        error = scale * hypot(spread.error, ideal.error)
        gap = Gap(scale * (spread.mean - ideal.mean), error, reference, point.epochs == reference.epochs)
    return Accuracy(point, tuple(values), spread, gap)


def _same_task(point: Point, other: Point) -> bool:
    named = ("kind", "network.rule", "training.mode", "network.layers", "clustering.method")
    if any(point.config.get(key) != other.config.get(key) for key in named):
        return False
    keys = {key for key in point.config | other.config if key.startswith("data.")}
    return all(point.config.get(key) == other.config.get(key) for key in keys)


def _distance(point: Point, other: Point) -> tuple[int, bool, bool]:
    keys = [k for k in point.config | other.config if not k.startswith("hardware.")]
    differing = sum(point.config.get(key) != other.config.get(key) for key in keys)
    return differing, point.epochs != other.epochs, other.config.get("hardware.off_chip") is not None


def _seed_curve(curve: list[dict[str, Any]], metric: str) -> dict[int, float]:
    return {int(row["epoch"]): value for row in curve if isfinite(value := float(row.get(metric, nan)))}


def _at_levels(tables: list[dict[str, Any]], metric: str, levels: tuple[str, ...]) -> tuple[Spread, ...]:
    return tuple(
        Spread(tuple(table[level][metric] for table in tables if metric in table.get(level, {}))) for level in levels
    )


def _cost(point: Point) -> Cost:
    timings = [record.timing for record in point.records]
    return Cost(
        point,
        Spread(tuple(timing.get("train_images_per_second", nan) for timing in timings)),
        Spread(tuple(timing.get("train_seconds", nan) for timing in timings)),
        max(map(images_presented, timings)),
        max(record.peak_memory_bytes for record in point.records),
    )

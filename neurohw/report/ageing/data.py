"""Accuracy against the age of the trained chip: a line for each way to meet drift, and what recovery takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from neurohw.energy.ranges import Range
from neurohw.energy.recorded import AgedCost
from neurohw.metrics import Metric
from neurohw.report.accuracy.data import in_order
from neurohw.report.energy.account import chip_of
from neurohw.report.energy.bounds import mean_bounds
from neurohw.report.naming import Flat
from neurohw.report.points import Point
from neurohw.report.spread import Spread, metric_by_seed

_AS_IT_IS = "as it is"
_COMPENSATED = {"none": "", "global": "compensated", "per-column": "compensated per column"}


@dataclass(frozen=True)
class Way:
    """What is done about drift.

    Args:
        compensation: "none", "global" or "per-column".
        retrained: whether the aged chip has learnt again from images without labels.
    """

    compensation: str
    retrained: bool = False

    @property
    def label(self) -> str:
        """In words."""
        words = (_COMPENSATED.get(self.compensation, self.compensation), "re-trained" if self.retrained else "")
        return ", ".join(filter(None, words)) or _AS_IT_IS


@dataclass(frozen=True)
class Ageing:
    """One metric of one point as its chip ages.

    Args:
        point, metric: which.
        trained: at the end of training.
        ages: seconds since then, ascending.
        lines: way -> a spread for each age; empty where no seed has it.
        losses: way -> what each seed has lost since the end of its training, a spread for each age, as fractions or in
            the metric's own unit: a chip and its aged self are one pair, so that what tells seeds apart drops out.
    """

    point: Point
    metric: Metric
    trained: Spread
    ages: tuple[float, ...]
    lines: Mapping[Way, tuple[Spread, ...]]
    losses: Mapping[Way, tuple[Spread, ...]]


@dataclass(frozen=True)
class Recovery:
    """What compensation and re-training of a point took at an age; means over its seeds.

    Args:
        point, age, compensation: of what.
        images, pulses: learnt from without labels, and given to devices.
        energy, seconds: of re-training, J and s; compensating: of the reads for the compensation, J.
        gained: what re-training added to the main metric, in its own unit, seed by seed; empty where it is not known.
    """

    point: Point
    age: float
    compensation: str
    images: float
    pulses: float
    energy: Range
    seconds: Range
    compensating: Range
    gained: Spread


def ageing_data(points: Sequence[Point]) -> list[Ageing]:
    """Return every metric of every point that was evaluated at ages, metric by metric."""
    found = []
    for metric in in_order():
        for point in points:
            by_level = [by_age(record.metrics, point.config) for record in point.records]
            looks = [(age, way) for of_seed in by_level for age, way in of_seed
                     if metric.name in of_seed[age, way]]  # fmt: skip
            if not looks:
                continue
            ages = tuple(sorted({age for age, _ in looks}))
            ways = dict.fromkeys(sorted((way for _, way in looks), key=lambda way: way.retrained))
            lines = {way: tuple(_spread(by_level, age, way, metric.name) for age in ages) for way in ways}
            trained = metric_by_seed(point, metric.name)
            losses = {way: tuple(_lost(point, by_level, age, way, metric) for age in ages) for way in ways}
            found.append(Ageing(point, metric, Spread(tuple(trained.values())), ages, lines, losses))
    return found


def recovery_data(ageings: Sequence[Ageing]) -> list[Recovery]:
    """Return what compensation and re-training took, of the points whose records have an account."""
    first = {ageing.point.anchor: ageing for ageing in reversed(ageings)}
    return [recovery for ageing in reversed(first.values()) for recovery in _recoveries(ageing)]


def _recoveries(ageing: Ageing) -> Iterator[Recovery]:
    costs: dict[tuple[float, str], list[AgedCost]] = {}
    for chip in map(chip_of, ageing.point.records):
        for cost in () if chip is None else chip.aged:
            costs.setdefault((cost.age_seconds, cost.compensation), []).append(cost)
    for (age, compensation), of_seeds in costs.items():
        yield Recovery(
            ageing.point,
            age,
            compensation,
            fmean(cost.images for cost in of_seeds),
            fmean(cost.pulses for cost in of_seeds),
            mean_bounds([cost.recovery for cost in of_seeds]),
            mean_bounds([cost.seconds for cost in of_seeds]),
            mean_bounds([cost.compensating for cost in of_seeds]),
            _gained(ageing, age, compensation),
        )


def _gained(ageing: Ageing, age: float, compensation: str) -> Spread:
    """Return what re-training added, of the seeds that have both."""
    point, name = ageing.point, ageing.metric.name
    by_level = [by_age(record.metrics, point.config) for record in point.records]
    pairs = [[metrics.get((age, Way(compensation, again)), {}).get(name) for again in (False, True)]
             for metrics in by_level]  # fmt: skip
    return Spread(tuple(after - before for before, after in pairs if before is not None and after is not None))


def _lost(
    point: Point, by_level: Sequence[Mapping[tuple[float, Way], Any]], age: float, way: Way, metric: Metric
) -> Spread:
    """Return what the seeds that have both have lost at an age."""
    trained = metric_by_seed(point, metric.name)
    pairs = [(trained.get(record.seed), metrics.get((age, way), {}).get(metric.name))
             for record, metrics in zip(point.records, by_level, strict=True)]  # fmt: skip
    return Spread(tuple(metric.loss(before, now) for before, now in pairs if before is not None and now is not None))


def _spread(by_level: Sequence[Mapping[tuple[float, Way], Any]], age: float, way: Way, name: str) -> Spread:
    found = (metrics[age, way] for metrics in by_level if (age, way) in metrics)
    return Spread(tuple(metrics[name] for metrics in found if name in metrics))


def by_age(metrics: Mapping[str, Any], config: Flat) -> dict[tuple[float, Way], Mapping[str, Any]]:
    """Return a record's metrics by age and way; where no ways were named, drift met what the hardware does."""
    found: dict[tuple[float, Way], Mapping[str, Any]] = {}
    for level, at_age in metrics.get("by_age_seconds", {}).items():
        for compensation, measured in at_age.get("by_compensation", {_usual(config): at_age}).items():
            found[float(level), Way(compensation)] = measured
            if "retrained" in measured:
                found[float(level), Way(compensation, True)] = measured["retrained"]
    return found


def _usual(config: Flat) -> str:
    if config.get("hardware.off_chip"):
        return "global" if config.get("hardware.drift_compensation", True) else "none"
    return str(config.get("hardware.compensation", "none"))

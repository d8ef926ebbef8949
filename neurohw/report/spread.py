"""A metric of one point over its seeds: mean, spread, and whether guessing would do as well."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan, sqrt
from statistics import fmean, stdev

from neurohw.metrics import Metric
from neurohw.report.chance import near_chance
from neurohw.report.points import Point


@dataclass(frozen=True)
class Spread:
    """Values of several seeds."""

    values: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean; NaN of nothing."""
        return fmean(self.values) if self.values else nan

    @property
    def std(self) -> float:
        """Sample standard deviation (n - 1 in the denominator); NaN for one seed."""
        return stdev(self.values) if self.n > 1 else nan

    @property
    def error(self) -> float:
        """Standard error of the mean, std / sqrt(n)."""
        return self.std / sqrt(self.n) if self.n else nan


def spread_of(point: Point, metric: str) -> Spread:
    """Return one metric of one point; empty if no seed has it."""
    return Spread(tuple(metric_by_seed(point, metric).values()))


def at_chance(point: Point, spread: Spread, metric: Metric) -> bool:
    """Return whether a metric is near what guessing gives: a network that tells nothing has nothing to lose."""
    return near_chance(metric, spread.values, point.records[0].chance)


def metric_by_seed(point: Point, metric: str) -> dict[int, float]:
    """Return seed -> value, of the seeds that have it."""
    return {r.seed: value for r in point.records if isfinite(value := float(r.metrics.get(metric, nan)))}

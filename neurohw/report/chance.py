"""Which points are no better than guessing: they learn nothing cheaply, and have nothing to lose."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan
from statistics import fmean

from neurohw.kinds import standing_metrics
from neurohw.metrics import Metric
from neurohw.runs.record import RunRecord


def near_chance(metric: Metric, values: Sequence[float], chance: float) -> bool:
    """Return whether a metric is near what guessing gives, in the mean over seeds or with at least half of them.

    Args:
        metric: of all values.
        values: one per seed; of none, nothing is known.
        chance: share of the most frequent class.
    """
    near = sum(metric.near_chance(value, chance) for value in values)
    return bool(values) and (2 * near >= len(values) or metric.near_chance(fmean(values), chance))


def guesses(records: Sequence[RunRecord]) -> bool:
    """Return whether these networks guess, by the first share of right answers that they have."""
    for metric in standing_metrics():
        values = [value for record in records if isfinite(value := float(record.metrics.get(metric.name, nan)))]
        if metric.accuracy and values:
            return near_chance(metric, values, records[0].chance)
    return False

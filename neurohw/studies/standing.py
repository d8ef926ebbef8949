"""How far a sweep is: what is done, what failed, how fast it goes, and what is under way."""

from __future__ import annotations

import time
from collections import deque
from operator import attrgetter
from typing import Any

from neurohw.errors import Diverged
from neurohw.kinds import KINDS, shown_metrics
from neurohw.runs.record import RunRecord
from neurohw.studies.execution.base import Settled
from neurohw.studies.sweep import Point

_RECENT = 5


class Standing:
    """The standing of a sweep, in numbers and in lines.

    Args:
        total: its points.
        where: they run, in words.

    Attributes:
        done: points that are over, of which `known` had been before, and `failed` gave no record or diverged.
        recent: lines about the last ones that ended.
        failures: lines about the last ones that failed.
        under_way: line about each point that has done an epoch and goes on, by its folder's name.
    """

    def __init__(self, total: int, where: str) -> None:
        self.total, self.where = total, where
        self.done = self.known = self.failed = 0
        self.recent, self.failures = deque[str](maxlen=_RECENT), deque[str](maxlen=_RECENT)
        self.under_way: dict[str, str] = {}
        self._shares: dict[str, float] = {}
        self._began = time.monotonic()

    def epoch(self, point: Point, row: dict[str, Any]) -> None:
        """Take note of an epoch."""
        name, epochs = point.folder.name, epochs_of(point)
        self._shares[name] = min(1.0, row["epoch"] / epochs)
        self.under_way[name] = f"{name}: epoch {row['epoch']} of {epochs}" + (
            f", {shown}" if (shown := shown_metrics(row)) else ""
        )

    def settled(self, settled: Settled) -> str:
        """Take note of a point that is over, and return the line about it."""
        name, outcome = settled.point.folder.name, settled.outcome
        self.done += 1
        self.known += settled.attempts == 0
        self.under_way.pop(name, None), self._shares.pop(name, None)
        if isinstance(outcome, RunRecord):
            line = f"{name}: {shown_metrics(outcome.metrics)}"
        else:
            self.failed += 1
            line = f"{name}: {'diverged' if isinstance(outcome, Diverged) else 'failed'}: {outcome}"
            self.failures.append(line)
        self.recent.append(line)
        return f"{self.done}/{self.total} {line}"

    @property
    def per_second(self) -> float:
        """Points a second so far, those under way counted by their epochs; 0 where nothing is known yet."""
        run = self.done - self.known + sum(self._shares.values())
        return run / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes; None where nothing is known yet."""
        left = self.total - self.done - sum(self._shares.values())
        return left / self.per_second if self.per_second else None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def summary(self) -> str:
        """Return the standing in one line: points done, failures, rate, time left."""
        parts = [f"{self.done} of {self.total} points"]
        parts += [f"{self.known} of them had been done before"] if self.known else []
        parts += [f"{self.failed} failed"] if self.failed else []
        if self.per_second and self.done < self.total:
            parts += [rate_text(self.per_second)]
            parts += [f"{duration_text(self.seconds_left)} left"] if self.seconds_left is not None else []
        return ", ".join(parts)


def epochs_of(point: Point) -> int:
    """Return the epochs that a point will train."""
    planned = int(attrgetter(KINDS[point.experiment.kind].epochs)(point.experiment))
    return max(1, min(point.stop_after or planned, planned))


def rate_text(per_second: float) -> str:
    """Return a rate in the unit that suits it."""
    for seconds, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_second * seconds >= 1 or unit == "h":
            return f"{per_second * seconds:.3g} a {unit}"
    raise AssertionError


def duration_text(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"

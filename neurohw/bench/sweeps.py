"""What running points in processes costs, and what a second process brings."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from neurohw.bench.rounds import in_rounds
from neurohw.runs.record import RunRecord
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.processes import Processes
from neurohw.studies.sweep import Point, Sweep, SweepFile

_POINTS = 8  # of a sweep whose training counts: half a second each and more
_SMALL = 20  # of one whose overhead counts
_ROUNDS = 5
_TINY = {"data.train_limit": 64, "data.test_limit": 30, "training.epochs": 1}


def sweeps() -> Sequence[dict[str, Any]]:
    """Time sweeps of quickstart on warm processes: two of one thread against one, and the time beside training."""
    with tempfile.TemporaryDirectory() as folder:
        numbers = itertools.count()

        def points(count: int, settings: dict[str, Any]) -> list[Point]:
            """Return points that nobody has run."""
            file = SweepFile(experiment="quickstart", seeds=tuple(range(count)), set=settings)
            return list(Sweep(Path("sweep"), file).points(Path(folder) / str(next(numbers))))

        one, two = _Warm(1, threads=1), _Warm(2, threads=1)
        try:
            for executor in (one, two):
                _done(points(executor.jobs, _TINY), executor)
            calls = {"one": lambda: _done(points(_POINTS, {}), one), "two": lambda: _done(points(_POINTS, {}), two)}
            ratios = in_rounds(calls, _ROUNDS, warm_up=1).ratios("one", "two")
            beside = [_beside_training(points(_SMALL, _TINY), one) for _ in range(_ROUNDS)]
        finally:
            one.end()
            two.end()
    return [
        _row("throughput of 2 processes of 1 thread over 1", ratios, ">= 1.8"),
        _row("s a point beside its training", beside, "<= 0.3"),
    ]


class _Warm(Processes):
    """Processes that outlive a sweep."""

    def close(self) -> None:
        """Keep them."""

    def end(self) -> None:
        """Let them go."""
        super().close()


def _done(points: Sequence[Point], executor: Processes) -> list[RunRecord]:
    outcomes = [settled.outcome for settled in run_points(points, executor)]
    for outcome in outcomes:
        if not isinstance(outcome, RunRecord):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, RunRecord)]


def _beside_training(points: Sequence[Point], executor: Processes) -> float:
    """Return the seconds a point takes besides its training."""
    began = time.perf_counter()
    records = _done(points, executor)
    return (time.perf_counter() - began - sum(record.timing["train_seconds"] for record in records)) / len(points)


def _row(figure: str, values: Sequence[float], goal: str) -> dict[str, Any]:
    return {"figure": figure, "median": round(median(values), 3), "low": round(min(values), 3),
            "high": round(max(values), 3), "goal": goal}  # fmt: skip

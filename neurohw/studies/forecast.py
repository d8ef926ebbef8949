"""What a sweep will take: its configurations, what is done of each, and how long the rest lasts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from neurohw.config import Experiment
from neurohw.runs.folder import finished
from neurohw.studies.estimate import Estimate, estimate
from neurohw.studies.sweep import Point

MEASURED_SECONDS = 60.0  # of timing; what is left then gets the mean
_NO_MATTER = {"name", "runs", "device_parameters", "dac_bits", "adc_bits"}  # of how long a run takes


@dataclass(frozen=True)
class Row:
    """One configuration of a sweep.

    Args:
        point: the first of its runs.
        seeds: of all of them; done: how many have their record.
        each: what one takes; None: all are done.
        measured: one alike was timed; otherwise it is the mean of those that were.
    """

    point: Point
    seeds: tuple[int, ...]
    done: int
    each: Estimate | None
    measured: bool

    @property
    def seconds(self) -> float:
        """Of the runs that are not done."""
        return self.each.seconds * (len(self.seeds) - self.done) if self.each else 0.0

    @property
    def size(self) -> int:
        """Bytes of the runs that are not done."""
        return self.each.size * (len(self.seeds) - self.done) if self.each else 0


def forecast(
    points: Iterable[Point],
    measure: Callable[[Experiment, int | None, int], Estimate] = estimate,
    limit: float = MEASURED_SECONDS,
) -> list[Row]:
    """Return what is to be done, a row a configuration.

    One of all configurations that only differ in real numbers, bits or parameters of devices is timed: these change
    what is computed, but hardly how long it takes.

    Args:
        points: of a sweep; several seeds may be one.
        measure: times one.
        limit: seconds after which nothing more is timed.
    """
    runs: dict[str, list[Point]] = {}
    together: dict[str, int] = {}  # seeds that are one batch
    for group in points:
        runs.setdefault(group.digest, []).extend(group.members)
        together.setdefault(group.digest, len(group.members))
    done = {digest: sum(finished(p.folder, digest, p.seed, p.stop_after) is not None for p in each)
            for digest, each in runs.items()}  # fmt: skip
    known: dict[str, Estimate] = {}
    began = time.monotonic()
    for digest, (first, *_) in runs.items():
        if done[digest] < len(runs[digest]) and (alike := _alike(first)) not in known:
            if known and time.monotonic() - began > limit:
                break
            all_of_them = measure(first.experiment, first.stop_after, together[digest])
            known[alike] = replace(all_of_them, seconds=all_of_them.seconds / together[digest])
    usual = Estimate(sum(e.seconds for e in known.values()) / max(len(known), 1),
                     sum(e.size for e in known.values()) // max(len(known), 1))  # fmt: skip
    rows = []
    for digest, (first, *others) in runs.items():
        seeds = (first.seed, *(point.seed for point in others))
        left, alike = done[digest] < len(seeds), _alike(first)
        rows.append(Row(first, seeds, done[digest], known.get(alike, usual) if left else None, alike in known))
    return rows


def _alike(point: Point) -> str:
    """Return what decides how long a run takes."""
    return json.dumps([_kept(point.experiment.canonical()), point.stop_after], sort_keys=True)


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(item) for key, item in value.items() if key not in _NO_MATTER}
    if isinstance(value, list | tuple):
        return [_kept(item) for item in value]
    return 0.0 if isinstance(value, float) and value else value  # whether it is zero may matter

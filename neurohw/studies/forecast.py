"""What a sweep will take: its configurations, what is done of each, and how long the rest lasts."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from neurohw.config import Experiment
from neurohw.config.hardware import HardwareSection
from neurohw.runs.folder import finished
from neurohw.runs.hardware import device_model
from neurohw.studies.estimate import Estimate, estimate
from neurohw.studies.sweep import Point

MEASURED_SECONDS = 60.0  # of timing; what is left then gets the mean
_NO_MATTER = {"name", "runs", "dac_bits", "adc_bits"}  # of how long a run takes
_FINENESS = 4.0  # steps so many times finer, in weights, are timed for themselves: they take more pulses


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

    One of all configurations that only differ in real numbers or bits is timed: these change what is computed, but
    hardly how long it takes. Of devices it also matters how fine their steps are, and which of their numbers are zero.

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
    kinds = {digest: _alike(each[0]) for digest, each in runs.items()}
    began = time.monotonic()
    for digest, (first, *_) in runs.items():
        if done[digest] < len(runs[digest]) and (alike := kinds[digest]) not in known:
            if known and time.monotonic() - began > limit:
                break
            all_of_them = measure(first.experiment, first.stop_after, together[digest])
            known[alike] = replace(all_of_them, seconds=all_of_them.seconds / together[digest])
    usual = Estimate(sum(e.seconds for e in known.values()) / max(len(known), 1),
                     sum(e.size for e in known.values()) // max(len(known), 1))  # fmt: skip
    rows = []
    for digest, (first, *others) in runs.items():
        seeds = (first.seed, *(point.seed for point in others))
        left, alike = done[digest] < len(seeds), kinds[digest]
        rows.append(Row(first, seeds, done[digest], known.get(alike, usual) if left else None, alike in known))
    return rows


def _alike(point: Point) -> str:
    """Return what decides how long a run takes."""
    fineness = _fineness(getattr(point.experiment, "hardware", None))
    return json.dumps([_kept(point.experiment.canonical()), fineness, point.stop_after], sort_keys=True)


def _fineness(hardware: Any) -> int | None:
    """Return how fine the steps of a device are in weights, as a power of `_FINENESS`; None on ideal arrays."""
    device = device_model(hardware) if isinstance(hardware, HardwareSection) else None
    if device is None:
        return None
    law = device.response()
    return round(math.log(law.granularity / law.w_max * (hardware.weight_range or 1.0), _FINENESS))


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _zeros(item) if key == "device_parameters" else _kept(item)
                for key, item in value.items() if key not in _NO_MATTER}  # fmt: skip
    if isinstance(value, list | tuple):
        return [_kept(item) for item in value]
    return 0.0 if isinstance(value, float) and value else value  # whether it is zero may matter


def _zeros(parameters: dict[str, Any]) -> dict[str, bool]:
    """Return which numbers of a device are not zero: drift that is there is computed, however large it is."""
    return {key: value != 0 for key, value in parameters.items()}

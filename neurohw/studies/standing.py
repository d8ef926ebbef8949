"""How far a sweep is: what is done, what failed, how fast it goes, and what is under way."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from neurohw.errors import Diverged, GivenUp, InputError, NeurohwError
from neurohw.kinds import KINDS, shown_metrics
from neurohw.reading import RECORDED, read_bytes
from neurohw.runs.files import remove_partial, write_text
from neurohw.runs.record import RunRecord
from neurohw.studies.execution.base import Settled
from neurohw.studies.sweep import Point
from neurohw.units import duration_text
from neurohw.validation import first_fault
from neurohw.values import Amount, Text, Whole

STANDING = "standing.json"  # in a sweep's folder
_RECENT, _UNDER_WAY = 5, 8  # lines
_WRITTEN_EVERY = 2.0  # seconds


class Standing(BaseModel):
    """The standing of a sweep at a moment; what `standing.json` holds.

    Args:
        total: points.
        where: they run, in words.
        done: points that are over, of which `known` had been before, and `failed` gave no record or diverged.
        seconds: since the sweep began.
        per_second: points a second, those under way counted by their epochs; 0 where nothing is known yet.
        seconds_left: about how long the rest takes; None where nothing is known yet.
        recent: lines about the last points that ended; failures: about the last that failed; under_way: about points
            that have done an epoch.
        best: of a search, what is best so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    total: Whole
    where: Text
    done: Whole
    known: Whole
    failed: Whole
    seconds: Amount
    per_second: Amount
    seconds_left: Amount | None
    recent: list[Text]
    failures: list[Text]
    under_way: list[Text]
    best: Text = ""

    def summary(self) -> str:
        """Return it in one line: points done, failures, rate, time left."""
        parts = [f"{self.done} of {self.total} points"]
        parts += [f"{self.known} of them had been done before"] if self.known else []
        parts += [f"{self.failed} failed"] if self.failed else []
        if self.per_second and self.done < self.total:
            parts += [rate_text(self.per_second)]
            parts += [f"{duration_text(self.seconds_left)} left"] if self.seconds_left is not None else []
        parts += [self.best] if self.best else []
        return ", ".join(parts)

    def write(self, folder: Path) -> None:
        """Write `standing.json` into the sweep's folder, whose lock the caller holds."""
        remove_partial(folder / STANDING)
        write_text(folder / STANDING, self.model_dump_json(indent=1) + "\n")


def read_standing(folder: Path) -> Standing:
    """Return the standing of a sweep that runs, or ran, in the folder.

    Raises:
        InputError: there is none, or it is not one of ours.
    """
    path = folder / STANDING
    if not path.is_file():
        raise InputError(f"{folder}: no {STANDING} in it; allowed: the folder (--out) of a `neurohw sweep`")
    try:
        return Standing.model_validate_json(read_bytes(path, RECORDED))
    except ValidationError as error:
        raise InputError(f"{path}: {first_fault(error)}; this is no standing that neurohw wrote") from None


class Count:
    """Takes note of what becomes of points.

    Args:
        total: points.
        where: they run, in words.

    Attributes:
        best: see Standing.
    """

    def __init__(self, total: int, where: str) -> None:
        self.best = ""
        self._total, self._where = total, where
        self._done = self._known = self._failed = 0
        self._recent, self._failures = deque[str](maxlen=_RECENT), deque[str](maxlen=_RECENT)
        self._under_way: dict[str, tuple[float, str]] = {}  # share of the epochs, and a line, by the folder's name
        self._began = time.monotonic()

    def epoch(self, point: Point, row: dict[str, Any]) -> None:
        """Take note of an epoch."""
        name, epochs, others = point.folder.name, epochs_of(point), len(point.companions)
        shown = shown_metrics(row)
        who = f"{name} and {others} other seeds, mean" if others else name
        line = f"{who}: epoch {row['epoch']} of {epochs}" + (f", {shown}" if shown else "")
        self._under_way[name] = (1 + others) * min(1.0, row["epoch"] / epochs), line

    def settled(self, settled: Settled) -> str:
        """Take note of a point that is over, and return the line about it."""
        name, outcome = settled.point.folder.name, settled.outcome
        self._done += 1
        self._known += settled.attempts == 0
        self._under_way.pop(name, None)
        if isinstance(outcome, RunRecord):
            line = f"{name}: {shown_metrics(outcome.metrics)}"
            self._recent.append(line)
        elif isinstance(outcome, GivenUp):
            line = f"{name}: {outcome}"
            self._recent.append(line)
        else:
            self._failed += 1
            why = str(outcome).removeprefix(f"{name}: ")
            line = f"{name}: {'diverged' if isinstance(outcome, Diverged) else 'failed'}: {why}"
            self._failures.append(line)
        return f"{self._done}/{self._total} {line}"

    def now(self) -> Standing:
        """Return the standing."""
        seconds, under_way = time.monotonic() - self._began, [*self._under_way.values()]
        half_done = sum(share for share, _ in under_way)
        per_second = (self._done - self._known + half_done) / max(seconds, 1e-9)
        return Standing(
            total=self._total,
            where=self._where,
            done=self._done,
            known=self._known,
            failed=self._failed,
            seconds=seconds,
            per_second=per_second,
            seconds_left=(self._total - self._done - half_done) / per_second if per_second else None,
            recent=list(self._recent),
            failures=list(self._failures),
            under_way=[line for _, line in under_way[:_UNDER_WAY]],
            best=self.best,
        )


class StandingFile:
    """The standing in the folder, where others may look at it (`neurohw watch`)."""

    def __init__(self, folder: Path, count: Count) -> None:
        self._folder, self._count, self._at = folder, count, time.monotonic()
        self.if_older(0.0)

    def if_older(self, seconds: float = _WRITTEN_EVERY) -> None:
        """Write it anew where it is older than that; a full disk takes none."""
        if not seconds or time.monotonic() - self._at >= seconds:
            self._at = time.monotonic()
            with contextlib.suppress(NeurohwError):
                self._count.now().write(self._folder)


def epochs_of(point: Point) -> int:
    """Return the epochs that a point will train."""
    planned = int(attrgetter(KINDS[point.experiment.kind].epochs)(point.experiment))
    return max(1, min(point.stop_after or planned, planned))


def rate_text(per_second: float) -> str:
    """Return a rate in the unit that suits it."""
    seconds, unit = next(((s, u) for s, u in ((1, "s"), (60, "min")) if per_second * s >= 1), (3600, "h"))
    return f"{per_second * seconds:.3g} a {unit}"


def batches_text(points: Sequence[Point]) -> str:
    """Return in words how many points are trained with others; "" where none is."""
    groups = [len(point.members) for point in points if point.companions]
    if not groups:
        return ""
    batches = "one batch" if len(groups) == 1 else f"{len(groups)} batches"
    return f"{sum(groups)} of them as {batches} of networks, up to {max(groups)} seeds at once"

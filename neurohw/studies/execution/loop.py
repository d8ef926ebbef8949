"""All points on an executor: finished ones are only read, failed attempts are repeated, and none stops the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from neurohw.errors import Diverged, FolderInUse, GivenUp, InputError, NeurohwError
from neurohw.runs.folder import finished
from neurohw.runs.record import RunRecord
from neurohw.studies.execution.base import LOG, RETRIES, AttemptFailed, Ended, EpochDone, Executor, Settled, Watch
from neurohw.studies.execution.failed import clear_failed, write_failed
from neurohw.studies.sweep import Point


def run_points(
    points: Sequence[Point],
    executor: Executor,
    retries: int = RETRIES,
    epoch: Watch | None = None,
    more: Callable[[], Point | None] = lambda: None,
    keep_open: bool = False,
) -> Generator[Settled]:
    """Run the points and yield each, once, with its record, or with the error that ended its last attempt.

    Args:
        points: what to run; those that are finished are only read. Companions run with their point; those that have no
            record after its last attempt run by themselves.
        executor: where; it is closed in the end, unless `keep_open`.
        retries: of a point whose process was killed, that raised, or took too long; each goes on from the checkpoint
            of the one before. Wrong input and divergence are no matter of luck, and are not repeated.
        epoch: told of every epoch's line.
        more: asked for a further point whenever there is a place for one, after all before it were yielded that are
            over; None: there is none now.
    """
    waiting: list[Point] = []
    tried: defaultdict[Path, list[Ended]] = defaultdict(list)
    running = 0
    try:
        for group in points:
            standing = [(point, _known(point)) for point in group.members]
            yield from (Settled(point, known, 0) for point, known in standing if known is not None)
            if not (unknown := [point for point, known in standing if known is None]):
                continue
            point = unknown[0].joined_by(unknown[1:])
            if not waiting and executor.begin(point, ()):
                running += 1
            else:
                waiting.append(point)
        while True:
            begun = _begin(waiting, tried, executor)
            waiting = [point for point in waiting if point.folder not in begun]
            running += len(begun)
            while not waiting and executor.has_room() and (further := more()) is not None:
                if (known := _known(further)) is not None:
                    yield Settled(further, known, 0)
                elif executor.begin(further, ()):
                    running += 1
                else:
                    waiting.append(further)
            if not waiting and not running:
                return
            for event in executor.wait():
                if isinstance(event, EpochDone):
                    if epoch is not None:
                        epoch(event.point, event.row)
                    continue
                running -= 1
                attempts = tried[event.point.folder]
                attempts.append(event)
                if _hopeful(event.outcome, executor) and len(attempts) <= retries:
                    waiting.append(event.point)
                else:
                    yield _settled(tried.pop(event.point.folder))
                    for point in event.point.companions:
                        if (known := _known(point)) is None:
                            waiting.append(point)
                        else:
                            yield Settled(point, known, len(attempts))
    finally:
        if not keep_open:
            executor.close()


def _begin(waiting: Sequence[Point], tried: Mapping[Path, Sequence[Ended]], executor: Executor) -> set[Path]:
    """Begin as many points as there are places for, the first ones first, and return their folders."""
    begun = set()
    for point in waiting:
        avoid = {ended.place for ended in tried.get(point.folder, ())}
        if executor.begin(point, avoid):
            begun.add(point.folder)
        elif not avoid:
            break  # there is no place at all
    return begun


def _known(point: Point) -> RunRecord | NeurohwError | None:
    """Return what a former sweep, or a run, has made of the point; None where it is to be run."""
    try:
        record = finished(point.folder, point.digest, point.seed, point.stop_after)
    except InputError as error:  # a damaged record
        return error
    if record is not None:  # it may be of `neurohw run`, after a sweep in which the point failed
        clear_failed(point.folder)
    if record is not None and record.status == "diverged":
        return Diverged(record.message or "the run has diverged")
    return record


def _hopeful(outcome: RunRecord | NeurohwError, executor: Executor) -> bool:
    """Return whether another attempt may end otherwise."""
    if isinstance(outcome, RunRecord | Diverged | GivenUp):
        return False
    return not (isinstance(outcome, InputError) and executor.alike)


def _settled(attempts: Sequence[Ended]) -> Settled:
    """Return what became of a point in the end, which its folder says, too."""
    point, outcome = attempts[-1].point, attempts[-1].outcome
    if isinstance(outcome, RunRecord | Diverged | GivenUp):  # whose record says so
        clear_failed(point.folder)
        return Settled(point, outcome, len(attempts))
    if isinstance(outcome, AttemptFailed):
        times = f"{len(attempts)} attempts, " if len(attempts) > 1 else ""
        outcome = AttemptFailed(f"{outcome} ({times}log: {point.folder / LOG})", outcome.how)
    if not isinstance(outcome, FolderInUse):
        with suppress(NeurohwError, OSError):  # a full disk
            write_failed(point, attempts)
    return Settled(point, outcome, len(attempts))

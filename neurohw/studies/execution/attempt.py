"""One attempt at a point, in this process."""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from pathlib import Path

from neurohw.errors import FolderInUse, NeurohwError, OutputLost
from neurohw.runs.memory import is_shortage
from neurohw.runs.progress import Reporter
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run_seeds
from neurohw.studies.execution.base import GRACE_SECONDS, LOG, AttemptFailed
from neurohw.studies.sweep import Point

_PATIENCE = GRACE_SECONDS + 10  # seconds for a process of a sweep that was killed, which writes its last checkpoint


def attempt(point: Point, report: Reporter) -> RunRecord | NeurohwError:
    """Run a point and its companions, or go on, and return its record or why it has none; the log has more of that."""
    name = point.folder.name
    try:
        return _run_when_free(point, report)
    except OutputLost:  # nobody reads what the sweep says
        raise
    except NeurohwError as error:
        return error
    except Exception as error:
        with suppress(OSError), (point.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        if is_shortage(error):
            why = error or "none is left"
            remedy = "smaller batches, layers or tiles, or fewer --jobs, need less"
            return AttemptFailed(f"{name}: the memory is not enough: {why}; {remedy}", "memory")
        return AttemptFailed(f"{name}: {type(error).__name__}: {error}", "raised")


def _run_when_free(point: Point, report: Reporter) -> RunRecord:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            folders: dict[int, Path | None] = {each.seed: each.folder for each in point.members}
            outcomes = run_seeds(
                point.experiment, folders, stop_after=point.stop_after, resume=True, report=report
            )  # of companions, their folders say what became of them
            if isinstance(outcome := outcomes[point.seed], Exception):
                raise outcome
            return outcome
        except FolderInUse:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)

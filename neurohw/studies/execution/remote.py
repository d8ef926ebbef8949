"""A point on a worker of a Dask cluster: a process of the worker's runs it, and its files go back as bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from distributed import get_worker

from neurohw.errors import Diverged, NeurohwError
from neurohw.runs.record import METRICS, RECORD, RunRecord
from neurohw.studies.execution.base import LOG, Ended, EpochDone
from neurohw.studies.execution.child import Child
from neurohw.studies.sweep import Point

_LOOK_SECONDS = 0.5
_LOG_BYTES = 100_000  # of a log's end that go back
_LOCAL = threading.local()  # each of the worker's threads keeps a process, which has loaded what it needs


@dataclass(frozen=True)
class Task:
    """What a worker gets.

    Args:
        point: to run.
        files: relative path -> content of what its settings name.
        threads: of the process.
        timeout: seconds it may take.
        code: hash of the coordinator's code: checkpoints of another are not gone on from.
        topic: under which epochs are told.
    """

    point: Point
    files: dict[str, bytes]
    threads: int
    timeout: float | None
    code: str
    topic: str


@dataclass(frozen=True)
class Returned:
    """What a worker gives.

    Args:
        failure: why there is no record, or why it has no result.
        record, metrics: contents of the files.
        log: what was said in this attempt.
        seconds: it took.
    """

    failure: NeurohwError | None
    record: bytes
    metrics: bytes
    log: bytes
    seconds: float


def run_task(task: Task) -> Returned:
    """Run the point in a folder of the worker's own, where a later attempt finds its checkpoint."""
    worker: Any = get_worker()
    own = Path(worker.local_directory) / "neurohw" / f"{task.code}-{task.threads}"
    folder = own / task.point.folder.name
    child = _process(task.threads)
    child.ask(os.chdir, _unpacked(own, task.files))  # so that relative paths mean the same as with the coordinator
    child.answer()
    child.begin(replace(task.point, folder=folder), task.timeout)
    ended = _followed(child, worker, task)
    failure = None if isinstance(ended.outcome, RunRecord) else ended.outcome
    over = failure is None or isinstance(failure, Diverged)  # which is a record, too
    files = [_content(folder / name) if over or name == LOG else b"" for name in (RECORD, METRICS, LOG)]
    if over:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        (folder / LOG).unlink(missing_ok=True)
    return Returned(failure, files[0], files[1], files[2][-_LOG_BYTES:], ended.seconds)


def _followed(child: Child, worker: Any, task: Task) -> Ended:
    """Wait for the end of the attempt, tell of its epochs, and end it where nobody waits for it any more."""
    key = worker.get_current_task()
    while True:
        if wait([child.pipe], _LOOK_SECONDS):
            event = child.event()
            if isinstance(event, Ended):
                return event
            if isinstance(event, EpochDone):
                worker.log_event(task.topic, {"name": task.point.folder.name, "row": event.row})
        child.enforce_limit()
        state = worker.state.tasks.get(key)
        if state is None or state.state == "cancelled":  # the coordinator has gone, or has given it up
            child.close()
            raise NeurohwError(f"{task.point.folder.name}: its sweep has ended")


def _process(threads: int) -> Child:
    kept: tuple[int, Child] | None = getattr(_LOCAL, "kept", None)
    if kept is not None and kept[0] == threads and not kept[1].gone:
        return kept[1]
    if kept is not None:
        kept[1].close()
    _LOCAL.kept = threads, Child(threads)
    return _LOCAL.kept[1]  # type: ignore[no-any-return]


def _unpacked(own: Path, files: dict[str, bytes]) -> Path:
    """Write the files below a folder that is theirs alone, and return it."""
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
    folder = own / f"files-{digest}-{threading.get_ident()}"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _content(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""

"""Where the points of a sweep run: in this process, or in local processes that share the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import FrameType

import torch

from neurohw.errors import NeurohwError, OutputLost
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from neurohw.studies.sweep import Point

Outcome = tuple[Point, RunRecord | Exception]

ATTEMPTS = 3  # at a point whose process is killed; each goes on from the checkpoint of the one before
GRACE_SECONDS = 20.0  # for a worker's last batch and its checkpoint, before it is killed
_PROCESSES = multiprocessing.get_context("spawn")
_LEFT_TO_PARENT = {signal.SIGINT, signal.SIGHUP}  # which a terminal sends to all of its processes


def run_points(points: Sequence[Point], jobs: int, report: Reporter) -> Generator[Outcome]:
    """Run the points and yield each with its record, or with the error that ended it; finished ones are only read.

    Args:
        points: what to run.
        jobs: processes; each takes its share of the cores as threads.
        report: told about epochs when everything runs in this process.
    """
    if jobs == 1:
        return ((point, _outcome(point, report)) for point in points)
    return _run_in_processes(points, jobs)


def threads_of(jobs: int) -> int:
    """Return the threads that each of so many processes gets: its share of the cores."""
    return max(1, (os.cpu_count() or 1) // jobs)


def _run_in_processes(points: Sequence[Point], jobs: int) -> Generator[Outcome]:
    """Give each process a point after the other; one that is killed is replaced, and its point comes last again."""
    waiting, attempts = deque(points), Counter[str]()
    threads = threads_of(jobs)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_Worker(waiting.popleft(), threads))
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                point, outcome = worker.point, worker.outcome()
                if outcome is None:
                    workers.remove(worker)
                    attempts[str(point.folder)] += 1
                    if attempts[str(point.folder)] < ATTEMPTS:
                        waiting.append(point)
                        continue
                    outcome = NeurohwError(f"{point.folder.name}: its process ended {ATTEMPTS} times ({worker.death}), "
                                           "for want of memory perhaps; fewer --jobs need less")  # fmt: skip
                elif waiting:
                    worker.take(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.pipe.close()  # which ends it
                yield point, outcome
    finally:
        _end(workers)


class _Worker:
    """A process that runs one point after the other, and ends with its parent, to which interrupts are left."""

    def __init__(self, point: Point, threads: int) -> None:
        self.pipe, theirs = _PROCESSES.Pipe()
        self.process = _PROCESSES.Process(target=_serve, args=(theirs, threads), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_PARENT)  # inherited, so from its first moment on
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.take(point)

    def take(self, point: Point) -> None:
        """Let it run a point."""
        self.point = point
        with suppress(OSError):  # it was killed; `outcome` says so
            self.pipe.send(point)

    def outcome(self) -> RunRecord | Exception | None:
        """Return what became of its point, waiting for it; None if the process is gone."""
        try:
            outcome: RunRecord | Exception = self.pipe.recv()
        except (EOFError, OSError):
            self.pipe.close()
            self.process.join()
            return None
        return outcome

    @property
    def death(self) -> str:
        """How the process ended."""
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"status {code}"


def _end(workers: Sequence[_Worker]) -> None:
    """Let each worker end its batch and write its checkpoint, as after Ctrl-C; whoever takes long is killed."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    try:
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
    finally:
        for worker in workers:
            worker.process.kill()


def _serve(pipe: Connection, threads: int) -> None:
    """Run the points that come through the pipe and send back what became of them."""
    with suppress(EOFError, OSError, KeyboardInterrupt):
        signal.signal(signal.SIGTERM, _terminated)
        threading.Thread(target=end_with_parent, daemon=True).start()
        torch.set_num_threads(threads)
        while True:
            pipe.send(_outcome(pipe.recv(), Silent()))


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end_with_parent() -> None:
    """Wait for the end of the process that started this one, then end as if it had been terminated."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _outcome(point: Point, report: Reporter) -> RunRecord | Exception:
    try:
        return run(point.experiment, point.seed, point.folder, stop_after=point.stop_after, resume=True, report=report)
    except OutputLost:  # nobody reads what the sweep says
        raise
    except NeurohwError as error:
        return error
    except Exception as error:  # one failed point must not end the others
        return NeurohwError(f"{point.folder.name}: {type(error).__name__}: {error}")

"""Where the points of a sweep run: in this process, or in local processes that share the cores."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import torch

from neurohw.errors import NeurohwError
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from neurohw.runs.sweep import Point

Outcome = tuple[Point, RunRecord | Exception]


def run_points(points: Sequence[Point], jobs: int, report: Reporter) -> Iterator[Outcome]:
    """Run the points and yield each with its record, or with the error that ended it; finished ones are only read.

    Args:
        points: what to run.
        jobs: processes; each takes its share of the cores as threads.
        report: told about epochs when everything runs in this process.
    """
    if jobs == 1:
        yield from ((point, _outcome(point, report)) for point in points)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_prepare, initargs=(threads,)) as pool:
        futures = {pool.submit(_outcome, point, Silent()): point for point in points}
        try:
            for future in as_completed(futures):
                yield futures[future], _result(future)
        finally:
            if not all(future.done() for future in futures):  # interrupted
                pool.shutdown(wait=False, cancel_futures=True)
                for process in multiprocessing.active_children():
                    process.terminate()  # their checkpoints stand; the sweep goes on from there


def _result(future: Future[RunRecord | Exception]) -> RunRecord | Exception:
    try:
        return future.result()
    except BrokenProcessPool:
        return NeurohwError("its process was killed, for want of memory perhaps; fewer --jobs need less")


def _prepare(threads: int) -> None:
    """Set a worker up: its share of the cores, and interrupts left to the parent."""
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _outcome(point: Point, report: Reporter) -> RunRecord | Exception:
    try:
        return run(point.experiment, point.seed, point.folder, stop_after=point.stop_after, resume=True, report=report)
    except NeurohwError as error:
        return error
    except Exception as error:  # one failed point must not end the others
        return NeurohwError(f"{point.folder.name}: {type(error).__name__}: {error}")

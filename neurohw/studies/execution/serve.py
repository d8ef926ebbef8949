"""A process that runs points, seen from inside: it does what comes through its pipe, and says what came of it."""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from neurohw.errors import GivenUp
from neurohw.isolation import isolate
from neurohw.kinds import KINDS, shown_metrics
from neurohw.runs.progress import Endable
from neurohw.studies.execution.base import GRACE_SECONDS, LOG, End
from neurohw.studies.sweep import Point


def serve(pipe: str, threads: str) -> None:
    """Do what comes through the pipe until its other end is closed.

    Args:
        pipe: its number.
        threads: that may be used; 0: as many as the environment gives.
    """
    connection, tasks = Connection(int(pipe)), queue.SimpleQueue[Any]()
    over: dict[Path, GivenUp] = {}  # by the folders of points that are given up
    signal.signal(signal.SIGTERM, _terminated)
    with suppress(KeyboardInterrupt, BrokenPipeError, ConnectionResetError):
        isolate()
        faulthandler.enable()
        threading.Thread(target=_receive, args=(connection, tasks, over), daemon=True).start()
        _limit_threads(int(threads))
        while (task := tasks.get()) is not None:
            if isinstance(task, Point):
                connection.send(_attempted(task, connection, over))
            else:
                connection.send(_called(*task))
    os._exit(0)  # the thread that receives may wait for ever


def _receive(connection: Connection, tasks: queue.SimpleQueue[Any], over: dict[Path, GivenUp]) -> None:
    """Pass on what comes; when the parent has gone, end as if terminated, at once where nothing is under way."""
    with suppress(EOFError, OSError):
        while True:
            if isinstance(told := connection.recv(), End):
                over[told.folder] = told.why
            else:
                tasks.put(told)
    tasks.put(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _limit_threads(threads: int) -> None:
    import torch  # here, so that signals are handled while it loads

    if threads:
        torch.set_num_threads(threads)


def _called(function: Any, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:
        return False, error


def _attempted(point: Point, connection: Connection, over: Mapping[Path, GivenUp]) -> Any:
    from neurohw.studies.execution.attempt import attempt

    KINDS[point.experiment.kind].load_job()  # a point's time is that of its run, not of what is loaded first
    connection.send("begun")
    with _logged(point):
        return attempt(point, _Relay(point, connection, over))


class _Relay(Endable):
    """Sends the line of every epoch, and writes it to the log; `over` may come to say that the run is given up."""

    def __init__(self, point: Point, connection: Connection, over: Mapping[Path, GivenUp]) -> None:
        self._point, self._connection, self._over, self._title = point, connection, over, ""

    def given_up(self) -> GivenUp | None:
        return self._over.get(self._point.folder)

    def begin(self, title: str, images: int) -> None:
        self._title = title
        super().begin(title, images)

    def end(self, row: dict[str, Any]) -> None:
        _log(f"{time.strftime('%H:%M:%S')} {self._title}: {row['seconds']:.1f} s, {shown_metrics(row)}")
        with suppress(OSError):  # of a parent that has gone: the run ends as any that is terminated
            self._connection.send(row)


def _log(line: str) -> None:
    """Write a line to the log; a full disk takes none, and the run itself will say so."""
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())


@contextmanager
def _logged(point: Point) -> Iterator[None]:
    """Have everything that the process prints, a crash's traceback too, in the point's log; not on a full disk."""
    try:
        point.folder.mkdir(parents=True, exist_ok=True)
        log = os.open(point.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:
        yield
        return
    kept = [os.dup(1), os.dup(2)]
    os.dup2(log, 1), os.dup2(log, 2)
    os.close(log)
    try:
        _log(f"{time.strftime('%Y-%m-%d %H:%M:%S')} begun by process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        with suppress(OSError):
            sys.stdout.flush(), sys.stderr.flush()
        for number, handle in enumerate(kept, 1):
            os.dup2(handle, number)
            os.close(handle)

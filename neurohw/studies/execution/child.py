"""A process that runs points, seen from the one that started it: it can be waited for, and killed."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from neurohw.errors import GivenUp, NeurohwError
from neurohw.runs.record import RunRecord
from neurohw.studies.execution.base import GRACE_SECONDS, AttemptFailed, End, Ended, EpochDone, Event
from neurohw.studies.sweep import Point

_LEFT_TO_PARENT = {signal.SIGINT, signal.SIGHUP}  # which a terminal sends to all of its processes
_KILLED = f"signal {signal.SIGKILL.value}"  # as the system ends who takes the last memory
_START = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve(*sys.argv[2:])"


class Child:
    """A process that does one thing after the other, and ends with its parent, to which interrupts are left.

    Args:
        threads: it may use; None: as many as its environment gives it.
    """

    def __init__(self, threads: int | None) -> None:
        ours, theirs = socket.socketpair()
        code = _START.format(module="neurohw.studies.execution.serve")
        command = [sys.executable, "-c", code, json.dumps(sys.path), str(theirs.fileno()), str(threads or 0)]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_PARENT)  # inherited, so from its first moment on
        try:
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self.pipe = Connection(ours.detach())
        self.place = f"process {self.process.pid}"
        self.point: Point | None = None
        self._began = 0.0
        self._limit: float | None = None
        self._deadline: float | None = None  # once it has begun: loading takes seconds, too
        self._late = False

    def ask(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have a function called there."""
        with suppress(OSError):  # it was killed; `answer` says so
            self.pipe.send((function, arguments))

    def answer(self) -> Any:
        """Wait for what the function gives, and return it, or raise what it raises; the process has ended then."""
        try:
            fine, result = self.pipe.recv()
        except (EOFError, OSError):
            raise NeurohwError(f"{self.place} ended at its work ({self._death()})") from None
        if not fine:
            self.close()
            raise result
        return result

    def begin(self, point: Point, timeout: float | None) -> None:
        """Let it run a point, no longer than `timeout` seconds."""
        self.point, self._began, self._late = point, time.monotonic(), False
        self._limit, self._deadline = timeout, None
        with suppress(OSError):  # it was killed; `event` says so
            self.pipe.send(point)

    def give_up(self, why: GivenUp) -> None:
        """Let it end its point at the next batch, unless that ends before it is heard."""
        assert self.point is not None
        with suppress(OSError):  # it was killed; `event` says so
            self.pipe.send(End(self.point.folder, why))

    def event(self) -> Event | None:
        """Return what its pipe has to tell, waiting for it; None where that is only that it has begun."""
        assert self.point is not None
        try:
            told: str | dict[str, Any] | RunRecord | NeurohwError = self.pipe.recv()
        except (EOFError, OSError):
            told = self._ended_without_a_word(self.point)
        if isinstance(told, str):
            self._began = time.monotonic()
            self._deadline = None if self._limit is None else self._began + self._limit
            return None
        if isinstance(told, dict):
            return EpochDone(self.point, told)
        point, self.point, self._deadline = self.point, None, None
        if isinstance(told, AttemptFailed) and told.how == "memory":
            self.close()  # one that wanted for memory is not trusted with the next point
        return Ended(point, told, self.place, time.monotonic() - self._began)

    @property
    def gone(self) -> bool:
        """Whether it takes no further points."""
        return self.pipe.closed

    def enforce_limit(self) -> None:
        """Have it end where it has taken too long, gently at first."""
        if self._deadline is None or time.monotonic() < self._deadline:
            return
        self.process.kill() if self._late else self.process.terminate()
        self._late, self._deadline = True, time.monotonic() + GRACE_SECONDS / 4

    def release(self) -> None:
        """Let it end its batch and write its checkpoint, as after Ctrl-C: it ends when its pipe is closed."""
        self.pipe.close()

    def close(self, seconds: float = GRACE_SECONDS) -> None:
        """Release it and wait for its end; who takes long is killed."""
        self.release()
        try:
            self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.process.kill()
            self.process.wait()

    def _ended_without_a_word(self, point: Point) -> AttemptFailed:
        death = self._death()
        if self._late:
            return AttemptFailed(f"{point.folder.name}: took longer than {self._limit:g} s (--point-timeout)", "late")
        perhaps = ", for want of memory perhaps; fewer --jobs need less" if death == _KILLED else ""
        return AttemptFailed(f"{point.folder.name}: its process ended ({death}){perhaps}", "killed")

    def _death(self) -> str:
        self.close()
        code = self.process.returncode
        return f"signal {-code}" if code < 0 else f"status {code}"

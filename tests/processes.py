"""Work in a process of its own, forked from the test's: nothing is imported anew, and it may be killed anywhere."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurohw.errors import InputError

_OPENED_TO_WRITE = os.O_WRONLY | os.O_RDWR
KILLED = 137


def start(work: Callable[[], Any]) -> int:
    """Start `work` in a process and return its id; see `ended`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads; ours idle
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except InputError:
        status = 2
    except Exception as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())  # pytest shows it
    finally:
        os._exit(status)


def ended(child: int, seconds: float = 120.0) -> int:
    """Wait for a process and return its status, negative for the signal that ended it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError(f"process {child} did not end within {seconds} s")


def apart(work: Callable[[], Any]) -> int:
    """Do `work` in a process and return its status: 0, 2 for wrong input, 1 for any other error."""
    return ended(start(work))


def killed_at(operation: int, folder: Path, work: Callable[[], Any]) -> Callable[[], Any]:
    """Return `work` that ends, as by SIGKILL, before it changes a file of the folder for the n-th time, from 0."""

    def cut() -> None:
        left = operation

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            writes = event in ("os.rename", "os.remove") or (event == "open" and arguments[2] & _OPENED_TO_WRITE)
            if writes and str(arguments[0]).startswith(str(folder)):
                left -= 1
                if left < 0:
                    os._exit(KILLED)

        sys.addaudithook(count)  # which ends with the process
        work()

    return cut

"""One thread for every test and for the processes they start: the networks are small, and machines are shared."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The command line has handlers of its own; a test that runs it in this process leaves none behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)

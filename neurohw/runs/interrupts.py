"""Interrupts that wait until the parts of a run are at rest."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class HeldSignals:
    """In a `with` block, SIGINT, SIGTERM and SIGHUP wait until they are delivered; a second one comes through at once.

    Handlers are those found on entry: a signal that is ignored or left to the system stays so, and outside the main
    thread, where Python delivers none, nothing is done.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._waiting: tuple[int, FrameType | None] | None = None

    def __enter__(self) -> HeldSignals:
        self._handlers.clear()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._hold)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self.deliver()

    def deliver(self) -> None:
        """Hand a signal that waits to its handler, which usually raises."""
        if self._waiting is not None:
            (number, frame), self._waiting = self._waiting, None
            self._handlers[number](number, frame)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self._waiting is not None:
            self._handlers[number](number, frame)
        self._waiting = number, frame

"""Simulated time and the phase the chip is in; wrappers that count events read both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """The chip's clock: seconds since the run began, and the current phase.

    Phases are words of the field: "forward" and "backward" (BP), "free" and "nudged" (EP), "target", "update",
    "inference", "association".
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.phase = "inference"

    @contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Set the phase for a block and put the former one back."""
        former, self.phase = self.phase, phase
        try:
            yield
        finally:
            self.phase = former

    def advance(self, seconds: float) -> None:
        """Let `seconds` of simulated time pass."""
        self.seconds += seconds

"""One point after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from neurohw.runs.progress import Reporter, Silent
from neurohw.studies.execution.attempt import attempt
from neurohw.studies.execution.base import Ended, Event
from neurohw.studies.sweep import Point

PLACE = "this process"


class Serial:
    """See Executor; a point that kills this process, or never ends, is the end of the sweep.

    Args:
        report: told about epochs.
    """

    alike = True

    def __init__(self, report: Reporter | None = None) -> None:
        self._report = report or Silent()
        self._begun: Point | None = None

    def begin(self, point: Point, avoid: Collection[str]) -> bool:
        """Take a point; it runs in `wait`."""
        if self._begun is not None:
            return False
        self._begun = point
        return True

    def wait(self) -> Sequence[Event]:
        """Run the point."""
        assert self._begun is not None
        point, self._begun = self._begun, None
        began = time.monotonic()
        outcome = attempt(point, self._report)
        return [Ended(point, outcome, PLACE, time.monotonic() - began)]

    def close(self) -> None:
        """Nothing runs."""

"""One point after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from neurohw.errors import GivenUp
from neurohw.runs.progress import Endable, Reporter, Silent
from neurohw.studies.execution.attempt import attempt
from neurohw.studies.execution.base import Ended, Event, Watch
from neurohw.studies.sweep import Point

PLACE = "this process"


class Serial:
    """See Executor; a point that kills this process, or never ends, is the end of the sweep.

    Args:
        report: told about epochs.
        watch: told likewise, in its place.
    """

    alike = True

    def __init__(self, report: Reporter | None = None, watch: Watch | None = None) -> None:
        self._report, self._watch = report or Silent(), watch
        self._begun: Point | None = None

    def has_room(self) -> bool:
        """Return whether no point is taken."""
        return self._begun is None

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
        report = self._report if self._watch is None else _Watched(point, self._watch)
        outcome = attempt(point, report)
        return [Ended(point, outcome, PLACE, time.monotonic() - began)]

    def close(self) -> None:
        """Nothing runs."""


class _Watched(Endable):
    """Tells of a point's epochs."""

    def __init__(self, point: Point, watch: Watch) -> None:
        self._point, self._watch = point, watch
        self._over: GivenUp | None = None

    def given_up(self) -> GivenUp | None:
        """Return what the watch said."""
        return self._over

    def end(self, row: dict[str, Any]) -> None:
        """Tell of the epoch; a run that is given up ends before its next batch, for this one may be its last."""
        try:
            self._watch(self._point, row)
        except GivenUp as error:
            self._over = error

"""Local processes, each with a fixed number of threads; one that is killed is replaced."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Sequence
from multiprocessing.connection import wait

from neurohw.errors import GivenUp
from neurohw.studies.execution.base import GRACE_SECONDS, EpochDone, Event, Watch
from neurohw.studies.execution.child import Child
from neurohw.studies.sweep import Point

_LOOK_SECONDS = 1.0


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_of(jobs: int) -> int:
    """Return the threads that each of so many processes gets: its share of the cores, or OMP_NUM_THREADS if fewer."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    share = max(1, cores() // jobs)
    return min(share, int(asked)) if asked.isdigit() and int(asked) else share


class Processes:
    """See Executor.

    Args:
        jobs: how many.
        threads: of each; its share of the cores unless given.
        timeout: seconds an attempt at a point may take; so much for each of its companions, too.
        idle: one that runs already, and has nothing to do.
        watch: told of every epoch, may end a point's run.
    """

    alike = True

    def __init__(
        self,
        jobs: int,
        threads: int | None = None,
        timeout: float | None = None,
        idle: Child | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.jobs, self.threads, self.timeout, self._watch = jobs, threads or threads_of(jobs), timeout, watch
        self._children = [] if idle is None else [idle]

    def __str__(self) -> str:
        """Return how many there are, and their threads."""
        return f"{self.jobs} process{'es' * (self.jobs > 1)} of {self.threads} thread{'s' * (self.threads > 1)}" + (
            " each" * (self.jobs > 1)
        )

    def has_room(self) -> bool:
        """Return whether a process has nothing to do, or may be started."""
        return len(self._children) < self.jobs or any(child.point is None for child in self._children)

    def begin(self, point: Point, avoid: Collection[str]) -> bool:
        """Give the point to a process that has none; there is one for every job."""
        idle = next((child for child in self._children if child.point is None), None)
        if idle is None and len(self._children) < self.jobs:
            idle = Child(self.threads)
            self._children.append(idle)
        if idle is None:
            return False
        idle.begin(point, None if self.timeout is None else self.timeout * len(point.members))
        return True

    def wait(self) -> Sequence[Event]:
        """Return what the processes have to tell."""
        busy = [child for child in self._children if child.point is not None]
        for child in busy:
            child.enforce_limit()
        ready = wait([child.pipe for child in busy], _LOOK_SECONDS)
        told = [self._told(child) for child in busy if child.pipe in ready]
        self._children = [child for child in self._children if not child.gone]
        return [event for event in told if event is not None]

    def _told(self, child: Child) -> Event | None:
        event = child.event()
        if self._watch is not None and isinstance(event, EpochDone):
            try:
                self._watch(event.point, event.row)
            except GivenUp as error:
                child.give_up(error)
        return event

    def close(self) -> None:
        """Let each process end its batch and write its checkpoint; whoever takes long is killed."""
        for child in self._children:
            child.release()
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self._children:
            child.close(deadline - time.monotonic())

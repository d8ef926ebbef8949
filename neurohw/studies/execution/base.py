"""The interface of executors: a point is begun somewhere, and what becomes of it is told later."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from neurohw.errors import GivenUp, NeurohwError
from neurohw.runs.record import RunRecord
from neurohw.studies.sweep import Point

RETRIES = 2
GRACE_SECONDS = 20.0  # for a process's last batch and its checkpoint, before it is killed
LOG = "log.txt"  # in a point's folder: its epochs, and what it said when it failed


# told of every epoch's line of a point; it may raise GivenUp to end the point's run
Watch = Callable[[Point, dict[str, Any]], None]


class AttemptFailed(NeurohwError):
    """A point was begun and gave no record.

    Args:
        message: names the point and says why.
        how: "raised", "memory", "killed", or "late" (the time limit).
    """

    def __init__(self, message: str, how: str = "raised") -> None:
        super().__init__(message)
        self.how = how


@dataclass(frozen=True)
class EpochDone:
    """A point has done an epoch.

    Args:
        point: which.
        row: its line of metrics.csv.
    """

    point: Point
    row: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """An attempt at a point is over.

    Args:
        point: which.
        outcome: its record, or why there is none.
        place: where it ran, as text.
        seconds: it took.
    """

    point: Point
    outcome: RunRecord | NeurohwError
    place: str
    seconds: float


Event = EpochDone | Ended


class End(NamedTuple):
    """What a process is told of a point whose run is given up.

    Args:
        folder: the point's.
        why: as the record will say.
    """

    folder: Path
    why: GivenUp


class Settled(NamedTuple):
    """A point that is over.

    Args:
        point: which.
        outcome: its record, or the error of its last attempt.
        attempts: 0 where it had been over before.
    """

    point: Point
    outcome: RunRecord | NeurohwError
    attempts: int


class Executor(Protocol):
    """Runs points in places (processes, threads of workers), each of which takes one at a time.

    Attributes:
        alike: whether all places have the same files: wrong input is wrong in all of them, then.
    """

    alike: bool

    def has_room(self) -> bool:
        """Return whether there is a place for a point now."""

    def begin(self, point: Point, avoid: Collection[str]) -> bool:
        """Begin a point and return whether there is a place for it now; those to avoid are, if there are others."""

    def wait(self) -> Sequence[Event]:
        """Wait until something happens, or for about a second, and return what did."""

    def close(self) -> None:
        """End what runs, its checkpoints written where possible."""

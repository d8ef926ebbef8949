"""A Dask cluster: every thread of its workers is a place; what they give comes back and is written here."""

from __future__ import annotations

import logging
import queue
import re
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from neurohw.errors import InputError, NeurohwError
from neurohw.runs.files import atomic_set, locked, remove_partial, writable_folder
from neurohw.runs.record import METRICS, RECORD, RunRecord, validated_record
from neurohw.studies.execution.base import LOG, AttemptFailed, Ended, EpochDone, Event
from neurohw.studies.execution.identity import identity
from neurohw.studies.sweep import Point

if TYPE_CHECKING:
    from neurohw.studies.execution.remote import Returned

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:]+\]|[^\s/:\[\]]+):\d{1,5}")
_CONNECT_SECONDS = 5.0
_LOOK_SECONDS = 1.0
_GATHER_SECONDS = 60.0
_LARGEST_FILE = 2**26  # bytes of a file that travels with a point
_INSTALL = "get it with: pip install 'neurohw[cluster]'"


@dataclass(frozen=True)
class _Begun:
    point: Point
    worker: str
    future: Any
    began: float


class Cluster:
    """See Executor.

    Args:
        address: of the scheduler, "tcp://HOST:PORT".
        threads: of each point's process.
        timeout: seconds an attempt at a point may take.
        note: told of workers that are refused or missing.

    Raises:
        InputError: Dask is not installed, no scheduler answers at the address, or a worker has another neurohw.
    """

    alike = False

    def __init__(self, address: str, threads: int, timeout: float | None, note: Callable[[str], None]) -> None:
        self.address, self.threads, self.timeout, self._note = address, threads, timeout, note
        self._client = connected(address)
        self._topic = f"neurohw-{secrets.token_hex(4)}"
        self._news: queue.SimpleQueue[str | tuple[str, dict[str, Any]]] = queue.SimpleQueue()
        self._begun: dict[str, _Begun] = {}
        self._places: dict[str, int] = {}  # worker -> points it takes at a time
        self._refused: set[str] = set()
        self._looked = 0.0
        try:
            if refused := self._look():
                raise InputError("\n".join(f"--scheduler: {why}" for why in refused))
            self._client.subscribe_topic(self._topic, self._heard)
        except BaseException:
            self._client.close()
            raise
        if not self._places:
            note(f"{address} has no workers yet: waiting for some (dask worker {address} --nthreads 1)")

    def __str__(self) -> str:
        """Return how many points may run at a time, and where."""
        n, workers = sum(self._places.values()), len(self._places)
        return f"{n} at a time on {workers} worker{'s' * (workers != 1)} of {self.address}, {self.threads} thread" + (
            "s each" if self.threads > 1 else " each"
        )

    def has_room(self) -> bool:
        """Return whether a worker is not full."""
        return len(self._begun) < sum(self._places.values())

    def begin(self, point: Point, avoid: Collection[str]) -> bool:
        """Send the point to a worker that is not full."""
        from neurohw.studies.execution.remote import Task, run_task

        busy = Counter(begun.worker for begun in self._begun.values())
        free = [worker for worker, places in self._places.items() if busy[worker] < places]
        others = [worker for worker in free if worker not in avoid]
        if not free or (not others and set(self._places) - set(avoid)):
            return False
        worker = min(others or free, key=lambda each: busy[each] / self._places[each])
        task = Task(point, named_files(point), self.threads, self.timeout, identity().code, self._topic)
        key = f"neurohw-{point.folder.name}-{secrets.token_hex(4)}"
        future = self._client.submit(run_task, task, key=key, workers=[worker], allow_other_workers=False, pure=False)
        self._begun[key] = _Begun(point, worker, future, time.monotonic())
        future.add_done_callback(lambda done: self._news.put(done.key))
        return True

    def wait(self) -> Sequence[Event]:
        """Return what came from the workers, and whose worker has gone."""
        events: list[Event] = []
        with suppress(queue.Empty):
            news = self._news.get(timeout=_LOOK_SECONDS)
            while True:
                events += self._told(news)
                news = self._news.get_nowait()
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            for why in self._look():
                self._note(f"refused: {why}")
        for key, begun in [*self._begun.items()]:
            if begun.worker not in self._places and not begun.future.done():
                begun.future.cancel(force=True)
                del self._begun[key]
                events.append(self._lost(begun, f"its worker {begun.worker} has gone"))
        return events

    def close(self) -> None:
        """Give up what runs: workers end it, their checkpoints written."""
        with suppress(Exception):  # the scheduler may have gone
            self._client.cancel([begun.future for begun in self._begun.values()], force=True)
        with suppress(Exception):
            self._client.close(timeout=_CONNECT_SECONDS)

    def _heard(self, event: tuple[float, Any]) -> None:
        _, message = event
        if isinstance(message, dict) and "row" in message:
            self._news.put((message["name"], message["row"]))

    def _told(self, news: str | tuple[str, dict[str, Any]]) -> Iterator[Event]:
        if isinstance(news, str):
            if (begun := self._begun.pop(news, None)) is not None:
                yield self._ended(begun)
            return
        name, row = news
        for begun in self._begun.values():
            if begun.point.folder.name == name:
                yield EpochDone(begun.point, row)

    def _ended(self, begun: _Begun) -> Ended:
        try:
            returned: Returned = begun.future.result(timeout=_GATHER_SECONDS)
        except Exception as error:  # a worker that goes while it answers, one that cannot start a process
            how = "killed" if begun.future.status in ("cancelled", "lost") else "raised"
            return self._lost(begun, f"{type(error).__name__}: {error} (on {begun.worker})", how)
        return Ended(begun.point, _kept(begun, returned), begun.worker, returned.seconds)

    def _lost(self, begun: _Begun, why: str, how: str = "killed") -> Ended:
        failure = AttemptFailed(f"{begun.point.folder.name}: {why}", how)
        return Ended(begun.point, failure, begun.worker, time.monotonic() - begun.began)

    def _look(self) -> list[str]:
        """Take note of workers that came and went, and return who is refused: new ones say which neurohw they have."""
        self._looked = time.monotonic()
        try:
            threads: dict[str, int] = self._client.nthreads()
            self._refused &= threads.keys()
            new = [worker for worker in threads if worker not in self._places and worker not in self._refused]
            answers = self._client.run(identity, workers=new, on_error="return") if new else {}
        except (OSError, ValueError) as error:
            raise NeurohwError(f"the scheduler {self.address} has gone ({error}); the same command goes on") from None
        reasons = {}
        for worker, theirs in answers.items():
            if not isinstance(theirs, type(identity())):
                reasons[worker] = f"has no neurohw, or another version ({theirs})"
            elif not theirs.fits(identity()):
                reasons[worker] = f"has {theirs}, but the sweep is of {identity()}"
            elif differences := theirs.differences(identity()):
                self._note(f"worker {worker} has {differences}: its numbers may differ in their last bits")
        self._refused |= reasons.keys()
        self._places = {worker: n for worker, n in threads.items() if worker not in self._refused}
        return [f"worker {worker} {why}; install the same there and start it again" for worker, why in reasons.items()]


def connected(address: str) -> Any:
    """Return a client of the scheduler.

    Raises:
        InputError: Dask is not installed, or no scheduler answers within seconds.
    """
    if not _ADDRESS.fullmatch(address):
        raise InputError(f"--scheduler: got {address!r}; allowed: tcp://HOST:PORT, as `dask scheduler` prints it")
    try:
        client = resolve_name("distributed:Client")
    except ImportError:
        raise InputError(f"--scheduler: Dask is not installed; {_INSTALL}") from None
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what goes wrong is said here
    try:
        _greeted(address)
        return client(address, timeout=_CONNECT_SECONDS, set_as_default=False, name="neurohw")
    except Exception as error:  # whatever listens there
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise InputError(f"--scheduler {address}: no Dask scheduler answers there ({reason}); "
                         "allowed: the address of one that runs (`dask scheduler`)") from None  # fmt: skip


def _greeted(address: str) -> None:
    """Wait for the first byte of a scheduler, which speaks first: Dask would wait for a silent server for ever."""
    protocol, _, place = address.partition("://")
    host, _, port = place.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS) as connection:
        if protocol == "tcp" and not connection.recv(1):
            raise OSError("it says nothing")


def named_files(point: Point) -> dict[str, bytes]:
    """Return the files that a point's settings name by a relative path, which workers do not have: path -> content."""
    texts, waiting = set(), [point.experiment.canonical()]
    while waiting:
        value: Any = waiting.pop()
        if isinstance(value, str):
            texts.add(value)
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
    found = {}
    for text in texts:
        path = Path(text)
        with suppress(OSError, ValueError):
            if path.is_file() and not path.is_absolute() and ".." not in PurePath(text).parts:
                if path.stat().st_size > _LARGEST_FILE:
                    raise InputError(f"{path}: is too large to travel with each point; allowed: {_LARGEST_FILE} bytes, "
                                     "or an absolute path that every worker has")  # fmt: skip
                found[text] = path.read_bytes()
    return found


def _kept(begun: _Begun, returned: Returned) -> RunRecord | NeurohwError:
    """Write what came back into the point's folder, and return the record, or why there is none."""
    point, folder = begun.point, begun.point.folder
    try:
        with locked(writable_folder(folder)):
            for name in (RECORD, METRICS):
                remove_partial(folder / name)  # which a coordinator that was killed may have left
            if returned.log:
                with (folder / LOG).open("ab") as log:
                    log.write(f"on {begun.worker}: ".encode() + returned.log)
            if returned.failure is not None and not returned.record:
                return returned.failure
            record = validated_record(returned.record, f"the record of {folder.name} from {begun.worker}")
            if (record.config_hash, record.seed) != (point.digest, point.seed):
                return InputError(f"{folder.name}: {begun.worker} ran {record.config_hash}-{record.seed} instead: its "
                                  "data, or files that the settings name, are not the same")  # fmt: skip
            with atomic_set(folder / METRICS, folder / RECORD) as (metrics, written):
                metrics.write_bytes(returned.metrics)
                written.write_bytes(returned.record)
            return returned.failure or record
    except OSError as error:  # a full disk
        return AttemptFailed(f"{folder.name}: cannot be written ({error.strerror or error})")
    except NeurohwError as error:
        return error

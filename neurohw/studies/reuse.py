"""Runs that another sweep, or `neurohw run`, has finished: taken over instead of run again."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from neurohw.errors import InputError
from neurohw.runs.folder import finished
from neurohw.runs.record import CHECKPOINT, METRICS, RECORD, RunRecord, read_record, versions
from neurohw.studies.sweep import Point

_NAMED = re.compile(r".*-([0-9a-f]{12})-(\d+)")
Found = dict[tuple[str, int], list[Path]]


def take_over(points: Iterable[Point], folders: Sequence[Path]) -> list[tuple[Point, Path]]:
    """Copy what is finished elsewhere into the folders of points that have none, and return each with where it was.

    The same run is: the same configuration and contents of files (their hash), seed and length, by the same version of
    neurohw. Its record keeps saying where and when it was made.

    Args:
        points: of a sweep.
        folders: looked through, with all folders below them.
    """
    open_points = [point for point in points if not point.folder.exists()] if folders else []
    known: Found = {}
    for folder in folders if open_points else ():
        for key, place in _runs(folder):
            known.setdefault(key, []).append(place)
    taken = []
    for point in open_points:
        source = next((place for place in known.get((point.digest, point.seed), []) if _is_same(point, place)), None)
        if source is not None:
            _copy(source, point.folder)
            taken.append((point, source))
    return taken


def check_there(folders: Sequence[Path]) -> None:
    """Refuse a folder that is not there."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"--reuse: got {str(folder)!r}; allowed: folders that are there")


def _runs(folder: Path) -> Iterator[tuple[tuple[str, int], Path]]:
    """Yield the hash and the seed of every record, and its folder: by its name, or as the record says."""
    for path in sorted(folder.rglob(RECORD)):
        if named := _NAMED.fullmatch(path.parent.name):
            yield (named[1], int(named[2])), path.parent
        elif record := _read(path.parent):
            yield (record.config_hash, record.seed), path.parent


def _is_same(point: Point, place: Path) -> bool:
    record = _read(place)
    if record is None or record.versions.get("neurohw") != versions()["neurohw"]:
        return False
    return finished(place, point.digest, point.seed, point.stop_after) is not None


def _read(folder: Path) -> RunRecord | None:
    """Return the folder's record; None where it cannot be read, so that the point is run."""
    try:
        return read_record(folder)
    except (InputError, OSError):
        return None


def _copy(source: Path, folder: Path) -> None:
    """Copy a run whole or not at all; the checkpoint, which is large and only ever replaced, as a link if possible."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=".reuse-") as temporary:
        work = Path(temporary) / folder.name
        work.mkdir()
        for name in (RECORD, METRICS):
            if (source / name).is_file():
                shutil.copy2(source / name, work / name)
        if (source / CHECKPOINT).is_file():
            try:
                os.link(source / CHECKPOINT, work / CHECKPOINT)
            except OSError:  # another file system
                shutil.copy2(source / CHECKPOINT, work / CHECKPOINT)
        work.rename(folder)

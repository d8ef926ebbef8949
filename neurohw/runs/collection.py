"""The records of many runs: found below folders, or kept in one small file beside their report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from neurohw.archive import ARCHIVE, packed, unpacked
from neurohw.errors import InputError
from neurohw.runs.files import atomic
from neurohw.runs.record import RECORD, RunRecord, read_record, validated_record
from neurohw.runs.shapes import checked_curve


def find_records(folders: Sequence[Path], left_out: list[str] | None = None) -> list[RunRecord]:
    """Return every record at or below the folders, as `located_records`."""
    return [record for _, record in located_records(folders, left_out)]


def located_records(folders: Sequence[Path], left_out: list[str] | None = None) -> list[tuple[Path, RunRecord]]:
    """Return every record at or below the folders with the file that holds it, sorted by path.

    A file is a run's `record.json`, or `records.jsonl.xz`, which holds those of a whole report (see `archive`). A
    record that stands in several places is returned once, from the first run's folder that has it.

    Args:
        folders: to look in, or files of records.
        left_out: gets what is wrong with records that cannot be read, which are then left out.

    Raises:
        InputError: a folder holds none that can be read; one cannot be, and nobody wants to be told of it otherwise.
    """
    by_identity: dict[str, tuple[Path, RunRecord]] = {}
    for folder in folders:
        runs = sorted(folder.rglob(RECORD))
        archives = [folder] if folder.is_file() else sorted(folder.rglob(ARCHIVE))
        if not runs and not archives:
            raise InputError(f"{folder}: no {RECORD} or {ARCHIVE} at or below it; allowed: folders that "
                             "`neurohw run`, `sweep` or `report` wrote")  # fmt: skip
        wrong: list[str] = []
        for path, records in [*((p, _of_run) for p in runs), *((p, _of_archive) for p in archives)]:
            for record in records(path, wrong):
                by_identity.setdefault(_identity(record), (path, record))
        if wrong and (left_out is None or not by_identity):
            raise InputError("\n".join(wrong))
        if left_out is not None:
            left_out += wrong
    return list(by_identity.values())


def _of_run(path: Path, left_out: list[str]) -> Iterator[RunRecord]:
    try:
        yield read_record(path.parent)
    except InputError as error:
        left_out.append(str(error))


def _of_archive(path: Path, left_out: list[str]) -> Iterator[RunRecord]:
    try:
        for number, line in unpacked(path, left_out):
            try:
                yield _from_line(line, f"{path}: line {number}")
            except InputError as error:
                left_out.append(str(error))
    except InputError as error:
        left_out.append(str(error))


def save_accounts(located: Iterable[tuple[Path, RunRecord]]) -> None:
    """Write each record's account (`energy`) into the file that holds it; the rest of a file stays as it is."""
    kept: dict[Path, dict[str, RunRecord]] = {}
    for path, record in located:
        if path.name == RECORD:
            record.write_json(path.parent)
        else:
            kept.setdefault(path, {})[_identity(record)] = record
    for path, accounted in kept.items():
        records = read_archive(path)
        for record in records:
            record.energy = accounted[key].energy if (key := _identity(record)) in accounted else record.energy
        _write(records, path)


def write_archive(records: Iterable[RunRecord], folder: Path) -> None:
    """Write `records.jsonl.xz`: all records with their learning curves, each configuration once."""
    _write(records, folder / ARCHIVE)


def read_archive(path: Path) -> list[RunRecord]:
    """Return the records of a `records.jsonl.xz`.

    Raises:
        InputError: it cannot be read, or is not one of ours.
    """
    return [_from_line(line, f"{path}: line {number}") for number, line in unpacked(path)]


def _from_line(line: dict[str, object], origin: str) -> RunRecord:
    curve = line.pop("curve", [])
    record = validated_record(json.dumps(line), origin)
    record.curve = checked_curve(curve, f"{origin}: curve")
    return record


def _write(records: Iterable[RunRecord], path: Path) -> None:
    lines = []
    for record in records:
        curve = [{key: value for key, value in row.items() if value == value} for row in record.curve]  # without NaN
        lines.append(record.model_dump(by_alias=True) | {"curve": curve})
    with atomic(path) as temporary:
        temporary.write_bytes(packed(lines))


def _identity(record: RunRecord) -> str:
    """Return what tells one run's record from any other's: all but its account, which `neurohw energy` renews."""
    return record.model_dump_json(exclude={"energy"})

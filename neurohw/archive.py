"""Records of many runs in one small file: `records.jsonl.xz`, one JSON object a line, each configuration once.

The first line says what the file is; a line with `config_hash` and `config` alone is a configuration; every other line
is a record with its learning curve (`curve`), without its configuration where that one stands above under its hash.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from neurohw.errors import InputError
from neurohw.reading import RECORDED, read_bytes, unxzed

ARCHIVE = "records.jsonl.xz"
LARGEST = 2**28  # bytes of text that are read; the shipped reports have a hundredth of it
_FIRST = {"file": "records of neurohw", "schema": 1}
_SEPARATORS = (",", ":")
_NOT_OURS = "this is no file of records that neurohw wrote"
_CONFIGURATION = {"config_hash", "config"}

Line = dict[str, Any]


def packed(records: Iterable[Line]) -> bytes:
    """Return the file's content for records as plain data, each with `config_hash`, `config` and `curve`."""
    configs: dict[str, Any] = {}
    lines = []
    for record in records:
        known = configs.setdefault(record["config_hash"], record["config"])
        lines.append({key: value for key, value in record.items() if key != "config" or value != known})
    head = [_FIRST, *({"config_hash": digest, "config": config} for digest, config in configs.items())]
    text = "".join(json.dumps(line, separators=_SEPARATORS) + "\n" for line in [*head, *lines])
    return lzma.compress(text.encode(), preset=9)


def unpacked(path: Path, left_out: list[str] | None = None) -> Iterator[tuple[int, Line]]:
    """Yield the number of each record's line and the record, as `packed` took it.

    Args:
        path: of the file.
        left_out: gets what is wrong with lines, which are then left out.

    Raises:
        InputError: the file cannot be read, is not one of ours, or is larger than any of ours; a line is damaged, and
            nobody wants to be told of it otherwise.
    """
    configs: dict[Any, Any] = {}
    for number, line in _lines(path, left_out):
        if line.keys() == _CONFIGURATION:
            configs[str(line["config_hash"])] = line["config"]
            continue
        if "config" not in line:
            digest = str(line.get("config_hash"))
            if digest not in configs:
                complaint = f"{path}: line {number}: config_hash: got {digest[:40]!r}, which no line above it explains"
                _leave_out(complaint, left_out)
                continue
            line["config"] = configs[digest]
        yield number, line


def configuration(path: Path, digest: str) -> Line:
    """Return the configuration that stands under a hash.

    Raises:
        InputError: as `unpacked`, or there is none; those that are there are named.
    """
    configs = {line["config_hash"]: line["config"] for _, line in _lines(path) if line.keys() == _CONFIGURATION}
    if digest not in configs:
        raise InputError(f"{path}: no configuration {digest}; allowed: one of {', '.join(map(str, configs))}")
    config = configs[digest]
    if not isinstance(config, dict):
        raise InputError(f"{path}: config of {digest}: got {config!r:.60}; allowed: a table")
    return config


def _lines(path: Path, left_out: list[str] | None = None) -> Iterator[tuple[int, Line]]:
    first, *rest = _text(path).split("\n")
    if first != json.dumps(_FIRST, separators=_SEPARATORS):
        raise InputError(f"{path}: line 1: {_NOT_OURS}")
    for number, text in enumerate(rest, 2):
        try:
            line = json.loads(text) if text else {}
            wrong = "" if isinstance(line, dict) else _NOT_OURS
        except (ValueError, RecursionError) as error:
            wrong = f"{error}; {_NOT_OURS}"
        if wrong:
            _leave_out(f"{path}: line {number}: {wrong}", left_out)
        elif line:
            yield number, line


def _leave_out(complaint: str, left_out: list[str] | None) -> None:
    if left_out is None:
        raise InputError(complaint)
    left_out.append(complaint)


def _text(path: Path) -> str:
    try:
        return unxzed(read_bytes(path, RECORDED), LARGEST).decode()
    except ValueError as error:
        raise InputError(f"{path}: {error}; {_NOT_OURS}") from None

"""Files that come with the package (experiments, device models), and TOML that fails with the file's name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurohw.errors import InputError
from neurohw.reading import read_text
from neurohw.validation import did_you_mean

DEEPEST = 20  # tables in tables
_PACKAGE = Path(__file__).parent
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_DEEP_KEY = re.compile(rf"(?<![\w-]){_PART}(?:\.[ \t]*+{_PART}){{100}}")
_TOO_DEEP = f"tables or lists are nested too deeply; allowed: {DEEPEST} levels"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_IN_64_BITS = "allowed: integers of 64 bits"


def shipped(kind: str) -> Path:
    """Return the folder `kind` ("experiments", "device_models") of the source tree, or of the installed package."""
    beside = _PACKAGE.parent / kind
    return (
        beside if beside.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / "_shipped" / kind
    )


def shipped_files(kind: str, pattern: str) -> dict[str, Path]:
    """Return the files of a folder by name: of the file without ".toml", or of its own folder if there is one each."""
    paths = shipped(kind).glob(pattern)
    alike = "*" not in pattern.rpartition("/")[2]
    return dict(sorted((path.parent.name if alike else path.stem, path) for path in paths))


def stamped(path: Path) -> tuple[Path, int, int]:
    """Return a file with when it was last changed and its size: while these stay, so does its content."""
    try:
        status = path.stat()
    except OSError:  # who reads it says so
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size


def find_file(what: str, name_or_path: str | Path, files: Mapping[str, Path], inside: str = "") -> Path:
    """Return the file of a shipped name, or the path itself.

    Args:
        what: is looked for, for the message.
        name_or_path: of it.
        files: those that are shipped, by name.
        inside: which file of a folder is meant; a path of the user's then comes before a shipped name.

    Raises:
        InputError: there is neither; the shipped names are listed.
    """
    path = Path(name_or_path)
    own = [files[str(path)]] if str(path) in files else []
    for candidate in [path, path / inside, *own] if inside else [*own, path]:
        if candidate.is_file():
            return candidate
    hint = did_you_mean(str(name_or_path), files)
    raise InputError(f"{what} {str(name_or_path)!r}: no such file, and no {what} of that name{hint}; allowed: "
                     f"a TOML file, or one of {', '.join(files)}")  # fmt: skip


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's tables.

    Raises:
        InputError: the file cannot be read or is no TOML, see `parsed_toml`.
    """
    try:
        return parsed_toml(read_text(path), str(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: this is no valid TOML: {error}") from error


def parsed_toml(text: str, origin: str) -> dict[str, Any]:
    """Return the tables of TOML text; a TOMLDecodeError if it is none.

    Args:
        text: TOML.
        origin: named in errors.

    Raises:
        InputError: tables in tables without end, integers of more than 64 bits, or control characters in texts.
    """
    if _DEEP_KEY.search(text):  # for which tomllib would take the square of the time
        raise InputError(f"{origin}: {_TOO_DEEP}")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise InputError(f"{origin}: {_TOO_DEEP}") from None
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(f"{origin}: {error}; {_IN_64_BITS}") from None
    waiting: list[tuple[Any, int]] = [(tables, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise InputError(f"{origin}: {_TOO_DEEP}")
        if isinstance(value, dict | list):
            inner = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inner]
        elif isinstance(value, str) and (control := _CONTROL.search(value)):
            raise InputError(f"{origin}: got a text with the control character {control[0]!r}; allowed: printable ones")
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InputError(f"{origin}: got an integer of {value.bit_length() + 1} bits; {_IN_64_BITS}")
    return tables

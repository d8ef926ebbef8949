"""Files that come with the package (experiments, device models), and TOML that fails with the file's name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from neurohw.errors import InputError

_PACKAGE = Path(__file__).parent


def shipped(kind: str) -> Path:
    """Return the folder `kind` ("experiments", "device_models") of the source tree, or of the installed package."""
    beside = _PACKAGE.parent / kind
    return (
        beside if beside.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file() else _PACKAGE / "_shipped" / kind
    )


def read_toml(path: Path) -> dict[str, Any]:
    """Return a TOML file's tables.

    Raises:
        InputError: the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: this is no valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error

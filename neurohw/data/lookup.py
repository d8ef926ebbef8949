"""Where datasets live: $NEUROHW_DATA, then the user's cache, then Debian's /usr/share/datasets."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_dir

from neurohw.data.registry import DataFile, file_dataset, remedy
from neurohw.errors import DataError

SYSTEM = Path("/usr/share/datasets")


def places(name: str) -> list[Path]:
    """Return the folders looked in for dataset `name`, first choice first.

    Raises:
        InputError: `name` is not a dataset of files.
    """
    file_dataset(name)
    chosen = os.environ.get("NEUROHW_DATA")
    roots = [Path(chosen).expanduser()] if chosen else []
    return [root / name for root in (*roots, Path(user_cache_dir("neurohw")) / "data", SYSTEM)]


def locate(name: str) -> Path | None:
    """Return the first folder that holds all of dataset `name`, or None.

    Raises:
        InputError: `name` is not a dataset of files.
    """
    return next((folder for folder in places(name) if not _lacking(folder, name)), None)


def require(name: str) -> dict[DataFile, Path]:
    """Return where each file of dataset `name` is, in the first folder that holds all of one of its forms.

    Raises:
        InputError: `name` is not a dataset of files.
        DataError: no folder does; the message lists where it was looked for.
    """
    folder = locate(name)
    if folder is None:
        looked = "\n".join(f"  {place}: {_state(place, name)}" for place in places(name))
        raise DataError(f"dataset '{name}' was not found; looked in\n{looked}\n{remedy(name)}")
    form = next(form for form in file_dataset(name).forms if not _absent(folder, form))
    return {file: path for file in form if (path := find_file(folder, file))}


def find_file(folder: Path, file: DataFile) -> Path | None:
    """Return where `file` is in `folder`, under one of its usual spellings, or None."""
    return next((folder / spelling for spelling in file.spellings if (folder / spelling).is_file()), None)


def _lacking(folder: Path, name: str) -> list[str]:
    """Return the files that a folder lacks, of the form of which it lacks fewest."""
    return min((_absent(folder, form) for form in file_dataset(name).forms), key=len)


def _absent(folder: Path, form: tuple[DataFile, ...]) -> list[str]:
    return [file.name for file in form if find_file(folder, file) is None]


def _state(folder: Path, name: str) -> str:
    return f"lacks {', '.join(_lacking(folder, name))}" if folder.is_dir() else "no such folder"

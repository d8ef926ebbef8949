"""What `neurohw data list` shows: each dataset, where it was found, and whether it is right."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.data.load import load_dataset
from neurohw.data.lookup import locate
from neurohw.data.registry import DIGITS, file_datasets
from neurohw.errors import DataError


@dataclass(frozen=True)
class DatasetRow:
    """One dataset as found on this machine.

    Args:
        name: the dataset's name in an experiment file.
        place: the folder it was found in, or "bundled with scikit-learn", or "-".
        sizes: samples and pixels, or "-" where it could not be read.
        state: "ok", "missing", or the first line of the error.
        licence: the data's licence and authors.
    """

    name: str
    place: str
    sizes: str
    state: str
    licence: str


def summary() -> list[DatasetRow]:
    """Return a row for each dataset that this release reads; files are read and checked in full."""
    digits = DatasetRow(
        DIGITS, "bundled with scikit-learn", _sizes(DIGITS), "ok", "CC BY 4.0 (Alpaydin, Kaynak; UCI repository)"
    )
    return [digits, *(_row(name, entry.licence) for name, entry in file_datasets().items())]


def _row(name: str, licence: str) -> DatasetRow:
    folder = locate(name)
    if folder is None:
        return DatasetRow(name, "-", "-", "missing", licence)
    try:
        return DatasetRow(name, str(folder), _sizes(name), "ok", licence)
    except DataError as error:
        return DatasetRow(name, str(folder), "-", str(error).splitlines()[0], licence)


def _sizes(name: str) -> str:
    data = load_dataset(name)
    channels, height, width = data.image_shape
    colour = " in colour" if channels > 1 else ""
    return f"{len(data.train_labels)} train, {len(data.test_labels)} test, {height} x {width}{colour}"

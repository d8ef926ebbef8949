"""What `neurohw data list` shows: each dataset, where it was found, and whether it is right."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.data.load import check_dataset, load_dataset
from neurohw.data.lookup import locate
from neurohw.data.registry import DIGITS, Extent, FileDataset, file_datasets
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
    """Return a row for each dataset that this release reads; files are read and checked in full, but not decoded."""
    return [_digits(), *(_row(name, entry) for name, entry in file_datasets().items())]


def _digits() -> DatasetRow:
    data = load_dataset(DIGITS)
    sizes = Extent(len(data.train_labels), len(data.test_labels), data.image_shape)
    licence = "CC BY 4.0 (Alpaydin, Kaynak; UCI repository)"
    return DatasetRow(DIGITS, "bundled with scikit-learn", str(sizes), "ok", licence)


def _row(name: str, entry: FileDataset) -> DatasetRow:
    folder = locate(name)
    if folder is None:
        return DatasetRow(name, "-", "-", "missing", entry.licence)
    try:
        check_dataset(name)
    except DataError as error:
        return DatasetRow(name, str(folder), "-", str(error).splitlines()[0], entry.licence)
    return DatasetRow(name, str(folder), str(entry.extent), "ok", entry.licence)

"""The datasets that this release reads, and what each of their files must hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurohw.errors import InputError

DIGITS = "digits"
N_CLASSES = 10


@dataclass(frozen=True)
class IdxFile:
    """One file of unsigned bytes in the IDX format.

    Args:
        dataset: the dataset that the file belongs to.
        name: the file's name, without `.gz`.
        shape: what its header must say: [N, height, width] for images, [N] for labels.
        md5: of the unpacked bytes, header included.
    """

    dataset: str
    name: str
    shape: tuple[int, ...]
    md5: str

    @property
    def size(self) -> int:
        """Bytes of the unpacked file: a header of four for the magic number and for each axis, and the values."""
        return 4 * (1 + len(self.shape)) + math.prod(self.shape)


@dataclass(frozen=True)
class IdxDataset:
    """A dataset of four IDX files."""

    name: str
    licence: str
    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile

    @property
    def files(self) -> tuple[IdxFile, ...]:
        """The four files."""
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)


def _mnist_like(name: str, licence: str, md5s: tuple[str, str, str, str]) -> IdxDataset:
    return IdxDataset(
        name,
        licence,
        train_images=IdxFile(name, "train-images-idx3-ubyte", (60000, 28, 28), md5s[0]),
        train_labels=IdxFile(name, "train-labels-idx1-ubyte", (60000,), md5s[1]),
        test_images=IdxFile(name, "t10k-images-idx3-ubyte", (10000, 28, 28), md5s[2]),
        test_labels=IdxFile(name, "t10k-labels-idx1-ubyte", (10000,), md5s[3]),
    )


IDX_DATASETS = {
    "mnist": _mnist_like(
        "mnist",
        "CC BY-SA 3.0 (LeCun, Cortes, Burges)",
        (
            "6bbc9ace898e44ae57da46a324031adb",
            "a25bea736e30d166cdddb491f175f624",
            "2646ac647ad5339dbf082846283269ea",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    ),
    "fashion-mnist": _mnist_like(
        "fashion-mnist",
        "MIT (Zalando Research)",
        (
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            "9018921c3c673c538a1fc5bad174d6f9",
            "8181f5470baa50b63fa0f6fddb340f0a",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
}


LARGEST = max(file.size for dataset in IDX_DATASETS.values() for file in dataset.files)  # bytes, unpacked
LARGEST_PACKED = LARGEST + LARGEST // 100 + 2**16  # gzip's own words, where nothing can be packed


def idx_dataset(name: str) -> IdxDataset:
    """Return the entry of `name`.

    Raises:
        InputError: `name` is not a dataset of IDX files.
    """
    if name == DIGITS:
        raise InputError(f"dataset '{DIGITS}' is bundled with scikit-learn and has no files to look for or fetch")
    if name not in IDX_DATASETS:
        allowed = ", ".join([DIGITS, *IDX_DATASETS])
        raise InputError(f"dataset '{name}' is not one that this release reads; allowed: {allowed}")
    return IDX_DATASETS[name]


def identify(md5: str) -> IdxFile | None:
    """Return the known file whose unpacked content has this MD5."""
    known = (file for dataset in IDX_DATASETS.values() for file in dataset.files)
    return next((file for file in known if file.md5 == md5), None)


def remedy(dataset: str) -> str:
    """Return the sentence that tells how to get a dataset's files."""
    return f"Get the right files with: neurohw data fetch {dataset} --from DIR|URL"

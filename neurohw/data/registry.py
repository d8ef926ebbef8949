"""The datasets that this release reads, and what each of their files must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from neurohw.errors import InputError

DIGITS = "digits"
LARGEST_IDX = 2**26  # bytes; 60,000 images of 28 x 28 have 47 million
TINY_IMAGENET, CIFAR10, SVHN = "tiny-imagenet-10", "cifar10", "svhn"


class DataFile(Protocol):
    """One file of a dataset, known by its content."""

    @property
    def name(self) -> str:
        """Its name in the dataset's folder, without `.gz`."""

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names under which it is looked for."""

    @property
    def served(self) -> str:
        """The name under which it is distributed."""

    @property
    def md5s(self) -> tuple[str, ...]:
        """MD5 of the unpacked bytes; any of them is right."""

    @property
    def limit(self) -> int:
        """The most bytes that are read of it, packed or not."""

    @property
    def may_be_gzipped(self) -> bool:
        """Whether it is the same file when gzipped."""


@dataclass(frozen=True)
class Extent:
    """How many images a dataset has to train on and to evaluate, and their shape: channels, height, width."""

    train: int
    test: int
    image_shape: tuple[int, int, int]

    def __str__(self) -> str:
        channels, height, width = self.image_shape
        return f"{self.train} train, {self.test} test, {height} x {width}" + " in colour" * (channels > 1)


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
    def spellings(self) -> tuple[str, ...]:
        """The usual names: with a dash or a dot before "idx", gzipped or plain."""
        stems = (self.name, self.name.replace("-idx", ".idx"))
        return tuple(f"{stem}{suffix}" for stem in stems for suffix in (".gz", ""))

    @property
    def served(self) -> str:
        """It is distributed gzipped."""
        return f"{self.name}.gz"

    @property
    def md5s(self) -> tuple[str, ...]:
        """The only right MD5."""
        return (self.md5,)

    @property
    def limit(self) -> int:
        """That of every IDX file, so that one in the place of another is called by its name."""
        return LARGEST_IDX

    @property
    def may_be_gzipped(self) -> bool:
        """It may."""
        return True


@dataclass(frozen=True)
class WholeFile:
    """One file that is kept as it is distributed; see DataFile."""

    name: str
    md5s: tuple[str, ...]
    limit: int

    @property
    def spellings(self) -> tuple[str, ...]:
        """It has one name."""
        return (self.name,)

    @property
    def served(self) -> str:
        """It is distributed under its name."""
        return self.name

    @property
    def may_be_gzipped(self) -> bool:
        """It is kept as it is."""
        return False


@dataclass(frozen=True)
class IdxDataset:
    """A dataset of four IDX files; licence: and authors, of the data."""

    name: str
    licence: str
    train_images: IdxFile
    train_labels: IdxFile
    test_images: IdxFile
    test_labels: IdxFile
    class_names: tuple[str, ...] = tuple("0123456789")

    @property
    def files(self) -> tuple[IdxFile, ...]:
        """The four files."""
        return (self.train_images, self.train_labels, self.test_images, self.test_labels)

    @property
    def forms(self) -> tuple[tuple[DataFile, ...], ...]:
        """Sets of files, each of which is all of it: first what is looked for first, last what is distributed."""
        return (self.files,)

    @property
    def extent(self) -> Extent:
        """What the right files hold."""
        train, height, width = self.train_images.shape
        return Extent(train, self.test_images.shape[0], (1, height, width))


@dataclass(frozen=True)
class WholeDataset:
    """A dataset of files as they are distributed.

    Args:
        name: in an experiment file.
        licence: and authors, of the data.
        extent: what the right files hold.
        files: all of them must be there.
        archive: a gzipped tar that holds all the files, and may be there instead of them.
    """

    name: str
    licence: str
    extent: Extent
    files: tuple[WholeFile, ...]
    archive: WholeFile | None = None

    @property
    def forms(self) -> tuple[tuple[DataFile, ...], ...]:
        """See IdxDataset."""
        return (self.files, (self.archive,)) if self.archive else (self.files,)


FileDataset = IdxDataset | WholeDataset


def _mnist_like(
    name: str, licence: str, md5s: tuple[str, str, str, str], class_names: tuple[str, ...] = tuple("0123456789")
) -> IdxDataset:
    return IdxDataset(
        name,
        licence,
        train_images=IdxFile(name, "train-images-idx3-ubyte", (60000, 28, 28), md5s[0]),
        train_labels=IdxFile(name, "train-labels-idx1-ubyte", (60000,), md5s[1]),
        test_images=IdxFile(name, "t10k-images-idx3-ubyte", (10000, 28, 28), md5s[2]),
        test_labels=IdxFile(name, "t10k-labels-idx1-ubyte", (10000,), md5s[3]),
        class_names=class_names,
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
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}

_BATCHES = {  # of CIFAR-10's "python version"
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}

# of Tiny ImageNet, the first ten classes in naming order; the zip may hold all 200 of them, as distributed
TINY_CLASSES = (
    "n01443537", "n01629819", "n01641577", "n01644900", "n01698640",
    "n01742172", "n01768244", "n01770393", "n01774384", "n01774750",
)  # fmt: skip

WHOLE_DATASETS = {
    TINY_IMAGENET: WholeDataset(
        TINY_IMAGENET,
        "research use, ImageNet's terms (Stanford CS231n)",
        Extent(5000, 500, (3, 64, 64)),
        (
            WholeFile(
                "tiny-imagenet-200.zip",
                ("60e6957515a893833c732aab68c40112", "90528d7ca1a48142e341f4ef8d21d0de"),  # ten classes, or all
                248_100_043,
            ),
        ),
    ),
    CIFAR10: WholeDataset(
        CIFAR10,
        "none is stated (Krizhevsky)",
        Extent(50000, 10000, (3, 32, 32)),
        tuple(WholeFile(f"cifar-10-batches-py/{name}", (md5,), 2**25) for name, md5 in _BATCHES.items()),
        WholeFile("cifar-10-python.tar.gz", ("c58f30108f718f92721af3b95e74349a",), 2**28),
    ),
    SVHN: WholeDataset(
        SVHN,
        "non-commercial use (Netzer et al.)",
        Extent(73257, 26032, (3, 32, 32)),
        (
            WholeFile("train_32x32.mat", ("e26dedcc434d2e4c54c9b2d4a06d8373",), 2**28),
            WholeFile("test_32x32.mat", ("eb5a983be6a315427106f1b164d9cef3",), 2**28),
        ),
    ),
}


def file_datasets() -> dict[str, FileDataset]:
    """Return every dataset of files by name."""
    return {**IDX_DATASETS, **WHOLE_DATASETS}


def file_dataset(name: str) -> FileDataset:
    """Return the entry of `name`.

    Raises:
        InputError: `name` is not a dataset of files.
    """
    if name == DIGITS:
        raise InputError(f"dataset '{DIGITS}' is bundled with scikit-learn and has no files to look for or fetch")
    known = file_datasets()
    if name not in known:
        allowed = ", ".join([DIGITS, *known])
        raise InputError(f"dataset '{name}' is not one that this release reads; allowed: {allowed}, or the path of "
                         "a folder or a zip of class sub-folders (with a slash, or ending in .zip)")  # fmt: skip
    return known[name]


def identify(md5: str) -> tuple[str, str] | None:
    """Return the dataset and the name of the known file whose unpacked content has this MD5."""
    known = ((name, file) for name, entry in file_datasets().items() for form in entry.forms for file in form)
    return next(((name, file.name) for name, file in known if md5 in file.md5s), None)


def remedy(dataset: str) -> str:
    """Return the sentence that tells how to get a dataset's files."""
    return f"Get the right files with: neurohw data fetch {dataset} --from DIR|URL"

"""From a dataset's name to its tensors."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurohw.data.archive import unpacked
from neurohw.data.dataset import Dataset
from neurohw.data.idx import check_md5, md5_of, read_idx, unpack
from neurohw.data.lookup import require
from neurohw.data.pictures import load_pictures, picture_checksums
from neurohw.data.registry import (
    CIFAR10,
    DIGITS,
    IDX_DATASETS,
    SVHN,
    TINY_CLASSES,
    TINY_IMAGENET,
    WHOLE_DATASETS,
    DataFile,
    IdxDataset,
    WholeDataset,
    remedy,
)
from neurohw.data.splits import complement, stratified_subset
from neurohw.data.vision import load_cifar10, load_svhn
from neurohw.errors import DataError
from neurohw.names import is_path

DIGITS_TEST = 500
DIGITS_SEED = 0


def load_dataset(name: str) -> Dataset:
    """Return a dataset by its name, or the images of a folder or zip of class sub-folders by its path (`layout_of`).

    The digits (8x8, bundled with scikit-learn) come unsplit; here 500 of the 1,797 are the test set, drawn by
    `stratified_subset` with seed 0, and the other 1,297, in their order, the training set.

    Args:
        name: "digits", "mnist", "fashion-mnist", "tiny-imagenet-10", "cifar10", "svhn", or a path (`is_path`).

    Raises:
        InputError: the name is not known.
        DataError: a file is missing, truncated, swapped or corrupt, or an image not what is allowed.
    """
    if name == DIGITS:
        return _load_digits()
    if is_path(name):
        return load_pictures(Path(name).expanduser(), name)
    paths = require(name)
    if name in IDX_DATASETS:
        return _load_idx(IDX_DATASETS[name], paths)
    return _load_whole(WHOLE_DATASETS[name], paths)


def check_dataset(name: str) -> None:
    """Read the files of a dataset and check them, without decoding what they hold.

    Raises:
        InputError: the name is not one of a dataset of files.
        DataError: a file is missing, truncated, swapped or corrupt.
    """
    paths = require(name)
    if name in IDX_DATASETS:
        for file in IDX_DATASETS[name].files:
            read_idx(paths[file], file)
    else:
        _check(name, paths)


def data_checksums(name: str) -> dict[str, str]:
    """Return the checksums of `load_dataset(name)`: a path's are read each time, the others, which are known, once.

    Raises:
        InputError, DataError: as `load_dataset`.
    """
    return picture_checksums(Path(name).expanduser()) if is_path(name) else _known_checksums(name)


@cache
def _known_checksums(name: str) -> dict[str, str]:
    return load_dataset(name).checksums


def _check(name: str, paths: dict[DataFile, Path]) -> None:
    """Refuse files that are not the right ones: a reader unpickles what it is given, so nothing else may reach it."""
    for file, path in paths.items():
        try:
            check_md5(unpack(path, file), file)
        except DataError as fault:
            raise DataError(f"{path}: {fault}.\n{remedy(name)}") from fault


def _load_digits() -> Dataset:
    from sklearn.datasets import load_digits  # here, because importing it takes longer than reading MNIST

    pixels, classes = load_digits(return_X_y=True)
    images, labels = torch.from_numpy(pixels.astype(np.uint8)), torch.from_numpy(classes.astype(np.int64))
    test = stratified_subset(labels, DIGITS_TEST, DIGITS_SEED)
    train = complement(len(labels), test)
    arrays = {
        "train_images": images[train],
        "train_labels": labels[train],
        "test_images": images[test],
        "test_labels": labels[test],
    }
    return Dataset(
        name=DIGITS,
        **arrays,
        image_shape=(1, 8, 8),
        levels=16,
        class_names=tuple("0123456789"),
        checksums={key: md5_of(array.numpy().tobytes()) for key, array in arrays.items()},
    )


def _load_whole(entry: WholeDataset, paths: dict[DataFile, Path]) -> Dataset:
    _check(entry.name, paths)
    read = _READERS[entry.name]
    if entry.archive not in paths:
        return read(paths)
    with unpacked(paths[entry.archive], entry.files) as files:
        return read(files)


def _load_idx(entry: IdxDataset, paths: dict[DataFile, Path]) -> Dataset:
    arrays = {file: read_idx(paths[file], file) for file in entry.files}
    _, height, width = entry.train_images.shape
    return Dataset(
        name=entry.name,
        train_images=_images(arrays[entry.train_images]),
        train_labels=_labels(arrays[entry.train_labels]),
        test_images=_images(arrays[entry.test_images]),
        test_labels=_labels(arrays[entry.test_labels]),
        image_shape=(1, height, width),
        levels=255,
        class_names=entry.class_names,
        checksums={file.name: file.md5 for file in entry.files},
    )


def _images(array: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(array.reshape(len(array), -1).copy())


def _labels(array: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(array.astype(np.int64))


def _load_tiny_imagenet(paths: dict[DataFile, Path]) -> Dataset:
    """Return the ten classes of Deep-STDP; the checksums are of these images, whatever else the zip holds."""
    (path,) = paths.values()
    return load_pictures(path, TINY_IMAGENET, TINY_CLASSES)


_READERS = {TINY_IMAGENET: _load_tiny_imagenet, CIFAR10: load_cifar10, SVHN: load_svhn}

"""From a dataset's name to its tensors."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurohw.data.dataset import Dataset
from neurohw.data.idx import md5_of, read_idx
from neurohw.data.lookup import require
from neurohw.data.registry import DIGITS, N_CLASSES, IdxDataset, idx_dataset
from neurohw.data.splits import complement, stratified_subset

DIGITS_TEST = 500
DIGITS_SEED = 0


def load_dataset(name: str) -> Dataset:
    """Return dataset `name`: "digits", "mnist" or "fashion-mnist".

    The digits (8x8, bundled with scikit-learn) come unsplit; here 500 of the 1,797 are the test set, drawn by
    `stratified_subset` with seed 0, and the other 1,297, in their order, the training set.

    Raises:
        InputError: the name is not known.
        DataError: a file is missing, truncated, swapped or corrupt.
    """
    return _load_digits() if name == DIGITS else _load_idx(idx_dataset(name))


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
        n_classes=N_CLASSES,
        checksums={key: md5_of(array.numpy().tobytes()) for key, array in arrays.items()},
    )


def _load_idx(entry: IdxDataset) -> Dataset:
    paths = require(entry.name)
    arrays = {file: read_idx(paths[file.name], file) for file in entry.files}
    _, height, width = entry.train_images.shape
    return Dataset(
        name=entry.name,
        train_images=_images(arrays[entry.train_images]),
        train_labels=_labels(arrays[entry.train_labels]),
        test_images=_images(arrays[entry.test_images]),
        test_labels=_labels(arrays[entry.test_labels]),
        image_shape=(1, height, width),
        levels=255,
        n_classes=N_CLASSES,
        checksums={file.name: file.md5 for file in entry.files},
    )


def _images(array: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(array.reshape(len(array), -1).copy())


def _labels(array: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(array.astype(np.int64))

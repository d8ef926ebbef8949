"""CIFAR-10 and SVHN, by torchvision's readers, which are imported late: that takes a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurohw.data.dataset import Dataset
from neurohw.data.idx import md5_of
from neurohw.data.registry import CIFAR10, SVHN, DataFile


def load_cifar10(paths: dict[DataFile, Path]) -> Dataset:
    """Return CIFAR-10 from the unpacked batches of its "python version" (Krizhevsky 2009), checked before."""
    from torchvision.datasets import CIFAR10 as Reader

    root = next(iter(paths.values())).parents[1]
    train, test = (Reader(root, train=part) for part in (True, False))
    images = [part.data.transpose(0, 3, 1, 2) for part in (train, test)]
    labels = [np.asarray(part.targets) for part in (train, test)]
    return _coloured(CIFAR10, images, labels, tuple(train.classes), paths)


def load_svhn(paths: dict[DataFile, Path]) -> Dataset:
    """Return SVHN's cropped digits (Netzer et al. 2011), checked before."""
    from torchvision.datasets import SVHN as Reader

    root = next(iter(paths.values())).parent
    parts = [Reader(root, split=part) for part in ("train", "test")]
    return _coloured(SVHN, [part.data for part in parts], [part.labels for part in parts], tuple("0123456789"), paths)


def _coloured(
    name: str,
    images: list[NDArray[np.uint8]],
    labels: list[NDArray[np.int64]],
    class_names: tuple[str, ...],
    paths: dict[DataFile, Path],
) -> Dataset:
    """Return the dataset of a training and a test part: images [N, 3, height, width] and labels [N]."""
    train, test = (torch.from_numpy(np.ascontiguousarray(part)).flatten(1) for part in images)
    height, width = images[0].shape[2:]
    return Dataset(
        name=name,
        train_images=train,
        train_labels=_labels(labels[0]),
        test_images=test,
        test_labels=_labels(labels[1]),
        image_shape=(3, height, width),
        levels=255,
        class_names=class_names,
        checksums={file.name: md5_of(path.read_bytes()) for file, path in paths.items()},
    )


def _labels(labels: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))

"""A labelled set of images, kept as bytes and turned into inputs batch by batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of a training and a test set.

    Args:
        name: the dataset's name in an experiment file.
        train_images: [N, n_values] uint8, flattened channel by channel; RGB where in colour.
        train_labels: [N] int64.
        test_images: [M, n_values] uint8, likewise.
        test_labels: [M] int64.
        image_shape: channels, height, width.
        levels: the pixel value that means 1.0.
        class_names: of each label.
        checksums: MD5 of what was read, by file or part.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    image_shape: tuple[int, int, int]
    levels: int
    class_names: tuple[str, ...]
    checksums: dict[str, str]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def to(self, device: torch.device | str) -> Dataset:
        """Return the same dataset with its tensors on `device`."""
        return replace(
            self,
            train_images=self.train_images.to(device),
            train_labels=self.train_labels.to(device),
            test_images=self.test_images.to(device),
            test_labels=self.test_labels.to(device),
        )


def as_input(images: Tensor, levels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return images / levels, in [0, 1].

    Args:
        images: [B, n_values] uint8, values in 0..levels.
        levels: the pixel value that means 1.0.
        dtype: floating-point type of the result.
    """
    return images.to(dtype) / levels

"""Subsets of a labelled set, deterministic in their seed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurohw.errors import InputError


def stratified_subset(labels: Tensor, size: int, seed: int) -> Tensor:
    """Return sorted indices of a subset with the classes in proportion to their frequency, each to within one sample.

    Args:
        labels: [N] class of each sample.
        size: number of samples wanted, from the number of classes to N.
        seed: which subset.

    Raises:
        InputError: there is no such subset of that size.
    """
    from sklearn.utils import resample  # here, because importing it takes seconds

    classes = _checked(labels, size)
    indices = resample(
        np.arange(len(classes)),
        replace=False,
        n_samples=size,
        stratify=classes,
        random_state=np.random.RandomState(np.random.PCG64(seed)),
    )
    return torch.from_numpy(np.sort(indices)).to(labels.device)


def balanced_subset(labels: Tensor, size: int, seed: int) -> Tensor:
    """Return sorted indices of a subset with as many samples of each class, the remainder from the first classes.

    Args:
        labels: [N] class of each sample.
        size: number of samples wanted, from the number of classes to N.
        seed: which subset.

    Raises:
        InputError: there is no such subset of that size, or a class has too few samples for it.
    """
    values = _checked(labels, size)
    random = np.random.default_rng(seed)
    classes, counts = np.unique(values, return_counts=True)
    share, remainder = divmod(size, len(classes))
    chosen = []
    for position, (label, count) in enumerate(zip(classes.tolist(), counts.tolist(), strict=True)):
        wanted = share + (position < remainder)
        if count < wanted:
            raise InputError(f"a balanced subset of {size} samples needs {wanted} of class {label}, which has {count}")
        chosen.append(random.choice(np.flatnonzero(values == label), wanted, replace=False))
    return torch.from_numpy(np.sort(np.concatenate(chosen))).to(labels.device)


def complement(n: int, indices: Tensor) -> Tensor:
    """Return the sorted indices in 0..n-1 that are not among `indices`."""
    rest = torch.ones(n, dtype=torch.bool, device=indices.device)
    rest[indices] = False
    return rest.nonzero().flatten()


def _checked(labels: Tensor, size: int) -> NDArray[np.int64]:
    """Return `labels` as an array if a subset of `size` samples can hold every class."""
    values = labels.cpu().numpy()
    n_classes = len(np.unique(values))
    if not n_classes <= size <= len(values):
        raise InputError(
            f"a subset of {size} samples is impossible: "
            f"allowed is {n_classes} (the number of classes) to {len(values)} (the whole set)"
        )
    return values

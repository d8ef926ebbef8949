"""Subsets of a labelled set, deterministic in their seed."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurohw.errors import InputError


def stratified_subset(labels: Tensor, size: int, seed: int) -> Tensor:
    """Return sorted indices of a subset that holds every class, in proportion to their frequency.

    Each class has what is proportional to within one sample. A class too rare to get any has one, and the others share
    the rest in proportion.

    Args:
        labels: [N] class of each sample.
        size: number of samples wanted, from the number of classes to N.
        seed: which subset.

    Raises:
        InputError: there is no such subset of that size.
    """
    values = _checked(labels, size)
    random = np.random.RandomState(np.random.PCG64(seed))
    return torch.from_numpy(np.sort(_of_every_class(np.arange(len(values)), values, size, random))).to(labels.device)


def _of_every_class(
    indices: NDArray[np.int64], values: NDArray[np.int64], size: int, random: np.random.RandomState
) -> NDArray[np.int64]:
    """Return `size` of the indices, those of every class of their `values` among them."""
    from sklearn.utils import resample  # here, because importing it takes seconds

    chosen: NDArray[np.int64] = resample(
        indices, replace=False, n_samples=size, stratify=values[indices], random_state=random
    )
    rare = np.setdiff1d(values[indices], values[chosen])
    if not len(rare):
        return chosen
    ones = np.array([random.choice(indices[values[indices] == label]) for label in rare])
    rest = indices[~np.isin(values[indices], rare)]
    return np.concatenate([ones, _of_every_class(rest, values, size - len(rare), random)])


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

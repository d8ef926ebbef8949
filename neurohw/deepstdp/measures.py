"""What an assignment of samples to clusters shares with another one, and how evenly it uses its clusters."""

from __future__ import annotations

from math import log, nan

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from neurohw.errors import InputError


def nmi(a: Tensor, b: Tensor) -> float:
    """Return the normalised mutual information of two assignments, I(a; b) / sqrt(H(a) H(b)).

    Lu & Sengupta 2024, Eq. 12: the geometric mean, not the default of scikit-learn any more. Of the assignments
    of two epochs it is their stability; of one and the classes, how pure clusters are: with more clusters than classes
    it is at most sqrt(H(classes) / H(clusters)), 0.707 for 10 and 100, equally used.

    Args:
        a, b: a cluster per sample, [N] integers; samples that either leaves unlabelled (negative) are left out.

    Returns:
        0 (independent) to 1 (each tells the other); 1 where both are a single cluster, 0 where one is, and NaN where no
        sample is labelled by both.

    Raises:
        InputError: assignments of different numbers of samples.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(
            f"nmi: got assignments of shapes {list(a.shape)} and {list(b.shape)}; allowed: one label a sample"
        )
    labelled = (a >= 0) & (b >= 0)
    if not bool(labelled.any()):
        return nan
    both = (assignment[labelled].cpu().numpy() for assignment in (a, b))
    return float(normalized_mutual_info_score(*both, average_method="geometric"))


def cluster_entropy(labels: Tensor, clusters: int) -> float:
    """Return the Shannon entropy of cluster sizes as a share of ln k, -sum_i p_i ln(p_i) / ln(k).

    Args:
        labels: a cluster per sample, [N], 0 to k - 1; unlabelled samples (negative) are left out.
        clusters: k, empty ones included.

    Returns:
        0 (all in one cluster) to 1 (all equally used): as many as k to this power are used, effectively. NaN where no
        sample is labelled.

    Raises:
        InputError: fewer than two clusters, or a label beyond them.
    """
    if clusters < 2:
        raise InputError(f"cluster_entropy: got {clusters} clusters; allowed: at least 2")
    labelled = labels[labels >= 0]
    if len(labelled) == 0:
        return nan
    if int(labelled.max()) >= clusters:
        raise InputError(
            f"cluster_entropy: got label {int(labelled.max())}; allowed with {clusters} clusters: 0 to {clusters - 1}"
        )
    return _entropy(torch.bincount(labelled)) / log(clusters)


def _entropy(counts: Tensor) -> float:
    """Return the entropy of counted events, in nats; 0 exactly where there is one kind of them."""
    p = counts[counts > 0].double() / counts.sum()
    return float(-(p * p.log()).sum().clamp(max=0))

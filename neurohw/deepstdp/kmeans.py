"""k-means as DeepCluster has it (Caron et al. 2018): the baseline that STDP clustering is compared with."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor


@dataclass(frozen=True)
class KMeansClustering:
    """What k-means found.

    Args:
        labels: [N].
        iterations: that it took, at most those allowed.
    """

    labels: Tensor
    iterations: int


def k_means(features: Tensor, clusters: int, iterations: int, seed: int) -> KMeansClustering:
    """Cluster by Lloyd's algorithm from random samples; an empty cluster gets the sample furthest from its own.

    Args:
        features: [N, d].
        clusters: k.
        iterations: at most.
        seed: of the choice.
    """
    model = KMeans(
        clusters, init="random", n_init=1, max_iter=iterations, tol=0.0, algorithm="lloyd", random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct samples than clusters: some stay empty
        labels = model.fit(features.numpy()).labels_
    return KMeansClustering(torch.from_numpy(labels).long(), int(model.n_iter_))

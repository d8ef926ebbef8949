"""Features as they are clustered (DeepCluster, Caron et al. 2018): principal components, whitened, rows of norm 1."""

from __future__ import annotations

import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional

from neurohw.errors import Diverged

_LEAST_VARIANCE = 1e-7  # of a component that is kept, relative to the first: below it, whitening would amplify rounding


def reduced(features: Tensor, components: int, whitened: bool = True, unit_norm: bool = True) -> Tensor:
    """Return what is clustered, [N, d] float32, d at most min(components, features, N - 1).

    Args:
        features: [N, features].
        components: how many are kept at most; those without variance are left out.
        whitened: each component has unit variance.
        unit_norm: each row then has an L2 norm of 1.

    Raises:
        Diverged: features are no finite numbers, or all the same.
    """
    if not bool(torch.isfinite(features).all()):
        raise Diverged("features of the convolutional network are no finite numbers")
    matrix = features.detach().cpu().double().numpy()
    if not (matrix != matrix[0]).any():
        raise Diverged("features of the convolutional network are the same for all images")
    most = min(components, *matrix.shape)
    pca = PCA(most, whiten=whitened, svd_solver="covariance_eigh").fit(matrix)
    variance = pca.explained_variance_
    kept = variance > _LEAST_VARIANCE * variance[0]
    result = torch.from_numpy(pca.transform(matrix)[:, kept]).float()
    return functional.normalize(result) if unit_norm else result

"""In which order images are trained on their pseudo-labels."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Sampling = Literal["uniform", "shuffled"]


def order_of(labels: Tensor, passes: int, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Return the indices of an epoch's images, in order; images without a label (-1) are left out.

    "uniform" is DeepCluster's: each cluster that is not empty gets the same share of passes x N images, drawn without
    replacement where it has enough, else with it. "shuffled" is `passes` permutations.

    Args:
        labels: [N] int64.
        passes: through the data.
        sampling: as above.
        generator: of the draws, on the CPU.
    """
    labelled = (labels >= 0).nonzero()[:, 0]
    if sampling == "shuffled":
        orders = [labelled[torch.randperm(len(labelled), generator=generator)] for _ in range(passes)]
        return torch.cat(orders)
    members = [(labels == cluster).nonzero()[:, 0] for cluster in labels[labelled].unique()]
    total = passes * len(labels)
    share = total // max(len(members), 1) + 1
    chosen = torch.cat([_drawn(indices, share, generator) for indices in members])
    return chosen[torch.randperm(len(chosen), generator=generator)][:total]


def _drawn(indices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    if count <= len(indices):
        return indices[torch.randperm(len(indices), generator=generator)[:count]]
    return indices[torch.randint(len(indices), (count,), generator=generator)]

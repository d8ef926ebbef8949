"""Who wins: the k largest of each sample, or the outputs of its label."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from neurohw.errors import InputError
from neurohw.seeding import Source


class Winners(NamedTuple):
    """The indices of the winners, [B, k], in no particular order; and how many rows were tied at the k-th place.

    Of several chips: [S, B, k], and each one's number of rows, [S].
    """

    indices: Tensor
    tied: int | Tensor


def winners(competition: Tensor, k: int, ties: str = "lowest", source: Source | None = None) -> Winners:
    """Return the k largest elements of each row (Eq. 9), ties at the k-th place decided as asked.

    `topk` decides ties in no stated order, so rows with a tie at the boundary, and only those, are decided again.

    Args:
        competition: [B, n], of several chips [S, B, n].
        k: number of winners, 1 <= k <= n.
        ties: "lowest" (lowest index wins) or "random" (each of the tied wins with equal chance).
        source: of the random choice.
    """
    n = competition.shape[-1]
    if k == n:
        none = competition.new_zeros(competition.shape[:-2], dtype=torch.int64)
        return Winners(torch.arange(n, device=competition.device).expand(competition.shape), _number(none))
    values, indices = torch.topk(competition, k + 1)
    tied = values[..., k - 1] == values[..., k]
    count = _number(tied.sum(-1))
    if count if isinstance(count, int) else count.any():
        rows = competition[tied]
        ranks = _ranks(rows, count, ties, source)
        indices[tied] = _decide_ties(rows, values[tied][:, k - 1], k, ranks)
    return Winners(indices[..., :k], count)


def _number(count: Tensor) -> int | Tensor:
    return count if count.dim() else int(count)


def _ranks(rows: Tensor, count: int | Tensor, ties: str, source: Source | None) -> Tensor:
    """Return which of those at the boundary wins before which, [T, n]; count: of rows, of several chips each one's."""
    if ties != "random":
        return torch.linspace(1.0, 0.0, rows.shape[1], device=rows.device, dtype=torch.float64).expand(rows.shape)
    own = source if isinstance(source, tuple) else (source,)
    numbers = [count] if isinstance(count, int) else count.tolist()
    return torch.cat([
        torch.rand((number, rows.shape[1]), generator=generator, device=rows.device, dtype=torch.float64)
        for generator, number in zip(own, numbers, strict=True)
    ])  # fmt: skip


def _decide_ties(rows: Tensor, threshold: Tensor, k: int, rank: Tensor) -> Tensor:
    # elements above the threshold have won (rank 2); those at it compete by rank in (0, 1]; the rest are out (-1)
    boundary = threshold.unsqueeze(1)
    score = torch.where(rows > boundary, 2.0, torch.where(rows == boundary, rank, -1.0))
    return torch.topk(score, k + 1).indices


def label_blocks(labels: Tensor, n_out: int, n_classes: int) -> Tensor:
    """Return the indices of each label's block of outputs, [B] -> [B, n_out / n_classes].

    Raises:
        InputError: the outputs are no multiple of the classes.
    """
    if n_out % n_classes:
        raise InputError(f"network.layers: {n_out} outputs do not divide into equal blocks for {n_classes} classes")
    block = n_out // n_classes
    return labels.unsqueeze(-1) * block + torch.arange(block, device=labels.device)

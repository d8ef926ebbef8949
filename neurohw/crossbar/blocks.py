"""Products of a large matrix with few samples, a block of rows at a time, which the CPU's caches hold better."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.crossbar.precision import multiplying_library

_BLOCK = 2**19  # weights per core of a product of few samples that are best multiplied at a time
_FEW_BLOCKS = 4  # below which blocks win nothing


def by_blocks(matrix: Tensor, states: Tensor) -> Tensor:
    """Return matrix @ states, [n, m] @ [m, B], to the bit, by blocks where that is faster: by BLAS, of a large W."""
    blocks = _blocks(matrix)
    if not blocks:
        return matrix @ states
    product = matrix.new_empty(len(matrix), states.shape[1])
    for rows, part in zip(matrix.chunk(blocks), product.chunk(blocks), strict=True):
        torch.mm(rows, states, out=part)
    return product


def add_by_blocks(out: Tensor, matrix: Tensor, states: Tensor, beta: float, alpha: float) -> Tensor:
    """Return out <- beta out + alpha matrix @ states, out [n, B], likewise."""
    blocks = _blocks(matrix)
    if not blocks:
        return out.addmm_(matrix, states, beta=beta, alpha=alpha)
    for rows, part in zip(matrix.chunk(blocks), out.chunk(blocks), strict=True):
        part.addmm_(rows, states, beta=beta, alpha=alpha)
    return out


def _blocks(matrix: Tensor) -> int:
    """Return how many blocks are best; 0: the matrix whole."""
    if matrix.dim() > 2 or matrix.device.type != "cpu" or matrix.dtype != torch.float32:
        return 0
    blocks = matrix.numel() // (_BLOCK * torch.get_num_threads())
    return 0 if blocks < _FEW_BLOCKS or multiplying_library() == "oneDNN" else blocks

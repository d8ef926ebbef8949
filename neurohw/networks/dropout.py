"""Dropout masks from one named generator, drawn 16 bits an entry."""

from __future__ import annotations

import torch
from torch import Tensor

_LOWEST = -(2**63)


def keep_mask(batch: int, n: int, dropout: float, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Return a 0/1 mask [batch, n] whose entries are 1 with probability 1 - dropout (resolved to 2^-16).

    Each 64-bit draw serves four entries, which takes a small part of the time of `bernoulli_`.
    """
    words = torch.empty(-(-batch * n // 4), dtype=torch.int64, device=generator.device)
    words.random_(_LOWEST, None, generator=generator)
    threshold = round(dropout * 2**16) - 2**15
    return words.view(torch.int16)[: batch * n].ge_(threshold).view(batch, n).to(dtype)

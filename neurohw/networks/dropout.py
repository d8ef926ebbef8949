"""Dropout masks from one named generator, drawn 16 bits an entry."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.seeding import Source, drawn

_LOWEST = -(2**63)
_MOST = 2**15 - 1  # of 16 bits: one entry in 2^16 is kept at least


def keep_mask(batch: int, n: int, dropout: float, source: Source, dtype: torch.dtype) -> Tensor:
    """Return a 0/1 mask [batch, n] whose entries are 1 with probability 1 - dropout (resolved to 2^-16).

    Each 64-bit draw serves four entries, which takes a small part of the time of `bernoulli_`. Several chips have a
    mask each, [S, batch, n].
    """
    threshold = min(round(dropout * 2**16) - 2**15, _MOST)
    words = drawn(lambda own: _words(-(-batch * n // 4), own), source)
    kept = words.view(torch.int16)[..., : batch * n].ge_(threshold)
    return kept.view(*words.shape[:-1], batch, n).to(dtype)


def _words(number: int, generator: torch.Generator) -> Tensor:
    words = torch.empty(number, dtype=torch.int64, device=generator.device)
    return words.random_(_LOWEST, None, generator=generator)

"""Rate coding of signed features: a positive and a negative half of the inputs, each a Poisson train."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.errors import InputError

_IN_64_BITS = 4  # draws of 16 bits


def halves(features: Tensor) -> Tensor:
    """Return [max(x, 0), max(-x, 0)], [N, 2 d]: the consistent reading of s+ and s- in Eq. 5, no weight negative."""
    return torch.cat([features.clamp(min=0), (-features).clamp(min=0)], dim=1)


def spike_probabilities(features: Tensor, rate_scale: float) -> Tensor:
    """Return spikes per step of every input, min(1, rate_scale |x|) in the half of its sign, [N, 2 d]."""
    return (halves(features) * rate_scale).clamp(max=1)


def spike_trains(features: Tensor, rate_scale: float, timesteps: int, generator: torch.Generator) -> Tensor:
    """Draw input spikes, at most one per step; a sample's take the same draws wherever it stands in a batch.

    Draws are 16-bit integers, four of each 64 bits: probabilities are met to 2^-16, of which the largest is 1 - 2^-16.

    Args:
        features: signed, [N, d].
        rate_scale: spikes per step of a feature of 1.
        timesteps: T.
        generator: source of T d draws per sample, where the features are; one of the two inputs of a feature is
            always silent.

    Returns:
        uint8 of 0 and 1, [N, T, 2 d].
    """
    n, d = features.shape
    spikes = torch.empty(n, timesteps, 2 * d, dtype=torch.bool, device=features.device)
    drawn = torch.empty(timesteps, -(-d // _IN_64_BITS), dtype=torch.int64, device=features.device)
    levels = (spike_probabilities(features, rate_scale).double() * 2**16).round() - 2**15
    for sample, level in zip(spikes, levels.clamp(max=2**15 - 1).to(torch.int16), strict=True):
        draws = drawn.random_(-(2**63), None, generator=generator).view(torch.int16)[:, :d]
        torch.lt(draws, level[:d], out=sample[:, :d])
        torch.lt(draws, level[d:], out=sample[:, d:])
    return spikes.view(torch.uint8)


def check_features(features: Tensor) -> None:
    """Raise an InputError where features are not [N, d] of finite numbers."""
    if features.ndim != 2 or 0 in features.shape:
        raise InputError(f"features: got shape {list(features.shape)}; allowed: [samples, features], none of them 0")
    if not bool(torch.isfinite(features).all()):
        wrong = int((~torch.isfinite(features)).any(1).nonzero()[0])
        raise InputError(f"features: sample {wrong} has a NaN or an infinite number; allowed: finite numbers")

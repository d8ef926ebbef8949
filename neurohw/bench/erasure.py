"""What do balanced updates do to a device, when nothing is to be learnt?

The free state equals the nudged state, so EP's gradient is zero. Written as two phases, every pair of outer products
cancels on paper but not on an asymmetric device; written as their difference there is nothing to write, but for what
noise leaves: 1/2 (a1 b1 - a0 b0) of two states that differ by noise alone.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.library import device_names, load_device
from neurohw.devices.model import DeviceModel

_SHAPE = (40, 25)
_START = 0.4  # of w_max
_STATE_NOISE = 0.01  # standard deviation of a state, between the two phases
_CONTRASTS = ("two-phase", "difference")


def erasure(
    devices: tuple[str, ...] | None = None, pairs: int = 200, rate: float = 0.01, seeds: int = 3
) -> list[dict[str, Any]]:
    """Give 1,000 devices balanced updates from 0.4 w_max on, and report what is left of their weights.

    Args:
        devices: names; all shipped ones unless given. Devices that only potentiate are taken as pairs.
        pairs: balanced updates, each of one sample with states uniform in 0 to 1.
        rate: of each product, in units of w_max.
        seeds: each has devices, states and noise of its own.

    Returns:
        A row per device and contrast: mean and standard deviation of w / w_max at the end (0.4 at the start), the
        spread of the mean over seeds, pulses per cell, and how many times more pulses two phases take.
    """
    rows = []
    for name in devices or device_names():
        model = load_device(name)
        ends = {contrast: [_balanced(model, contrast, pairs, rate, s) for s in range(seeds)] for contrast in _CONTRASTS}
        pulses = {contrast: _mean([end[1] for end in ends[contrast]]) for contrast in _CONTRASTS}
        for contrast in _CONTRASTS:
            weights = torch.stack([end[0] for end in ends[contrast]])
            means = weights.mean((1, 2))
            rows.append(
                {
                    "device": name,
                    "law": model.pulse.law,
                    "contrast": contrast,
                    "mean": float(means.mean()),
                    "mean_over_seeds_std": float(means.std()) if seeds > 1 else math.nan,
                    "std": float(weights.std((1, 2)).mean()),
                    "pulses_per_cell": pulses[contrast],
                    "two_phase_over_difference": pulses["two-phase"] / max(pulses["difference"], 1e-9),
                    "seeds": seeds,
                }
            )
    return rows


def _balanced(model: DeviceModel, contrast: str, pairs: int, rate: float, seed: int) -> tuple[Tensor, float]:
    """Return w / w_max [n_post, n_pre] after the balanced updates, and the pulses given per cell."""
    law, draws = model.response(), torch.Generator().manual_seed(seed)
    array = AnalogArray(
        torch.full(_SHAPE, _START * law.w_max),
        model,
        remedy="one-sided" if model.sided == 1 else "none",
        read_path=ReadPath.perfect(),
        generator=torch.Generator().manual_seed(1000 + seed),
    )
    for _ in range(pairs):
        array.update(OuterProducts(_terms(contrast, draws), scale=1.0), rate * law.w_max)
    pulses = sum(float(count.sum()) for count in array.writes().values()) / array.shape[0] / array.shape[1]
    return array.snapshot() / law.w_max, pulses


def _terms(contrast: str, draws: torch.Generator) -> tuple[Product, ...]:
    """Return the contrast of two states that are equal but for noise, in the order of `EPNetwork`."""
    pre, post = torch.rand(1, _SHAPE[1], generator=draws), torch.rand(1, _SHAPE[0], generator=draws)

    def noisy(state: Tensor) -> Tensor:
        noise = torch.randn(state.shape, generator=draws) * _STATE_NOISE
        return (state + noise).clamp_(0.0, 1.0)

    (a0, b0), (a1, b1) = (noisy(pre), noisy(post)), (noisy(pre), noisy(post))
    if contrast == "difference":
        return Product(b1 - b0, (a1 + a0) / 2), Product((b1 + b0) / 2, a1 - a0)
    return Product(b0, a0, -1), Product(b1, a1, +1)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)

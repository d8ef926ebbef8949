"""What an `AihwkitArray` costs over aihwkit's bare tile calls, on the same tile and the same data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from neurohw.bench.rounds import ROUNDS, Figure, in_rounds
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.remedies import PLAIN

_RATE = 0.002
_GOAL = "<= 1.1"


def arrays(
    shape: tuple[int, int] = (500, 784), batch: int = 16, rounds: int = 2 * ROUNDS, device: str = "soft_bounds"
) -> list[Figure]:
    """Time read, transposed read and update against `joint_forward`, `backward` and `update` of aihwkit's tile.

    Both sides have the same device realisation, read path and pulse scheme. The data is that of a first layer under a
    k-winner target: inputs are the pixels of strokes (a fifth lit), errors are sparse.

    Args:
        shape: (n_post, n_pre).
        batch: samples a call.
        rounds: of timing.
        device: the preset.

    Returns:
        A figure per call.
    """
    generator = torch.Generator().manual_seed(0)
    weights = (torch.rand(shape, generator=generator) - 0.5) * 0.1
    pre = _sparse(batch, shape[1], 0.2, generator)
    post = _sparse(batch, shape[0], 0.05, generator) - _sparse(batch, shape[0], 0.05, generator)
    array, tile = _twins(weights, device)
    products, descent = OuterProducts((Product(post, pre),), scale=1.0), -post
    calls: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "read over its tile's joint_forward": (lambda: array.read(pre), lambda: tile.joint_forward(pre, False)),
        "read_transposed over its tile's backward": (lambda: array.read_transposed(post), lambda: tile.backward(post)),
        "update over its tile's": (lambda: array.update(products, _RATE), lambda: tile.update(pre, descent)),
    }
    tile.set_learning_rate(_RATE)
    return [
        in_rounds({"array": ours, "tile": theirs}, rounds).figure(f"AihwkitArray's {name}", "array", "tile", _GOAL)
        for name, (ours, theirs) in calls.items()
    ]


def _sparse(rows: int, columns: int, share: float, generator: torch.Generator) -> Tensor:
    lit = torch.rand(rows, columns, generator=generator) < share
    return lit * torch.rand(rows, columns, generator=generator).clamp(min=0.5)


def _twins(weights: Tensor, device: str) -> tuple[Any, Any]:
    """Return an AihwkitArray and a bare tile of the same configuration and construction seed."""
    from neurohw.crossbar.aihwkit.array import AihwkitArray
    from neurohw.crossbar.aihwkit.rpu_config import build_rpu_config
    from neurohw.crossbar.periphery import PulseScheme, ReadPath

    path, pulses = ReadPath(), PulseScheme()
    config = build_rpu_config(device, PLAIN, path, path, pulses, 1, {}, {})
    tile = config.tile_class(*weights.shape, config, bias=False)
    tile.set_weights(weights)
    return AihwkitArray(weights, device, "none", path, pulses=pulses, construction_seed=1), tile

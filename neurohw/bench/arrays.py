"""What an `AihwkitArray` costs over aihwkit's bare tile calls, on the same tile and the same data."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.remedies import PLAIN

_RATE = 0.002
_GOAL = 1.10


def arrays(
    shape: tuple[int, int] = (500, 784), batch: int = 16, repeats: int = 60, device: str = "soft_bounds"
) -> list[dict[str, Any]]:
    """Time read, transposed read and update against `joint_forward`, `backward` and `update` of aihwkit's tile.

    Both sides have the same device realisation, read path and pulse scheme, and take turns in one process. The data is
    that of a first layer under a k-winner target: inputs are the pixels of strokes (a fifth lit), errors are sparse.

    Args:
        shape: (n_post, n_pre).
        batch: samples a call.
        repeats: turns; the median is reported.
        device: the preset.

    Returns:
        A row per call: the medians in ms, their ratio, and the goal.
    """
    generator = torch.Generator().manual_seed(0)
    weights = (torch.rand(shape, generator=generator) - 0.5) * 0.1
    pre = _sparse(batch, shape[1], 0.2, generator)
    post = _sparse(batch, shape[0], 0.05, generator) - _sparse(batch, shape[0], 0.05, generator)
    array, tile = _twins(weights, device)
    products, descent = OuterProducts((Product(post, pre),), scale=1.0), -post
    calls: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "read": (lambda: array.read(pre), lambda: tile.joint_forward(pre, False)),
        "read_transposed": (lambda: array.read_transposed(post), lambda: tile.backward(post)),
        "update": (lambda: array.update(products, _RATE), lambda: tile.update(pre, descent)),
    }
    tile.set_learning_rate(_RATE)
    return [{"call": name, **_compare(*sides, repeats), "goal": _GOAL} for name, sides in calls.items()]


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


def _compare(ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Return the medians, in ms, of calls that take turns, the first of each turn alternating."""
    times: dict[str, list[float]] = {"array_ms": [], "tile_ms": []}
    sides = [("array_ms", ours), ("tile_ms", theirs)]
    for turn in range(repeats + 2):
        for name, call in sides if turn % 2 else reversed(sides):
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e3)
    medians = {name: median(seconds[2:]) for name, seconds in times.items()}  # the first two turns warm up
    return {**medians, "ratio": medians["array_ms"] / medians["tile_ms"]}

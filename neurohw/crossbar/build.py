"""The one branch over back-ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.tiled import TiledArray
from neurohw.errors import InputError
from neurohw.seeding import derived_seed

BACKENDS = ("ideal", "aihwkit")


def build_array(
    backend: str,
    weights: Tensor,
    *,
    device: str | None = None,
    remedy: str = "none",
    read_path: ReadPath | None = None,
    backward: ReadPath | None = None,
    pulses: PulseScheme | None = None,
    pulse_length: int | None = None,
    weight_range: float | None = None,
    tile: tuple[int, int] | None = None,
    construction_seed: int = 1,
    batch_seconds: float = 1.0,
    device_overrides: Mapping[str, Any] | None = None,
    remedy_overrides: Mapping[str, Any] | None = None,
    name: str = "",
    dtype: torch.dtype | None = None,
    torch_device: torch.device | str | None = None,
) -> SynapseArray:
    """Return an array of a back-end.

    Args:
        backend: "ideal" or "aihwkit".
        weights: [n_post, n_pre] initial weights.
        device, remedy, read_path, backward, pulses, weight_range, batch_seconds, device_overrides, remedy_overrides:
            of `AihwkitArray`; the ideal back-end ignores them.
        pulse_length: short for `pulses=PulseScheme(length=...)`.
        tile: (most rows on the post side, most columns on the pre side) of one crossbar; None: one crossbar holds
            all. The sum of ideal tiles is the ideal array, so the ideal back-end never cuts.
        construction_seed, name: together they fix the device-to-device draws; arrays of other names, and the tiles of
            one array, have devices of their own.
        dtype, torch_device: of the ideal array; None: those of the weights. aihwkit computes in float32 on the CPU.

    Raises:
        InputError: an unknown back-end, device, remedy or field, or a combination that cannot work.
    """
    if backend == "ideal":
        return IdealArray(weights.to(dtype=dtype, device=torch_device))
    if backend != "aihwkit":
        raise InputError(f"unknown backend {backend!r}; allowed: {', '.join(BACKENDS)}")
    if device is None:
        raise InputError("backend 'aihwkit' needs a device (see neurohw.devices.presets)")
    if pulses is None and pulse_length is not None:
        pulses = PulseScheme(length=pulse_length)
    from neurohw.crossbar.aihwkit_array import AihwkitArray  # not before it is asked for: aihwkit takes seconds

    def make(block: Tensor, place: str) -> SynapseArray:
        return AihwkitArray(
            block,
            device=device,
            remedy=remedy,
            read_path=read_path,
            backward=backward,
            pulses=pulses,
            construction_seed=derived_seed(construction_seed, f"{name}/{place}") & 0x7FFFFFFF,
            weight_range=weight_range,
            batch_seconds=batch_seconds,
            device_overrides=device_overrides,
            remedy_overrides=remedy_overrides,
        )

    if tile is None or (weights.shape[0] <= tile[0] and weights.shape[1] <= tile[1]):
        return make(weights, "0.0")
    return TiledArray(weights, tile, make)

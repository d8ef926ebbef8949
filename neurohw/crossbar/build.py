"""The one branch over back-ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.tiled import TiledArray
from neurohw.crossbar.wires import Wires
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError
from neurohw.seeding import derived_seed

BACKENDS = ("ideal", "analog", "aihwkit")


def build_array(
    backend: str,
    weights: Tensor,
    *,
    device: str | DeviceModel | None = None,
    remedy: str = "none",
    read_path: ReadPath | None = None,
    backward: ReadPath | None = None,
    pulses: PulseScheme | None = None,
    pulse_length: int | None = None,
    weight_range: float | None = None,
    tile: tuple[int, int] | None = None,
    construction_seed: int = 1,
    batch_seconds: float = 1.0,
    remedy_parameters: Mapping[str, Any] | None = None,
    increments: str = "open-loop",
    compensation: str = "none",
    wire_resistance: float = 0.0,
    reference: str | None = None,
    fault_map: Tensor | Mapping[str, Tensor] | None = None,
    device_overrides: Mapping[str, Any] | None = None,
    remedy_overrides: Mapping[str, Any] | None = None,
    name: str = "",
    dtype: torch.dtype | None = None,
    torch_device: torch.device | str | None = None,
) -> SynapseArray:
    """Return an array of a back-end.

    Args:
        backend: "ideal", "analog" or "aihwkit".
        weights: [n_post, n_pre] initial weights.
        device: a device's name, file or model.
        remedy, read_path, backward, pulses, weight_range: of `AnalogArray` and `AihwkitArray`; the ideal back-end
            ignores them.
        pulse_length: short for `pulses=PulseScheme(length=...)`.
        tile: (most rows on the post side, most columns on the pre side) of one crossbar; None: one crossbar holds
            all. The sum of ideal tiles is the ideal array, so the ideal back-end never cuts.
        construction_seed, name: together they fix every draw of an analog array, and the device-to-device draws of an
            aihwkit tile; arrays of other names, and the tiles of one array, have devices of their own.
        batch_seconds, device_overrides, remedy_overrides: of `AihwkitArray`.
        remedy_parameters, increments, compensation, reference, fault_map: of `AnalogArray`.
        wire_resistance: of one segment of every line, ohm; analog arrays only.
        dtype: of the ideal array; None: that of the weights. The others compute in float32.
        torch_device: of ideal and analog arrays; None: that of the weights. aihwkit computes on the CPU.

    Raises:
        InputError: an unknown back-end, device, remedy or field, or a combination that cannot work.
    """
    if backend == "ideal":
        return IdealArray(weights.to(dtype=dtype, device=torch_device))
    if backend not in BACKENDS:
        raise InputError(f"unknown backend {backend!r}; allowed: {', '.join(BACKENDS)}")
    if device is None:
        raise InputError(f"backend {backend!r} needs a device (see `neurohw device list`)")
    if pulses is None and pulse_length is not None:
        pulses = PulseScheme(length=pulse_length)

    def analog(block: Tensor, place: str) -> SynapseArray:
        generator = torch.Generator(torch_device or weights.device)
        return AnalogArray(
            block,
            device=load_device(device) if isinstance(device, str) else device,
            remedy=remedy,
            read_path=read_path,
            backward=backward,
            pulses=pulses,
            generator=generator.manual_seed(derived_seed(construction_seed, f"{name}/{place}")),
            weight_range=weight_range,
            remedy_parameters=remedy_parameters,
            increments=increments,
            compensation=compensation,
            fault_map=fault_map,
            wires=Wires(wire_resistance, wire_resistance) if wire_resistance else None,
            reference=reference,
        )

    def aihwkit(block: Tensor, place: str) -> SynapseArray:
        from neurohw.crossbar.aihwkit.array import AihwkitArray  # not before it is asked for: aihwkit takes seconds

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

    make = analog if backend == "analog" else aihwkit
    if tile is None or (weights.shape[0] <= tile[0] and weights.shape[1] <= tile[1]):
        return make(weights, "0.0")
    if fault_map is not None and len(fault_map):
        raise InputError("fault_map: not with tiles; give each tile's rates in the device instead")
    return TiledArray(weights, tile, make)

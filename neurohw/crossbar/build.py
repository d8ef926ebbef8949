"""From what is asked for to an array, whatever its back-end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.backends import find_backend, unread
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.spec import ArraySpec
from neurohw.crossbar.tiled import TiledArray, split_evenly
from neurohw.errors import InputError
from neurohw.seeding import derived_seed


def build_array(
    backend: str | ArraySpec,
    weights: Tensor,
    *,
    name: str = "",
    construction_seed: int = 1,
    dtype: torch.dtype | None = None,
    torch_device: torch.device | str | None = None,
    **settings: Any,
) -> SynapseArray:
    """Return an array of a back-end.

    Args:
        backend: what is asked for, or a back-end's name, and as `settings` what `ArraySpec.of` takes.
        weights: [n_post, n_pre] initial weights.
        construction_seed, name: together they fix every draw of an analog array, and the device-to-device draws of an
            aihwkit tile; arrays of other names, and the tiles of one array, have devices of their own.
        dtype: of the ideal array; None: that of the weights. The others compute in float32.
        torch_device: where it computes; None: where the weights are.

    Raises:
        InputError: an unknown back-end, device, remedy or setting, one that the back-end does not read, or a
            combination that cannot work.
    """
    spec = backend if isinstance(backend, ArraySpec) else ArraySpec.of(backend, **settings)
    elsewhere = torch_device if torch_device is not None and torch.device(torch_device).type != "cpu" else None
    for key, value in {"dtype": dtype, "torch_device": elsewhere}.items():
        if value is not None and (complaint := unread(spec.backend, key, key, value)):
            raise InputError(complaint)
    kind = find_backend(spec.backend).load()
    weights = weights.to(dtype=dtype, device=torch_device)

    if spec.absent is not None and spec.absent.shape != weights.shape:
        raise InputError(f"absent: got the shape {tuple(spec.absent.shape)}; allowed: {tuple(weights.shape)}, "
                         "[n_post, n_pre]")  # fmt: skip

    def make(block: Tensor, place: str) -> SynapseArray:
        own = spec
        if spec.absent is not None and spec.tile is not None:
            sides = (split_evenly(n, limit) for n, limit in zip(weights.shape, spec.tile, strict=True))
            here = tuple(side[int(i)] for side, i in zip(sides, place.split("."), strict=True))
            own = replace(spec, absent=spec.absent[here])
        array: SynapseArray = kind.build(block, own, derived_seed(construction_seed, f"{name}/{place}"))
        return array

    if spec.tile is None or (weights.shape[0] <= spec.tile[0] and weights.shape[1] <= spec.tile[1]):
        return make(weights, "0.0")
    if spec.fault_map is not None and len(spec.fault_map):
        raise InputError("fault_map: not with tiles; give each tile's rates in the device instead")
    return TiledArray(weights, spec.tile, make)

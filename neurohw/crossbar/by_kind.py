"""What is known of an array's devices, by kind: those of all tiles together, without what is not there."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from neurohw.crossbar.base import SynapseArray

_OF_A_TILE = re.compile(r"^tile\.(\d+)\.(\d+)\.")


def by_kind(array: SynapseArray, devices: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a number of every device that is there, [n], by kind.

    Args:
        array: which they are of.
        devices: the number by name, [n_post, n_pre] each, as `SynapseArray.conductances` and `writes` have it.
    """
    found: dict[str, list[Tensor]] = {}
    for name, values in devices.items():
        kind, there = name, array.present
        if tile := _OF_A_TILE.match(name):
            kind, (i, j) = name[tile.end() :], map(int, tile.groups())
            there = None if there is None else there[array.tiles.rows[i], array.tiles.columns[j]]
        found.setdefault(kind, []).append(values.flatten() if there is None else values[there])
    return {kind: torch.cat(parts) for kind, parts in found.items()}

"""What a meter looks up inside an array: its tiles, its conductances, its reads of hidden cells, its writes per cell.

Arrays say what they can: `grid` (tiles), `conductances`, `writes`, `cells` (with a transfer remedy's hidden array).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.base import SynapseArray

SiemensOf = Callable[[Tensor], Tensor]  # weights [n_post, n_pre] -> conductances of their devices
_HIDDEN = "fast."  # banks of a transfer remedy that reads do not see


@dataclass(frozen=True)
class Tiles:
    """The crossbars of an array: rows of the grid along n_post, columns along n_pre."""

    grid: list[list[SynapseArray]]
    rows: list[slice]
    columns: list[slice]

    @classmethod
    def of(cls, array: SynapseArray) -> Tiles:
        """Return the tiles of an array, itself if it has none."""
        grid = getattr(array, "grid", [[array]])
        return cls(grid, _slices(row[0].shape[0] for row in grid), _slices(tile.shape[1] for tile in grid[0]))

    def blocks(self) -> Iterator[tuple[slice, slice, SynapseArray]]:
        """Yield (rows, columns, crossbar)."""
        for rows, arrays in zip(self.rows, self.grid, strict=True):
            for columns, array in zip(self.columns, arrays, strict=True):
                yield rows, columns, array


def _slices(sizes: Iterable[int]) -> list[slice]:
    return [slice(a, b) for a, b in pairwise(accumulate(sizes, initial=0))]


def line_conductances(tiles: Tiles, siemens_of: SiemensOf | None) -> tuple[Tensor, Tensor] | None:
    """Return the conductance on each line now, of the inputs [n_pre] and of the outputs [n_post], siemens.

    Devices of one weight are added up. None where the array has no conductances.

    Args:
        tiles: of the array.
        siemens_of: conductances of weights, where the array knows weights only.
    """
    rows, columns = [], []
    for arrays in tiles.grid:
        parts = [_block(array, siemens_of) for array in arrays]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        rows.append(torch.stack([part.sum(1) for part in known]).sum(0))
        columns.append(torch.cat([part.sum(0) for part in known]))
    return torch.stack(columns).sum(0).double(), torch.cat(rows).double()


def _block(array: SynapseArray, siemens_of: SiemensOf | None) -> Tensor | None:
    conductances = getattr(array, "conductances", None)
    if conductances is None:
        return None if siemens_of is None else siemens_of(array.snapshot())
    total: Tensor | None = None
    for bank in visible(conductances()).values():
        total = bank if total is None else total.add_(bank)
    return total


def visible(banks: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the banks of devices that a read of the array drives."""
    return {name: bank for name, bank in banks.items() if not name.startswith(_HIDDEN)}


@dataclass(frozen=True)
class HiddenReads:
    """Reads of a hidden fast array, column by column, since the array was made.

    Args:
        vectors: columns read, on average over the tiles; dac, adc: conversions.
        words: words of the digital sum read and written.
        siemens: conductance driven, with the fast cells as they are now.
    """

    vectors: float = 0.0
    dac: float = 0.0
    adc: float = 0.0
    words: float = 0.0
    siemens: float = 0.0


def hidden_reads(tiles: Tiles) -> HiddenReads:
    """Return what transfers have read so far: as many columns each, every so many writes."""
    columns = dac = adc = siemens = 0.0
    count = 0
    for _, _, array in tiles.blocks():
        count += 1
        cells: Any = getattr(array, "cells", None)
        if not hasattr(cells, "fast"):
            continue
        done = int(cells.buffers["count"][0]) // cells._every * cells._columns
        n_post, n_pre = array.shape
        columns, dac, adc = columns + done, dac + done * n_pre, adc + done * n_post
        fast = [float(bank.conductances().sum()) for bank in cells.fast.banks.values()] if done else []
        siemens += done * sum(fast) / n_pre
    return HiddenReads(columns / count, dac, adc, 2 * adc, siemens)


def writes_per_cell(array: SynapseArray) -> dict[str, float] | None:
    """Return mean, 99.9th percentile and maximum of the pulses per device; None where the array does not count them."""
    counts = []
    for _, _, block in Tiles.of(array).blocks():
        writes = getattr(block, "writes", None)
        if writes is None:
            return None
        counts += [bank.reshape(-1) for bank in writes().values()]
    pulses = torch.cat(counts)
    rank = max(1, round(0.999 * len(pulses)))
    percentile = float(torch.kthvalue(pulses, rank).values)
    return {"mean": float(pulses.double().mean()), "p999": percentile, "max": float(pulses.max())}

"""What a meter looks up inside an array: its tiles, its conductances, its reads of hidden cells, its writes per cell.

Arrays say what they can: `grid` (tiles), `conductances`, `writes`, `cells` (with a transfer remedy's hidden array).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from neurohw.crossbar.base import SynapseArray

SiemensOf = Callable[[Tensor], Tensor]  # weights [n_post, n_pre] -> conductances of their devices
_HIDDEN = "fast."  # banks of a transfer remedy that reads do not see
_COLUMN, _ROW = ".column", ".row"  # of a reference: a device more for each input, and for each output


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

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.rows) * len(self.columns)

    @property
    def mean_shape(self) -> tuple[float, float]:
        """Outputs and inputs of a tile, on average."""
        return self.rows[-1].stop / len(self.rows), self.columns[-1].stop / len(self.columns)

    def blocks(self) -> Iterator[tuple[slice, slice, SynapseArray]]:
        """Yield (rows, columns, crossbar)."""
        for rows, arrays in zip(self.rows, self.grid, strict=True):
            for columns, array in zip(self.columns, arrays, strict=True):
                yield rows, columns, array


def _slices(sizes: Iterable[int]) -> list[slice]:
    return [slice(a, b) for a, b in pairwise(accumulate(sizes, initial=0))]


def line_conductances(tiles: Tiles, siemens_of: SiemensOf | None) -> tuple[Tensor, Tensor] | None:
    """Return the conductance on each line now, of the inputs [n_pre] and of the outputs [n_post], siemens.

    Devices of one weight are added up; a reference column conducts in reads only, a row in transposed ones only. None
    where the array has no conductances.

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
        rows.append(torch.stack([on_outputs for _, on_outputs in known]).sum(0))
        columns.append(torch.cat([on_inputs for on_inputs, _ in known]))
    return torch.stack(columns).sum(0).double(), torch.cat(rows).double()


def _block(array: SynapseArray, siemens_of: SiemensOf | None) -> tuple[Tensor, Tensor] | None:
    """Return what is on each input and on each output of a crossbar."""
    conductances = getattr(array, "conductances", None)
    if conductances is not None:
        banks = visible(conductances())
    elif siemens_of is not None:
        banks = {"cell": siemens_of(array.snapshot())}
    else:
        return None
    crossings = torch.stack([bank for name, bank in banks.items() if not name.endswith((_COLUMN, _ROW))]).sum(0)
    on_inputs, on_outputs = crossings.sum(0), crossings.sum(1)
    for name, bank in banks.items():
        if name.endswith(_COLUMN):
            on_inputs += bank[0]
        elif name.endswith(_ROW):
            on_outputs += bank[:, 0]
    return on_inputs, on_outputs


def visible(banks: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the banks of devices that a read of the array drives."""
    return {name: bank for name, bank in banks.items() if not name.startswith(_HIDDEN)}


def hidden_column(tiles: Tiles) -> float:
    """Return the conductance of a column of a remedy's hidden cells now, siemens, on average; 0 without such cells."""
    total, columns = 0.0, 0
    for _, _, array in tiles.blocks():
        columns += array.shape[1]
        conductances = getattr(array, "conductances", dict)
        total += sum(float(bank.sum()) for name, bank in conductances().items()
                     if name.startswith(_HIDDEN) and not name.endswith(_ROW))  # fmt: skip
    return total / columns


def readouts(tiles: Tiles) -> float:
    """Return how often all cells have been read to compensate drift, on average over the tiles."""
    return sum(getattr(array, "readouts", 0) for _, _, array in tiles.blocks()) / tiles.number


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

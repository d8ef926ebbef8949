"""A large matrix on several crossbars of limited size, partial sums added digitally."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from math import ceil
from operator import add

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Anatomy, Tiles
from neurohw.crossbar.base import OuterProducts, Product, StateDict, SynapseArray, Writes
from neurohw.crossbar.standing import Standing
from neurohw.errors import InputError
from neurohw.seeding import derived_seed

MakeArray = Callable[[Tensor, str], SynapseArray]


def split_evenly(size: int, limit: int) -> list[slice]:
    """Return the fewest slices of at most `limit`, as equal as they can be: 784 at 256 is 4 times 196."""
    if limit < 1:
        raise InputError(f"a tile needs at least one line on each side, but got {limit}")
    parts = ceil(size / limit)
    bounds = [size * i // parts for i in range(parts + 1)]
    return [slice(a, b) for a, b in pairwise(bounds)]


class TiledArray(SynapseArray):
    """W cut into a grid of arrays; every column block reads its inputs once, outputs are summed after their ADCs.

    Args:
        weights: [n_post, n_pre] initial weights.
        tile: (most rows on the post side, most columns on the pre side) of one array.
        make: makes the array of one block from its weights and its place "i.j".
    """

    def __init__(self, weights: Tensor, tile: tuple[int, int], make: MakeArray) -> None:
        self.shape = (weights.shape[0], weights.shape[1])
        self._rows = split_evenly(self.shape[0], tile[0])
        self._columns = split_evenly(self.shape[1], tile[1])
        self.grid = [
            [make(weights[rows, columns].contiguous(), f"{i}.{j}") for j, columns in enumerate(self._columns)]
            for i, rows in enumerate(self._rows)
        ]
        first = self.grid[0][0]
        self.dtype, self.device = first.dtype, first.device
        self.exact = all(array.exact for _, _, array in self._blocks())
        cells = sum(array.n_cells for _, _, array in self._blocks())
        self.clipped = sum(array.clipped * array.n_cells for _, _, array in self._blocks()) / max(1, cells)
        self.exact_writes = all(array.exact_writes for _, _, array in self._blocks())
        there = [array.present for _, _, array in self._blocks()]
        self.present = None if None in there else self._together([block for block in there if block is not None])

    def _blocks(self) -> Iterable[tuple[slice, slice, SynapseArray]]:
        for rows, arrays in zip(self._rows, self.grid, strict=True):
            for columns, array in zip(self._columns, arrays, strict=True):
                yield rows, columns, array

    @property
    def anatomy(self) -> Anatomy:
        """That of its blocks, of which lines may share their references differently."""
        parts = [(array.anatomy, array.shape[0] * array.shape[1]) for _, _, array in self._blocks()]
        cells = sum(number for _, number in parts)
        devices = sum(part.devices * number for part, number in parts) / cells
        on_line = sum(part.on_line * number for part, number in parts) / cells
        return replace(parts[0][0], devices=devices, on_line=on_line)

    @property
    def tiles(self) -> Tiles:
        """How it is cut into crossbars."""
        return Tiles(tuple(self._rows), tuple(self._columns))

    @property
    def readouts(self) -> float:
        """How often all cells have been read to compensate drift, on average over the blocks."""
        return sum(array.readouts for _, _, array in self._blocks()) / self.tiles.number

    def conductances(self) -> dict[str, Tensor]:
        """Return the conductances of block (i, j) under the prefix "tile.i.j."."""
        return self._by_tile(lambda array: array.conductances())

    def line_conductances(self) -> tuple[Tensor, Tensor] | None:
        """Return what a read drives on each line, of all blocks that share it."""
        inputs, outputs = [], []
        for row in self.grid:
            parts = [part for array in row if (part := array.line_conductances()) is not None]
            if len(parts) < len(row):
                return None
            inputs.append(torch.cat([on_inputs for on_inputs, _ in parts]))
            outputs.append(torch.stack([on_outputs for _, on_outputs in parts]).sum(0))
        return torch.stack(inputs).sum(0), torch.cat(outputs)

    def hidden_conductance(self) -> float:
        """Return that of all blocks."""
        return sum(array.hidden_conductance() for _, _, array in self._blocks())

    def writes(self) -> dict[str, Tensor]:
        """Return the pulses of the devices of block (i, j) under the prefix "tile.i.j."."""
        return self._by_tile(lambda array: array.writes())

    def standing(self) -> Standing | None:
        """Return how all blocks stand, put together."""
        parts = [array.standing() for _, _, array in self._blocks()]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return Standing(
            self._together([part.at_bound for part in known]),
            self._together([part.pulsed for part in known]),
            reduce(add, (part.forward for part in known)),
            reduce(add, (part.backward for part in known)),
        )

    def ageing_weights(self) -> Tensor | None:
        """Return the weights of all blocks, put together; None where time moves no cell of some."""
        parts = [array.ageing_weights() for _, _, array in self._blocks()]
        known = [part for part in parts if part is not None]
        return self._together(known) if len(known) == len(parts) else None

    def _together(self, blocks: list[Tensor]) -> Tensor:
        """Return a matrix of its blocks, in their order."""
        across = len(self._columns)
        return torch.cat([torch.cat(blocks[i : i + across], dim=1) for i in range(0, len(blocks), across)])

    def _by_tile(self, look: Callable[[SynapseArray], dict[str, Tensor]]) -> dict[str, Tensor]:
        return {
            f"tile.{i}.{j}.{name}": tensor
            for i, row in enumerate(self.grid)
            for j, array in enumerate(row)
            for name, tensor in look(array).items()
        }

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return the partial sums of each row block, added up, [B, n_post]."""
        parts = [pre[:, columns].contiguous() for columns in self._columns]
        sums = (reduce(add, (a.read(part, times) for a, part in zip(row, parts, strict=True))) for row in self.grid)
        return torch.cat([*sums], dim=1)

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return the partial sums of each column block, added up, [B, n_pre]."""
        parts = [post[:, rows].contiguous() for rows in self._rows]
        columns = (zip(column, parts, strict=True) for column in zip(*self.grid, strict=True))
        sums = (reduce(add, (a.read_transposed(part, times) for a, part in column)) for column in columns)
        return torch.cat([*sums], dim=1)

    def read_rows(self, rows: Tensor) -> Tensor:
        """Return the weights of some outputs [R], put together, [R, n_pre]; only blocks that hold them are read."""
        out = torch.empty(len(rows), self.shape[1], dtype=self.dtype, device=self.device)
        for block, columns, array in self._blocks():
            here = ((rows >= block.start) & (rows < block.stop)).nonzero().squeeze(1)
            if len(here):
                out[here, columns] = array.read_rows(rows[here] - block.start)
        return out

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Write each block's part of the products."""
        return Writes.total(
            array.update(_cut(products, rows, columns), rate) for rows, columns, array in self._blocks()
        )

    def increment(self, delta: Tensor) -> Writes:
        """Write each block's part of dW."""
        return Writes.total(array.increment(delta[rows, columns]) for rows, columns, array in self._blocks())

    def program(self, weights: Tensor) -> Writes:
        """Program each block."""
        return Writes.total(array.program(weights[rows, columns]) for rows, columns, array in self._blocks())

    def elapse(self, seconds: float) -> None:
        """Let time pass over every block."""
        for _, _, array in self._blocks():
            array.elapse(seconds)

    def snapshot(self) -> Tensor:
        """Return W, put together."""
        return self._together([array.snapshot() for _, _, array in self._blocks()])

    def state_dict(self) -> StateDict:
        """Return the state of block (i, j) under the prefix "tile.i.j."."""
        return self._by_tile(lambda array: array.state_dict())

    def load_state_dict(self, state: StateDict) -> None:
        """Restore every block."""
        for i, row in enumerate(self.grid):
            for j, array in enumerate(row):
                prefix = f"tile.{i}.{j}."
                array.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})

    @contextmanager
    def compensating(self, how: str) -> Iterator[None]:
        """Let the outputs of every block be rescaled for drift, each by a factor of its own."""
        with ExitStack() as blocks:
            for _, _, array in self._blocks():
                blocks.enter_context(array.compensating(how))
            yield

    @contextmanager
    def aside(self, seed: int) -> Iterator[None]:
        """Let what happens within leave no trace in any block; each draws from a stream of its own."""
        with ExitStack() as blocks:
            for place, (_, _, array) in enumerate(self._blocks()):
                blocks.enter_context(array.aside(derived_seed(seed, str(place))))
            yield


def _cut(products: OuterProducts, rows: slice, columns: slice) -> OuterProducts:
    terms = (Product(t.post[:, rows].contiguous(), t.pre[:, columns].contiguous(), t.sign) for t in products.terms)
    decay = None if products.decay is None else products.decay[:, rows]
    return OuterProducts(tuple(terms), products.scale, decay)

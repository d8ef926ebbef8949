"""An array that is metered, transparent to whoever uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.anatomy import Anatomy, Tiles
from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes
from neurohw.crossbar.standing import Standing
from neurohw.metering.array_meter import ArrayMeter, ArraySettings
from neurohw.metering.array_watch import ArrayWatch
from neurohw.metering.ledger import EnergyLedger


class MeteredArray(SynapseArray):
    """Forwards every call to an array and tells a meter and a watch; changes no number and draws nothing.

    Args:
        array: what is metered; attributes that are not of `SynapseArray` are its own.
        ledger, clock, name, settings: see `ArrayMeter`.
    """

    def __init__(
        self,
        array: SynapseArray,
        ledger: EnergyLedger,
        clock: Clock,
        name: str,
        settings: ArraySettings | None = None,
    ) -> None:
        self.array = array
        self.meter = ArrayMeter(array, ledger, clock, name, settings or ArraySettings())
        self.watch = ArrayWatch(array)
        self.shape, self.exact, self.dtype, self.device = array.shape, array.exact, array.dtype, array.device
        self.exact_writes, self.clipped = array.exact_writes, array.clipped
        self.keeps_layout, self.by_columns = array.keeps_layout, array.by_columns
        self.present = array.present

    def __getattr__(self, name: str) -> Any:
        if name == "array":  # not made yet: a copy in the making
            raise AttributeError(name)
        return getattr(self.array, name)

    @property
    def anatomy(self) -> Anatomy:
        """The array's."""
        return self.array.anatomy

    @property
    def tiles(self) -> Tiles:
        """The array's."""
        return self.array.tiles

    @property
    def readouts(self) -> float:
        """The array's."""
        return self.array.readouts

    def conductances(self) -> dict[str, Tensor]:
        """Return the array's conductances."""
        return self.array.conductances()

    def line_conductances(self) -> tuple[Tensor, Tensor] | None:
        """Return the array's, line by line."""
        return self.array.line_conductances()

    def hidden_conductance(self) -> float:
        """Return the array's."""
        return self.array.hidden_conductance()

    def writes(self) -> dict[str, Tensor]:
        """Return the pulses that the array's devices have got."""
        return self.array.writes()

    def standing(self) -> Standing | None:
        """Return how the array's cells stand."""
        return self.array.standing()

    def ageing_weights(self) -> Tensor | None:
        """Return the array's weights, where time moves them."""
        return self.array.ageing_weights()

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Read and count: [B, n_pre] -> [B, n_post]."""
        self.meter.reads(pre, times)
        return self.array.read(pre, times)

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Read from the other side and count: [B, n_post] -> [B, n_pre]."""
        self.meter.reads_transposed(post, times)
        return self.array.read_transposed(post, times)

    def read_rows(self, rows: Tensor) -> Tensor:
        """Read the weights of some outputs [R] and count: [R, n_pre]."""
        self.meter.read_rows(rows)
        return self.array.read_rows(rows)

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Write and count: the decay, and then the outer products."""
        shares = products.shrinkage()
        if shares is not None:
            change = self.shrinking(rate * shares)
            shrunk = self.array.increment(change)
            self.meter.shrunk(change, shrunk)
            return shrunk + self.update(replace(products, decay=None), rate)
        writes = self.array.update(products, rate)
        self.meter.updated(products, rate, writes)
        self.watch.updated(products, rate)
        return writes

    def increment(self, delta: Tensor) -> Writes:
        """Write and count: delta [n_post, n_pre]."""
        writes = self.array.increment(delta)
        self.meter.incremented(delta, writes)
        self.watch.incremented(delta)
        return writes

    def program(self, weights: Tensor) -> Writes:
        """Write, verify and count: weights [n_post, n_pre]."""
        writes = self.array.program(weights)
        self.meter.programmed(weights, writes)
        return writes

    def elapse(self, seconds: float) -> None:
        """Let time pass."""
        self.array.elapse(seconds)
        self.meter.aged(seconds)
        self.watch.aged()

    def snapshot(self) -> Tensor:
        """Return the array's weights."""
        return self.array.snapshot()

    def state_dict(self) -> StateDict:
        """Return the array's state: the counts are the ledger's."""
        return self.array.state_dict()

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the array's state."""
        self.array.load_state_dict(state)

    @contextmanager
    def aside(self, seed: int) -> Iterator[None]:
        """Let what happens within leave no trace in the array: it is counted all the same."""
        with self.array.aside(seed):
            yield

    @contextmanager
    def compensating(self, how: str) -> Iterator[None]:
        """Let the array's outputs be rescaled for drift within; its readouts are counted."""
        with self.array.compensating(how):
            yield

    def sources(self) -> tuple[list[Tensor], list[torch.Generator]] | None:
        """Return what recorded reads take from."""
        sources = self.array.sources()
        if sources is not None:
            self.meter.replays()
        return sources

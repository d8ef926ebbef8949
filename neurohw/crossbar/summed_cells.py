"""Mixed precision: weights that are written through a digital sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import OuterProducts, StateDict, Writes, require_finite
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, whole_counts
from neurohw.crossbar.unit_cells import Parts, UnitCell
from neurohw.crossbar.verify import ROUNDS, Step
from neurohw.places import flat_nonzero


class MixedPrecision(UnitCell):
    """Products are summed digitally; whole steps of the sum are pulsed into the weight and subtracted from it.

    chi += gain * products; n = trunc(chi / dw); pulse n; chi -= n dw (Nandakumar et al. 2020,
    10.3389/fnins.2020.00406).
    """

    def __init__(self, make: Callable[[Tensor], UnitCell], parts: Parts) -> None:
        self.inner = inner = make(parts.weights)
        super().__init__(inner.banks, inner.shares, parts.generator, inner.lines)
        self.together = inner.together
        self.granularity, self.reach = inner.granularity, inner.reach
        self.buffers = inner.buffers
        self.buffers["chi"] = torch.zeros_like(parts.weights)

    @property
    def driving(self) -> Driving:
        """Whole steps, cell by cell; the sum is read and written for every term."""
        return replace(self.inner.driving, serial=True, words=2)

    def set(self, weights: Tensor) -> None:
        """Set the inner cell and empty the sum."""
        self.inner.set(weights)
        self.buffers["chi"].zero_()

    def write(self, products: OuterProducts, gain: float, scheme: PulseScheme) -> Writes:
        """Sum the products, pulse what makes whole steps."""
        chi = self.buffers["chi"]
        post, pre = products.in_turn()
        chi.addmm_(post.t(), pre, alpha=gain / self.granularity)
        return self._whole_steps()

    def increment(self, delta: Tensor) -> Writes:
        """Sum a digitally computed change, pulse what makes whole steps."""
        self.buffers["chi"].add_(delta, alpha=1 / self.granularity)
        return self._whole_steps()

    def _whole_steps(self) -> Writes:
        chi = self.buffers["chi"]
        due = flat_nonzero(chi.abs() >= 1)
        if not len(due):
            return Writes(0, 0)
        whole = chi.view(-1).index_select(0, due).trunc_()
        require_finite("a sum of products", whole)
        chi.view(-1).index_add_(0, due, whole, alpha=-1)
        return self.inner.pulse(list(whole_counts(whole, due)))

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the inner cell."""
        return self.inner.pulse(trains)

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of the inner cell."""
        return self.inner.step(cells, up)

    def room(self, up: bool) -> Tensor:
        """Return that of the inner cell."""
        return self.inner.room(up)

    def program(self, target: Tensor, rounds: int = ROUNDS) -> Writes:
        """Write and verify the inner cell; the sum stays."""
        return self.inner.program(target, rounds)

    def empty(self) -> Writes:
        """Empty the sum."""
        self.buffers["chi"].zero_()
        return self.inner.empty()

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`; the inner cell shares the digital memory."""
        super().load_state_dict(state)
        self.inner.buffers = self.buffers

"""Weights made of a pair of devices: moved in opposite directions, or only potentiated."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import Serial, Writes
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.unit_cells import Parts, UnitCell, beyond
from neurohw.crossbar.verify import ROUNDS, Step, one_by_one
from neurohw.places import flat_nonzero


class DifferentialPair(UnitCell):
    """W = w+ - w-, both devices moved by every write, in opposite directions by half of it each."""

    def __init__(self, parts: Parts, weights: Tensor) -> None:
        half = weights / 2
        plus, minus = parts.new_bank(half), parts.new_bank(-half)
        super().__init__({"plus": plus, "minus": minus}, {"plus": 1.0, "minus": -1.0}, parts.generator)
        self.plus, self.minus = plus, minus
        response = plus.response
        self._centre = (response.w_max + response.w_min) / 2
        middle, cell = torch.tensor([self._centre]), response.mean_cell()
        self.granularity = float(sum(response.steps(middle, cell, up) for up in (True, False)))
        self.reach = response.w_max - response.w_min
        self.set(weights)

    @property
    def driving(self) -> Driving:
        """The same trains, of opposite polarity, for both devices."""
        return Driving(self.granularity, crossbars=2, opposed=True)

    def set(self, weights: Tensor) -> None:
        """Set both devices symmetrically around the middle of their range; on levels, w- makes up for w+'s rounding."""
        w = weights.to(self.plus.kept)
        if not self.plus.rounds:
            self.plus.set(self._centre + w / 2)
            self.minus.set(self._centre - w / 2)
            return
        self.plus.set(self.plus.bounded(self._centre + w / 2))
        self.minus.set(self.plus.kept - w)
        plus, minus = self.plus.parameters, self.minus.parameters
        self.minus.clipped = beyond(w, plus["w_min"] - minus["w_max"], plus["w_max"] - minus["w_min"])

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Move both devices by the same pulses, with opposite polarity."""
        opposite = [pulses.inverted() for pulses in trains]
        return self.plus.apply(trains) + self.minus.apply(opposite)

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of both devices."""
        return self.plus.step(cells, up) + self.minus.step(cells, not up)

    def room(self, up: bool) -> Tensor:
        """Return that of both devices."""
        return self.plus.room(up) + self.minus.room(not up)


class OneSidedPair(UnitCell):
    """W = w+ - w-, each device only potentiated; a pair that is full is reset and rewritten (refresh).

    A pair is full where its larger device is near saturation and the smaller one holds a share that a rewrite frees:
    with w- at the bottom there is nothing to free, and a rewrite would cost pulses and accuracy for nothing.

    Args:
        refresh_every: writes between two looks for full pairs.
        refresh_at: share of the range from which the larger device is near saturation.
        refresh_both: share of the range that the smaller one must hold, too (both as aihwkit's thresholds).
    """

    def __init__(
        self,
        parts: Parts,
        weights: Tensor,
        refresh_every: int = 100,
        refresh_at: float = 0.75,
        refresh_both: float = 0.25,
    ) -> None:
        plus, minus = parts.new_bank(weights.clamp(min=0)), parts.new_bank(weights.clamp(max=0).neg())
        super().__init__({"plus": plus, "minus": minus}, {"plus": 1.0, "minus": -1.0}, parts.generator)
        self.plus, self.minus = plus, minus
        response = plus.response
        self.reach = response.w_max - response.w_min
        self.granularity = response.granularity
        self._first = float(response.steps(torch.tensor([response.w_min]), response.mean_cell(), True))
        self.together = None
        self._refresh_every = refresh_every
        self._refresh_at, self._refresh_both = refresh_at, refresh_both
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)
        self.set(weights)

    @property
    def driving(self) -> Driving:
        """Trains of either polarity potentiate a device of their own."""
        return Driving(self.granularity, pair=True)

    def set(self, weights: Tensor) -> None:
        """Set one device of each pair, the other to the bottom of its own range: w+ = max(bottom+, bottom- + W)."""
        w = weights.to(self.plus.kept)
        plus = torch.maximum(self.plus.bottom, self.minus.bottom + w)
        self.plus.set(plus)
        self.minus.set(torch.maximum(self.minus.bottom, plus - w))

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Potentiate w+ where the weight shall rise, w- where it shall fall; look for full pairs now and then."""
        writes = self._one_of_each(trains)
        self.buffers["writes"] += 1
        if int(self.buffers["writes"]) % self._refresh_every == 0:
            writes += self._refresh()
        return writes

    def _one_of_each(self, trains: list[PulseCounts]) -> Writes:
        rising = [p for p in trains if p.up]
        falling = [pulses.inverted() for pulses in trains if not pulses.up]
        up, down = self.plus.apply(rising), self.minus.apply(falling)
        return Writes((up.pulses_up or 0) + (down.pulses_up or 0), 0)

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of the device that a pulse goes to."""
        return (self.plus if up else self.minus).step(cells, True)

    def room(self, up: bool) -> Tensor:
        """Return that of the pair, a reset included."""
        return self.plus.room(up) + self.minus.room(not up)

    def program(self, target: Tensor, rounds: int = ROUNDS) -> Writes:
        """Write and verify; pairs that lack the room to get nearer than a rewrite gets are reset and rewritten.

        A rewrite is off by up to half the step from the bottom.
        """
        target = self.bounded(target)
        left = target - self.weights()
        lacking = torch.maximum(left - self.plus.room(True), -left - self.minus.room(True))
        reset = self._reset(flat_nonzero(lacking > self._first / 2))
        return reset + self._approach(target, self._one_of_each, rounds)

    def _refresh(self) -> Writes:
        """Reset full pairs, and rewrite their difference, verified."""
        plus, minus = self.plus.filled(), self.minus.filled()
        full = torch.maximum(plus, minus) > self._refresh_at
        full &= torch.minimum(plus, minus) > self._refresh_both
        cells, target = flat_nonzero(full), self.weights().clone()
        looked = Writes(0, 0, Serial(readings=2 * full.numel(), half_readings=2 * full.numel()))
        return looked + self._reset(cells) + self._approach(target, self._one_of_each, ROUNDS, cells)

    def _reset(self, cells: Tensor) -> Writes:
        """Reset both devices of some pairs (flat indices) to the bottom, a pulse each."""
        if len(cells):
            self.plus.reset(cells)
            self.minus.reset(cells)
        return one_by_one(Writes(0, 2 * len(cells)))

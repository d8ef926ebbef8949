"""A weight of several devices, averaged or of falling significance, less a reference."""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import Writes
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.unit_cells import Parts, UnitCell, beyond, less_reference
from neurohw.crossbar.verify import ROUNDS, Step, approach
from neurohw.errors import InputError
from neurohw.places import flat_nonzero


class SeveralDevices(UnitCell):
    """n devices a weight: W = sum_i g_i w_i - r with significances g_i = base^-i / sum_j base^-j, the coarsest first.

    With base 1 all get the same pulses, so that their spreads fall with sqrt(n). With a larger base the finest device
    takes the updates, and every so often what it holds is carried over to the coarser ones: the weight is written and
    verified from the coarsest device to the finest, which is in the middle of its range again (Agarwal et al. 2017,
    VLSI, "periodic carry").

    Args:
        devices: n.
        base: ratio of two neighbours' significances.
        carry_every: writes between two carries.

    Raises:
        InputError: a number out of its range.
    """

    def __init__(
        self, parts: Parts, weights: Tensor, devices: int = 2, base: float = 1.0, carry_every: int = 1000
    ) -> None:
        if devices < 2 or base < 1 or carry_every < 1:
            raise InputError("cell 'several-cells': needs devices >= 2, base >= 1 and carry_every >= 1")
        banks = {f"cell{i}": parts.new_bank(weights) for i in range(devices)}
        powers = [base**-i for i in range(devices)]
        shares = {f"cell{i}": power / sum(powers) for i, power in enumerate(powers)}
        self._cells, self.reference = banks, parts.references.of(banks, shares)
        super().__init__(*less_reference(banks, shares, self.reference, parts.generator))
        self._equal, self._carry_every = base == 1.0, carry_every
        first_bank = banks["cell0"]
        first = first_bank.response
        self._centre = (first.w_max + first.w_min) / 2
        self._finest, self._finest_share = banks[f"cell{devices - 1}"], powers[-1] / sum(powers)
        self.granularity = first.granularity * (1.0 if self._equal else self._finest_share)
        self.reach = min(first.w_max, -first.w_min) or first.w_max
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)
        if first_bank.rounds:
            self.set(weights)

    @property
    def driving(self) -> Driving:
        """The same trains for all devices, or for the finest alone."""
        return Driving(self.granularity, crossbars=len(self._cells) if self._equal else 1)

    def set(self, weights: Tensor) -> None:
        """Set every device to the weight, or, on levels, to what those before it have left; the reference stays."""
        first = self._cells["cell0"]
        held = weights.to(first.kept) if self.reference is None else weights.to(first.kept) + self.reference.seen
        if not first.rounds:
            for bank in self._cells.values():
                bank.set(held)
            return
        left, finer = held, 1.0  # by what is not set yet, and the share of that
        for name, bank in self._cells.items():
            share = self.shares[name]
            finer -= share
            bank.set(bank.bounded(left / (share + finer) if self._equal else (left - finer * self._centre) / share))
            left = left - bank.kept * share
        self._finest.clipped = beyond(held, self._sum("w_min"), self._sum("w_max"))

    def _sum(self, parameter: str) -> Tensor:
        """Return the devices' own parameter by their significances, [n_post, n_pre]."""
        return reduce(add, (bank.parameters[parameter] * self.shares[name] for name, bank in self._cells.items()))

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Give every device the same pulses, or the finest one, and carry over now and then."""
        if self._equal:
            return Writes.total(bank.apply(trains) for bank in self._cells.values())
        writes = self._finest.apply(trains)
        self.buffers["writes"] += 1
        if int(self.buffers["writes"]) % self._carry_every == 0:
            target = self.weights()
            writes += self._carry(torch.ones_like(target), target, ROUNDS)
        return writes

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of all devices, or of the finest one."""
        if not self._equal:
            return self._finest.step(cells, up) * self._finest_share
        return reduce(add, (bank.step(cells, up) * self.shares[name] for name, bank in self._cells.items()))

    def room(self, up: bool) -> Tensor:
        """Return that of all devices by their significances."""
        return torch.stack([bank.room(up) * self.shares[name] for name, bank in self._cells.items()]).sum(0)

    def program(self, target: Tensor, rounds: int = ROUNDS) -> Writes:
        """Write and verify; what the finest device cannot hold is carried over first."""
        if self._equal:
            return super().program(target, rounds)
        target = self.bounded(target)
        left, finest, share = target - self.weights(), self._finest, self._finest_share
        beyond = torch.maximum(left - finest.room(True) * share, -left - finest.room(False) * share)
        return self._carry(beyond > self.granularity / 2, target, rounds)

    def _carry(self, over: Tensor, target: Tensor, rounds: int) -> Writes:
        """Write and verify the finest devices; where `over`, the coarser ones before, the finer in mid-range."""
        cells, total = flat_nonzero(over), Writes(0, 0)
        held = target if self.reference is None else target + self.reference.as_read()  # by what is not written yet
        finer = 1.0  # the share of that
        for name, bank in list(self._cells.items())[:-1]:
            share = self.shares[name]
            finer -= share
            wanted = (held - finer * self._centre) / share

            def left(cells: Tensor, bank: CellBank = bank, wanted: Tensor = wanted) -> Tensor:
                return (wanted - bank.as_read()).view(-1).index_select(0, cells)

            total += approach(left, bank.step, bank.apply, cells, rounds)
            held = held - bank.as_read() * share
        return total + self._approach(target, self._finest.apply, rounds)

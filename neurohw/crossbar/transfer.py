"""Tiki-Taka and its kin: a fast array takes the products, and is read column by column into the slow one, the weight.

Cadence, rates and thresholds are those of aihwkit's compounds TransferCompound (v1), ChoppedTransferCompound (v2, with
and without choppers) and DynamicTransferCompound (AGAD), with `correct_gradient_magnitudes`.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import OuterProducts, Product, Serial, StateDict, Writes
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, train_slots, whole_counts
from neurohw.crossbar.unit_cells import Parts, UnitCell
from neurohw.crossbar.verify import ROUNDS, Step
from neurohw.errors import InputError

Make = Callable[[Tensor], UnitCell]  # makes cells of weights
_OF_THE_FAST = {"sum", "mean", "reference"}  # buffers that hold what was read of the fast array
_FOLLOW = 0.01  # share of a batch in the running mean of the largest inputs and errors


class Transfer(UnitCell):
    """A += kappa products (pulsed); columns A e_j are read in turn and move C, which is the weight.

    Args:
        make: makes the cells of the hidden array A and of the visible one C.
        fast_rate: says kappa, see the kinds.
        every: what passes between two transfers of a column, see the kinds.
    """

    def __init__(self, make: Make, parts: Parts, fast_rate: float, every: int) -> None:
        fast, slow = make(torch.zeros_like(parts.weights)), make(parts.weights)
        banks = {f"fast.{k}": v for k, v in fast.banks.items()} | {f"slow.{k}": v for k, v in slow.banks.items()}
        shares = {f"slow.{name}": share for name, share in slow.shares.items()}
        super().__init__(banks, shares, parts.generator, slow.lines)
        self.fast, self.slow = fast, slow
        self.granularity, self.reach = slow.granularity, slow.reach
        self._read_columns, self._fast_rate, self._every = parts.read_columns, fast_rate, every
        self.buffers |= {f"fast.{k}": v for k, v in fast.buffers.items()}
        self.buffers |= {f"slow.{k}": v for k, v in slow.buffers.items()}
        self.buffers["passed"] = torch.zeros((), dtype=torch.int64)  # samples or batches
        self.buffers["transfers"] = torch.zeros((), dtype=torch.int64)

    def set(self, weights: Tensor) -> None:
        """Set the slow array, empty the fast one."""
        self.slow.set(weights)
        self.fast.set(torch.zeros_like(weights))

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the slow array."""
        return self.slow.pulse(trains)

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of the slow array."""
        return self.slow.step(cells, up)

    def room(self, up: bool) -> Tensor:
        """Return that of the slow array."""
        return self.slow.room(up)

    def program(self, target: Tensor, rounds: int = ROUNDS) -> Writes:
        """Write and verify the slow array; the fast one and the sums stay."""
        return self.slow.program(target, rounds)

    def empty(self) -> Writes:
        """Program the fast array to 0, and forget sums and means of what was read of it."""
        for name in _OF_THE_FAST & self.buffers.keys():
            self.buffers[name].zero_()
        return self.fast.program(torch.zeros(self._shape, device=self._generator.device)) + self.fast.empty()

    def hidden_conductance(self) -> float:
        """Return that of the fast array, which is read column by column: of a reference, the column only."""
        rows = [] if self.fast.lines is None else self.fast.lines.rows
        return sum(float(bank.conductances().sum()) for bank in self.fast.banks.values() if bank not in rows)

    @abc.abstractmethod
    def write(self, products: OuterProducts, gain: float, scheme: PulseScheme) -> Writes:
        """Write the products into the fast array, and transfer."""

    def _due(self, passed: int) -> Tensor:
        """Return the numbers of the transfers that are due after so many more samples or batches, from 0 on."""
        before, first = int(self.buffers["passed"]), int(self.buffers["transfers"])
        self.buffers["passed"] += passed
        self.buffers["transfers"] += (due := (before + passed) // self._every - before // self._every)
        return torch.arange(first, first + due, device=self._generator.device)

    def _lines(self, columns: Tensor) -> Tensor:
        """Return the inputs that select columns one by one, [m, n_pre]."""
        return torch.nn.functional.one_hot(columns, self._shape[1]).to(torch.float32)

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`, the inner cells' digital memory included."""
        super().load_state_dict(state)
        for name, inner in (("fast.", self.fast), ("slow.", self.slow)):
            inner.buffers = {k.removeprefix(name): v for k, v in self.buffers.items() if k.startswith(name)}


class TikiTaka(Transfer):
    """Version 1: after every `every` batches the next column is written as it is read, C_j += gain A e_j.

    kappa is `fast_rate`, of any gain; 0: the gain (Gokmen & Haensch 2020, 10.3389/fnins.2020.00103).
    """

    @property
    def driving(self) -> Driving:
        """Trains of the fast array, of the same gain at any learning rate unless `fast_rate` is 0."""
        return replace(self.fast.driving, fast_gain=self._fast_rate or None)

    def write(self, products: OuterProducts, gain: float, scheme: PulseScheme) -> Writes:
        """Write the products into the fast array, and a column of it into the slow one."""
        kappa = math.copysign(self._fast_rate, gain) if self._fast_rate else gain
        writes = self.fast.write(products, kappa, scheme)
        if len(transfers := self._due(1)):
            writes += self._transfer(self._lines(transfers % self._shape[1]), abs(gain), scheme)
        return writes

    def _transfer(self, lines: Tensor, gain: float, scheme: PulseScheme) -> Writes:
        """Read the columns that lines select, and pulse them into the slow array."""
        found = self._read_columns(self.fast, lines)
        writes = self.slow.write(OuterProducts((Product(found, lines),), 1.0), gain, scheme)
        slots = train_slots(found.abs().amax(1) * (gain / self.slow.granularity), scheme)
        rises, falls = ((slots * some).sum() for some in ((found > 0).any(1), (found < 0).any(1)))
        return writes + _columns_written(len(lines), writes, slots.sum(), rises, falls)


class BufferedTransfer(Transfer):
    """Version 2: after every `every` samples the next column is added to a digital sum, and what is full is pulsed.

    H_j += s_j lambda A e_j;  where |H_ij| >= 1, C_ij gets a pulse of that sign and H_ij is emptied. kappa normalises
    the products: the largest one of a typical sample, the product of the running means of max |x| and max |d|, fills
    `fast_rate` of a train. lambda = (gain / kappa) (every n_pre / memory) / dw_C puts the learning rate back: a product
    stays in the fast array for about `memory` samples and is read again and again. The sign s_j under which column j is
    written flips with probability `chop` after each of its reads (Gokmen 2021, 10.3389/frai.2021.699148; Rasch et al.
    2023, arXiv 2303.04721).
    """

    def __init__(
        self, make: Make, parts: Parts, fast_rate: float, every: int, memory: float, chop: float = 0.0
    ) -> None:
        if memory == 0:
            raise InputError(f"memory: got {memory!r}; allowed: numbers above 0")
        if chop > 1:
            raise InputError(f"chop: got {chop!r}; allowed: numbers of at least 0, up to 1")
        super().__init__(make, parts, fast_rate, every)
        self._memory, self._chop = memory, chop
        device, (n_post, n_pre) = parts.generator.device, self._shape
        self.buffers["sum"] = torch.zeros(n_post, n_pre, device=device)
        self.buffers["sign"] = torch.ones(n_pre, device=device)
        self.buffers["largest"] = torch.zeros(2, device=device)  # running means of the samples' max |x| and max |d|

    def set(self, weights: Tensor) -> None:
        """Set the slow array, empty the fast one and the sums."""
        super().set(weights)
        self.buffers["sum"].zero_()

    @property
    def driving(self) -> Driving:
        """Trains of the fast array, as long as a share of the longest for any learning rate."""
        return replace(self.fast.driving, fast_rate=self._fast_rate, chopped=bool(self._chop))

    def write(self, products: OuterProducts, gain: float, scheme: PulseScheme) -> Writes:
        """Write the products into the fast array, and transfer; no column is due twice in a part of the samples."""
        post, pre = products.in_turn()
        kappa = self._normalisation(post, pre, scheme)
        if kappa == 0.0:
            return Writes(0, 0)
        period = self._every * self._shape[1]
        rate = abs(gain) / kappa * period / self._memory / self.slow.granularity
        writes = Writes(0, 0)
        for d, x in zip(post.split(period), pre.split(period), strict=True):
            signed = x * self.buffers["sign"] if self._chop else x
            part = OuterProducts((Product(d, signed),), 1.0)
            writes += self.fast.write(part, math.copysign(kappa, gain), scheme)
            if len(transfers := self._due(len(d))):
                writes += self._transfer(transfers, rate)
        return writes

    def _normalisation(self, post: Tensor, pre: Tensor, scheme: PulseScheme) -> float:
        """Return kappa; samples of zeros are no part of the running means."""
        each = torch.stack([pre.abs().amax(1), post.abs().amax(1)])
        mean = each.sum(1) / (each > 0).sum(1).clamp(min=1)
        largest = self.buffers["largest"]
        followed = torch.where(largest > 0, torch.lerp(largest, mean, _FOLLOW), mean)
        largest.copy_(torch.where(mean > 0, followed, largest))
        typical = float(largest.prod())
        return self._fast_rate * scheme.length * self.fast.granularity / typical if typical else 0.0

    def _transfer(self, transfers: Tensor, rate: float) -> Writes:
        """Read the next columns, each once, add them to the sums, and pulse what is full."""
        n_post, n_pre = self._shape
        columns, sweeps = transfers % n_pre, transfers // n_pre
        found = self._read_columns(self.fast, self._lines(columns)).t()  # [n_post, m]
        moved = self._referred(found, columns, sweeps) * self.buffers["sign"][columns]
        total = self.buffers["sum"][:, columns].add_(moved, alpha=rate)
        steps = total.trunc().clamp_(-1, 1)
        self.buffers["sum"][:, columns] = torch.where(steps == 0, total, 0.0)
        steps = self._allowed(steps, sweeps)
        self._flip(columns, sweeps)
        rows = torch.arange(n_post, device=columns.device)[:, None] * n_pre
        writes = self.slow.pulse(list(whole_counts(steps, (rows + columns).view(-1))))
        rises, falls = (steps > 0).any(0).sum(), (steps < 0).any(0).sum()
        return writes + _columns_written(len(columns), writes, (steps != 0).any(0).sum(), rises, falls)

    def _referred(self, found: Tensor, columns: Tensor, sweeps: Tensor) -> Tensor:
        """Return what is summed of columns that are read for the `sweeps`-th time (from 0 on)."""
        return found

    def _allowed(self, steps: Tensor, sweeps: Tensor) -> Tensor:
        """Return the pulses that are given."""
        return steps

    def _flip(self, columns: Tensor, sweeps: Tensor) -> None:
        """Flip the signs of some columns."""
        if self._chop:
            draw = torch.rand(len(columns), generator=self._generator, device=columns.device)
            self.buffers["sign"][columns[draw < self._chop]] *= -1


class DynamicTransfer(BufferedTransfer):
    """AGAD: H_j += s_j lambda (A e_j - P_j), with a dynamic reference P_j.

    Column j flips at every n-th of its reads, n = 1 / chop; P_j is then the running mean of what was read, to which
    each read adds tail / n of itself. Before the first reference is known, in the first n + 1 reads of every column,
    nothing is pulsed (Rasch et al. 2023, arXiv 2303.04721).
    """

    def __init__(
        self, make: Make, parts: Parts, fast_rate: float, every: int, memory: float, chop: float, tail: float
    ) -> None:
        if not 0 < chop <= 1:
            raise InputError(f"chop: got {chop!r}; allowed: numbers above 0, up to 1")
        super().__init__(make, parts, fast_rate, every, memory, chop)
        self._reads = max(2, math.ceil(1 / chop))  # under one sign
        self._follow = min(1.0, tail / self._reads)
        self.buffers["mean"] = torch.zeros(self._shape, device=parts.generator.device)
        self.buffers["reference"] = torch.zeros(self._shape, device=parts.generator.device)

    def _referred(self, found: Tensor, columns: Tensor, sweeps: Tensor) -> Tensor:
        mean, reference = self.buffers["mean"], self.buffers["reference"]
        new = columns[(sweeps > 0) & (sweeps % self._reads == 0)]  # flipped at their last read
        reference[:, new] = mean[:, new]
        mean[:, columns] = torch.lerp(mean[:, columns], found, self._follow)
        return found - reference[:, columns]

    def _allowed(self, steps: Tensor, sweeps: Tensor) -> Tensor:
        return steps * (sweeps > self._reads)

    def _flip(self, columns: Tensor, sweeps: Tensor) -> None:
        self.buffers["sign"][columns[(sweeps + 1) % self._reads == 0]] *= -1


def _columns_written(columns: int, writes: Writes, at_once: Tensor, rises: Tensor, falls: Tensor) -> Writes:
    """Return what it took to read columns of the fast array and to write them into the slow one.

    Args:
        columns: how many.
        writes: into the slow array; those of single cells are none of the columns'.
        at_once: slots in which a column rises or falls; rises, falls: each by itself.
    """
    together, up, down = torch.stack([at_once, rises, falls]).long().tolist()
    falling = (writes.pulses_down or 0) - writes.serial.cell_falls
    pulses = (writes.pulses_up or 0) + (writes.pulses_down or 0) - writes.serial.cell_pulses
    return Writes(0, 0, Serial(
        columns=columns, column_pulses=pulses, column_falls=falling,
        column_slots=together, column_slots_in_turn=up + down, column_slots_falling=down,
    ))  # fmt: skip

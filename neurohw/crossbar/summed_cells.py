"""Remedies that write through a digital sum: mixed precision, and Tiki-Taka v2 with its kin."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product, Serial, StateDict, Writes, require_finite
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, flat_nonzero, whole_counts
from neurohw.crossbar.unit_cells import UnitCell
from neurohw.crossbar.verify import ROUNDS, Step

ReadColumns = Callable[[UnitCell, Tensor], Tensor]  # (cells, inputs [m, n_pre]) -> [m, n_post]


class MixedPrecision(UnitCell):
    """Products are summed digitally; whole steps of the sum are pulsed into the weight and subtracted from it.

    chi += gain * products; n = trunc(chi / dw); pulse n; chi -= n dw (Nandakumar et al. 2020,
    10.3389/fnins.2020.00406).
    """

    def __init__(self, inner: UnitCell, weights: Tensor, generator: torch.Generator) -> None:
        super().__init__(inner.banks, inner.shares, generator, inner.lines)
        self.inner = inner
        self.granularity, self.reach = inner.granularity, inner.reach
        self.buffers = inner.buffers
        self.buffers["chi"] = torch.zeros(weights.shape, device=generator.device)

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

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`; the inner cell shares the digital memory."""
        super().load_state_dict(state)
        self.inner.buffers = self.buffers


class Transfer(UnitCell):
    """Tiki-Taka v2: a fast array takes the products, is read column by column, and a digital sum pulses the slow one.

    A += kappa * products (pulsed);  every `every` writes, m columns j in turn:  H_j += lambda s_j (A e_j - P_j),
    n = trunc(H_j / dw), C_j gets n pulses, H_j -= n dw.  kappa normalises the products, so that the largest one of a
    typical sample fills `fast_rate` of a train; lambda = gain / kappa puts the learning rate back. With choppers the
    sign s_j under which column j is written flips with probability `chop` after each of its reads; with a dynamic
    reference P_j is the mean that was read under the former sign (Gokmen 2021, 10.3389/frai.2021.699148; Rasch et al.
    2023, arXiv 2303.04721).

    Args:
        fast, slow: cells of the hidden and of the visible array.
        read_columns: reads cells for given inputs through the array's own periphery, with the cells' own noise.
        fast_rate: share of a pulse train.
        every: writes between two transfers.
        columns: columns a transfer; 0: as many as let every column be read once in 100 writes.
        chop: probability.
        dynamic: subtract the dynamic reference (AGAD).
    """

    def __init__(
        self,
        fast: UnitCell,
        slow: UnitCell,
        read_columns: ReadColumns,
        generator: torch.Generator,
        fast_rate: float = 0.5,
        every: int = 1,
        columns: int = 0,
        chop: float = 0.0,
        dynamic: bool = False,
    ) -> None:
        banks = {f"fast.{k}": v for k, v in fast.banks.items()} | {f"slow.{k}": v for k, v in slow.banks.items()}
        super().__init__(banks, {f"slow.{name}": share for name, share in slow.shares.items()}, generator, slow.lines)
        self.fast, self.slow = fast, slow
        self.granularity, self.reach = slow.granularity, slow.reach
        self._read_columns = read_columns
        self._fast_rate, self._every, self._chop, self._dynamic = fast_rate, every, chop, dynamic
        n_post, n_pre = slow.weights().shape
        self._columns = min(n_pre, columns or max(1, math.ceil(n_pre * every / 100)))
        device = generator.device
        self.buffers |= {f"fast.{k}": v for k, v in fast.buffers.items()}
        self.buffers |= {f"slow.{k}": v for k, v in slow.buffers.items()}
        self.buffers["sum"] = torch.zeros(n_post, n_pre, device=device)
        self.buffers["count"] = torch.zeros(2, dtype=torch.int64)  # writes, next column
        self.buffers["typical"] = torch.zeros((), device=device)
        self.buffers["sign"] = torch.ones(n_pre, device=device)
        if dynamic:
            self.buffers["reference"] = torch.zeros(n_post, n_pre, device=device)
            self.buffers["mean"] = torch.zeros(n_post, n_pre, device=device)
            self.buffers["reads"] = torch.zeros(n_pre, device=device)

    def set(self, weights: Tensor) -> None:
        """Set the slow array, empty the fast one and the sums."""
        self.slow.set(weights)
        self.fast.set(torch.zeros_like(weights))
        self.buffers["sum"].zero_()

    def write(self, products: OuterProducts, gain: float, scheme: PulseScheme) -> Writes:
        """Write the products into the fast array, and transfer."""
        post, pre = products.in_turn()
        kappa = self._normalisation(post, pre, scheme)
        if kappa == 0.0:
            return Writes(0, 0)
        pre = pre * self.buffers["sign"] if self._chop else pre
        writes = self.fast.write(OuterProducts((Product(post, pre),), 1.0), math.copysign(kappa, gain), scheme)
        self.buffers["count"][0] += 1
        if int(self.buffers["count"][0]) % self._every == 0:
            writes += self._transfer(abs(gain) / kappa)
        return writes

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the slow array."""
        return self.slow.pulse(trains)

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of the slow array."""
        return self.slow.step(cells, up)

    def room(self, up: bool) -> Tensor:
        """Return that of the slow array."""
        return self.slow.room(up)

    def _normalisation(self, post: Tensor, pre: Tensor, scheme: PulseScheme) -> float:
        """Return kappa: a running mean of the samples' largest products fills `fast_rate` of a train."""
        largest = (pre.abs().amax(1) * post.abs().amax(1)).mean()
        typical = self.buffers["typical"]
        typical.copy_(torch.where(typical == 0, largest, torch.lerp(typical, largest, 0.01)))
        size = float(typical)
        return self._fast_rate * scheme.length * self.fast.granularity / size if size else 0.0

    def _transfer(self, rate: float) -> Writes:
        """Read the next columns of the fast array and pulse what has summed up to whole steps."""
        total, start = self.buffers["sum"], int(self.buffers["count"][1])
        n_pre = total.shape[1]
        columns = torch.arange(start, start + self._columns, device=total.device) % n_pre
        self.buffers["count"][1] = (start + self._columns) % n_pre
        lines = torch.zeros(len(columns), n_pre, device=total.device)
        lines[torch.arange(len(columns), device=total.device), columns] = 1.0
        found = self._read_columns(self.fast, lines).t()  # [n_post, m]
        moved = self._referred(found, columns) if self._dynamic else found
        total[:, columns] += moved * self.buffers["sign"][columns] * (rate / self.slow.granularity)
        whole = total[:, columns].trunc()
        total[:, columns] -= whole
        if self._chop:
            self._flip(columns)
        rows = torch.arange(total.shape[0], device=total.device)[:, None] * n_pre
        writes = self.slow.pulse(list(whole_counts(whole, (rows + columns).view(-1))))
        rises, falls = whole.clamp(min=0).amax(0), whole.clamp(max=0).amin(0).neg_()  # a column takes its longest train
        in_turn, at_once = torch.stack([(rises + falls).sum(), torch.maximum(rises, falls).sum()]).int().tolist()
        pulses = (writes.pulses_up or 0) + (writes.pulses_down or 0)
        return writes + Writes(0, 0, Serial(0, 0, len(columns), pulses, at_once, in_turn))

    def _referred(self, found: Tensor, columns: Tensor) -> Tensor:
        """Return the read less the dynamic reference, and go on averaging."""
        reads, mean = self.buffers["reads"], self.buffers["mean"]
        reads[columns] += 1
        mean[:, columns] += (found - mean[:, columns]) / reads[columns]
        return found - self.buffers["reference"][:, columns]

    def _flip(self, columns: Tensor) -> None:
        draw = torch.rand(len(columns), generator=self._generator, device=columns.device)
        flipped = columns[draw < self._chop]
        self.buffers["sign"][flipped] *= -1
        if self._dynamic:
            self.buffers["reference"][:, flipped] = self.buffers["mean"][:, flipped]
            self.buffers["mean"][:, flipped] = 0.0
            self.buffers["reads"][flipped] = 0.0

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`, the inner cells' digital memory included."""
        super().load_state_dict(state)
        for name, inner in (("fast.", self.fast), ("slow.", self.slow)):
            inner.buffers = {k.removeprefix(name): v for k, v in self.buffers.items() if k.startswith(name)}

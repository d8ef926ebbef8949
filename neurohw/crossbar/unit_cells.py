"""How devices make a weight: one alone, pairs, several, and the remedies that write through hidden arrays."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from neurohw.crossbar.base import Product, StateDict, Writes
from neurohw.crossbar.cells import CellBank, typical_cell
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, dense_counts, flat_nonzero, pulse_counts, whole_counts

NewBank = Callable[[Tensor], CellBank]  # makes a crossbar of devices from their initial weights
ReadColumns = Callable[[Tensor, Tensor], Tensor]  # (matrix [n_pre, n_post], inputs [m, n_pre]) -> [m, n_post]
_VERIFY_ROUNDS = 30
_REFRESH_ROUNDS = 5


class UnitCell(abc.ABC):
    """One weight per crossing, made of one or more devices; weights in the device's units.

    Attributes:
        banks: the crossbars of devices by name.
        granularity: mean change of the weight by one pulse.
        reach: how far from zero the weight can go on average.
    """

    granularity: float
    reach: float

    def __init__(self, banks: dict[str, CellBank], generator: torch.Generator) -> None:
        self.banks = banks
        self.buffers: StateDict = {}  # digital memory
        self._generator = generator

    @abc.abstractmethod
    def weights(self) -> Tensor:
        """Return the weights as they are read, [n_post, n_pre]; not to be modified."""

    @abc.abstractmethod
    def set(self, weights: Tensor) -> None:
        """Give the cells these weights exactly, within their bounds."""

    @abc.abstractmethod
    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Give pulses: those that potentiate raise the weight, the others lower it."""

    def write(self, term: Product, gain: float, scheme: PulseScheme) -> Writes:
        """Write W += gain * term by pulses from both sides."""
        trains = pulse_counts(term.post, term.pre, gain * term.sign, self.granularity, scheme, self._generator)
        return self.pulse(list(trains))

    def increment(self, delta: Tensor) -> Writes:
        """Write a digitally computed change [n_post, n_pre] open-loop; fractions of a pulse are drawn."""
        return self.pulse(list(dense_counts(delta / self.granularity, self._generator)))

    def read_variance(self, relative: float) -> Tensor | None:
        """Return the variance of each weight per read, see `CellBank.read_variance`."""
        parts = [bank.read_variance(relative) for bank in self.banks.values()]
        known = [part for part in parts if part is not None]
        return torch.stack(known).sum(0) if known else None

    def program(self, target: Tensor, rounds: int = _VERIFY_ROUNDS) -> Writes:
        """Write and verify: pulse the weights that are off by more than a step or 1 % of the reach."""
        tolerance = max(self.granularity, 0.01 * self.reach)
        total = Writes(0, 0)
        for _ in range(rounds):
            error = target - self.weights()
            error[error.abs() <= tolerance] = 0.0
            if not bool(error.any()):
                break
            total = sum_of_writes(total, self.increment(error))
        return total

    def elapse(self, seconds: float) -> None:
        """Let time pass over every device."""
        for bank in self.banks.values():
            bank.elapse(seconds)

    def state_dict(self) -> StateDict:
        """Return the banks' states and the digital memory."""
        state = {f"{name}.{k}": v for name, bank in self.banks.items() for k, v in bank.state_dict().items()}
        return state | {f"buffer.{name}": tensor.clone() for name, tensor in self.buffers.items()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        for name, bank in self.banks.items():
            prefix = f"{name}."
            bank.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self.buffers = {name: state[f"buffer.{name}"].to(old.device, copy=True) for name, old in self.buffers.items()}


class SingleDevice(UnitCell):
    """One device a weight, pulsed in situ."""

    def __init__(self, new_bank: NewBank, weights: Tensor, generator: torch.Generator) -> None:
        bank = new_bank(weights)
        super().__init__({"cell": bank}, generator)
        self.bank = bank
        self.granularity = bank.response.granularity
        self.reach = min(bank.response.w_max, -bank.response.w_min) or bank.response.w_max

    def weights(self) -> Tensor:
        """Return the devices' weights."""
        return self.bank.as_read()

    def set(self, weights: Tensor) -> None:
        """Set the devices."""
        self.bank.set(weights)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the devices."""
        return self.bank.apply(trains)


class SeveralDevices(UnitCell):
    """n devices a weight: W = sum_i g_i w_i with significances g_i = base^-i / sum_j base^-j, the coarsest first.

    With base 1 all get the same pulses, so that their spreads fall with sqrt(n). With a larger base the finest device
    takes the updates and the coarser ones hold what was carried over: `program` and every carry settle the weight from
    the coarsest to the finest (Agarwal et al. 2017, VLSI, "periodic carry").

    Args:
        devices: n.
        base: ratio of two neighbours' significances.
        carry_every: writes between two carries.
    """

    def __init__(
        self,
        new_bank: NewBank,
        weights: Tensor,
        generator: torch.Generator,
        devices: int = 2,
        base: float = 1.0,
        carry_every: int = 1000,
    ) -> None:
        banks = {f"cell{i}": new_bank(weights) for i in range(devices)}
        super().__init__(banks, generator)
        parts = [base**-i for i in range(devices)]
        self._shares = [part / sum(parts) for part in parts]
        self._equal, self._carry_every = base == 1.0, carry_every
        first = banks["cell0"].response
        self.granularity = first.granularity * (1.0 if self._equal else self._shares[-1])
        self.reach = min(first.w_max, -first.w_min) or first.w_max
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)

    def weights(self) -> Tensor:
        """Return the sum of the devices by their significances."""
        (first, share), *others = self._by_significance()
        total = first.as_read() * share
        for bank, share in others:
            total.add_(bank.as_read(), alpha=share)
        return total

    def read_variance(self, relative: float) -> Tensor | None:
        """Return the variances by the squares of the significances."""
        parts = [(bank.read_variance(relative), share) for bank, share in self._by_significance()]
        known = [variance * share**2 for variance, share in parts if variance is not None]
        return torch.stack(known).sum(0) if known else None

    def set(self, weights: Tensor) -> None:
        """Set every device to the weight."""
        for bank in self.banks.values():
            bank.set(weights)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Give every device the same pulses, or the finest one, and carry over now and then."""
        if self._equal:
            return _sum_all(bank.apply(trains) for bank in self.banks.values())
        writes = list(self.banks.values())[-1].apply(trains)
        self.buffers["writes"] += 1
        if int(self.buffers["writes"]) % self._carry_every == 0:
            writes = sum_of_writes(writes, self.program(self.weights().clone()))
        return writes

    def program(self, target: Tensor, rounds: int = _VERIFY_ROUNDS) -> Writes:
        """Write and verify, from the coarsest device to the finest, each correcting what the former left."""
        if self._equal:
            return super().program(target, rounds)
        banks, total = self._by_significance(), Writes(0, 0)
        for bank, share in banks:
            others = torch.stack([b.as_read() * s for b, s in banks if b is not bank]).sum(0)
            total = sum_of_writes(total, self._settle(bank, (target - others) / share, rounds))
        return total

    def _settle(self, bank: CellBank, target: Tensor, rounds: int) -> Writes:
        step, total = bank.response.granularity, Writes(0, 0)
        for _ in range(rounds):
            error = bank.bounded(target) - bank.as_read()
            error[error.abs() <= max(step, 0.01 * self.reach)] = 0.0
            if not bool(error.any()):
                break
            total = sum_of_writes(total, bank.apply(dense_counts(error / step, self._generator)))
        return total

    def _by_significance(self) -> list[tuple[CellBank, float]]:
        return list(zip(self.banks.values(), self._shares, strict=True))


class ReferenceCell(UnitCell):
    """Zero-shifting: W = w - r, r the symmetry point of each device, on a reference that is not written again.

    (Gokmen & Haensch 2020, 10.3389/fnins.2020.00103.)

    Args:
        error: standard deviation of r's programming error, in steps.
    """

    def __init__(self, new_bank: NewBank, weights: Tensor, generator: torch.Generator, error: float = 0.0) -> None:
        bank = new_bank(weights)
        super().__init__({"cell": bank}, generator)
        self.bank = bank
        self.granularity = bank.response.granularity
        reference = bank.symmetry_point()
        if error:
            noise = torch.randn(reference.shape, generator=generator, device=reference.device)
            reference = reference.add_(noise, alpha=error * bank.response.step)
        self.buffers["reference"] = reference
        self.reach = min(bank.response.w_max, -bank.response.w_min) or bank.response.w_max
        self.set(weights)

    def weights(self) -> Tensor:
        """Return device minus reference."""
        return self.bank.as_read() - self.buffers["reference"]

    def set(self, weights: Tensor) -> None:
        """Set the devices; the reference stays."""
        self.bank.set(weights.to(self.bank.kept) + self.buffers["reference"])

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the devices."""
        return self.bank.apply(trains)


class DifferentialPair(UnitCell):
    """W = w+ - w-, both devices moved by every write, in opposite directions by half of it each."""

    def __init__(self, new_bank: NewBank, weights: Tensor, generator: torch.Generator) -> None:
        half = weights / 2
        plus, minus = new_bank(half), new_bank(-half)
        super().__init__({"plus": plus, "minus": minus}, generator)
        self.plus, self.minus = plus, minus
        response = plus.response
        self._centre = (response.w_max + response.w_min) / 2
        self.granularity = 2 * response.granularity
        self.reach = response.w_max - response.w_min
        self.set(weights)

    def weights(self) -> Tensor:
        """Return w+ - w-."""
        return self.plus.as_read() - self.minus.as_read()

    def set(self, weights: Tensor) -> None:
        """Set both devices symmetrically around the middle of their range."""
        half = weights.to(self.plus.kept) / 2
        self.plus.set(self._centre + half)
        self.minus.set(self._centre - half)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Move both devices by the same pulses, with opposite polarity."""
        opposite = [pulses.inverted() for pulses in trains]
        return sum_of_writes(self.plus.apply(trains), self.minus.apply(opposite))


class OneSidedPair(UnitCell):
    """W = w+ - w-, each device only potentiated; pairs near saturation are reset and rewritten (refresh).

    Args:
        refresh_every: writes between two looks for pairs to refresh.
        refresh_at: share of the range from which a device is near saturation.
    """

    def __init__(
        self,
        new_bank: NewBank,
        weights: Tensor,
        generator: torch.Generator,
        refresh_every: int = 100,
        refresh_at: float = 0.75,
    ) -> None:
        plus, minus = new_bank(weights.clamp(min=0)), new_bank(weights.clamp(max=0).neg())
        super().__init__({"plus": plus, "minus": minus}, generator)
        self.plus, self.minus = plus, minus
        response = plus.response
        self.reach = response.w_max - response.w_min
        middle = torch.tensor([response.w_min + self.reach / 2])
        self.granularity = float(response.steps(middle, typical_cell(response), True))
        self._refresh_every = refresh_every
        self._refresh_at = refresh_at
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)
        self.set(weights)

    def weights(self) -> Tensor:
        """Return w+ - w-."""
        return self.plus.as_read() - self.minus.as_read()

    def set(self, weights: Tensor) -> None:
        """Set one device of each pair, the other to the bottom of its range."""
        w = weights.to(self.plus.kept)
        bottom = self.plus.response.w_min
        self.plus.set(bottom + w.clamp(min=0))
        self.minus.set(bottom - w.clamp(max=0))

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Potentiate w+ where the weight shall rise, w- where it shall fall; look for saturated pairs now and then."""
        writes = self._one_of_each(trains)
        self.buffers["writes"] += 1
        if int(self.buffers["writes"]) % self._refresh_every == 0:
            writes = sum_of_writes(writes, self._refresh())
        return writes

    def _one_of_each(self, trains: list[PulseCounts]) -> Writes:
        rising = [p for p in trains if p.up]
        falling = [pulses.inverted() for pulses in trains if not pulses.up]
        up, down = self.plus.apply(rising), self.minus.apply(falling)
        return Writes((up.pulses_up or 0) + (down.pulses_up or 0), 0)

    def _refresh(self) -> Writes:
        """Reset saturated pairs to the bottom, a pulse a device, and rewrite their difference, verified."""
        index = flat_nonzero(self._saturated(self.plus) | self._saturated(self.minus))
        if not len(index):
            return Writes(0, 0)
        target = self.weights().clone()
        for bank in (self.plus, self.minus):
            bank.reset(index)
        total = Writes(0, 2 * len(index))
        for _ in range(_REFRESH_ROUNDS):
            error = torch.zeros_like(target)
            error.view(-1)[index] = (target - self.weights()).view(-1)[index]
            error[error.abs() <= self.granularity] = 0.0
            if not bool(error.any()):
                break
            trains = list(dense_counts(error / self.granularity, self._generator))
            total = sum_of_writes(total, self._one_of_each(trains))
        return total

    def _saturated(self, bank: CellBank) -> Tensor:
        low, high = bank.parameters["w_min"], bank.parameters["w_max"]
        return bank.kept > torch.lerp(low, high, self._refresh_at)


class MixedPrecision(UnitCell):
    """Products are summed digitally; whole steps of the sum are pulsed into the weight and subtracted from it.

    chi += gain * products; n = trunc(chi / dw); pulse n; chi -= n dw (Nandakumar et al. 2020,
    10.3389/fnins.2020.00406).
    """

    def __init__(self, inner: UnitCell, weights: Tensor, generator: torch.Generator) -> None:
        super().__init__(inner.banks, generator)
        self.inner = inner
        self.granularity, self.reach = inner.granularity, inner.reach
        self.buffers = inner.buffers
        self.buffers["chi"] = torch.zeros(weights.shape, device=generator.device)

    def weights(self) -> Tensor:
        """Return the inner cell's weights."""
        return self.inner.weights()

    def set(self, weights: Tensor) -> None:
        """Set the inner cell and empty the sum."""
        self.inner.set(weights)
        self.buffers["chi"].zero_()

    def write(self, term: Product, gain: float, scheme: PulseScheme) -> Writes:
        """Sum the products, pulse what makes whole steps."""
        chi = self.buffers["chi"]
        chi.addmm_(term.post.t(), term.pre, alpha=gain * term.sign / self.granularity)
        due = flat_nonzero(chi.abs() >= 1)
        if not len(due):
            return Writes(0, 0)
        whole = chi.view(-1).index_select(0, due).trunc_()
        chi.view(-1).index_add_(0, due, whole, alpha=-1)
        return self.inner.pulse(list(whole_counts(whole, due)))

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the inner cell."""
        return self.inner.pulse(trains)

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
        read_columns: reads a matrix for given inputs through the array's own periphery.
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
        super().__init__(banks, generator)
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

    def weights(self) -> Tensor:
        """Return the slow array's weights."""
        return self.slow.weights()

    def read_variance(self, relative: float) -> Tensor | None:
        """Return the slow array's variance."""
        return self.slow.read_variance(relative)

    def set(self, weights: Tensor) -> None:
        """Set the slow array, empty the fast one and the sums."""
        self.slow.set(weights)
        self.fast.set(torch.zeros_like(weights))
        self.buffers["sum"].zero_()

    def write(self, term: Product, gain: float, scheme: PulseScheme) -> Writes:
        """Write the products into the fast array, and transfer."""
        kappa = self._normalisation(term, scheme)
        if kappa == 0.0:
            return Writes(0, 0)
        pre = term.pre * self.buffers["sign"] if self._chop else term.pre
        writes = self.fast.write(Product(term.post, pre, term.sign), math.copysign(kappa, gain), scheme)
        self.buffers["count"][0] += 1
        if int(self.buffers["count"][0]) % self._every == 0:
            writes = sum_of_writes(writes, self._transfer(abs(gain) / kappa))
        return writes

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the slow array."""
        return self.slow.pulse(trains)

    def _normalisation(self, term: Product, scheme: PulseScheme) -> float:
        """Return kappa: a running mean of the samples' largest products fills `fast_rate` of a train."""
        largest = (term.pre.abs().amax(1) * term.post.abs().amax(1)).mean()
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
        found = self._read_columns(self.fast.weights().t(), lines).t()  # [n_post, m]
        moved = self._referred(found, columns) if self._dynamic else found
        total[:, columns] += moved * self.buffers["sign"][columns] * (rate / self.slow.granularity)
        whole = total[:, columns].trunc()
        total[:, columns] -= whole
        if self._chop:
            self._flip(columns)
        rows = torch.arange(total.shape[0], device=total.device)[:, None] * n_pre
        return self.slow.pulse(list(whole_counts(whole, (rows + columns).view(-1))))

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


def _sum_all(parts: Iterable[Writes]) -> Writes:
    total = Writes(0, 0)
    for part in parts:
        total = sum_of_writes(total, part)
    return total


def sum_of_writes(a: Writes, b: Writes) -> Writes:
    """Return the pulses of both."""
    return Writes((a.pulses_up or 0) + (b.pulses_up or 0), (a.pulses_down or 0) + (b.pulses_down or 0))

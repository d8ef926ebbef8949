"""How devices make a weight: one alone, several, less a reference, in pairs."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from neurohw.crossbar.base import Product, StateDict, Writes
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, dense_counts, flat_nonzero, pulse_counts
from neurohw.crossbar.reference import ReferenceBank

NewBank = Callable[[Tensor], CellBank]  # makes a crossbar of devices from their initial weights
_VERIFY_ROUNDS = 30
_REFRESH_ROUNDS = 5


class UnitCell(abc.ABC):
    """One weight per crossing, made of one or more devices; weights in the device's units.

    Attributes:
        banks: the crossbars of devices by name.
        shares: the factor of each bank that a read drives: W = sum_i share_i w_i.
        granularity: mean change of the weight by one pulse.
        reach: how far from zero the weight can go on average.
    """

    granularity: float
    reach: float

    def __init__(self, banks: dict[str, CellBank], shares: Mapping[str, float], generator: torch.Generator) -> None:
        self.banks, self.shares = banks, dict(shares)
        self.buffers: StateDict = {}  # digital memory
        self._generator = generator

    def weights(self) -> Tensor:
        """Return the weights as they are read, [n_post, n_pre]; not to be modified."""
        (name, share), *others = self.shares.items()
        total = self.banks[name].as_read()
        total = total if share == 1.0 else total * share
        for name, share in others:
            if not self.banks[name].reads_zero:
                total = torch.add(total, self.banks[name].as_read(), alpha=share)
        return total

    @property
    def noise_power(self) -> float:
        """Return the variance of a weight whose devices have independent noise of variance 1 each: sum_i share_i^2."""
        return sum(share**2 for share in self.shares.values())

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

    def clipped(self) -> float:
        """Return the share of weights that the last `set` found beyond the bounds of a device that makes them."""
        return float(torch.stack([bank.clipped for bank in self.banks.values()]).any(0).double().mean())

    def conductances(self) -> dict[str, Tensor]:
        """Return every device's conductance now, siemens, [n_post, n_pre] per crossbar of devices; fresh tensors."""
        return {name: bank.conductances() for name, bank in self.banks.items()}

    def read_variance(self, relative: float) -> Tensor:
        """Return the variance of each weight per read, sum_i share_i^2 that of device i; see `CellBank`."""
        return torch.stack([self.banks[n].read_variance(relative).mul_(s**2) for n, s in self.shares.items()]).sum(0)

    def passed_reads(self, times: int) -> bool:
        """Let the time of so many reads pass for every device, and return whether that changed any."""
        changed = [bank.aging.passed_reads(times) for bank in self.banks.values()]
        return any(changed)

    def program(self, target: Tensor, rounds: int = _VERIFY_ROUNDS) -> Writes:
        """Write and verify: pulse the weights that are off by more than a step or 1 % of the reach."""
        return self._corrected(
            lambda: target - self.weights(),
            self.granularity,
            max(self.granularity, 0.01 * self.reach),
            self.pulse,
            rounds,
        )

    def _corrected(
        self,
        error: Callable[[], Tensor],
        step: float,
        tolerance: float,
        pulse: Callable[[list[PulseCounts]], Writes],
        rounds: int,
    ) -> Writes:
        """Pulse what an exact read finds wrong, again and again, until nothing is off by more than the tolerance."""
        total = Writes(0, 0)
        for _ in range(rounds):
            left = error()
            left[left.abs() <= tolerance] = 0.0
            if not bool(left.any()):
                break
            total += pulse(list(dense_counts(left / step, self._generator)))
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
    """One device a weight, pulsed in situ, less a reference that is not: W = w - r.

    Args:
        bank: the devices.
        reference: those that are subtracted; None: nothing is, or a constant number.
    """

    def __init__(self, bank: CellBank, reference: ReferenceBank | None, generator: torch.Generator) -> None:
        super().__init__(*_less({"cell": bank}, {"cell": 1.0}, reference), generator)
        self.bank, self.reference = bank, reference
        self.granularity = bank.response.granularity
        self.reach = min(bank.response.w_max, -bank.response.w_min) or bank.response.w_max

    def set(self, weights: Tensor) -> None:
        """Set the devices; the reference stays."""
        self.bank.set(weights if self.reference is None else weights.to(self.bank.kept) + self.reference.seen)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the devices."""
        return self.bank.apply(trains)


class SeveralDevices(UnitCell):
    """n devices a weight: W = sum_i g_i w_i - r with significances g_i = base^-i / sum_j base^-j, the coarsest first.

    With base 1 all get the same pulses, so that their spreads fall with sqrt(n). With a larger base the finest device
    takes the updates and the coarser ones hold what was carried over: `program` and every carry settle the weight from
    the coarsest to the finest (Agarwal et al. 2017, VLSI, "periodic carry").

    Args:
        devices: n.
        reference: one for all of them, see `SingleDevice`.
        base: ratio of two neighbours' significances.
        carry_every: writes between two carries.
    """

    def __init__(
        self,
        new_bank: NewBank,
        weights: Tensor,
        generator: torch.Generator,
        reference: ReferenceBank | None = None,
        devices: int = 2,
        base: float = 1.0,
        carry_every: int = 1000,
    ) -> None:
        banks = {f"cell{i}": new_bank(weights) for i in range(devices)}
        parts = [base**-i for i in range(devices)]
        shares = {f"cell{i}": part / sum(parts) for i, part in enumerate(parts)}
        super().__init__(*_less(banks, shares, reference), generator)
        self._cells, self.reference = banks, reference
        self._equal, self._carry_every = base == 1.0, carry_every
        first = banks["cell0"].response
        self.granularity = first.granularity * (1.0 if self._equal else parts[-1] / sum(parts))
        self.reach = min(first.w_max, -first.w_min) or first.w_max
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)

    def set(self, weights: Tensor) -> None:
        """Set every device to the weight; the reference stays."""
        for bank in self._cells.values():
            bank.set(weights if self.reference is None else weights.to(bank.kept) + self.reference.seen)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Give every device the same pulses, or the finest one, and carry over now and then."""
        if self._equal:
            return Writes.total(bank.apply(trains) for bank in self._cells.values())
        writes = list(self._cells.values())[-1].apply(trains)
        self.buffers["writes"] += 1
        if int(self.buffers["writes"]) % self._carry_every == 0:
            writes += self.program(self.weights().clone())
        return writes

    def program(self, target: Tensor, rounds: int = _VERIFY_ROUNDS) -> Writes:
        """Write and verify, from the coarsest device to the finest, each correcting what the former left."""
        if self._equal:
            return super().program(target, rounds)
        total = Writes(0, 0)
        for name, bank in self._cells.items():
            share = self.shares[name]
            others = torch.stack([self.banks[n].as_read() * s for n, s in self.shares.items() if n != name]).sum(0)
            total += self._settled(bank, bank.bounded((target - others) / share), rounds)
        return total

    def _settled(self, bank: CellBank, target: Tensor, rounds: int) -> Writes:
        step = bank.response.granularity
        return self._corrected(lambda: target - bank.as_read(), step, max(step, 0.01 * self.reach), bank.apply, rounds)


def _less(
    banks: dict[str, CellBank], shares: dict[str, float], reference: ReferenceBank | None
) -> tuple[dict[str, CellBank], dict[str, float]]:
    """Return banks and shares with those of a reference, if there is one."""
    if reference is None:
        return banks, shares
    return {**banks, "reference": reference}, {**shares, "reference": -1.0}


class DifferentialPair(UnitCell):
    """W = w+ - w-, both devices moved by every write, in opposite directions by half of it each."""

    def __init__(self, new_bank: NewBank, weights: Tensor, generator: torch.Generator) -> None:
        half = weights / 2
        plus, minus = new_bank(half), new_bank(-half)
        super().__init__({"plus": plus, "minus": minus}, {"plus": 1.0, "minus": -1.0}, generator)
        self.plus, self.minus = plus, minus
        response = plus.response
        self._centre = (response.w_max + response.w_min) / 2
        self.granularity = 2 * response.granularity
        self.reach = response.w_max - response.w_min
        self.set(weights)

    def set(self, weights: Tensor) -> None:
        """Set both devices symmetrically around the middle of their range."""
        half = weights.to(self.plus.kept) / 2
        self.plus.set(self._centre + half)
        self.minus.set(self._centre - half)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Move both devices by the same pulses, with opposite polarity."""
        opposite = [pulses.inverted() for pulses in trains]
        return self.plus.apply(trains) + self.minus.apply(opposite)


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
        super().__init__({"plus": plus, "minus": minus}, {"plus": 1.0, "minus": -1.0}, generator)
        self.plus, self.minus = plus, minus
        response = plus.response
        self.reach = response.w_max - response.w_min
        middle = torch.tensor([response.w_min + self.reach / 2])
        self.granularity = float(response.steps(middle, response.mean_cell(), True))
        self._refresh_every = refresh_every
        self._refresh_at = refresh_at
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)
        self.set(weights)

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
            writes += self._refresh()
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

        def error() -> Tensor:
            left = torch.zeros_like(target)
            left.view(-1)[index] = (target - self.weights()).view(-1)[index]
            return left

        step = self.granularity
        return Writes(0, 2 * len(index)) + self._corrected(error, step, step, self._one_of_each, _REFRESH_ROUNDS)

    def _saturated(self, bank: CellBank) -> Tensor:
        low, high = bank.parameters["w_min"], bank.parameters["w_max"]
        return bank.kept > torch.lerp(low, high, self._refresh_at)

"""How devices make a weight: one alone, several, less a reference."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import add

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import OuterProducts, StateDict, Writes
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, dense_counts, flat_nonzero, pulse_counts
from neurohw.crossbar.reference import Reference, ReferenceBank, ReferenceLines
from neurohw.crossbar.verify import ROUNDS, Step, approach

NewBank = Callable[[Tensor], CellBank]  # makes a crossbar of devices from their initial weights
NewReference = Callable[[Mapping[str, CellBank], Mapping[str, float]], Reference]  # that of crossbars with factors


class UnitCell(abc.ABC):
    """One weight per crossing, made of one or more devices; weights in the device's units.

    Attributes:
        banks: the crossbars of devices by name.
        shares: the factor of each bank that a read drives: W = sum_i share_i w_i.
        lines: a reference column and row, which are subtracted; their devices are among the banks. None: no such.
        granularity: mean change of the weight by one pulse.
        reach: how far from zero the weight can go on average.
        together: pulses of a weight that may be given polarity after polarity; None: any number, since the polarities
            move devices of their own.
    """

    granularity: float
    reach: float
    together: float | None

    def __init__(
        self,
        banks: Mapping[str, CellBank],
        shares: Mapping[str, float],
        generator: torch.Generator,
        lines: ReferenceLines | None = None,
    ) -> None:
        self.banks, self.shares, self.lines = dict(banks), dict(shares), lines
        self.together = next(iter(self.banks.values())).together
        self.buffers: StateDict = {}  # digital memory
        self._generator = generator

    def weights(self, transposed: bool = False) -> Tensor:
        """Return the weights as they are read, [n_post, n_pre]; not to be modified.

        Args:
            transposed: as they are read from the outputs, where the reference column is not, but the row is.
        """
        (name, share), *others = self.shares.items()
        total = self.banks[name].as_read()
        total = total if share == 1.0 else total * share
        for name, share in others:
            if not self.banks[name].reads_zero:
                total = torch.add(total, self.banks[name].as_read(), alpha=share)
        if self.lines is not None and not self.lines.reads_zero(transposed):
            total = total - self.lines.as_read(transposed)
        return total

    @property
    @abc.abstractmethod
    def driving(self) -> Driving:
        """What trains write it, for the account."""

    @property
    def devices(self) -> float:
        """Devices that make a weight, hidden ones and references included."""
        return _per_weight(self.banks.values(), self._shape)

    @property
    def on_line(self) -> float:
        """Of them, those on the lines of a read; those of a reference column and row included."""
        shared = [] if self.lines is None else self.lines.banks.values()
        return _per_weight([*(self.banks[name] for name in self.shares), *shared], self._shape)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.banks[next(iter(self.shares))].shape

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

    def write(self, products: OuterProducts, gain: float, scheme: PulseScheme) -> Writes:
        """Write W += gain * products (their scale aside) by pulses from both sides."""
        trains = pulse_counts(products, gain, self.granularity, scheme, self._generator, self.together)
        return self.pulse(list(trains))

    def increment(self, delta: Tensor) -> Writes:
        """Write a digitally computed change [n_post, n_pre] open-loop; fractions of a pulse are drawn."""
        return self.pulse(list(dense_counts(delta / self.granularity, self._generator)))

    def clipped(self) -> float:
        """Return the share of weights that the last `set` found beyond the bounds of a device that makes them."""
        return float(reduce(torch.logical_or, (bank.clipped for bank in self.banks.values())).double().mean())

    def fail(self, maps: Mapping[str, Tensor]) -> None:
        """Break devices where they stand: as maps by name say, the other banks as their rates do."""
        for name, bank in self.banks.items():
            bank.fail(maps.get(name))

    def conductances(self) -> dict[str, Tensor]:
        """Return every device's conductance now, siemens, fresh tensors.

        [n_post, n_pre] per crossbar of devices; of a reference column [1, n_pre], of a row [n_post, 1].
        """
        return {name: bank.conductances() for name, bank in self.banks.items()}

    def line_conductances(self) -> tuple[Tensor, Tensor]:
        """Return what a read drives on each line of the inputs [n_pre] and of the outputs [n_post] now, siemens.

        Devices of one weight are added up; a reference column conducts in reads only, a row in transposed ones only.
        """
        crossings = torch.stack([self.banks[name].conductances() for name in self.shares]).sum(0)
        on_inputs, on_outputs = crossings.sum(0), crossings.sum(1)
        for column in [] if self.lines is None else self.lines.columns:
            on_inputs += column.conductances()[0]
        for row in [] if self.lines is None else self.lines.rows:
            on_outputs += row.conductances()[:, 0]
        return on_inputs, on_outputs

    def hidden_conductance(self) -> float:
        """Return the conductance of the columns of a hidden array, siemens, in all; 0 without one."""
        return 0.0

    def read_variance(self, relative: float) -> Tensor:
        """Return the variance of each weight per read, sum_i share_i^2 that of device i; see `CellBank`."""
        return reduce(Tensor.add_, (self.banks[n].read_variance(relative).mul_(s**2) for n, s in self.shares.items()))

    def passed_reads(self, times: int) -> bool:
        """Let the time of so many reads pass for every device, and return whether that changed any."""
        changed = [bank.aging.passed_reads(times) for bank in self.banks.values()]
        return any(changed)

    @abc.abstractmethod
    def step(self, cells: Tensor, up: bool) -> Step:
        """Return what the next pulse does to the weights of some cells (flat indices)."""

    @abc.abstractmethod
    def room(self, up: bool) -> Tensor:
        """Return how far each weight can still rise or fall, [n_post, n_pre]."""

    def bounded(self, weights: Tensor) -> Tensor:
        """Return weights clipped to what each cell can hold."""
        now = self.weights()
        return torch.minimum(torch.maximum(weights, now - self.room(False)), now + self.room(True))

    def program(self, target: Tensor, rounds: int = ROUNDS) -> Writes:
        """Write and verify, see `approach`; targets out of reach end at the bounds."""
        return self._approach(self.bounded(target), self.pulse, rounds)

    def _approach(
        self, target: Tensor, pulse: Callable[[list[PulseCounts]], Writes], rounds: int, cells: Tensor | None = None
    ) -> Writes:
        """Bring some cells (flat indices; None: all) to their targets [n_post, n_pre] by `pulse`."""
        cells = torch.arange(target.numel(), device=target.device) if cells is None else cells

        def left(cells: Tensor) -> Tensor:
            return (target - self.weights()).view(-1).index_select(0, cells)

        return approach(left, self.step, pulse, cells, rounds)

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

    def __init__(self, bank: CellBank, reference: Reference, generator: torch.Generator) -> None:
        super().__init__(*less_reference({"cell": bank}, {"cell": 1.0}, reference, generator))
        self.bank, self.reference = bank, reference
        self.granularity = bank.response.granularity
        self.reach = min(bank.response.w_max, -bank.response.w_min) or bank.response.w_max

    @property
    def driving(self) -> Driving:
        """Trains of one crossbar."""
        return Driving(self.granularity)

    def set(self, weights: Tensor) -> None:
        """Set the devices; the reference stays."""
        self.bank.set(weights if self.reference is None else weights.to(self.bank.kept) + self.reference.seen)

    def pulse(self, trains: list[PulseCounts]) -> Writes:
        """Pulse the devices."""
        return self.bank.apply(trains)

    def step(self, cells: Tensor, up: bool) -> Step:
        """Return that of the devices."""
        return self.bank.step(cells, up)

    def room(self, up: bool) -> Tensor:
        """Return that of the devices."""
        return self.bank.room(up)


class SeveralDevices(UnitCell):
    """n devices a weight: W = sum_i g_i w_i - r with significances g_i = base^-i / sum_j base^-j, the coarsest first.

    With base 1 all get the same pulses, so that their spreads fall with sqrt(n). With a larger base the finest device
    takes the updates, and every so often what it holds is carried over to the coarser ones: the weight is written and
    verified from the coarsest device to the finest, which is in the middle of its range again (Agarwal et al. 2017,
    VLSI, "periodic carry").

    Args:
        new_reference: makes that of crossbars with factors: an array for all of them, or lines in each.
        devices: n.
        base: ratio of two neighbours' significances.
        carry_every: writes between two carries.
    """

    def __init__(
        self,
        new_bank: NewBank,
        weights: Tensor,
        generator: torch.Generator,
        new_reference: NewReference,
        devices: int = 2,
        base: float = 1.0,
        carry_every: int = 1000,
    ) -> None:
        banks = {f"cell{i}": new_bank(weights) for i in range(devices)}
        parts = [base**-i for i in range(devices)]
        shares = {f"cell{i}": part / sum(parts) for i, part in enumerate(parts)}
        self._cells, self.reference = banks, new_reference(banks, shares)
        super().__init__(*less_reference(banks, shares, self.reference, generator))
        self._equal, self._carry_every = base == 1.0, carry_every
        first = banks["cell0"].response
        self._centre = (first.w_max + first.w_min) / 2
        self._finest, self._finest_share = banks[f"cell{devices - 1}"], parts[-1] / sum(parts)
        self.granularity = first.granularity * (1.0 if self._equal else self._finest_share)
        self.reach = min(first.w_max, -first.w_min) or first.w_max
        self.buffers["writes"] = torch.zeros((), dtype=torch.int64)

    @property
    def driving(self) -> Driving:
        """The same trains for all devices, or for the finest alone."""
        return Driving(self.granularity, crossbars=len(self._cells) if self._equal else 1)

    def set(self, weights: Tensor) -> None:
        """Set every device to the weight; the reference stays."""
        for bank in self._cells.values():
            bank.set(weights if self.reference is None else weights.to(bank.kept) + self.reference.seen)

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


def _per_weight(banks: Iterable[CellBank], shape: tuple[int, int]) -> float:
    return sum(math.prod(bank.shape) for bank in banks) / math.prod(shape)


def less_reference(
    banks: dict[str, CellBank], shares: dict[str, float], reference: Reference, generator: torch.Generator
) -> tuple[dict[str, CellBank], dict[str, float], torch.Generator, ReferenceLines | None]:
    """Return what makes a unit cell of devices (see `UnitCell`) and their reference, see `References.of`."""
    if isinstance(reference, ReferenceBank):
        return {**banks, "reference": reference}, {**shares, "reference": -1.0}, generator, None
    return banks | (reference.banks if reference else {}), shares, generator, reference

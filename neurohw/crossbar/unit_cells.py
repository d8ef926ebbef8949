"""What a weight is made of: devices, whose weighted sum is read, and which are written together."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pkgutil import resolve_name

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import OuterProducts, StateDict, Writes
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.periphery import PulseScheme
from neurohw.crossbar.pulses import PulseCounts, dense_counts, pulse_counts
from neurohw.crossbar.reference import Reference, ReferenceBank, ReferenceLines, References
from neurohw.crossbar.remedies import CELLS, WRITINGS, Remedy
from neurohw.crossbar.verify import ROUNDS, Step, approach
from neurohw.errors import InputError
from neurohw.places import flat_nonzero

_AT_BOUND = 0.02  # of a weight's range
_ROUNDING = 1e-6  # likewise


@dataclass(frozen=True)
class Parts:
    """What unit cells are built from.

    Args:
        new_bank: makes a crossbar of devices from its initial weights.
        references: makes what devices are less.
        weights: [n_post, n_pre], in device units.
        generator: of everything that is drawn.
        read_columns: reads cells for given inputs, [m, n_pre] -> [m, n_post], through the array's own periphery, with
            the cells' own noise.
        sided: 1 where a device only potentiates.
    """

    new_bank: Callable[[Tensor], CellBank]
    references: References
    weights: Tensor
    generator: torch.Generator
    read_columns: Callable[[UnitCell, Tensor], Tensor]
    sided: int


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
        self._absent: Tensor | None = None
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
    def noise_power(self) -> float | Tensor:
        """Return the variance of weights whose devices have independent noise of variance 1 each: sum_i share_i^2.

        [n_post, n_pre] where some devices carry no current, and so make no noise; else one number.
        """
        conducting = {name: self.banks[name].conducting for name in self.shares}
        if all(flags is None for flags in conducting.values()):
            return sum(share**2 for share in self.shares.values())
        power = torch.zeros(self._shape, device=self.banks[next(iter(self.shares))].device)
        for name, share in self.shares.items():
            flags = conducting[name]
            power += share**2 if flags is None else flags * share**2
        return power

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

    def clipped(self) -> Tensor:
        """Return which weights the last `set` found beyond the bounds of a device that makes them, [n_post, n_pre]."""
        return reduce(torch.logical_or, (bank.clipped for bank in self.banks.values()))

    def fail(self, maps: Mapping[str, Tensor]) -> None:
        """Break devices where they stand: as maps by name say, the other banks as their rates do."""
        for name, bank in self.banks.items():
            bank.fail(maps.get(name))

    def leave_out(self, absent: Tensor) -> None:
        """Have no devices where `absent` is true, [n_post, n_pre]; not with a reference column and row."""
        self._absent = absent
        for bank in self.banks.values():
            bank.leave_out(absent)

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

    def empty(self) -> Writes:
        """Forget what updates have left outside of the weights: sums and hidden devices, which are programmed to 0."""
        return Writes(0, 0)

    def _approach(
        self, target: Tensor, pulse: Callable[[list[PulseCounts]], Writes], rounds: int, cells: Tensor | None = None
    ) -> Writes:
        """Bring some cells (flat indices; None: all) to their targets [n_post, n_pre] by `pulse`."""
        if cells is None and self._absent is not None:
            cells = flat_nonzero(~self._absent)
        cells = torch.arange(target.numel(), device=target.device) if cells is None else cells

        def left(cells: Tensor) -> Tensor:
            return (target - self.weights()).reshape(-1).index_select(0, cells)

        return approach(left, self.step, pulse, cells, rounds)

    def at_bound(self) -> Tensor:
        """Return which weights are at a bound, [n_post, n_pre]; see `Standing`."""
        up, down = self.room(True), self.room(False)
        near = (up + down).mul_(_AT_BOUND).clamp_(min=self.granularity / 2)
        return (up < near) ^ (down < near)

    def pulsed(self) -> Tensor:
        """Return which weights have a device that got a pulse, of those that a read drives, [n_post, n_pre]."""
        banks = (self.banks[name] for name in self.shares)
        return reduce(torch.logical_or, (bank.pulses > 0 for bank in banks if not isinstance(bank, ReferenceBank)))

    def aged(self) -> Tensor | None:
        """Return the weights as they have aged by now, wires and 1/f noise apart; None where time moves no device."""
        if not any(self.banks[name].aging.changes_weights for name in self.shares):
            return None
        return reduce(add, (self.banks[name].seen * share for name, share in self.shares.items()))

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


def beyond(weights: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return which weights lie outside their bounds by more than rounding, all [n_post, n_pre]."""
    return (weights - weights.clamp(low, high)).abs() > _ROUNDING * (high - low)


def _per_weight(banks: Iterable[CellBank], shape: tuple[int, int]) -> float:
    return sum(math.prod(bank.shape) for bank in banks) / math.prod(shape)


def less_reference(
    banks: dict[str, CellBank], shares: dict[str, float], reference: Reference, generator: torch.Generator
) -> tuple[dict[str, CellBank], dict[str, float], torch.Generator, ReferenceLines | None]:
    """Return what makes a unit cell of devices (see `UnitCell`) and their reference, see `References.of`."""
    if isinstance(reference, ReferenceBank):
        return {**banks, "reference": reference}, {**shares, "reference": -1.0}, generator, None
    return banks | (reference.banks if reference else {}), shares, generator, reference


def build_cells(remedy: Remedy, parts: Parts) -> UnitCell:
    """Return the unit cells of a remedy, which hold `parts.weights`.

    Raises:
        InputError: devices, or a reference, that the remedy cannot use.
    """
    cell, writing = CELLS[remedy.cell], WRITINGS[remedy.writing]
    kind = resolve_name(cell.cells)

    def make(weights: Tensor) -> UnitCell:
        made: UnitCell = kind(parts, weights, **{**cell.parameters, **remedy.cell_parameters})
        if parts.references.kind in ("array", "column") and not any(
            isinstance(bank, ReferenceBank) for bank in made.banks.values()
        ):
            raise InputError(
                f"cell {cell.name!r}: it subtracts no {parts.references.kind} of references from conductances; "
                'allowed: to build one (`Parts.references`), to be `paired`, or hardware.reference "offset"'
            )
        return made

    if not writing.cells:
        return make(parts.weights)
    written: UnitCell = resolve_name(writing.cells)(make, parts, **{**writing.parameters, **remedy.writing_parameters})
    return written

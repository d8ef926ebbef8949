"""What makes a conductance a signed weight: what is subtracted from it, by name.

"array": a device of the same kind for each device, in a crossbar of its own: on wires of its own, it drifts, makes
noise, may be broken, and is counted. It stands where the device's weight is 0 (the middle of a range of -1 to 1), or at
the device's symmetry point (zero-shifting: Gokmen & Haensch 2020, 10.3389/fnins.2020.00103).

"column": one device a line, in the middle of the crossbar: a column that is subtracted from all outputs of a read, and
a row that is subtracted from those of a transposed read. Its noise and its deviations are common to all outputs, and IR
drop is the same only near it. It stands where the weight is 0.

"offset": a constant number. It costs nothing, makes no noise, loses nothing in wires and does not drift, while the
devices do: an idealisation.

"none": nothing, the weights are signed by themselves (as aihwkit's are), and drift, decay and noise relative to the
conductance act on the weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.wires import Wires, remaining_voltages
from neurohw.errors import InputError

REFERENCES = ("array", "column", "offset", "none")


class ReferenceBank(CellBank):
    """Devices that are set once, and verified: what they read as is kept until it changes.

    So they have no write noise, and may stand between the levels of a device that has levels (of two, as a high and a
    low one averaged).

    Args:
        weights: where they stand, [n_post, n_pre].
        device, generator, wires: as of `CellBank`.
    """

    def __init__(
        self, weights: Tensor, device: DevicePopulation, generator: torch.Generator, wires: Wires | None = None
    ) -> None:
        verified = replace(device.response, write_noise=0.0)
        lasting = replace(device, response=verified, levels=None, faults=replace(device.faults, endurance=0.0))
        super().__init__(weights, lasting, generator, wires=wires)
        self.parameters = {name: self.parameters[name] for name in ("w_min", "w_max")}
        self._of: Tensor | None = None  # what was seen when it was read last
        self._read = self.seen

    def as_read(self) -> Tensor:
        """Return the weights that a read sees now: 1/f noise and IR drop included."""
        if self.aging.flicker is not None:
            return super().as_read()
        if self._of is not self.seen:
            self._of, self._read = self.seen, super().as_read()
            self._zero = not bool(self._read.any())
        return self._read

    def take_drop(self, left: Tensor) -> None:
        """Take over what IR drop leaves of each cell's voltage, where others share the lines."""
        super().take_drop(left)
        self._of = None

    def elapse(self, seconds: float) -> None:
        """Let time pass over every reference; decay and diffusion change in place what was read."""
        super().elapse(seconds)
        self._of = None

    @property
    def reads_zero(self) -> bool:  # type: ignore[override]
        """Whether all of them read as 0, as they do when they are new and stand there."""
        if self.aging.flicker is not None:
            return False
        self.as_read()
        return self._zero


class ReferenceLines:
    """A reference column and a reference row in each crossbar of a weight: W = sum_i share_i (w_i - r_i).

    Args:
        cells: the crossbars by name; shares: their factors.
        new_reference: makes devices that stand at given weights.
        wires: resistances of the lines, which cells and reference share; None: none.

    Attributes:
        banks: of the columns [1, n_pre] and of the rows [n_post, 1], by name.
        columns, rows: the same, apart.
    """

    def __init__(
        self,
        cells: Mapping[str, CellBank],
        shares: Mapping[str, float],
        new_reference: Callable[[Tensor], ReferenceBank],
        wires: Wires | None,
    ) -> None:
        self.banks: dict[str, ReferenceBank] = {}
        self.columns: list[ReferenceBank] = []
        self.rows: list[ReferenceBank] = []
        self._lines: tuple[list[tuple[ReferenceBank, float]], ...] = ([], [])
        for name, bank in cells.items():
            zeros = torch.zeros_like(bank.kept)
            column, row = new_reference(zeros[:1]), new_reference(zeros[:, :1])
            self.banks |= {f"{name}.column": column, f"{name}.row": row}
            for lines, line in zip(self._lines, (column, row), strict=True):
                lines.append((line, shares[name]))
            self.columns.append(column)
            self.rows.append(row)
            if wires is not None:
                _Crossbar(bank, column, row, wires)

    def reads_zero(self, transposed: bool = False) -> bool:
        """Return whether nothing is subtracted."""
        return all(line.reads_zero for line, _ in self._lines[transposed])

    def as_read(self, transposed: bool = False) -> Tensor:
        """Return what is subtracted from all outputs, per input: [1, n_pre], or [n_post, 1] of a transposed read."""
        return torch.stack([line.as_read() * share for line, share in self._lines[transposed]]).sum(0)

    @property
    def seen(self) -> Tensor:
        """What is subtracted in reads without wires, [1, n_pre]."""
        return torch.stack([line.seen * share for line, share in self._lines[0]]).sum(0)

    def variance(self, constant: float, relative: float, transposed: bool = False) -> Tensor:
        """Return the variance per read that is common to all outputs, per input, [n_pre] or [n_post].

        Args:
            constant, relative: standard deviation of a device, in weights and over its conductance.
        """
        total = torch.zeros((), device=self.columns[0].device)
        for line, share in self._lines[transposed]:
            own = line.read_variance(relative).add_(constant**2).mul_(share**2)
            total = total + (own if line.conducting is None else own * line.conducting)
        return total.view(-1)


class _Crossbar:
    """Cells with a reference column and a reference row in their middle: all of them load the lines."""

    def __init__(self, cells: CellBank, column: ReferenceBank, row: ReferenceBank, wires: Wires) -> None:
        self._cells, self._column, self._row, self._wires = cells, column, row, wires
        for bank in (cells, column, row):
            assert bank.ir_drop is not None
            bank.ir_drop.renew = self._renew_drop

    def _renew_drop(self) -> None:
        (n_post, n_pre), device = self._cells.shape, self._cells.device
        at, on = n_post // 2, n_pre // 2
        post, pre = (torch.arange(n, device=device) for n in (n_post, n_pre))
        post, pre = (post + (post >= at))[:, None], pre + (pre >= on)  # places of the cells among the lines
        grid = self._cells.kept.new_zeros(n_post + 1, n_pre + 1)  # nothing where column and row cross
        places = ((self._cells, (post, pre)), (self._column, (torch.full_like(post[:1], at), pre)),
                  (self._row, (post, torch.full_like(pre[:1], on))))  # fmt: skip
        for bank, place in places:
            grid[place] = bank.conductances()
        left = remaining_voltages(grid, self._wires)
        for bank, place in places:
            bank.take_drop(left[place])


Reference = ReferenceBank | ReferenceLines | None


@dataclass(frozen=True)
class References:
    """Makes the references of an array.

    Args:
        kind: one of `REFERENCES`, or "pair".
        device, generator, wires: as of `CellBank`.
    """

    kind: str
    device: DevicePopulation
    generator: torch.Generator
    wires: Wires | None

    def of(self, cells: Mapping[str, CellBank], shares: Mapping[str, float]) -> Reference:
        """Return the reference of a weight that is made of crossbars with factors, which sum to 1; None without one."""
        first = next(iter(cells.values()))
        if self.kind == "array":
            return self._at(torch.zeros_like(first.kept))
        return ReferenceLines(cells, shares, self._at, self.wires) if self.kind == "column" else None

    def zero_shifting(self, points: Tensor) -> ReferenceBank:
        """Return a device for each device, at its symmetry point.

        Raises:
            InputError: the reference is no device for each device.
        """
        if self.kind not in ("array", "none"):
            raise InputError(f"reference: got {self.kind!r}, but zero-shifting subtracts a device at the symmetry "
                             "point from each device; allowed: array, none (weights signed by themselves)")  # fmt: skip
        return self._at(points)

    def _at(self, weights: Tensor) -> ReferenceBank:
        return ReferenceBank(weights, self.device, self.generator, self.wires)


def chosen_reference(asked: str | None, signed: bool, wired: bool, paired: bool) -> str:
    """Return the reference that weights have, or "pair".

    Args:
        asked: for one of `REFERENCES`; None: what suits the device.
        signed: the device's weights are signed by themselves.
        wired: lines have resistance: they carry currents of conductances, which a signed weight has not.
        paired: two devices make a weight, each the other's reference.

    Raises:
        InputError: an unknown reference, one beside that of a pair, or none where currents flow.
    """
    if asked not in (None, *REFERENCES):
        raise InputError(f"reference: got {asked!r}; allowed: {', '.join(REFERENCES)}")
    if asked is not None and paired:
        raise InputError(f"reference: got {asked!r}, but each device of a pair is the other's; leave it out")
    if paired:
        return "pair"
    if asked == "none" and wired:
        others = ", ".join(name for name in REFERENCES if name != "none")
        raise InputError(f"reference: got 'none' on lines with resistance, which carry currents; allowed: {others}")
    return asked or ("none" if signed and not wired else "array")

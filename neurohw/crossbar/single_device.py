"""A weight of one device, less a reference."""

from __future__ import annotations

from torch import Tensor

from neurohw.crossbar.anatomy import Driving
from neurohw.crossbar.base import Writes
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.reference import Reference
from neurohw.crossbar.unit_cells import Parts, UnitCell, less_reference
from neurohw.crossbar.verify import Step
from neurohw.draws import normal
from neurohw.errors import InputError


class SingleDevice(UnitCell):
    """One device a weight, pulsed in situ, less a reference that is not: W = w - r."""

    def __init__(self, parts: Parts, weights: Tensor) -> None:
        self.bank = parts.new_bank(weights)
        self.reference = self._new_reference(parts)
        super().__init__(*less_reference({"cell": self.bank}, {"cell": 1.0}, self.reference, parts.generator))
        response = self.bank.response
        self.granularity = response.granularity
        self.reach = min(response.w_max, -response.w_min) or response.w_max

    def _new_reference(self, parts: Parts) -> Reference:
        return parts.references.of({"cell": self.bank}, {"cell": 1.0})

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


class ZeroShiftedDevice(SingleDevice):
    """A device less a reference at its symmetry point, where its up and down steps are equal (zero-shifting).

    Args:
        error: standard deviation of the reference from that point, in steps.

    Raises:
        InputError: a device without a symmetry point.
    """

    def __init__(self, parts: Parts, weights: Tensor, error: float = 0.0) -> None:
        self._error = error
        super().__init__(parts, weights)
        if not bool(self.bank.balances().any()):
            raise InputError(
                f"remedy 'reference-cell': a device of law {self.bank.response.name!r} with these parameters has no "
                "symmetry point to refer to: its up and down steps are equal, or unlike, at every weight; allowed: "
                "devices whose steps change with the weight"
            )
        self.set(weights)

    def _new_reference(self, parts: Parts) -> Reference:
        point = self.bank.symmetry_point()
        if self._error:
            noise = normal(point.shape, parts.generator)
            point.add_(noise, alpha=self._error * self.bank.response.step)
        return parts.references.zero_shifting(point)

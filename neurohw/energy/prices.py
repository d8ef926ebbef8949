"""Where an account looks figures up, and the lines it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neurohw.energy.conditions import NO_CIRCUIT, CircuitConditions, Conditions
from neurohw.energy.facts import RunFacts
from neurohw.energy.ranges import Figure, Provenance, Range, weakest
from neurohw.energy.schedule import Schedule
from neurohw.energy.table import EnergyTable


@dataclass(frozen=True)
class Item:
    """One line of an account.

    Args:
        component: what it is: "dac", "rows", "conduction", "adc", "columns", "write", "half-select", "pulse lines",
            "target", "homeostasis", "digital", "optimiser", "buffer", "interconnect", "neurons", "standby".
        part: which one: "W1", "target", ...
        phase: of the run.
        event: what was counted.
        count: how often.
        energy: J.
        figures: what it was multiplied by.
    """

    component: str
    part: str
    phase: str
    event: str
    count: float
    energy: Range
    figures: tuple[Figure, ...]

    @property
    def provenance(self) -> Provenance:
        """That of the weakest figure."""
        return weakest(self.figures)

    @property
    def sources(self) -> str:
        """Where its figures are from, each once."""
        return "; ".join(f"{figure.key}: {figure.source}" for figure in dict.fromkeys(self.figures))


@dataclass(frozen=True)
class Prices:
    """Where figures are looked up: table, device, schedule, facts of the run, and its target circuit."""

    table: EnergyTable
    device: Conditions | None
    schedule: Schedule
    facts: RunFacts
    circuit: CircuitConditions = NO_CIRCUIT

    def of_circuit(self, key: str, why: str) -> Figure:
        """Return a figure of the target circuit: its own, or else the table's."""
        return self.circuit.figures.get(key) or self.table.figure(key, why=why)

    def cell(self, key: str, why: str) -> Figure:
        """Return a figure of the device."""
        if self.device is not None:
            return self.device.figure(key, self.table, why)
        return Conditions("none", "hardware.device: none given", {}).figure(key, self.table, why)


@dataclass(frozen=True)
class Counted:
    """An event that was counted, where and when; `beside`: all events of the same component and phase."""

    part: str
    phase: str
    event: str
    count: float
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """The count in words, for messages."""
        return f"the ledger counted {self.count:g} {self.part} {self.event} in phase {self.phase!r}"

    def item(self, component: str, *figures: Figure, factor: float = 1.0) -> Item:
        """Return count times factor times all figures."""
        energy = Range.of(self.count * factor)
        for figure in figures:
            energy = energy * figure.range
        return Item(component, self.part, self.phase, self.event, self.count, energy, figures)

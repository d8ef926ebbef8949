"""The ledger: how often what happened, by component and phase. Counts only; joules come later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

Counts = Mapping[str, Mapping[str, Mapping[str, float]]]  # component -> phase -> event -> count
Nested = dict[str, dict[str, dict[str, float]]]  # the same, made here
Entry = tuple[str, str, str, float]


class Source(Protocol):
    """A meter that keeps some counts to itself until they are asked for."""

    name: str

    def entries(self) -> Iterable[Entry]:
        """Return (component, phase, event, count) of what the ledger has not been told, changing nothing."""

    def state_dict(self) -> dict[str, Any]:
        """Return plain data and tensors, complete."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""


class EnergyLedger:
    """Counts of events: what was recorded, and what the attached meters still hold.

    Components are "W1", "W2", ... (arrays), "target", "digital", "buffer" and "clock"; phases are those of the clock,
    and "homeostasis". What each event means is said where it is counted: `metered_array`, `metered_target`,
    `digital_work`.
    """

    def __init__(self) -> None:
        self._recorded: dict[tuple[str, str, str], float] = {}
        self._sources: dict[str, Source] = {}

    def record(self, component: str, phase: str, event: str, count: float) -> None:
        """Add `count` events."""
        key = (component, phase, event)
        self._recorded[key] = self._recorded.get(key, 0.0) + count

    def attach(self, source: Source) -> None:
        """Ask `source` too when counts are asked for; a source of the same name is replaced."""
        self._sources[source.name] = source

    def counts(self) -> Nested:
        """Return every count so far: component -> phase -> event -> count, sorted, without zeros."""
        total = dict(self._recorded)
        for source in self._sources.values():
            for component, phase, event, count in source.entries():
                total[component, phase, event] = total.get((component, phase, event), 0.0) + count
        return _nested(total)

    def merge(self, counts: Counts) -> None:
        """Add the counts of another ledger."""
        for component, phases in counts.items():
            for phase, events in phases.items():
                for event, count in events.items():
                    self.record(component, phase, event, count)

    def state_dict(self) -> dict[str, Any]:
        """Return plain data and tensors: a ledger that loads them goes on to the same counts, to the last bit."""
        held = {name: source.state_dict() for name, source in self._sources.items()}
        return {"recorded": _nested(self._recorded), "held": held}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`; the same sources must be attached."""
        self._recorded = {}
        self.merge(state["recorded"])
        for name, source in self._sources.items():
            source.load_state_dict(state["held"][name])


def of_training(counts: Counts) -> Nested:
    """Return the counts of the phases of training: all but inference and association."""
    apart = ("inference", "association")
    return _nested({
        (component, phase, event): count
        for component, phases in counts.items() for phase, events in phases.items() if phase not in apart
        for event, count in events.items()
    })  # fmt: skip


def _nested(counts: Mapping[tuple[str, str, str], float]) -> Nested:
    nested: Nested = {}
    for (component, phase, event), count in sorted(counts.items()):
        if count:
            nested.setdefault(component, {}).setdefault(phase, {})[event] = float(count)
    return nested

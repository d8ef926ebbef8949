"""Target circuits by name: what a configuration must know of each, before any is imported.

A circuit is a class, and its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from neurohw.circuits.target import TargetCircuit, TargetRule
    from neurohw.seeding import Streams


class Buildable(Protocol):
    """The class of a circuit."""

    charges: tuple[str, ...]

    def built(self, rule: TargetRule, parameters: Any, ties: str, streams: Streams) -> TargetCircuit:
        """Return a run's circuit.

        Args:
            rule: what is asked for.
            parameters: what the circuit is made of, or None.
            ties: "lowest" or "random".
            streams: generators by name.
        """


@dataclass(frozen=True)
class CircuitKind:
    """A target circuit.

    Args:
        circuit: its class, "module:Class"; `built` makes a run's.
        parameters: the class of what it is made of, likewise, with `target.parameters` on top; None: of nothing.
        file: they may be a file's, `target.model`; then a subclass of `neurohw.circuits.parameters.Parameters`.
        timed: of them, those that need the time of a batch.
        exact: it decides without errors where nothing is said of what it is made of.
        graded: its targets are not two levels, and are not smoothed.
    """

    circuit: str
    parameters: str | None = None
    file: bool = False
    timed: frozenset[str] = frozenset()
    exact: bool = False
    graded: bool = False

    def circuit_class(self) -> Buildable:
        """Return the class of the circuit, imported now."""
        kind: Buildable = resolve_name(self.circuit)
        return kind

    def ideal(self) -> Any:
        """Return what a circuit is made of where nothing is said; None: of nothing."""
        return None if self.parameters is None else resolve_name(self.parameters)()


CIRCUITS: dict[str, CircuitKind] = {
    "ideal": CircuitKind("neurohw.circuits.target:IdealTarget", exact=True),
    "analog": CircuitKind(
        "neurohw.circuits.analog_target:AnalogTarget",
        "neurohw.circuits.analog_parameters:TargetParameters",
        file=True,
        timed=frozenset({"homeostasis.leak_seconds", "homeostasis.average_seconds"}),
        exact=True,
    ),
    "spiking": CircuitKind(
        "neurohw.circuits.spiking_target:SpikingTarget", "neurohw.circuits.spiking_parameters:SpikingParameters"
    ),
    "softmax": CircuitKind(
        "neurohw.circuits.soft_target:SoftTarget",
        "neurohw.circuits.soft_target:SoftParameters",
        exact=True,
        graded=True,
    ),
    "ranked": CircuitKind(
        "neurohw.circuits.ranked_target:RankedTarget",
        "neurohw.circuits.ranked_target:RankedParameters",
        exact=True,
        graded=True,
    ),
    "pseudo-label": CircuitKind("neurohw.circuits.pseudo_label:PseudoLabelTarget", exact=True),
}

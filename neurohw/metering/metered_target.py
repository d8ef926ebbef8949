"""A target circuit that counts its decisions, transparent to whoever uses it.

Events under "target": in the clock's phase `decisions` (samples decided by competition), `comparisons` (samples times
outputs), `label_decisions` (samples whose label the multiplexer passed); in phase "homeostasis" `homeostasis_updates`
(thresholds moved). A softmax counts `exponentials` (samples times outputs) instead of comparisons. Where spiking
neurons decide, no comparator does; instead: `spikes` (of outputs, and one of each sample's inhibitory neuron),
`synaptic_events` (spikes of the inputs at the outputs, of the outputs at the inhibitory
neuron, and its own at every output), `decision_seconds` (until the k-th winner, sample after sample), `neuron_seconds`
(the same, of every neuron).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from neurohw.circuits.target import Decision, DecisionEvents, Homeostasis, TargetCircuit
from neurohw.clock import Clock
from neurohw.metering.ledger import EnergyLedger


class MeteredTarget(TargetCircuit):
    """Forwards every decision to a circuit, and counts it.

    Args:
        circuit: what is metered; attributes that are not of `TargetCircuit` are its own.
        ledger, clock: where it is counted, and the phase it is counted under.
    """

    def __init__(self, circuit: TargetCircuit, ledger: EnergyLedger, clock: Clock) -> None:
        self.circuit, self.n_out = circuit, circuit.n_out
        self._ledger, self._clock = ledger, clock

    def __getattr__(self, name: str) -> Any:
        if name == "circuit":  # not made yet: a copy in the making
            raise AttributeError(name)
        return getattr(self.circuit, name)

    def initial(self) -> Homeostasis:
        """Return the circuit's thresholds at rest."""
        return self.circuit.initial()

    def __call__(
        self,
        competition: Tensor,
        homeostasis: Homeostasis,
        *,
        active: Tensor | None = None,
        labels: Tensor | None = None,
        seconds: float = 0.0,
    ) -> Decision:
        """Return the circuit's decision on [B, n_out], and count it."""
        decision = self.circuit(competition, homeostasis, active=active, labels=labels, seconds=seconds)
        events = decision.events
        if labels is not None:
            self._count("label_decisions", labels.shape[-1])
        else:
            self._count("decisions", events.decisions)
            for event, count in self.counted(events).items():
                self._count(event, count)
        moved = events.homeostasis_updates * self.n_out
        self._ledger.record("target", "homeostasis", "homeostasis_updates", moved)
        return decision

    def rested(self, homeostasis: Homeostasis, seconds: float) -> Homeostasis:
        """Return the thresholds after `seconds` without a decision."""
        return self.circuit.rested(homeostasis, seconds)

    def counted(self, events: DecisionEvents) -> dict[str, float]:
        """Return what the circuit counts of a decision."""
        return self.circuit.counted(events)

    def _count(self, event: str, count: float) -> None:
        self._ledger.record("target", self._clock.phase, event, count)

"""A target circuit that counts its decisions, transparent to whoever uses it.

Events under "target": in the clock's phase `decisions` (samples decided by competition), `comparisons` (samples times
outputs), `label_decisions` (samples whose label the multiplexer passed); in phase "homeostasis" `homeostasis_updates`
(thresholds moved).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from neurohw.circuits.target import Decision, Homeostasis, TargetCircuit
from neurohw.clock import Clock
from neurohw.energy.ledger import EnergyLedger


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
        events, phase = decision.events, self._clock.phase
        record = self._ledger.record
        if labels is not None:
            record("target", phase, "label_decisions", events.decisions)
        else:
            record("target", phase, "decisions", events.decisions)
            record("target", phase, "comparisons", events.decisions * self.n_out)
        record("target", "homeostasis", "homeostasis_updates", events.homeostasis_updates * self.n_out)
        return decision

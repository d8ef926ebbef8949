"""The pseudo-label (Lee 2013): the network's own answer is taken for the label; no thresholds even out who wins."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from neurohw.circuits.target import Chosen, DecisionEvents, Homeostasis, KWTATarget, TargetRule
from neurohw.circuits.winners import winners
from neurohw.seeding import Source, Sources


class PseudoLabelTarget(KWTATarget):
    """d_i = 1 where i = argmax_j y_j, else 0 (Lee 2013, Eq. 14), smoothed and masked as labels are.

    y are the outputs as training sees them, under dropout: the forward pass that learns also labels, as hardware would.
    Thresholds that are given are subtracted, but stay as they are: at 0.

    Args:
        rule: what is asked for; its k is 1, its gamma is not read.
        ties: "lowest" or "random".
        generator: decides random ties.
        device: of the thresholds.
    """

    def __init__(
        self,
        rule: TargetRule,
        ties: str = "lowest",
        generator: Source | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(replace(rule, gamma=0.0), device=device)
        self._ties, self._source = ties, generator

    @classmethod
    def built(cls, rule: TargetRule, parameters: None, ties: str, streams: Sources) -> PseudoLabelTarget:
        """Return a run's circuit."""
        return cls(rule, ties, streams.generator("ties"), streams.device)

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        field = competition - homeostasis.threshold.unsqueeze(-2)
        chosen, tied = winners(field, self.rule.k, self._ties, self._source)
        batch, k = chosen.shape[-2:]
        return Chosen(chosen, DecisionEvents(batch, 0, batch * k, tied))

"""The ranked target: the strongest output is to grow, the k-th strongest to shrink, as in Krotov & Hopfield 2019."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from neurohw.circuits.parameters import Parameters, Share
from neurohw.circuits.target import Chosen, DecisionEvents, Homeostasis, KWTATarget, TargetRule
from neurohw.circuits.winners import winners
from neurohw.errors import InputError
from neurohw.seeding import Streams


class RankedParameters(Parameters):
    """What the ranked target is made of.

    Args:
        delta: by how much the k-th strongest output is pushed down.
    """

    delta: Share = 0.4


class RankedTarget(KWTATarget):
    """d = 1 for the strongest of y - H, -delta for the k-th strongest, 0 for all others (Liu et al. 2024, Eq. 7).

    Thresholds follow the winner alone. By the letter of Eq. 7, K - k lies k places below the winner: its k is one less.

    Args:
        rule: what is asked for; its k is the rank of the output that is pushed down, 2 or more.
        parameters: see RankedParameters.
        ties: "lowest" or "random".
        generator: decides random ties.
        device: of the thresholds.

    Raises:
        InputError: k is 1.
    """

    def __init__(
        self,
        rule: TargetRule,
        parameters: RankedParameters,
        ties: str = "lowest",
        generator: torch.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        if rule.k < 2:
            raise InputError(f"target.k: got {rule.k}; allowed: 2 or more, the rank of the output that is pushed down")
        super().__init__(replace(rule, k=1, activity_target=1 / rule.n_out, average_of="winners"), device=device)
        self.rank, self.parameters = rule.k, parameters
        self._ties, self._source = ties, generator

    @classmethod
    def built(cls, rule: TargetRule, parameters: RankedParameters, ties: str, streams: Streams) -> RankedTarget:
        """Return a run's circuit."""
        return cls(rule, parameters, ties, streams.generator("ties"), streams.device)

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        field = competition - homeostasis.threshold.unsqueeze(-2)
        first, tied = winners(field, 1, self._ties, self._source)
        others = winners(field.scatter(-1, first, float("-inf")), self.rank - 1, self._ties, self._source).indices
        last = others.gather(-1, self._last(field.gather(-1, others), others))
        levels = torch.zeros_like(field).scatter_(-1, first, 1.0).scatter_(-1, last, -self.parameters.delta)
        return Chosen(first, DecisionEvents(len(field), 1, len(field), tied), levels)

    def _last(self, values: Tensor, indices: Tensor) -> Tensor:
        """Return the place of the least of some values, [B, n] -> [B, 1]; of equal ones that of the highest index."""
        ranks = indices.to(values.dtype)
        if self._ties == "random":
            ranks = torch.rand(values.shape, generator=self._source, device=values.device)
        least = values == values.amin(-1, keepdim=True)
        return torch.where(least, ranks, -1.0).argmax(-1, keepdim=True)

"""The soft target: outputs share it as a softmax, as in SoftHebb; no output wins all."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from neurohw.circuits.parameters import Parameters, Share, Unit
from neurohw.circuits.target import Chosen, DecisionEvents, Homeostasis, KWTATarget, TargetRule
from neurohw.seeding import Streams


class SoftParameters(Parameters):
    """What the soft target is made of.

    Args:
        temperature: T of e^(y / T), in units of what outputs compete on.
        least: shares below it are none, so that only few outputs learn from an image.
    """

    temperature: Annotated[float, Field(strict=True, gt=0), Unit("1")] = 1.0
    least: Share = 0.0


class SoftTarget(KWTATarget):
    """d_j = e^((y_j - H_j) / T) / sum_k e^((y_k - H_k) / T) (Liu et al. 2024, Eq. 6, where T = 1).

    Args:
        rule: what is asked for; its k is 1, since shares add up to 1.
        parameters: see SoftParameters.
        device: of the thresholds.
    """

    charges: ClassVar[tuple[str, ...]] = ("exponentials",)

    def __init__(self, rule: TargetRule, parameters: SoftParameters, device: torch.device | str = "cpu") -> None:
        super().__init__(rule, device=device)
        self.parameters = parameters

    @classmethod
    def built(cls, rule: TargetRule, parameters: SoftParameters, ties: str, streams: Streams) -> SoftTarget:
        """Return a run's circuit."""
        return cls(rule, parameters, streams.device)

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        field = competition - homeostasis.threshold.unsqueeze(-2)
        shares = (field / self.parameters.temperature).softmax(-1)
        if self.parameters.least > 0:
            shares = torch.where(shares < self.parameters.least, 0.0, shares)
        return Chosen(field.argmax(-1, keepdim=True), DecisionEvents(len(field), 1, len(field)), shares)

    def counted(self, events: DecisionEvents) -> dict[str, float]:
        """Return an exponential per output."""
        return {"exponentials": events.decisions * self.n_out}

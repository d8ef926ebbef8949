"""Learning-rate schedules: a factor per epoch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Factor of the learning rate in epoch i, counted from 0.

    "constant": start;  "linear": start + (end - start) i / over, constant after `over` epochs;
    "exponential": start * decay^i.

    Args:
        kind: "constant", "linear" or "exponential".
        start, end: first and last factor.
        over: epochs the linear schedule spans.
        decay: factor per epoch of the exponential schedule.
    """

    kind: str = "constant"
    start: float = 1.0
    end: float = 1.0
    over: int = 1
    decay: float = 1.0

    def factor(self, epoch: int) -> float:
        """Return the factor in `epoch`."""
        if self.kind == "linear":
            return self.start + (self.end - self.start) * min(epoch, self.over) / self.over
        if self.kind == "exponential":
            return self.start * self.decay**epoch
        return self.start

"""Learning-rate schedules: a factor per epoch, and how much images without labels count."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Factor of the learning rate in epoch i, counted from 0.

    "constant": start;  "linear": start + (end - start) i / over, constant after `over` epochs;
    "exponential": start * decay^i.

    Args:
        kind: "constant", "linear" or "exponential".
        start, end: factors in epoch 0 and in epoch `over`.
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

    def counts(self, epoch: int) -> bool:
        """Return whether an update is made in `epoch`: always; a rate of 0 moves no weight, but Adam's moments."""
        return True


@dataclass(frozen=True)
class WeightedSchedule:
    """alpha(t) times the factor of a schedule: what images without labels count beside labelled ones.

    alpha(t) = 0 for t < T1, final (t - T1) / (T2 - T1) up to T2, final from there on (Lee 2013, Eq. 16).

    Args:
        schedule: of the labelled images.
        start, full: T1 < T2.
        final: alpha_f.
        before: epochs that have been before the phase's first: t of its epoch i is before + i.
    """

    schedule: Schedule
    start: int
    full: int
    final: float
    before: int = 0

    def factor(self, epoch: int) -> float:
        """Return alpha times the schedule's factor in `epoch`."""
        return self.alpha(epoch) * self.schedule.factor(epoch)

    def alpha(self, epoch: int) -> float:
        """Return alpha in `epoch`."""
        share = (self.before + epoch - self.start) / (self.full - self.start)
        return self.final * min(max(share, 0.0), 1.0)

    def counts(self, epoch: int) -> bool:
        """Return whether an update is made in `epoch`: not while alpha is 0.

        In Lee's one loss, labelled + alpha unlabelled, such images have no gradient: an optimiser of their own has none
        to remember either.
        """
        return self.alpha(epoch) > 0

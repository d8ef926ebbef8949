"""The target circuit: k-winners-take-all with homeostasis, or the label (Liu et al. 2024, Secs. 2.1 and 6.1 to 6.5).

This small circuit at the output is all that changes between supervised and unsupervised learning.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, fields, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from neurohw.circuits.winners import label_blocks, winners
from neurohw.errors import InputError
from neurohw.seeding import Source, Sources


@dataclass(frozen=True)
class Homeostasis:
    """State of the homeostatic thresholds.

    Args:
        threshold: H, [n_out] (of several chips [S, n_out]), subtracted from the competition.
        activity: A, [n_out], the exponential moving average of the decisions (Eq. 11); unused by the batch average.
    """

    threshold: Tensor
    activity: Tensor


@dataclass(frozen=True)
class DecisionEvents:
    """What happened in one decision of a batch, for the ledger and for the record.

    Args:
        decisions: samples decided by competition; those that a label decided are none.
        homeostasis_updates: updates of the thresholds; 0 without homeostasis.
        winners: outputs that won, over all samples.
        tied: samples with a tie at the k-th place; of several chips, which have all else alike, each one's, [S].
        unresolved: samples whose winners stood closer than the circuit resolves.
    """

    decisions: int
    homeostasis_updates: int
    winners: int = 0
    tied: int | Tensor = 0
    unresolved: int = 0

    def __add__(self, other: DecisionEvents) -> DecisionEvents:
        """Return what happened in both, as far as every circuit counts it."""
        return DecisionEvents(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(DecisionEvents)))

    def shares(self) -> dict[str, float]:
        """Return winners per sample and the shares of tied and of unresolved samples; empty without decisions."""
        counts = {"winners_per_image": self.winners, "tied_share": self.tied, "unresolved_share": self.unresolved}
        return {key: float(count / self.decisions) for key, count in counts.items()} if self.decisions else {}

    def of_chip(self, i: int) -> DecisionEvents:
        """Return what happened in one of several chips."""
        return self if isinstance(self.tied, int) else replace(self, tied=int(self.tied[i]))


@dataclass(frozen=True)
class Decision:
    """A target circuit's answer.

    Args:
        target: d, [B, n_out], smoothed and masked: what the output is nudged towards.
        homeostasis: the next state of the thresholds.
        events: counts for the ledger.
    """

    target: Tensor
    homeostasis: Homeostasis
    events: DecisionEvents


class TargetCircuit(abc.ABC):
    """Interface of every target circuit: state goes in and comes out.

    Attributes:
        n_out: output neurons.
        charges: the events of a decision that cost energy, as `counted` counts them.
    """

    n_out: int
    charges: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def initial(self) -> Homeostasis:
        """Return thresholds at rest."""

    @abc.abstractmethod
    def __call__(
        self,
        competition: Tensor,
        homeostasis: Homeostasis,
        *,
        active: Tensor | None = None,
        labels: Tensor | None = None,
        seconds: float = 0.0,
    ) -> Decision:
        """Decide the target.

        Args:
            competition: [B, n_out], what the winners are chosen on (outputs, or logits for the softmax read-out).
            homeostasis: the thresholds now.
            active: [B, n_out] dropout mask of the output (1 = present), or None.
            labels: [B] classes; given, the target is the label's and the thresholds stay.
            seconds: simulated time since the last decision (for circuits that leak).
        """

    def rested(self, homeostasis: Homeostasis, seconds: float) -> Homeostasis:
        """Return the thresholds after `seconds` without a decision; here they keep."""
        return homeostasis

    @abc.abstractmethod
    def counted(self, events: DecisionEvents) -> dict[str, float]:
        """Return how many of `charges` a decision took, but for its decisions, labels and updates of thresholds."""


@dataclass(frozen=True)
class TargetRule:
    """What every circuit of k winners is asked to do: smoothing, labels and thresholds (Eqs. 10 to 13).

    Args:
        n_out: output neurons.
        k: winners.
        gamma: rate of the thresholds (Eq. 10); 0: there is no homeostasis.
        activity_target: T, the winning frequency asked of every neuron; None: k / n_out, as in the paper (the code
            scales it by the output dropout).
        average: "batch" (Eq. 12) or "ema" (Eq. 11, one example after the other).
        eta: weight of the newest example in the moving average.
        average_of: "target" (the smoothed, masked target, as the code averages) or "winners" (Eq. 10).
        smoothing: alpha of label smoothing (Eq. 13); 0 is none.
        n_classes: classes of the labels; n_out must be a multiple (blocks of n_out / n_classes outputs).

    Raises:
        InputError: k outside 1..n_out.
    """

    n_out: int
    k: int
    gamma: float
    activity_target: float | None = None
    average: str = "batch"
    eta: float = 0.1
    average_of: str = "target"
    smoothing: float = 0.0
    n_classes: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n_out:
            raise InputError(f"target.k: got {self.k}; allowed: 1 to {self.n_out}, the number of outputs")

    @property
    def frequency(self) -> float:
        """T, the winning frequency asked of every neuron."""
        return self.k / self.n_out if self.activity_target is None else self.activity_target

    def levels(self, k: int) -> tuple[float, float]:
        """Return d (1 - alpha) + (k / n_out) alpha of a loser and of one of k winners (Eq. 13)."""
        low = self.smoothing * k / self.n_out
        return low, 1 - self.smoothing + low

    def averaged(self, homeostasis: Homeostasis, decided: Tensor, newest: float | None = None) -> tuple[Tensor, Tensor]:
        """Return A_P = eta d_P + (1 - eta) A_(P-1) after a batch (Eq. 11) or its mean (Eq. 12), and A to carry on.

        Args:
            homeostasis: before it.
            decided: what is averaged, [B, n_out].
            newest: weight of the newest example; None: eta.
        """
        if self.average == "batch":
            return decided.mean(-2), homeostasis.activity
        eta, batch = self.eta if newest is None else newest, decided.shape[-2]
        if batch == 1:  # the sequential mode, a product less
            average = (1 - eta) * homeostasis.activity + eta * decided.squeeze(-2)
            return average, average
        ages = torch.arange(batch - 1, -1, -1, device=decided.device, dtype=decided.dtype)
        average = (1 - eta) ** batch * homeostasis.activity + (eta * (1 - eta) ** ages) @ decided
        return average, average


class Chosen(NamedTuple):
    """Who won.

    Args:
        won: flags, [B, n_out], or the indices of as many winners in every sample, [B, k].
        events: what happened.
        levels: the target, [B, n_out], where the circuit does not switch between two levels.
    """

    won: Tensor
    events: DecisionEvents
    levels: Tensor | None = None


class KWTATarget(TargetCircuit):
    """Winners, or the label's k-hot block; smoothing, mask and thresholds as the rule says. Who wins says a subclass.

    Args:
        rule: what is asked for.
        generator: of all draws.
        dtype, device: of the thresholds.
    """

    charges: ClassVar[tuple[str, ...]] = ("comparisons",)

    def __init__(
        self,
        rule: TargetRule,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.rule, self.n_out, self._generator = rule, rule.n_out, generator
        self._zeros = torch.zeros(rule.n_out, dtype=dtype, device=device)

    def initial(self) -> Homeostasis:
        """Return H = 0 and A = 0."""
        return Homeostasis(threshold=self._zeros, activity=self._zeros)

    def __call__(
        self,
        competition: Tensor,
        homeostasis: Homeostasis,
        *,
        active: Tensor | None = None,
        labels: Tensor | None = None,
        seconds: float = 0.0,
    ) -> Decision:
        """Decide winners on y - H (Eq. 1), smooth (Eq. 13), mask; then update H (Eq. 10). Labels leave H alone."""
        homeostasis = self.rested(homeostasis, seconds)
        if labels is not None:  # the multiplexer passes the label instead of the circuit's own decision
            blocks = label_blocks(labels, self.n_out, self.rule.n_classes)
            target = _masked(self._levels(blocks, blocks.shape[-1]), active)
            return Decision(target, homeostasis, DecisionEvents(0, 0))
        chosen = self._choose(competition, homeostasis)
        levels = self._levels(chosen.won, self.rule.k) if chosen.levels is None else chosen.levels
        target = _masked(levels, active)
        if not self.rule.gamma:  # no homeostasis: nothing moves thresholds, and nothing is spent on it
            return Decision(target, homeostasis, replace(chosen.events, homeostasis_updates=0))
        decided = target if self.rule.average_of == "target" else self._hot(chosen.won, 0.0, 1.0)
        return Decision(target, self._next(homeostasis, decided, chosen.won, seconds), chosen.events)

    @abc.abstractmethod
    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        """Return who wins."""

    def counted(self, events: DecisionEvents) -> dict[str, float]:
        """Return a comparison per output."""
        return {"comparisons": events.decisions * self.n_out}

    def _next(self, homeostasis: Homeostasis, decided: Tensor, won: Tensor, seconds: float) -> Homeostasis:
        """Return the thresholds after a batch of decisions [B, n_out] (Eq. 10); `won` is what was chosen."""
        activity, carried = self.rule.averaged(homeostasis, decided)
        return Homeostasis(homeostasis.threshold + self.rule.gamma * (activity - self.rule.frequency), carried)

    def _levels(self, won: Tensor, k: int) -> Tensor:
        """Return the target of winners (or of k labelled outputs), [B, n_out] (Eq. 13)."""
        return self._hot(won, *self._both_levels(k))

    def _both_levels(self, k: int) -> tuple[float, float]:
        """Return the loser's and the winner's level."""
        return self.rule.levels(k)

    def _hot(self, won: Tensor, low: float, high: float) -> Tensor:
        """Return `high` for those who won, flags or indices, `low` for the others, [B, n_out]."""
        values = self._zeros.new_full((*won.shape[:-1], self.n_out), low)
        return values.masked_fill_(won, high) if won.dtype == torch.bool else values.scatter_(-1, won, high)


def _masked(target: Tensor, active: Tensor | None) -> Tensor:
    return target if active is None else target.mul_(active)


class IdealTarget(KWTATarget):
    """kWTA and homeostasis as arithmetic (Eqs. 1, 2, 9 to 13).

    Args:
        rule: what is asked for.
        ties: "lowest" or "random".
        generator: decides random ties, those of each chip from its own.
        dtype, device: of the thresholds.
    """

    def __init__(
        self,
        rule: TargetRule,
        ties: str = "lowest",
        generator: Source | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(rule, None, dtype, device)
        self.ties, self._source = ties, generator

    @classmethod
    def built(cls, rule: TargetRule, parameters: None, ties: str, streams: Sources) -> IdealTarget:
        """Return a run's circuit."""
        return cls(rule, ties, streams.generator("ties"), device=streams.device)

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        field = competition - homeostasis.threshold.unsqueeze(-2)
        chosen, tied = winners(field, self.rule.k, self.ties, self._source)
        batch, k = chosen.shape[-2:]
        return Chosen(chosen, DecisionEvents(batch, 1, batch * k, tied))

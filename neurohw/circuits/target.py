"""The target circuit: k-winners-take-all with homeostasis, or the label (Liu et al. 2024, Secs. 2.1 and 6.1 to 6.5).

This small circuit at the output is all that changes between supervised and unsupervised learning.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from neurohw.errors import InputError


@dataclass(frozen=True)
class Homeostasis:
    """State of the homeostatic thresholds.

    Args:
        threshold: H, [n_out], subtracted from the competition.
        activity: A, [n_out], the exponential moving average of the decisions (Eq. 11); unused by the batch average.
    """

    threshold: Tensor
    activity: Tensor


@dataclass(frozen=True)
class DecisionEvents:
    """What happened in one decision of a batch, for the ledger and for the record.

    Args:
        decisions: samples decided.
        homeostasis_updates: updates of the thresholds.
        winners: outputs that won, over all samples; 0 where the label decided.
        tied: samples with a tie at the k-th place.
        unresolved: samples whose winners stood closer than the circuit resolves.
    """

    decisions: int
    homeostasis_updates: int
    winners: int = 0
    tied: int = 0
    unresolved: int = 0

    def __add__(self, other: DecisionEvents) -> DecisionEvents:
        """Return what happened in both, as far as every circuit counts it."""
        return DecisionEvents(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(DecisionEvents)))

    def shares(self) -> dict[str, float]:
        """Return winners per sample and the shares of tied and of unresolved samples; empty without decisions."""
        counts = {"winners_per_image": self.winners, "tied_share": self.tied, "unresolved_share": self.unresolved}
        return {key: count / self.decisions for key, count in counts.items()} if self.homeostasis_updates else {}


@dataclass(frozen=True)
class SpikingEvents(DecisionEvents):
    """Events of a decision by spiking neurons; unresolved: fewer than k winners, or more that spiked in the same step.

    Args:
        input_spikes: of all inputs until their sample is decided (0 for coding "current").
        output_spikes: of the output neurons.
        seconds: simulated time until the decision, summed over samples.
    """

    input_spikes: int = 0
    output_spikes: int = 0
    seconds: float = 0.0


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
    """Interface of every target circuit: state goes in and comes out."""

    n_out: int

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


class Winners(NamedTuple):
    """The indices of the winners, [B, k], in no particular order; and how many rows were tied at the k-th place."""

    indices: Tensor
    tied: int


def winners(competition: Tensor, k: int, ties: str = "lowest", generator: torch.Generator | None = None) -> Winners:
    """Return the k largest elements of each row (Eq. 9), ties at the k-th place decided as asked.

    `topk` decides ties in no stated order, so rows with a tie at the boundary, and only those, are decided again.

    Args:
        competition: [B, n].
        k: number of winners, 1 <= k <= n.
        ties: "lowest" (lowest index wins) or "random" (each of the tied wins with equal chance).
        generator: source of the random choice.
    """
    n = competition.shape[1]
    if k == n:
        return Winners(torch.arange(n, device=competition.device).expand(competition.shape[0], n), 0)
    values, indices = torch.topk(competition, k + 1)
    tied = values[:, k - 1] == values[:, k]
    count = int(tied.sum())
    if count:
        indices[tied] = _decide_ties(competition[tied], values[tied, k - 1], k, ties, generator)
    return Winners(indices[:, :k], count)


def _decide_ties(rows: Tensor, threshold: Tensor, k: int, ties: str, generator: torch.Generator | None) -> Tensor:
    # elements above the threshold have won (rank 2); those at it compete by rank in (0, 1]; the rest are out (-1)
    if ties == "random":
        rank = torch.rand(rows.shape, generator=generator, device=rows.device, dtype=torch.float64)
    else:
        rank = torch.linspace(1.0, 0.0, rows.shape[1], device=rows.device, dtype=torch.float64).expand(rows.shape)
    boundary = threshold.unsqueeze(1)
    score = torch.where(rows > boundary, 2.0, torch.where(rows == boundary, rank, -1.0))
    return torch.topk(score, k + 1).indices


def label_blocks(labels: Tensor, n_out: int, n_classes: int) -> Tensor:
    """Return the indices of each label's block of outputs, [B, n_out / n_classes].

    Raises:
        InputError: the outputs are no multiple of the classes.
    """
    if n_out % n_classes:
        raise InputError(f"network.layers: {n_out} outputs do not divide into equal blocks for {n_classes} classes")
    block = n_out // n_classes
    return labels.unsqueeze(1) * block + torch.arange(block, device=labels.device)


def moving_average(activity: Tensor, decided: Tensor, eta: float) -> Tensor:
    """A_P = eta d_P + (1 - eta) A_(P-1) applied to the B examples in their order, in closed form (Eq. 11)."""
    batch = decided.shape[0]
    ages = torch.arange(batch - 1, -1, -1, device=decided.device, dtype=decided.dtype)
    weights = eta * (1 - eta) ** ages
    return (1 - eta) ** batch * activity + weights @ decided


class IdealTarget(TargetCircuit):
    """kWTA and homeostasis as arithmetic (Eqs. 1, 2, 9 to 13), or the label's k-hot block, smoothed alike.

    Args:
        n_out: output neurons.
        k: winners.
        gamma: rate of the thresholds (Eq. 10).
        activity_target: T, the winning frequency asked of every neuron (k/n_out in the paper; the code scales it by
            the output dropout).
        average: "batch" (Eq. 12) or "ema" (Eq. 11, one example after the other).
        eta: weight of the newest example in the moving average.
        average_of: "target" (the smoothed, masked target, as the code averages) or "winners" (Eq. 10).
        smoothing: alpha of label smoothing (Eq. 13); 0 is none.
        ties: "lowest" or "random".
        n_classes: classes of the labels; n_out must be a multiple (blocks of n_out / n_classes outputs).
        generator: decides random ties.

    Raises:
        InputError: k outside 1..n_out, or outputs that are no multiple of the classes when labels come.
    """

    def __init__(
        self,
        n_out: int,
        k: int,
        gamma: float,
        activity_target: float | None = None,
        *,
        average: str = "batch",
        eta: float = 0.1,
        average_of: str = "target",
        smoothing: float = 0.0,
        ties: str = "lowest",
        n_classes: int = 10,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if not 1 <= k <= n_out:
            raise InputError(f"target.k: got {k}; allowed: 1 to {n_out}, the number of outputs")
        self.n_out = n_out
        self.k = k
        self.gamma = gamma
        self.activity_target = k / n_out if activity_target is None else activity_target
        self.average = average
        self.eta = eta
        self.average_of = average_of
        self.smoothing = smoothing
        self.ties = ties
        self.n_classes = n_classes
        self._generator = generator
        self._zeros = torch.zeros(n_out, dtype=dtype, device=device)

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
        batch = competition.shape[0]
        if labels is not None:
            target = self._target(
                label_blocks(labels, self.n_out, self.n_classes), self.n_out // self.n_classes, active
            )
            return Decision(target, homeostasis, DecisionEvents(batch, 0))
        chosen, tied = winners(competition - homeostasis.threshold, self.k, self.ties, self._generator)
        target = self._target(chosen, self.k, active)
        decided = target if self.average_of == "target" else self._levels(chosen, 0.0, 1.0)
        events = DecisionEvents(batch, 1, batch * self.k, tied)
        return Decision(target, self.next_homeostasis(homeostasis, decided), events)

    def _target(self, chosen: Tensor, k: int, active: Tensor | None) -> Tensor:
        """d (1 - alpha) + (k / n_out) alpha, where d is k-hot (Eq. 13); 0 where the dropout mask is."""
        low = self.smoothing * k / self.n_out
        target = self._levels(chosen, low, 1 - self.smoothing + low)
        return target if active is None else target.mul_(active)

    def _levels(self, chosen: Tensor, low: float, high: float) -> Tensor:
        return self._zeros.new_full((len(chosen), self.n_out), low).scatter_(1, chosen, high)

    def next_homeostasis(self, homeostasis: Homeostasis, decided: Tensor) -> Homeostasis:
        """Return the thresholds after a batch of decisions [B, n_out] (Eqs. 10 to 12)."""
        if self.average == "batch":
            activity = decided.mean(0)  # Eq. 12
            carried = homeostasis.activity
        else:
            activity = carried = moving_average(homeostasis.activity, decided, self.eta)  # Eq. 11
        threshold = homeostasis.threshold + self.gamma * (activity - self.activity_target)  # Eq. 10
        return Homeostasis(threshold, carried)

"""The phases of each mode, as a plan of epochs: supervised, unsupervised, semi-supervised alternation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from neurohw.training.rules import UpdateRule
from neurohw.training.schedules import Schedule


@dataclass(frozen=True)
class Samples:
    """Images of one phase: uint8 [N, n_in], and labels [N] or None where learning must not see them."""

    images: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Phase:
    """One kind of epoch: which samples, how they are batched, how contrasts are written, and the schedule."""

    name: str
    samples: Samples
    batch_size: int
    rule: UpdateRule
    schedule: Schedule


@dataclass(frozen=True)
class Epoch:
    """One pass of a phase.

    Args:
        phase: what is done.
        index: the phase's epoch, counted from 0 (its schedule's clock).
        round: epochs (or rounds of the alternation) of the main phase done after this one; 0 in pre-training.
        closes_round: whether this epoch completes an epoch or round of the main phase.
    """

    phase: Phase
    index: int
    round: int
    closes_round: bool


def plain_plan(phase: Phase, epochs: int) -> Iterator[Epoch]:
    """Yield `epochs` epochs of one phase (supervised or unsupervised learning)."""
    for i in range(epochs):
        yield Epoch(phase, i, i + 1, closes_round=True)


def alternation_plan(
    pretraining: Phase, pretraining_epochs: int, unsupervised: Phase, supervised: Phase, rounds: int
) -> Iterator[Epoch]:
    """Yield supervised pre-training, then rounds of one unsupervised and one supervised epoch (Sec. 2.2.2)."""
    for i in range(pretraining_epochs):
        yield Epoch(pretraining, i, 0, closes_round=False)
    for i in range(rounds):
        yield Epoch(unsupervised, i, i + 1, closes_round=False)
        yield Epoch(supervised, i, i + 1, closes_round=True)

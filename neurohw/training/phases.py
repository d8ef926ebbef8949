"""Plans of training: epochs, each made of legs of batches; supervised, unsupervised, semi-supervised alternation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from neurohw.seeding import Source, drawn
from neurohw.training.rules import UpdateRule
from neurohw.training.schedules import Schedule, WeightedSchedule


@dataclass(frozen=True)
class Samples:
    """Images of one phase: uint8 [N, n_in], and labels [N] or None where learning must not see them."""

    images: Tensor
    labels: Tensor | None

    def at(self, indices: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the images [B, n_in] and the labels [B] at `indices` [B], of several chips [S, B]."""
        labels = None if self.labels is None else self.labels.take(indices)
        images = self.images.index_select(0, indices.reshape(-1))
        return images.view(*indices.shape, *images.shape[1:]), labels


@dataclass(frozen=True, eq=False)
class Phase:
    """One way to learn: which samples, how they are batched, how contrasts are written, and the schedule.

    Args:
        name: of the phase.
        samples: what is learnt from.
        batch_size: of an update.
        rule: how contrasts are written.
        schedule: of the learning rate.
        layer: the only one that learns; None: all do.
    """

    name: str
    samples: Samples
    batch_size: int
    rule: UpdateRule
    schedule: Schedule | WeightedSchedule
    layer: int | None = None

    @property
    def batches(self) -> int:
        """Batches of one pass through the samples; the incomplete last one is kept, as in the published code."""
        return -(-len(self.samples.images) // self.batch_size)

    def images_in(self, batches: int) -> int:
        """Return how many images so many batches have, from the beginning of a pass on."""
        passes, rest = divmod(batches, self.batches)
        return passes * len(self.samples.images) + rest * self.batch_size

    def batches_of(self, images: int) -> int:
        """Return how many batches have so many images at least, from the beginning of a pass on."""
        passes, rest = divmod(images, len(self.samples.images))
        return passes * self.batches + -(-rest // self.batch_size)

    def shuffled(self, source: Source) -> Iterator[Tensor]:
        """Yield the indices [B] of each batch, pass after pass; a pass draws its order when it begins.

        Several chips have an order each, [S, B].
        """
        size = len(self.samples.images)
        while True:
            order = drawn(lambda own: torch.randperm(size, generator=own, device=own.device), source)
            yield from order.split(self.batch_size, dim=-1)


@dataclass(frozen=True)
class Leg:
    """Batches of one phase, one after the other; a later leg of the same epoch goes on where this one ends."""

    phase: Phase
    batches: int


@dataclass(frozen=True)
class Epoch:
    """A row of the learning curve: what is trained between two of them, whatever the kind of experiment.

    Args:
        phase: its name.
        index, total: of the phase's epochs, counted from 0 (its schedule's clock), and how many there are.
        round: epochs (or rounds of the alternation) of the main phase done after this one; 0 in pre-training.
        closes_round: whether this epoch completes an epoch or round of the main phase.
        images: presented.
        evaluated: whether the network is evaluated after it.
        legs: of batches, where it learns by these.
    """

    phase: str
    index: int
    total: int
    round: int
    closes_round: bool
    images: int
    evaluated: bool = True
    legs: tuple[Leg, ...] = ()

    @property
    def unlabelled(self) -> bool:
        """Whether something is learnt without labels in it."""
        return any(leg.phase.samples.labels is None for leg in self.legs)

    def batches(self, source: Source, done: int = 0) -> Iterator[tuple[Phase, Tensor]]:
        """Yield the phase and the indices [B] (of several chips [S, B]) of each batch, less the first `done`."""
        orders = {leg.phase: leg.phase.shuffled(source) for leg in self.legs}
        whole = ((leg.phase, indices) for leg in self.legs for indices in islice(orders[leg.phase], leg.batches))
        return islice(whole, done, None)


def one_pass(phase: Phase, index: int, total: int, round: int, closes_round: bool, evaluated: bool) -> Epoch:
    """Return an epoch that is one pass through the samples of a phase."""
    legs = (Leg(phase, phase.batches),)
    return Epoch(phase.name, index, total, round, closes_round, len(phase.samples.images), evaluated, legs)


def plain_plan(phase: Phase, epochs: int, every: int = 1) -> list[Epoch]:
    """Return `epochs` epochs of one phase (supervised or unsupervised learning), evaluated after `every` of them."""
    return [one_pass(phase, i, epochs, i + 1, True, (i + 1) % every == 0) for i in range(epochs)]


def greedy_lengths(phases: int, epochs: int) -> list[int]:
    """Return how many of `epochs` each of so many phases has that follow each other: as many, or differing by one."""
    ends = [epochs * (i + 1) // phases for i in range(phases)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def greedy_plan(phases: Sequence[Phase], epochs: int, every: int = 1) -> list[Epoch]:
    """Return `epochs` epochs in which phases, one per layer, follow each other, see `greedy_lengths`."""
    lengths = greedy_lengths(len(phases), epochs)
    owned = [(phase, i, length) for phase, length in zip(phases, lengths, strict=True) for i in range(length)]
    return [one_pass(phase, i, length, n, True, n % every == 0) for n, (phase, i, length) in enumerate(owned, 1)]


def pretraining_plan(phase: Phase, epochs: int) -> list[Epoch]:
    """Return the epochs of supervised pre-training (Sec. 2.2.2), evaluated at its end."""
    return [one_pass(phase, i, epochs, 0, False, i + 1 == epochs) for i in range(epochs)]


def alternation_plan(
    unsupervised: Phase, supervised: Phase, rounds: int, every: int = 1, batches: int | None = None
) -> list[Epoch]:
    """Return rounds of one unsupervised and one supervised epoch (Sec. 2.2.2), evaluated after `every` of them.

    Args:
        unsupervised, supervised: the phases.
        rounds: of the alternation.
        every: rounds from one evaluation to the next.
        batches: alternate after so many: a round is then one epoch, a pass through the unlabelled images in legs, each
            followed by as many batches of labelled ones, which come again and again.
    """
    epochs = []
    for i in range(rounds):
        evaluated = (i + 1) % every == 0
        if batches is None:
            epochs.append(one_pass(unsupervised, i, rounds, i + 1, closes_round=False, evaluated=False))
            epochs.append(one_pass(supervised, i, rounds, i + 1, closes_round=True, evaluated=evaluated))
        else:
            legs = _in_turn(unsupervised, supervised, batches)
            images = len(unsupervised.samples.images) + supervised.images_in(unsupervised.batches)
            epochs.append(Epoch("alternation", i, rounds, i + 1, True, images, evaluated, legs))
    return epochs


def _in_turn(first: Phase, second: Phase, batches: int) -> tuple[Leg, ...]:
    lengths = [min(batches, first.batches - start) for start in range(0, first.batches, batches)]
    return tuple(leg for length in lengths for leg in (Leg(first, length), Leg(second, length)))

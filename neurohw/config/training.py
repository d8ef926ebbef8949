"""How it learns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurohw.config.section import Count, Fraction, NonNegative, Probability, Section


class ScheduleSection(Section):
    """Factor of the learning rate per epoch; a linear one spans `over` epochs (the phase's, unless given).

    Args:
        kind: how the factor goes from epoch to epoch.
        start, end: factor of a linear one in the first epoch, and `over` epochs later.
        over: epochs from start to end; none: as many as the phase has, so that its last is a step short of end.
        decay: factor of an exponential one from epoch to epoch.
    """

    kind: Literal["constant", "linear", "exponential"] = "constant"
    start: NonNegative = 1.0
    end: NonNegative = 1.0
    over: Count | None = None
    decay: Fraction = 1.0


class UnlabelledWeightSection(Section):
    """alpha(t) of Lee (2013), Eq. 16: how much images without labels count beside labelled ones, over epochs.

    Their learning rate is alpha(t) times that of the labelled ones, and while alpha is 0 Adam keeps no moments of them,
    as in one loss of both; t counts all epochs, those of pre-training too.

    Args:
        final: alpha_f; none: no such weight, the rate is as `training.schedule` says.
        start, full: epochs T1, until which it is 0, and T2, from which on it is `final`; linear in between.
    """

    final: NonNegative | None = None
    start: Annotated[int, Field(strict=True, ge=0)] = 100
    full: Count = 600


_NO_WEIGHT = UnlabelledWeightSection()


class PretrainSection(Section):
    """Supervised pre-training, and the labelled batches of the alternation.

    Args:
        epochs: how many of pre-training, before the alternation.
        batch_size: labelled images in an update.
        learning_rate: one per layer of synapses.
    """

    epochs: Annotated[int, Field(strict=True, ge=0)] = 100
    batch_size: Count = 32
    learning_rate: tuple[NonNegative, ...] = (0.001, 0.003)
    schedule: ScheduleSection = ScheduleSection(kind="exponential", decay=0.97)


class TrainingSection(Section):
    """How it learns: mode, length, batches, update rule, schedules, dropout and loss.

    Args:
        mode: images are learnt with labels, without, or in turn.
        epochs: how many of the main phase; rounds, where modes alternate.
        batch_size: images in an update.
        learning_rate: one per layer of synapses.
        optimizer: outer products pulsed as they come, or changes computed digitally.
        dropout: probability by layer of neurons, the inputs first; none: no dropout.
        loss: what the error is derived from.
        loss_reduction: how the loss is taken over the outputs.
        cross_entropy_on: what the softmax is taken of.
        alternate_every: batches without labels, then as many with; none: whole epochs in turn.
    """

    mode: Literal["supervised", "unsupervised", "semi-supervised"] = "unsupervised"
    epochs: Count = 10
    batch_size: Count = 16
    learning_rate: tuple[NonNegative, ...] = (1.0,)
    optimizer: Literal["pulsed-sgd", "sgd", "adam"] = "pulsed-sgd"
    schedule: ScheduleSection = ScheduleSection()
    supervised_schedule: ScheduleSection = ScheduleSection()
    dropout: tuple[Probability, ...] = ()
    loss: Literal["mse", "cross-entropy"] = "mse"
    loss_reduction: Literal["mean", "sum"] = "mean"
    cross_entropy_on: Literal["outputs", "logits"] = "outputs"
    # younger than the first records: who does without it keeps the hash
    alternate_every: Annotated[Count | None, Field(exclude_if=lambda batches: batches is None)] = None
    unlabelled_weight: Annotated[UnlabelledWeightSection, Field(exclude_if=lambda w: w == _NO_WEIGHT)] = _NO_WEIGHT
    pretrain: PretrainSection = PretrainSection()

"""How it learns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurohw.config.section import Count, Fraction, NonNegative, Probability, Section


class ScheduleSection(Section):
    """Factor of the learning rate per epoch; a linear one spans `over` epochs (the phase's, unless given)."""

    kind: Literal["constant", "linear", "exponential"] = "constant"
    start: NonNegative = 1.0
    end: NonNegative = 1.0
    over: Count | None = None
    decay: Fraction = 1.0


class PretrainSection(Section):
    """Supervised pre-training, and the labelled batches of the alternation."""

    epochs: Annotated[int, Field(strict=True, ge=0)] = 100
    batch_size: Count = 32
    learning_rate: tuple[NonNegative, ...] = (0.001, 0.003)
    schedule: ScheduleSection = ScheduleSection(kind="exponential", decay=0.97)


class TrainingSection(Section):
    """How it learns: mode, length, batches, update rule, schedules, dropout and loss."""

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
    pretrain: PretrainSection = PretrainSection()

"""How classes are read out."""

from __future__ import annotations

import operator
from typing import Annotated, Literal

from pydantic import Field

from neurohw.config.section import Count, Fraction, NonNegative, Positive, Probability, Section
from neurohw.values import Whole


class ClassifierSection(Section):
    """The linear classifier on the frozen outputs.

    Args:
        epochs, batch_size: how it is trained.
        learning_rate: of its training, one per label_fraction or one for all.
        dropout: probability that an input of it is dropped.
        activation: of its outputs.
        decay: factor of the learning rate from epoch to epoch; none: linear.
        end_factor: of the learning rate where it falls linearly; in the last epoch it is a step short of it.
        halve_at: shares of the epochs after which the learning rate is halved, instead of either.
    """

    epochs: Count = 50
    batch_size: Count = 256
    learning_rate: Positive | tuple[Positive, ...] = 0.1
    dropout: Probability = 0.2
    activation: Literal["sigmoid", "identity"] = "sigmoid"
    decay: Fraction | None = None
    end_factor: Fraction = 1.0
    # younger than the first records: who does without it keeps the hash
    halve_at: Annotated[tuple[Fraction, ...], Field(exclude_if=operator.not_)] = ()


Compensation = Literal["none", "global", "per-column"]


class EvaluationSection(Section):
    """How classes are read out, with which shares of the labels, how often, and at which ages.

    Args:
        association: how outputs are read: each stands for the class that it answers most, or a linear classifier.
        label_fraction: shares of the labels that the read-out sees.
        label_draw: which images a share below 1 is: the same in all runs, as in the published code, or each seed's own.
        every: epochs from one evaluation to the next.
        age_seconds: ages of the trained network at which it is evaluated again, s, each from when training ended.
        compensation: how drift is compensated at these ages, each in turn; none named: as the arrays do it anyway.
        recovery_images: images without labels that the aged network learns from, to be evaluated again; 0: none.
    """

    association: Annotated[tuple[Literal["direct", "linear"], ...], Field(min_length=1)] = ("direct",)
    label_fraction: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (1.0,)
    every: Count = 1
    age_seconds: tuple[NonNegative, ...] = ()
    # younger than the first records: who does without them keeps the hash
    compensation: Annotated[tuple[Compensation, ...], Field(exclude_if=operator.not_)] = ()
    recovery_images: Annotated[Whole, Field(exclude_if=operator.not_)] = 0
    label_draw: Annotated[Literal["same", "own"], Field(exclude_if=lambda draw: draw == "same")] = "same"
    classifier: ClassifierSection = ClassifierSection()

"""How classes are read out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurohw.config.section import Count, Fraction, NonNegative, Positive, Probability, Section


class ClassifierSection(Section):
    """The linear classifier on the frozen outputs."""

    epochs: Count = 50
    batch_size: Count = 256
    learning_rate: Positive | tuple[Positive, ...] = 0.1
    dropout: Probability = 0.2
    activation: Literal["sigmoid", "identity"] = "sigmoid"
    decay: Fraction | None = None
    end_factor: Fraction = 1.0


class EvaluationSection(Section):
    """How classes are read out, with which shares of the labels, how often, and at which ages."""

    association: Annotated[tuple[Literal["direct", "linear"], ...], Field(min_length=1)] = ("direct",)
    label_fraction: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (1.0,)
    every: Count = 1
    age_seconds: tuple[NonNegative, ...] = ()
    classifier: ClassifierSection = ClassifierSection()

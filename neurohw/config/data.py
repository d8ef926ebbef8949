"""What is learnt."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurohw.config.section import Count, Section


class DataSection(Section):
    """What is learnt: data set, subsets, and which part is evaluated."""

    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits"
    train_limit: Count | None = None
    test_limit: Count | None = None
    labels: Count | None = None
    labelled_set: Literal["stratified", "balanced"] = "stratified"
    evaluate_on: Literal["test", "validation"] = "test"
    validation_fraction: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.1

"""What is learnt."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from neurohw.config.section import Count, Section
from neurohw.names import is_path
from neurohw.validation import did_you_mean, shown

DATASETS = ("digits", "mnist", "fashion-mnist", "tiny-imagenet-10", "cifar10", "svhn")


def _dataset(text: str) -> str:
    if text not in DATASETS and not is_path(text):
        raise ValueError(
            f"got {shown(text)}{did_you_mean(text, DATASETS)}; allowed: {', '.join(DATASETS)}, or the path of a folder "
            "or a zip of class sub-folders (with a slash, or ending in .zip)"
        )
    return text


class ImagesSection(Section):
    """What is learnt: data set (a name, or the path of a folder or zip), its size, and which part is evaluated.

    Args:
        dataset: a name, or the path of a folder or zip of class sub-folders (with a slash, or ending in .zip).
        train_limit, test_limit: images at most; none: all.
        evaluate_on: the test set, or a part of the training set that is not trained on.
        validation_fraction: how large that part is, of the training set.
    """

    dataset: Annotated[
        str, Field(strict=True, json_schema_extra={"enum": [*DATASETS, "a path"]}), AfterValidator(_dataset)
    ] = "digits"
    train_limit: Count | None = None
    test_limit: Count | None = None
    evaluate_on: Literal["test", "validation"] = "test"
    validation_fraction: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.1


class DataSection(ImagesSection):
    """The same, of which some images are labelled.

    Args:
        labels: how many images are labelled; semi-supervised learning needs it.
        labelled_set: drawn by class in proportion, or equally many of each class.
    """

    labels: Count | None = None
    labelled_set: Literal["stratified", "balanced"] = "stratified"

"""The data of a run: what is trained on, what is labelled, what is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.config import ImagesSection, OnChipExperiment
from neurohw.data import Dataset, as_input, balanced_subset, complement, load_dataset, stratified_subset
from neurohw.errors import InputError
from neurohw.seeding import Streams
from neurohw.training.phases import Samples

SUBSET_SEED = 34  # of every subset that must be the same in all runs, as in the published code


@dataclass(frozen=True)
class Task:
    """A data set, divided.

    Args:
        train: all training images with their labels (association reads the labels; unsupervised learning does not).
        test: what is evaluated: the test set, or the validation part of the training set.
        labelled, unlabelled: the parts of a semi-supervised run, else None.
        n_classes, levels: of the data set.
        image: channels, height and width of an image.
        checksums: of the data's files.
    """

    train: Samples
    test: Samples
    labelled: Samples | None
    unlabelled: Samples | None
    n_classes: int
    levels: int
    image: tuple[int, int, int]
    checksums: dict[str, str]

    @property
    def chance(self) -> float:
        """Accuracy of always answering the class that is the most frequent one among what is evaluated."""
        return majority(self.test)

    def as_input(self, dtype: torch.dtype = torch.float32) -> Callable[[Tensor], Tensor]:
        """Return the conversion of a uint8 batch into inputs in [0, 1]."""
        return lambda images: as_input(images, self.levels, dtype)


def majority(samples: Samples) -> float:
    """Return the share of the most frequent class."""
    return float(torch.bincount(labels_of(samples)).max()) / _size(samples)


def build_task(experiment: OnChipExperiment, streams: Streams) -> Task:
    """Load and divide the data an experiment asks for.

    Raises:
        InputError: the data does not fit the network or the subsets asked for.
    """
    dataset = load_dataset(experiment.data.dataset).to(streams.device)
    _check_shapes(experiment, dataset)
    train, test = divided(dataset, experiment.data)
    _check_fractions(experiment, _size(train), dataset.n_classes)
    labelled = unlabelled = None
    if experiment.training.mode == "semi-supervised":
        labelled, unlabelled = _label_some(experiment, train, streams.integer("labelled"))
    return Task(
        train,
        test,
        labelled,
        unlabelled,
        n_classes=dataset.n_classes,
        levels=dataset.levels,
        image=dataset.image_shape,
        checksums=dataset.checksums,
    )


def divided(dataset: Dataset, section: ImagesSection) -> tuple[Samples, Samples]:
    """Return what is trained on, and what is evaluated: the test set, or a validation part of the training set.

    Raises:
        InputError: more images are asked for than there are.
    """
    train = Samples(dataset.train_images, dataset.train_labels)
    test = Samples(dataset.test_images, dataset.test_labels)
    if section.evaluate_on == "validation":
        size = round(section.validation_fraction * _size(train))
        with _named("data.validation_fraction", section.validation_fraction):
            held_out = stratified_subset(labels_of(train), size, SUBSET_SEED)
        train, test = part(train, complement(_size(train), held_out)), part(train, held_out)
    train = _limited(train, section.train_limit, "data.train_limit")
    return train, _limited(test, section.test_limit, "data.test_limit")


def _check_fractions(experiment: OnChipExperiment, n_train: int, n_classes: int) -> None:
    for fraction in experiment.evaluation.label_fraction:
        if round(fraction * n_train) < n_classes:
            raise InputError(
                f"evaluation.label_fraction: got {fraction}, which is {round(fraction * n_train)} of {n_train} images; "
                f"allowed: at least one image for each of {n_classes} classes"
            )


def part(samples: Samples, indices: Tensor) -> Samples:
    """Return the samples at `indices`."""
    indices = indices.to(samples.images.device)
    return Samples(samples.images[indices], labels_of(samples)[indices])


def _label_some(experiment: OnChipExperiment, train: Samples, seed: int) -> tuple[Samples, Samples]:
    """Divide into labelled and unlabelled images, disjoint, another choice for every seed."""
    assert experiment.data.labels is not None
    if experiment.data.labels >= _size(train):
        raise InputError(f"data.labels: got {experiment.data.labels}; allowed: fewer than the {_size(train)} training "
                         "images, since semi-supervised learning needs some without labels")  # fmt: skip
    choose = balanced_subset if experiment.data.labelled_set == "balanced" else stratified_subset
    with _named("data.labels", experiment.data.labels):
        chosen = choose(labels_of(train), experiment.data.labels, seed)
    rest = part(train, complement(_size(train), chosen))
    return part(train, chosen), Samples(rest.images, None)


def _limited(samples: Samples, limit: int | None, key: str) -> Samples:
    if limit is None or limit == _size(samples):
        return samples
    if limit > _size(samples):
        raise InputError(f"{key}: got {limit}; allowed: at most the {_size(samples)} images there are")
    with _named(key, limit):
        return part(samples, stratified_subset(labels_of(samples), limit, SUBSET_SEED))


@contextmanager
def _named(key: str, value: float) -> Iterator[None]:
    """Have errors begin with the key and the value that they come from."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{key}: got {value}; {error}") from error


def labels_of(samples: Samples) -> Tensor:
    """Return the labels of samples that have them, [N]."""
    assert samples.labels is not None
    return samples.labels


def _size(samples: Samples) -> int:
    return len(samples.images)


def _check_shapes(experiment: OnChipExperiment, dataset: Dataset) -> None:
    sizes, n_values = experiment.network.layers, dataset.train_images.shape[1]
    if sizes[0] != n_values:
        channels, height, width = dataset.image_shape
        what = "pixels" if channels == 1 else f"values of {channels} x {height} x {width} (channels, height, width)"
        raise InputError(f"network.layers: got {sizes[0]} inputs; allowed: {n_values}, the {what} of {dataset.name}")
    image = experiment.network.image
    if image is not None and image != dataset.image_shape:
        raise InputError(f"network.image: got {list(image)}; allowed: {list(dataset.image_shape)}, the images of "
                         f"{dataset.name}")  # fmt: skip
    labelled_outputs = experiment.training.mode != "unsupervised"
    if labelled_outputs and sizes[-1] % dataset.n_classes:
        raise InputError(
            f"network.layers: got {sizes[-1]} outputs; allowed: a multiple of the {dataset.n_classes} classes, "
            f"since training.mode is {experiment.training.mode!r}"
        )

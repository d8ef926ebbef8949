"""What a trained chip's output neurons look for: the strongest of each class, and an image that drives each most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.ascent import ascend, of_norm
from neurohw.data import stratified_subset
from neurohw.errors import InputError
from neurohw.networks.bp import BPNetwork
from neurohw.networks.ep import EPNetwork
from neurohw.networks.readout import associate
from neurohw.runs.onchip import OnChip
from neurohw.runs.restored import read_exactly
from neurohw.runs.task import SUBSET_SEED, labels_of
from neurohw.seeding import Streams

LOOKED_AT = 10_000  # training images, at most
_BATCH = 512
_STEPS, _STEP = 500, 0.1  # of the ascent, as many as in the published code; in units of the norm


@dataclass(frozen=True)
class MaximumActivation:
    """Output neurons, class by class, and what drives each; n of them.

    Args:
        neurons, classes: which, and the class of each.
        responses: mean output for the training images of that class, [n].
        images: that drive them most, [n, channels, height, width], all of one norm.
        noise, drives: what the noise that they began as, and they, drive the neurons with: W x + b, [n].
        best: the training image that drives each most, [n, channels, height, width], of 0 to 1.
        best_index, best_drives: which it is among the run's training images, and its drive, [n].
    """

    neurons: tuple[int, ...]
    classes: tuple[int, ...]
    responses: Tensor
    images: Tensor
    noise: Tensor
    drives: Tensor
    best: Tensor
    best_index: Tensor
    best_drives: Tensor

    @property
    def norm(self) -> float:
        """L2 norm of the images."""
        return float(self.images[0].norm())

    def numbers(self) -> dict[str, Sequence[float]]:
        """Return columns of a table, a row per neuron; `training_image` is the index of the best one."""
        return {
            "neuron": self.neurons,
            "class": self.classes,
            "mean_output": self.responses.tolist(),
            "norm": self.images.flatten(1).norm(dim=1).tolist(),
            "drive_of_noise": self.noise.tolist(),
            "drive": self.drives.tolist(),
            "training_image": self.best_index.tolist(),
            "its_norm": self.best.flatten(1).norm(dim=1).tolist(),
            "its_drive": self.best_drives.tolist(),
        }


def maximum_activation(chip: OnChip, count: int, norm: float | None, seed: int) -> MaximumActivation:
    """Return the `count` strongest output neurons of each class, and images that drive them most, from uniform noise.

    x* = argmax (W x + b)_i with |x| = norm, by gradient ascent (Liu et al. 2024, Fig. 5; Erhan et al. 2009); in a
    network of one layer that is norm w_i / |w_i|. A neuron's class is the one it responds to most on average
    (association), or its block's where labels were learnt. Weights are read exactly, whatever devices hold them.

    Args:
        chip: trained.
        count: of neurons per class; a class that has fewer gets what it has.
        norm: L2 norm of the images; None: the mean norm of the training images.
        seed: of the noise.

    Raises:
        InputError: a network that does not learn by BP or EP, or no neuron with a class.
    """
    network, task = read_exactly(chip), chip.task
    if not isinstance(network, BPNetwork | EPNetwork):
        raise InputError(f'network.rule: that run has {chip.experiment.network.rule!r}; allowed: "bp", "ep"')
    seen = _indices(labels_of(task.train))
    x = task.as_input(network.dtype)(task.train.images[seen])
    outputs = torch.cat([network.respond(batch).output for batch in x.split(_BATCH)])
    classes, responses = _of_classes(chip, outputs, labels_of(task.train)[seen])
    neurons = _strongest(classes, responses, count)
    if not neurons:
        raise InputError("no output neuron answers to a class more than to others: has this network learnt anything?")
    begun, mine = Streams(seed).generator("maximum activation"), classes[neurons]
    radius = float(x.norm(dim=1).mean()) if norm is None else norm
    noise = of_norm(torch.rand(len(neurons), x.shape[1], generator=begun, dtype=network.dtype), radius)
    images = ascend(lambda x: _drives(network, x, neurons), noise, _STEPS, _STEP)
    drives = torch.cat([network.output_drive(batch)[:, neurons] for batch in x.split(_BATCH)])
    best = drives.max(0)
    return MaximumActivation(
        tuple(neurons),
        tuple(mine.tolist()),
        responses[mine, neurons],
        images.view(-1, *task.image),
        _drives(network, noise, neurons),
        _drives(network, images, neurons),
        x[best.indices].view(-1, *task.image),
        seen[best.indices],
        best.values,
    )


def _indices(labels: Tensor) -> Tensor:
    """Return which training images are looked at, sorted."""
    if len(labels) <= LOOKED_AT:
        return torch.arange(len(labels))
    return stratified_subset(labels, LOOKED_AT, SUBSET_SEED)


def _drives(network: BPNetwork | EPNetwork, x: Tensor, neurons: list[int]) -> Tensor:
    """Return the drive of neuron i by image i, [n]."""
    return network.output_drive(x)[torch.arange(len(neurons)), neurons]


def _of_classes(chip: OnChip, outputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class of each output neuron, [n_out], -1 for none, and mean outputs by class, [n_classes, n_out]."""
    found = associate([(outputs, labels)], chip.task.n_classes)
    if chip.experiment.training.mode == "unsupervised":
        return found.classes, found.means
    return torch.arange(outputs.shape[1]) // (outputs.shape[1] // chip.task.n_classes), found.means


def _strongest(classes: Tensor, responses: Tensor, count: int) -> list[int]:
    """Return the neurons of each class with the highest mean response to it, strongest first."""
    found: list[int] = []
    for c, response in enumerate(responses):
        order = response.masked_fill(classes != c, float("-inf")).argsort(descending=True, stable=True)
        found += order[: min(count, int((classes == c).sum()))].tolist()
    return found

"""Fisher information of a classifier's parameters: the trace, per sample and of mini-batch means."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurohw.deepstdp.modes import evaluating
from neurohw.errors import InputError


def fisher_trace(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the trace of the empirical Fisher information matrix, (1/N) sum_n |grad log p(y_n | x_n)|^2.

    Lu & Sengupta 2024, Eq. 11, over all trainable parameters, with the labels that the network is trained on (there
    pseudo-labels) as y, and not with y drawn from p as in Eq. 10. Batch norm and dropout are in evaluation mode.

    Args:
        model: from images to logits [B, k].
        images: [N, C, H, W], or whatever the model takes.
        labels: [N]; unlabelled samples (negative) are left out.

    Raises:
        InputError: no labelled sample.
    """
    return _mean_squared_gradient(model, images, labels, 1)


def batch_fisher_trace(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 128) -> float:
    """Return the mean over mini-batches of |grad (1/B) sum_n log p(y_n | x_n)|^2, the squared norm of a mean gradient.

    What the code of Kim et al. 2022 computes, which the paper cites for Eq. 11 (it sums 101 batches, divides by 100).
    It is not the trace: it is 1/B of that where gradients of samples are uncorrelated, and nothing where they cancel.

    Args:
        model: from images to logits [B, k].
        images: [N, C, H, W], in the order in which batches take them; less than a batch at the end is left out.
        labels: [N]; unlabelled samples (negative) are left out before batches are made.
        batch_size: B; all samples where there are fewer.

    Raises:
        InputError: no labelled sample.
    """
    return _mean_squared_gradient(model, images, labels, batch_size)


def _mean_squared_gradient(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> float:
    labelled = labels >= 0
    if not bool(labelled.any()):
        raise InputError("fisher: no sample has a label")
    images, labels = images[labelled], labels[labelled]
    size = min(batch_size, len(labels))
    parameters = [p for p in model.parameters() if p.requires_grad]
    squares = []
    with evaluating(model):
        for i in range(0, len(labels) - size + 1, size):
            loss = cross_entropy(model(images[i : i + size]), labels[i : i + size])
            squares.append(_squared_norm(torch.autograd.grad(loss, parameters)))
    return float(torch.stack(squares).mean())


def _squared_norm(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.stack(torch._foreach_norm(gradients)).square().sum()

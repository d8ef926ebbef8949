"""Reading classes out of a network trained without labels: direct association and the linear classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Association:
    """Which class each output neuron stands for (Liu et al. 2024, Sec. 2.2.1).

    Args:
        classes: [n_out], the class with the highest mean response; -1 for neurons that tell nothing.
        means: mean responses, [n_classes, n_out]; 0 to a class without samples.
    """

    classes: Tensor
    means: Tensor

    def predict_class_mean(self, outputs: Tensor) -> Tensor:
        """Return the class whose neurons respond most on average, [B]; never one without neurons (published: at -1)."""
        membership = torch.zeros(outputs.shape[1], len(self.means), dtype=outputs.dtype, device=outputs.device)
        assigned = self.classes >= 0
        membership[assigned, self.classes[assigned]] = 1
        sizes = membership.sum(0)
        scores = (outputs @ membership) / sizes.clamp(min=1)
        scores[:, sizes == 0] = float("-inf")
        return scores.argmax(1)

    def predict_single_neuron(self, outputs: Tensor) -> Tensor:
        """Return the class of the single most active assigned neuron, [B]."""
        return self.classes[outputs.masked_fill(self.classes < 0, float("-inf")).argmax(1)]


def associate(outputs: Batches, n_classes: int) -> Association:
    """Give each neuron the class it responds to most, on average over labelled outputs.

    A neuron tells nothing, and gets no class, if it never responds (as in the published code), answers every sample
    alike, or all classes alike on average. A class without samples is nobody's.

    Args:
        outputs: batches of (y [B, n_out], labels [B]) with the network frozen and no dropout.
        n_classes: number of classes.
    """
    totals: Tensor | None = None
    counts = torch.zeros(n_classes)
    for y, labels in outputs:
        if totals is None:
            totals = y.new_zeros(n_classes, y.shape[1])
            counts = counts.to(y)
            least, most = y.amin(0), y.amax(0)
        totals.index_add_(0, labels, y)
        counts += torch.bincount(labels, minlength=n_classes)
        least, most = torch.minimum(least, y.amin(0)), torch.maximum(most, y.amax(0))
    assert totals is not None, "association needs at least one labelled sample"
    means = totals / counts.clamp(min=1).unsqueeze(1)
    seen = counts > 0
    best = means.masked_fill(~seen.unsqueeze(1), float("-inf")).max(0)
    alike = (best.values == means[seen].amin(0)) & (seen.sum() > 1)
    silent = (best.values == 0) | alike | (least == most)
    return Association(torch.where(silent, -1, best.indices), means)


@dataclass(frozen=True)
class ClassifierSettings:
    """The linear classifier on the frozen outputs (Liu et al. 2024, Sec. 6.6.1).

    Args:
        epochs, batch_size, learning_rate: of Adam.
        dropout: on the frozen outputs.
        activation: "sigmoid" or "identity", before the cross-entropy.
        decay: factor per epoch (exponential schedule), or None.
        end_factor: of a linear schedule, a step after its last epoch; used where `decay` is None.
        halve_at: shares of the epochs after which the rate is halved; where there are any, nothing else changes it.
    """

    epochs: int = 50
    batch_size: int = 256
    learning_rate: float = 0.1
    dropout: float = 0.2
    activation: str = "sigmoid"
    decay: float | None = 0.9
    end_factor: float = 0.9
    halve_at: tuple[float, ...] = ()

    def factor(self, epoch: int) -> float:
        """Return the learning rate's factor in `epoch`, counted from 0."""
        if self.halve_at:
            return float(0.5 ** sum(epoch >= round(share * self.epochs) for share in self.halve_at))
        if self.decay is not None:
            return self.decay**epoch
        return 1 + (self.end_factor - 1) * epoch / self.epochs


def train_linear_classifier(
    features: Tensor, labels: Tensor, n_classes: int, settings: ClassifierSettings, generator: torch.Generator
) -> Callable[[Tensor], Tensor]:
    """Train Linear(n_out, n_classes) with Adam on frozen outputs and return its prediction function.

    Args:
        features: [N, n_out] outputs of the frozen network.
        labels: [N] classes.
        n_classes: number of classes.
        settings: see ClassifierSettings.
        generator: initial weights, order of the samples and dropout.

    Returns:
        A function from outputs [B, n_out] to classes [B].
    """
    n_out = features.shape[1]
    bound = n_out**-0.5  # torch's default initialisation of Linear
    weight = torch.empty(n_classes, n_out, device=features.device).uniform_(-bound, bound, generator=generator)
    bias = torch.empty(n_classes, device=features.device).uniform_(-bound, bound, generator=generator)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    keep = 1 - settings.dropout
    for epoch in range(settings.epochs):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * settings.factor(epoch)
        order = torch.randperm(len(labels), generator=generator, device=features.device)
        for indices in order.split(settings.batch_size):
            y = features[indices]
            if settings.dropout > 0:
                y = y * torch.empty_like(y).bernoulli_(keep, generator=generator).div_(keep)
            scores = torch.nn.functional.linear(y, weight, bias)
            if settings.activation == "sigmoid":
                scores = torch.sigmoid(scores)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(scores, labels[indices]).backward()
            optimizer.step()
    frozen, offset = weight.detach(), bias.detach()
    return lambda outputs: torch.nn.functional.linear(outputs, frozen, offset).argmax(1)


def block_prediction(outputs: Tensor, n_classes: int) -> Tensor:
    """Return the class of the most active output, outputs standing in equal contiguous blocks per class, [B]."""
    return outputs.argmax(1) // (outputs.shape[1] // n_classes)

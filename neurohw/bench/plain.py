"""The plain method, kept as the baseline: a DataLoader over samples, one optimiser call per parameter, every EP step.

Nothing is held, nothing is skipped, no closed form: what a direct reading of the published description gives.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from neurohw.config import OnChipExperiment
from neurohw.runs.build import uniform
from neurohw.runs.circuit import activity_target

Epoch = Callable[[], None]


def loader(images: Tensor, labels: Tensor, levels: int, batch_size: int, seed: int) -> DataLoader[tuple[Tensor, ...]]:
    """Return a DataLoader over float samples."""
    dataset = TensorDataset(images.to(torch.float32) / levels, labels)
    return DataLoader(dataset, batch_size=batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed))


def parameters(experiment: OnChipExperiment) -> list[tuple[Tensor, Tensor]]:
    """Return (weight, bias) of every layer."""
    generator = torch.Generator().manual_seed(0)
    network = experiment.network
    return [
        (uniform(n_post, n_pre, network.initial_bound(n_post, n_pre), generator), torch.zeros(n_post))
        for n_pre, n_post in pairwise(network.layers)
    ]


def target(experiment: OnChipExperiment, competition: Tensor, homeostasis: Tensor, mask: Tensor | float) -> Tensor:
    """Return the smoothed, masked kWTA target and update `homeostasis` in place."""
    section = experiment.target
    winners = torch.topk(competition - homeostasis, section.k, dim=1).indices
    d = torch.zeros_like(competition).scatter_(1, winners, 1.0)
    d = d * (1 - section.smoothing) + section.smoothing * section.k / d.shape[1]
    d = d * mask
    homeostasis += section.gamma * (d.mean(0) - activity_target(experiment))
    return d


def bp_epoch(experiment: OnChipExperiment, images: Tensor, labels: Tensor, levels: int) -> Epoch:
    """Return one epoch of unsupervised BP through autograd and torch's own layers and optimisers."""
    training = experiment.training
    activations: dict[str, Callable[[Tensor], Tensor]] = {
        "relu": torch.relu,
        "hardsigm": lambda a: a.clamp(0, 1),
        "sigmoid": torch.sigmoid,
    }
    linears, optimizers = [], []
    for (w, b), rate in zip(parameters(experiment), training.learning_rate, strict=True):
        linear = torch.nn.Linear(w.shape[1], w.shape[0])
        linear.weight.data, linear.bias.data = w, b
        linears.append(linear)
        optimizers += [torch.optim.SGD([p], lr=rate) for p in (linear.weight, linear.bias)]
    batches = loader(images, labels, levels, training.batch_size, 0)
    homeostasis = torch.zeros(experiment.network.layers[-1])

    def epoch() -> None:
        for x, _ in batches:
            signal = x
            for linear, name, p in zip(linears, experiment.network.neurons, training.dropout, strict=False):
                signal = activations[name](linear(torch.nn.functional.dropout(signal, p)))
            mask = torch.bernoulli(torch.full_like(signal, 1 - training.dropout[-1]))
            y = signal * mask
            d = target(experiment, y.detach(), homeostasis, mask)
            for optimizer in optimizers:
                optimizer.zero_grad()
            torch.nn.functional.mse_loss(y, d).backward()
            for optimizer in optimizers:
                optimizer.step()

    return epoch


def ep_epoch(experiment: OnChipExperiment, images: Tensor, labels: Tensor, levels: int) -> Epoch:
    """Return one epoch of unsupervised EP, every step of both phases computed with every product."""
    training, ep = experiment.training, experiment.ep
    layers = parameters(experiment)
    optimizers = [_optimizer(experiment, [p], rate) for layer, rate in zip(layers, training.learning_rate, strict=True)
                  for p in layer]  # fmt: skip
    batches = loader(images, labels, levels, training.batch_size, 0)
    homeostasis = torch.zeros(experiment.network.layers[-1])

    def steps(
        x: Tensor, states: list[Tensor], masks: list[Tensor], n: int, beta: float, d: Tensor | None
    ) -> list[Tensor]:
        for _ in range(n):
            new = []
            for i, s in enumerate(states):
                below = x if i == 0 else states[i - 1].clamp(0, 1)
                drive = below @ layers[i][0].T + layers[i][1]
                if i + 1 < len(states):
                    drive = drive + states[i + 1].clamp(0, 1) @ layers[i + 1][0]
                slope = ((s >= 0) & (s <= 1)).float()
                force = -s + slope * drive
                if d is not None and i + 1 == len(states):
                    force = force + beta * (d - s)
                new.append((s + ep.dt * force).clamp(0, 1) * masks[i])
            states = new
        return states

    def epoch() -> None:
        for x, _ in batches:
            masks = [torch.bernoulli(torch.full((len(x), n), 1 - p))
                     for n, p in zip(experiment.network.layers, training.dropout, strict=True)]  # fmt: skip
            x = x * masks[0]
            zeros = [torch.zeros(len(x), n) for n in experiment.network.layers[1:]]
            free = steps(x, zeros, masks[1:], ep.free_steps, 0.0, None)
            d = target(experiment, free[-1], homeostasis, masks[-1])
            beta = ep.beta * (1 if int(torch.randint(2, (1,))) else -1)
            nudged = steps(x, free, masks[1:], ep.nudged_steps, beta, d)
            for i, (w, b) in enumerate(layers):
                below_nudged, below_free = (x, x) if i == 0 else (nudged[i - 1], free[i - 1])
                w.grad = (free[i].T @ below_free - nudged[i].T @ below_nudged) / (beta * len(x))
                b.grad = (free[i] - nudged[i]).sum(0) / (beta * len(x))
            for optimizer in optimizers:
                optimizer.step()

    return epoch


def semi_ep_epoch(experiment: OnChipExperiment, images: Tensor, labels: Tensor, levels: int) -> Epoch:
    """Return one unsupervised epoch of semi-supervised EP with the softmax read-out, every step computed."""
    training, ep = experiment.training, experiment.ep
    (w1, b1), (w0, b0) = parameters(experiment)
    rates = training.learning_rate
    optimizers = [_optimizer(experiment, [p], rate) for p, rate in ((w1, rates[0]), (b1, rates[0]), (w0, rates[1]),
                                                                     (b0, rates[1]))]  # fmt: skip
    batches = loader(images, labels, levels, training.batch_size, 0)
    homeostasis = torch.zeros(experiment.network.layers[-1])
    kept = [1 - p for p in training.dropout]

    def epoch() -> None:
        for x, _ in batches:
            x = x * torch.bernoulli(torch.full_like(x, kept[0]))
            mask = torch.bernoulli(torch.full((len(x), len(b1)), kept[1]))
            free = torch.zeros(len(x), len(b1))
            for _ in range(ep.free_steps):
                slope = ((free >= 0) & (free <= 1)).float()
                free = (free + ep.dt * (slope * (x @ w1.T + b1) - free)).clamp(0, 1) * mask
            d = target(experiment, free @ w0.T + b0, homeostasis, 1.0)
            beta = ep.beta * (1 if int(torch.randint(2, (1,))) else -1)
            h = free
            for _ in range(ep.nudged_steps):
                slope = ((h >= 0) & (h <= 1)).float()
                y = torch.softmax(h @ w0.T + b0, dim=1)
                h = (h + ep.dt * (slope * (x @ w1.T + b1) - h + beta * (d - y) @ w0)).clamp(0, 1) * mask
            y = torch.softmax(h @ w0.T + b0, dim=1)
            w1.grad, b1.grad = (free - h).T @ x / (beta * len(x)), (free - h).sum(0) / (beta * len(x))
            w0.grad, b0.grad = (y - d).T @ h / len(x), (y - d).sum(0) / len(x)
            for optimizer in optimizers:
                optimizer.step()

    return epoch


def _optimizer(experiment: OnChipExperiment, params: list[Tensor], rate: float) -> torch.optim.Optimizer:
    if experiment.training.optimizer == "adam":
        return torch.optim.Adam(params, lr=rate)
    return torch.optim.SGD(params, lr=rate)

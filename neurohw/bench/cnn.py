"""How fast does a convolutional network learn on ideal arrays, against torch's own layers and autograd?"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurohw.bench.epochs import Batches
from neurohw.bench.plain import Epoch, loader, target
from neurohw.bench.rounds import ROUNDS, Figure, in_rounds
from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment

_GOAL = ">= 0.5"
_CASES = {
    "unsupervised": ("CNN 32f5-128f3-fc3000, batch 16", 8),
    "supervised": ("CNN 32f5-128f3-fc3000-10, batch 256", 1),
}


def cnn(rounds: int = ROUNDS) -> list[Figure]:
    """Return the time of torch's autograd over ours, without labels and with them; MNIST."""
    figures = []
    for mode, (name, batches) in _CASES.items():
        experiment = load_experiment("cnn_mnist", {"training.mode": mode})
        ours = Batches(experiment, batches)
        calls: dict[str, Callable[[], None]] = {
            "ours": ours.train,
            "torch": in_torch(experiment, ours.images, ours.labels, ours.levels),
        }
        timed = in_rounds(calls, rounds, warm_up=1)
        figures.append(timed.figure(f"{name}: torch's autograd over ours", "torch", "ours", _GOAL, batches))
    return figures


def in_torch(experiment: OnChipExperiment, images: Tensor, labels: Tensor | None, levels: int) -> Epoch:
    """Return an epoch of the same network in torch's modules, with its fused Adam."""
    network, training = experiment.network, experiment.training
    body: list[nn.Module] = []
    rates, groups = iter(training.learning_rate), []
    for stage, p in zip(network.stages, training.dropout, strict=False):
        c = stage.convolution
        if c is None:
            layer: nn.Module = nn.Linear(stage.n_pre, stage.n_post)
            body += [nn.Flatten(), nn.Dropout(p), layer, nn.ReLU()]
        else:
            layer = nn.Conv2d(stage.image[0], c.channels, c.kernel, padding=c.padding)
            pool = nn.AvgPool2d if c.pool == "average" else nn.MaxPool2d
            body += [layer, nn.ReLU(), pool(c.pool_size, c.pool_step, c.pool_padding)]
        groups.append({"params": [*layer.parameters()], "lr": next(rates)})
    net = nn.Sequential(*body[:-1])
    masks = [torch.rand_like(layer.weight) < 1 - c.prune
             for layer, c in zip((m for m in net if isinstance(m, nn.Conv2d)), network.conv, strict=True)]  # fmt: skip
    optimizer = torch.optim.Adam(groups, fused=True)
    shape = network.stages[0].image
    given = torch.zeros(len(images), dtype=torch.int64) if labels is None else labels
    batches = loader(images, given, levels, training.batch_size, 0)
    homeostasis = torch.zeros(network.layers[-1])

    def epoch() -> None:
        for x, classes in batches:
            y = net(x.reshape(-1, *shape))
            if labels is None:
                mask = torch.bernoulli(torch.full_like(y, 1 - training.dropout[-1]))
                y = y * mask
                with torch.no_grad():
                    d = target(experiment, y, homeostasis, mask)
                loss = F.mse_loss(y, d)
            else:
                loss = F.cross_entropy(y, classes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            _prune(net, masks)

    return epoch


def _prune(net: nn.Sequential, masks: list[Tensor]) -> None:
    with torch.no_grad():
        for layer, mask in zip((m for m in net if isinstance(m, nn.Conv2d)), masks, strict=True):
            layer.weight.mul_(mask)

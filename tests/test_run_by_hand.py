"""Semi-supervised runs done again in plain torch from their settings alone: who learns when, at which rate, on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.runs.onchip import OnChip
from neurohw.seeding import Streams
from tests.reference import semi_ep_step_by_step

Answer = Callable[[Tensor], Tensor]

PRETRAIN, RATES = [0.003, 0.001], [0.002, 0.006]
GAMMA, SMOOTHING = 0.4, 0.2
SEMI: dict[str, Any] = {
    "network.layers": [64, 12, 10], "training.mode": "semi-supervised", "training.dropout": [],
    "training.loss": "cross-entropy", "training.optimizer": "adam", "data.labels": 23, "data.train_limit": 125,
    "data.test_limit": 50, "target.k": 1, "target.gamma": GAMMA, "target.smoothing": SMOOTHING,
    "training.pretrain.epochs": 2, "training.pretrain.batch_size": 8, "training.pretrain.learning_rate": PRETRAIN,
    "training.pretrain.schedule": {"kind": "exponential", "decay": 0.5},
    "training.epochs": 3, "training.batch_size": 32, "training.learning_rate": RATES,
    "training.schedule": {"kind": "linear", "start": 0.2, "end": 0.8},
    "training.supervised_schedule": {"kind": "linear", "start": 1.5, "end": 0.3, "over": 2},
}  # fmt: skip
RULES: dict[str, dict[str, Any]] = {
    "bp": {"network.neurons": ["relu", "sigmoid"]},
    "ep": {"network.rule": "ep", "ep.beta_sign": "positive", "ep.free_steps": 9, "ep.nudged_steps": 5, "ep.beta": 0.4},
}


def gradients_of_bp(parameters: list[Tensor], x: Tensor, answer: Answer) -> list[Tensor]:
    w1, b1, w2, b2 = (p.detach().requires_grad_() for p in parameters)
    outputs = torch.sigmoid(torch.relu(x @ w1.T + b1) @ w2.T + b2)
    loss = -(answer(outputs.detach()) * torch.log_softmax(outputs, 1)).sum(1).mean()
    return list(torch.autograd.grad(loss, (w1, b1, w2, b2)))


def gradients_of_ep(parameters: list[Tensor], x: Tensor, answer: Answer) -> list[Tensor]:
    w1, b1, w2, b2 = parameters
    settings, none = (9, 5, 0.2, 0.4), torch.ones(len(x), len(b1), dtype=x.dtype)
    free = semi_ep_step_by_step(w1, b1, w2, b2, x, none, *settings, torch.zeros(len(x), 10))[0]
    target = answer(free @ w2.T + b2)
    _, nudged, outputs = semi_ep_step_by_step(w1, b1, w2, b2, x, none, *settings, target)
    moved, error = (free - nudged) / 0.4 / len(x), (outputs - target) / len(x)
    return [moved.T @ x, moved.sum(0), error.T @ nudged, error.sum(0)]


def again(job: OnChip, rule: str, turns: int | None) -> tuple[list[Tensor], Tensor]:
    """Return weights and biases, and the thresholds, after a run of its own."""
    task, order = job.task, job.streams.fresh("batches")
    assert task.labelled is not None
    assert task.unlabelled is not None
    parameters: list[Tensor] = []
    for layer in job.network.layers:
        weights = layer.array.snapshot().double()
        parameters += [weights, torch.zeros(len(weights), dtype=torch.float64)]
    threshold = torch.zeros(10, dtype=torch.float64)
    gradients = gradients_of_bp if rule == "bp" else gradients_of_ep
    adams = {
        name: torch.optim.Adam([{"params": parameters[2 * i : 2 * i + 2], "lr": rates[i]} for i in range(2)])
        for name, rates in {"pretrain": PRETRAIN, "unlabelled": RATES, "labelled": RATES}.items()
    }

    def decided(competition: Tensor) -> Tensor:
        winners = one_hot((competition - threshold).argmax(1), 10) * (1 - SMOOTHING) + SMOOTHING / 10
        threshold.add_(GAMMA * (winners.mean(0) - 0.1))
        return winners

    def learn(name: str, chosen: Tensor, factor: float) -> None:
        samples = task.unlabelled if name == "unlabelled" else task.labelled
        assert samples is not None
        labels = None if samples.labels is None else one_hot(samples.labels[chosen], 10) * 0.8 + 0.02
        x = samples.images[chosen].double() / 16
        found = gradients(parameters, x, lambda y: decided(y) if labels is None else labels.double())
        for group, rate in zip(adams[name].param_groups, PRETRAIN if name == "pretrain" else RATES, strict=True):
            group["lr"] = rate * factor
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.grad = gradient
        adams[name].step()

    def passes(number: int, size: int) -> Iterator[Tensor]:
        while True:
            yield from torch.randperm(number, generator=order).split(size)

    for epoch in range(2):
        for chosen in islice(passes(23, 8), 3):
            learn("pretrain", chosen, 0.5**epoch)
    for unlabelled_factor, labelled_factor in [(0.2, 1.5), (0.4, 0.9), (0.6, 0.3)]:
        threshold.zero_()
        without, labelled = passes(102, 32), passes(23, 8)
        for some, same in [(4, 3)] if turns is None else [(3, 3), (1, 1)]:
            for chosen in islice(without, some):
                learn("unlabelled", chosen, unlabelled_factor)
            for chosen in islice(labelled, same):
                learn("labelled", chosen, labelled_factor)
    return parameters, threshold


@pytest.mark.parametrize("turns", [None, 3])
@pytest.mark.parametrize("rule", RULES)
def test_a_run_is_that_of_plain_torch(rule: str, turns: int | None) -> None:
    more = {} if turns is None else {"training.alternate_every": turns}
    experiment = load_experiment("quickstart", SEMI | RULES[rule] | more)
    assert isinstance(experiment, OnChipExperiment)
    job = OnChip(experiment, Streams(0))
    job.build()
    expected, threshold = again(job, rule, turns)
    before = [layer.array.snapshot().clone() for layer in job.network.layers]
    for epoch in job.plan:
        job.begin(epoch, None)  # type: ignore[arg-type]
        for _ in job.train(epoch, 0):
            pass
    for i, layer in enumerate(job.network.layers):
        assert layer.bias is not None
        moved = expected[2 * i] - before[i]
        assert moved.norm() > 0.05
        assert (layer.array.snapshot() - before[i] - moved).norm() < 1e-4 * moved.norm()
        torch.testing.assert_close(layer.bias.double(), expected[2 * i + 1], rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(job.homeostasis.threshold.double(), threshold, rtol=1e-4, atol=1e-6)

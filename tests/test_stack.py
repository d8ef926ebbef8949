"""Several chips as one batch: to the last bit what each does alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.ideal import IdealArray
from neurohw.loading import load_experiment
from neurohw.runs.onchip import OnChip
from neurohw.runs.stack import Stack, chips_at_once
from neurohw.seeding import Streams

SEEDS = (0, 1, 5)
SETTINGS: dict[str, dict[str, Any]] = {
    "BP": {},
    "EP": {"network.rule": "ep"},
    "BP, two layers, cross-entropy": {
        "network.layers": [64, 40, 30],
        "network.neurons": ["relu", "identity"],
        "training.loss": "cross-entropy",
        "training.cross_entropy_on": "logits",
        "training.learning_rate": [0.5, 0.5],
        "training.dropout": [0.2, 0.3, 0.2],
    },
    "EP, two layers": {
        "network.rule": "ep",
        "network.layers": [64, 40, 30],
        "training.learning_rate": [0.1, 0.1],
        "training.dropout": [0.2, 0.0, 0.2],
    },
    "EP, symmetric, positive beta, a bias line": {
        "network.rule": "ep",
        "network.bias": "line",
        "ep.estimate": "symmetric",
    },
    "EP with a softmax read-out, with labels": {
        "network.rule": "ep",
        "network.layers": [64, 40, 30],
        "training.mode": "supervised",
        "training.loss": "cross-entropy",
        "training.learning_rate": [0.1, 0.1],
        "training.dropout": [0.2, 0.0, 0.2],
    },
    "ties at random, thresholds that average": {"target.ties": "random", "target.average": "ema", "target.k": 3},
    "bfloat16": {"hardware.precision": "bfloat16"},
}


def jobs_of(settings: dict[str, Any], seeds: tuple[int, ...] = SEEDS) -> list[OnChip]:
    experiment = load_experiment("quickstart", {"training.epochs": 2, "data.train_limit": 200, **settings})
    jobs = [OnChip(experiment, Streams(seed)) for seed in seeds]
    for job in jobs:
        job.build()
        job.begin(job.plan[0], lambda *_: None)
    return jobs


def same(ours: Any, theirs: Any) -> bool:
    """Whether nested states are equal to the last bit."""
    if isinstance(ours, torch.Tensor):
        return ours.shape == theirs.shape and bool((ours == theirs).all())
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_stack_learns_what_each_chip_learns_alone(settings: dict[str, Any]) -> None:
    alone, together = jobs_of(settings), jobs_of(settings)
    for job in alone:
        images = list(job.train(job.plan[0], 0))
    stack = Stack(together)
    assert list(stack.train(0, 0)) == images  # the last batch is an incomplete one
    stack.settle()
    for one, other in zip(alone, together, strict=True):
        assert same(one.state_dict(), other.state_dict())
        assert same(one.streams.state_dict(), other.streams.state_dict())
        assert same(one.ledger.state_dict(), other.ledger.state_dict())
        assert one.evaluate("now", final=True) == other.evaluate("now", final=True)


def test_chips_of_a_stack_differ() -> None:
    together = jobs_of({})
    list(Stack(together).train(0, 0))
    first, second, _ = (job.network.layers[0].array.snapshot() for job in together)
    assert (first - second).abs().max() > 0.01


def test_what_one_chip_has_lost_spoils_no_other() -> None:
    alone, together = jobs_of({}), jobs_of({})
    with torch.no_grad():
        together[1].network.layers[0].array.program(torch.full((100, 64), torch.nan))
    list(alone[2].train(alone[2].plan[0], 0))
    stack = Stack(together)
    list(stack.train(0, 0))
    stack.settle()
    assert same(alone[2].state_dict(), together[2].state_dict())
    assert not torch.isfinite(together[1].network.layers[0].array.snapshot()).any()


def test_a_chip_and_its_stack_write_to_the_same_cells() -> None:
    chips = [IdealArray(torch.full((2, 3), float(i))) for i in range(3)]
    stack = IdealArray.stacked(chips)
    x = torch.ones(3, 2).t()  # neuron after neuron, for which an array keeps a copy of its rows
    for chip in chips:
        chip.read(x)
    stack.update(OuterProducts((Product(torch.ones(3, 1, 2), torch.ones(3, 1, 3)),), 1.0), 0.5)
    for i, chip in enumerate(chips):
        assert (chip.snapshot() == i + 0.5).all()
        assert (chip.read(x) == 3 * (i + 0.5)).all()
    chips[2].program(torch.zeros(2, 3))
    assert (stack.read(torch.ones(3, 1, 3))[2] == 0).all()


@pytest.mark.parametrize(
    ("settings", "several"),
    [
        ({}, True),
        ({"network.layers": [64, 4000]}, True),
        ({"network.layers": [64, 5000]}, False),
        ({"training.optimizer": "adam"}, False),
        ({"target.circuit": "analog"}, False),
        ({"hardware.backend": "analog", "hardware.device": "ecram"}, False),
        ({"training.mode": "semi-supervised", "data.labels": 100, "training.pretrain.learning_rate": [0.5]}, False),
    ],
)
def test_chips_are_stacked_where_they_can_be_and_are_small(settings: dict[str, Any], several: bool) -> None:
    assert (chips_at_once(load_experiment("quickstart", settings)) > 1) == several

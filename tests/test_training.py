"""Schedules and update rules: what is written in each epoch, against plain torch and worked by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.circuits.neuron import NEURONS
from neurohw.circuits.target import IdealTarget, TargetCircuit, TargetRule
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.ideal import IdealArray
from neurohw.loading import load_experiment
from neurohw.networks.bp import BPNetwork
from neurohw.networks.layer import Layer
from neurohw.runs.circuit import activity_target, build_circuit
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Phase, Samples, alternation_plan, plain_plan, pretraining_plan
from neurohw.training.rules import build_rule
from neurohw.training.schedules import Schedule

F64 = torch.float64
EPOCHS, RATE = 4, 0.3
SCHEDULES: dict[str, tuple[Schedule, list[float]]] = {  # the factors of four epochs, by hand
    "constant": (Schedule("constant", start=0.7), [0.7, 0.7, 0.7, 0.7]),
    "linear, published BP": (Schedule("linear", 1, 5e-4, over=200), [1, 0.9950025, 0.990005, 0.9850075]),
    "linear, over before the end": (Schedule("linear", 0.72, 0.05, over=2), [0.72, 0.385, 0.05, 0.05]),
    "exponential, as in pre-training": (Schedule("exponential", decay=0.96), [1, 0.96, 0.9216, 0.884736]),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_by_hand(name: str) -> None:
    schedule, factors = SCHEDULES[name]
    assert [schedule.factor(i) for i in range(4)] == pytest.approx(factors)


def trained(optimizer: str, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Train a linear layer with labels for four epochs of one batch; return its weights and biases."""
    layer = Layer(IdealArray(torch.linspace(-0.4, 0.5, 18, dtype=F64).reshape(3, 6)))
    network = BPNetwork([layer], [NEURONS["identity"]])
    images, labels = _data()
    phase = Phase("supervised", Samples(images, labels), 4, build_rule(optimizer, [layer], [RATE]), schedule)
    circuit, order = IdealTarget(TargetRule(3, 1, 0.0, n_classes=3), dtype=F64), torch.Generator().manual_seed(0)
    for epoch in plain_plan(phase, EPOCHS):
        for _ in train_epoch(network, circuit, circuit.initial(), epoch, lambda x: x.to(F64) / 16, order):
            pass
    assert layer.bias is not None
    return layer.array.snapshot(), layer.bias


def plainly(optimizer: str, factors: list[float]) -> tuple[Tensor, Tensor]:
    """The same in plain torch: its optimisers, and its scheduler with these factors."""
    linear = torch.nn.Linear(6, 3, dtype=F64)
    linear.weight.data = torch.linspace(-0.4, 0.5, 18, dtype=F64).reshape(3, 6)
    linear.bias.data.zero_()
    make: Any = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    steps = make(linear.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(steps, lambda epoch: factors[min(epoch, EPOCHS - 1)])
    images, labels = _data()
    for _ in range(EPOCHS):
        steps.zero_grad()
        wanted = torch.nn.functional.one_hot(labels, 3).to(F64)
        torch.nn.functional.mse_loss(linear(images.to(F64) / 16), wanted).backward()
        steps.step()
        schedule.step()
    return linear.weight.data, linear.bias.data


def _data() -> tuple[Tensor, Tensor]:
    images = torch.randint(0, 17, (4, 6), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return images, torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("optimizer", ["pulsed-sgd", "sgd", "adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_rule_follows_the_schedule_of_its_epochs(name: str, optimizer: str) -> None:
    """Weights and biases are those of torch's optimiser under torch's scheduler; frozen factors would show."""
    schedule, factors = SCHEDULES[name]
    for ours, theirs in zip(trained(optimizer, schedule), plainly(optimizer, factors), strict=True):
        torch.testing.assert_close(ours, theirs)
    if factors[-1] != factors[0]:
        frozen = plainly(optimizer, [factors[0]] * EPOCHS)
        assert (frozen[0] - plainly(optimizer, factors)[0]).abs().max() > 1e-4


def test_the_rates_of_layers_are_their_own() -> None:
    layers = [Layer(IdealArray(torch.zeros(2, 2, dtype=F64))) for _ in range(2)]
    rule = build_rule("sgd", layers, [0.5, 0.25])
    rule.factor = 0.5
    for layer in layers:
        rule.apply(layer, _ones())
    assert [float(layer.array.snapshot()[0, 0]) for layer in layers] == [0.25, 0.125]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_how_weights_lie_in_memory_changes_no_bit_and_no_checkpoint(optimizer: str) -> None:
    """An array that keeps its columns and one that keeps its rows take over each other's moments."""

    class ByRows(IdealArray):
        by_columns = False

    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(5, 8, generator=generator)
    layers = [Layer(IdealArray(weights)), Layer(ByRows(weights))]
    rules = [build_rule(optimizer, [layer], [0.1]) for layer in layers]
    for _ in range(3):
        terms = [Product(torch.randn(4, 5, generator=generator), torch.rand(4, 8, generator=generator), sign)
                 for sign in (-1, 1)]  # fmt: skip
        for layer, rule in zip(layers, rules, strict=True):
            rule.apply(layer, OuterProducts(tuple(terms), 0.3))
        states = [rule.state_dict() for rule in rules]
        assert states[0].keys() == states[1].keys()
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        for rule, state in zip(rules, reversed(states), strict=True):
            rule.load_state_dict(state)
    assert torch.equal(layers[0].array.snapshot(), layers[1].array.snapshot())
    assert not torch.equal(layers[0].array.snapshot(), weights)


def _ones() -> OuterProducts:
    return OuterProducts((Product(torch.ones(1, 2, dtype=F64), torch.ones(1, 2, dtype=F64)),), 1.0)


def test_each_phase_of_the_alternation_has_a_schedule_of_its_own() -> None:
    """Rounds count from 0 in both phases, whatever pre-training did before."""
    layer = Layer(IdealArray(torch.zeros(2, 2)))
    phases = [Phase(name, Samples(torch.zeros(1, 2), None), 1, build_rule("sgd", [layer], [1.0]), Schedule())
              for name in ("pretraining", "unsupervised", "supervised")]  # fmt: skip
    plan = [*pretraining_plan(phases[0], 2), *alternation_plan(phases[1], phases[2], 3)]
    assert [(epoch.phase[0], epoch.index, epoch.round, epoch.closes_round) for epoch in plan] == [
        ("p", 0, 0, False), ("p", 1, 0, False),
        ("u", 0, 1, False), ("s", 0, 1, True), ("u", 1, 2, False), ("s", 1, 2, True), ("u", 2, 3, False),
        ("s", 2, 3, True),
    ]  # fmt: skip


TARGETS = [  # k, outputs, output dropout, rule, variant, T (published code: times 1 - p under BP, over it under EP)
    (6, 100, 0.2, "bp", "code", 6 * 0.8 / 100),
    (5, 100, 0.2, "ep", "code", 5 / (100 * 0.8)),
    (6, 100, 0.2, "bp", "paper", 6 / 100),
    (5, 100, 0.2, "ep", "paper", 5 / 100),
    (6, 100, 0.0, "bp", "code", 6 / 100),
]


@pytest.mark.parametrize(("k", "n_out", "dropout", "rule", "variant", "expected"), TARGETS)
@pytest.mark.parametrize("circuit", ["ideal", "analog", "spiking"])
def test_the_activity_target_takes_the_dropout_of_the_output(
    k: int, n_out: int, dropout: float, rule: str, variant: str, expected: float, circuit: str
) -> None:
    """One decision of every circuit: with all outputs present the mean threshold moves by gamma (k / N - T)."""
    settings = {"network.rule": rule, "target.k": k, "target.gamma": 0.5, "target.activity_target": variant,
                "training.dropout": [0.3, dropout], "target.circuit": circuit, "target.smoothing": 0.0,
                "target.average": "batch"}  # fmt: skip
    experiment = load_experiment("quickstart", settings)
    assert activity_target(experiment) == pytest.approx(expected)
    built: TargetCircuit = build_circuit(experiment, Streams(0), 10)
    y = torch.rand(8, n_out, generator=torch.Generator().manual_seed(0))
    decision = built(y, built.initial())
    moved = decision.homeostasis.threshold.mean().item()
    assert moved == pytest.approx(0.5 * (decision.events.winners / 8 / n_out - expected), abs=1e-6)


def test_the_drift_of_the_published_thresholds() -> None:
    """EP, two layers: 1,875 batches move H by -0.7556 on average, as the stored |H| of 33.8 confirms."""
    experiment = load_experiment("mnist_unsupervised_ep_2layer")
    target, p = activity_target(experiment), experiment.training.dropout[-1]
    k, n_out, alpha = experiment.target.k, 2000, experiment.target.smoothing
    decided = (1 - alpha) * k / n_out + alpha * (1 - p) * k / n_out
    drift = experiment.target.gamma * (decided - target) * 60_000 / experiment.training.batch_size
    assert drift == pytest.approx(-0.7556, abs=1e-4)
    assert abs(drift) * n_out**0.5 == pytest.approx(33.79, abs=0.01)


def phase(name: str, images: int, batch_size: int) -> Phase:
    layer = Layer(IdealArray(torch.zeros(2, 2)))
    return Phase(name, Samples(torch.arange(images), None), batch_size, build_rule("sgd", [layer], [1.0]), Schedule())


def test_an_epoch_of_one_leg_is_one_shuffled_pass() -> None:
    (epoch,) = plain_plan(phase("unsupervised", 10, 4), 1)
    batches = [indices.tolist() for _, indices in epoch.batches(torch.Generator().manual_seed(3))]
    assert batches == [b.tolist() for b in torch.randperm(10, generator=torch.Generator().manual_seed(3)).split(4)]
    assert epoch.images == 10


def test_alternation_after_some_batches_is_a_plan_of_legs() -> None:
    """Two batches without labels, two with; the pass without labels is whole, the labelled ones come again."""
    unlabelled, labelled = phase("unsupervised", 10, 2), phase("supervised", 3, 2)
    plan = alternation_plan(unlabelled, labelled, 2, batches=2)
    assert [(epoch.round, epoch.closes_round, epoch.images) for epoch in plan] == [(1, True, 18), (2, True, 18)]
    batches = list(plan[0].batches(torch.Generator().manual_seed(1)))
    assert "".join(trained.name[0] for trained, _ in batches) == "uussuussus"
    seen = torch.cat([indices for trained, indices in batches if trained is unlabelled])
    assert sorted(seen.tolist()) == list(range(10))
    passes = [indices.tolist() for trained, indices in batches if trained is labelled]
    assert [len(indices) for indices in passes] == [2, 1, 2, 1, 2]
    assert sorted(passes[0] + passes[1]) == sorted(passes[2] + passes[3]) == [0, 1, 2]
    assert sum(len(indices) for _, indices in batches) == plan[0].images
    rest = list(plan[0].batches(torch.Generator().manual_seed(1), done=3))
    assert [indices.tolist() for _, indices in rest] == [indices.tolist() for _, indices in batches[3:]]

"""Pseudo-Label (Lee 2013): against plain torch, by hand, and as an experiment on ideal and analog arrays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import neurohw as nh
from neurohw.circuits.neuron import NEURONS
from neurohw.circuits.pseudo_label import PseudoLabelTarget
from neurohw.circuits.target import TargetRule
from neurohw.crossbar.ideal import IdealArray
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.bp import BPNetwork
from neurohw.networks.layer import Layer
from neurohw.runs.onchip import OnChip
from neurohw.seeding import Streams
from neurohw.testing import TargetCircuitConformance
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Phase, Samples, alternation_plan
from neurohw.training.rules import build_rule
from neurohw.training.schedules import Schedule, WeightedSchedule

F64 = torch.float64
SMALL = {
    "data.dataset": "digits", "data.labels": 50, "network.layers": [64, 60, 10], "target.circuit": "pseudo-label",
    "target.gamma": 0.0, "training.epochs": 4, "training.pretrain.epochs": 30, "training.unlabelled_weight.start": 30,
    "training.unlabelled_weight.full": 33, "training.unlabelled_weight.final": 0.3,
}  # fmt: skip


class TestPseudoLabel(TargetCircuitConformance):
    homeostatic = False

    def make_circuit(self, n_out: int, k: int) -> PseudoLabelTarget:
        return PseudoLabelTarget(TargetRule(n_out, k, gamma=0.5))


def test_alpha_by_hand() -> None:
    """0 up to T1 = 2, then thirds of alpha_f = 3 up to T2 = 5; a labelled rate that halves halves it as well."""
    constant = WeightedSchedule(Schedule(), start=2, full=5, final=3.0)
    assert [constant.factor(t) for t in range(7)] == pytest.approx([0, 0, 0, 1, 2, 3, 3])
    halved = WeightedSchedule(Schedule("exponential", decay=0.5), start=2, full=5, final=3.0, before=3)
    assert [halved.factor(i) for i in range(4)] == pytest.approx([1, 2 / 2, 3 / 4, 3 / 8])


@pytest.mark.parametrize("batch", [1, 16])
def test_one_unlabelled_step_by_hand(batch: int) -> None:
    """Of a linear layer whose second output is the largest: W += alpha lr 2 / (B n_out) (d - y) x, d = (0, 1)."""
    weights = torch.tensor([[0.2, 0.1], [0.6, 0.3]], dtype=F64)
    layer = Layer(IdealArray(weights.clone()))
    rule = build_rule("pulsed-sgd", [layer], [0.5])
    images = torch.tensor([[16, 8]], dtype=torch.uint8).repeat(batch, 1)  # x = (1, 0.5): y = (0.25, 0.75)
    alpha = WeightedSchedule(Schedule(start=0.8), start=10, full=20, final=3.0, before=15)  # 1.5 times 0.8
    unlabelled = Phase("unsupervised", Samples(images, None), batch, rule, alpha)
    labelled = Phase("supervised", Samples(images[:1], torch.tensor([0])), 1, rule, Schedule(start=0.0))
    circuit = PseudoLabelTarget(TargetRule(2, 1, 0.0, n_classes=2))
    network = BPNetwork([layer], [NEURONS["identity"]])
    plan = alternation_plan(unlabelled, labelled, 1, batches=1)
    order = torch.Generator().manual_seed(0)
    for _ in train_epoch(network, circuit, circuit.initial(), plan[0], lambda x: x.to(F64) / 16, order):
        pass
    step = 0.5 * 1.5 * 0.8 * 2 / 2  # lr alpha factor 2 / n_out, the mean over the batch
    error = torch.tensor([[0 - 0.25], [1 - 0.75]], dtype=F64)
    torch.testing.assert_close(layer.array.snapshot(), weights + step * error * torch.tensor([[1.0, 0.5]], dtype=F64))


def data() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    labelled, unlabelled = (torch.randint(0, 17, (n, 12), generator=generator, dtype=torch.uint8) for n in (6, 20))
    return labelled, torch.tensor([0, 1, 2, 0, 1, 2]), unlabelled


def initial() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(8, 12, generator=generator, dtype=F64) / 3, torch.randn(3, 8, generator=generator, dtype=F64)]


def ours(optimizer: str, epochs: int, rate: float) -> list[Tensor]:
    images, labels, unlabelled = data()
    layers = [Layer(IdealArray(weights)) for weights in initial()]
    network = BPNetwork(layers, [NEURONS["relu"], NEURONS["identity"]], loss="cross-entropy", cross_entropy_on="logits")
    schedule = Schedule("exponential", decay=0.9)
    rules = [build_rule(optimizer, layers, [rate, rate / 2]) for _ in range(2)]
    first = Phase("unsupervised", Samples(unlabelled, None), 8, rules[0], WeightedSchedule(schedule, 1, 3, 3.0))
    second = Phase("supervised", Samples(images, labels), 4, rules[1], schedule)
    circuit, order = PseudoLabelTarget(TargetRule(3, 1, 0.0, n_classes=3)), torch.Generator().manual_seed(3)
    for epoch in alternation_plan(first, second, epochs, batches=1):
        for _ in train_epoch(network, circuit, circuit.initial(), epoch, lambda x: x.to(F64) / 16, order):
            pass
    return [layer.array.snapshot() for layer in layers] + [layer.bias for layer in layers if layer.bias is not None]


def plain(optimizer: str, epochs: int, rate: float) -> list[Tensor]:
    """Lee's loss in plain torch, a term after the other: autograd, torch's optimisers, a loop over batches."""
    images, labels, unlabelled = data()
    weights = [w.clone().requires_grad_() for w in initial()]
    biases = [torch.zeros(n, dtype=F64, requires_grad=True) for n in (8, 3)]
    make = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    groups = [{"params": [weights[0], biases[0]], "lr": rate}, {"params": [weights[1], biases[1]], "lr": rate / 2}]
    optimizers = [make([dict(group) for group in groups]) for _ in range(2)]
    source = torch.Generator().manual_seed(3)

    def step(i: int, x: Tensor, wanted: Tensor | None, factor: float) -> None:
        hidden = torch.relu(x.to(F64) / 16 @ weights[0].T + biases[0])
        logits = hidden @ weights[1].T + biases[1]
        wanted = logits.detach().argmax(1) if wanted is None else wanted
        for parameter in (*weights, *biases):
            parameter.grad = None
        torch.nn.functional.cross_entropy(logits, wanted).backward()
        for group, own in zip(optimizers[i].param_groups, (rate, rate / 2), strict=True):
            group["lr"] = own * factor
        if factor:
            optimizers[i].step()

    for t in range(epochs):
        alpha = [0.0, 0.0, 1.5, 3.0][min(t, 3)]
        order = torch.randperm(20, generator=source)
        again = torch.randperm(6, generator=source)
        for n, chosen in enumerate(order.split(8)):
            step(0, unlabelled[chosen], None, alpha * 0.9**t)
            if n == 2:  # six labelled images are two batches: they come again, in another order
                again = torch.randperm(6, generator=source)
            part = again.split(4)[n % 2]
            step(1, images[part], labels[part], 0.9**t)
    return [w.detach() for w in (*weights, *biases)]


@pytest.mark.parametrize(("optimizer", "rate"), [("pulsed-sgd", 0.3), ("adam", 0.02)])
def test_the_loop_is_that_of_plain_torch(optimizer: str, rate: float) -> None:
    results = ours(optimizer, 5, rate), plain(optimizer, 5, rate)
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert (results[0][0] - plain(optimizer, 2, rate)[0]).abs().max() > 1e-3  # the epochs with alpha > 0 count


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_images_that_weigh_nothing_leave_no_moments(optimizer: str) -> None:
    """Lee's loss, labelled + 0 unlabelled, has no gradient of theirs: what is learnt later begins as if from there."""
    images, labels, unlabelled = data()
    layers = [Layer(IdealArray(weights)) for weights in initial()]
    network = BPNetwork(layers, [NEURONS["relu"], NEURONS["identity"]])
    rules = [build_rule(optimizer, layers, [0.1, 0.1]) for _ in range(2)]
    weighted = WeightedSchedule(Schedule(), start=1, full=2, final=3.0)
    first = Phase("unsupervised", Samples(unlabelled, None), 8, rules[0], weighted)
    second = Phase("supervised", Samples(images, labels), 4, rules[1], Schedule(start=0.0))
    circuit, order = PseudoLabelTarget(TargetRule(3, 1, 0.0, n_classes=3)), torch.Generator().manual_seed(3)
    steps = []
    for epoch in alternation_plan(first, second, 3, batches=1):
        for _ in train_epoch(network, circuit, circuit.initial(), epoch, lambda x: x.to(F64) / 16, order):
            pass
        steps.append([rule.state_dict().get("0.0.step", torch.tensor(0)).item() for rule in rules])
    if optimizer == "adam":  # three batches an epoch; a rate of 0 moves moments, as in plain torch; alpha = 0 does not
        assert steps == [[0, 3], [0, 6], [3, 9]]
    assert (layers[0].array.snapshot() - initial()[0]).abs().max() > 0


def test_the_circuits_name_is_lees_method() -> None:
    """His defaults, no thresholds, an update without labels after each one with."""
    experiment = load_experiment("mnist_semi_bp", {"target.circuit": "pseudo-label", "target.gamma": 0.0})
    weight = experiment.training.unlabelled_weight
    assert (weight.final, weight.start, weight.full, experiment.training.alternate_every) == (3.0, 100, 600, 1)
    assert "unlabelled_weight" not in load_experiment("mnist_semi_bp").canonical()["training"]


def test_a_run_weighs_its_unlabelled_phase() -> None:
    """The labelled rate of the published code falls from 0.72; alpha rises to 0.3 from round 0 to 3."""
    experiment = load_experiment("mnist_semi_bp", {**SMALL, "training.supervised_schedule.over": 4})
    job = OnChip(experiment, Streams(0))
    job.build()
    _, unlabelled, labelled = (phase.schedule for phase in job.phases)
    assert [unlabelled.factor(i) for i in range(4)] == pytest.approx(
        [alpha * labelled.factor(i) for i, alpha in enumerate((0.0, 0.1, 0.2, 0.3))]
    )
    assert unlabelled.factor(3) == pytest.approx(0.3 * (0.72 - 0.67 * 3 / 4))


WRONG = [
    ({"target.k": 2}, r"target\.k: got 2; allowed: 1, since"),
    ({"target.gamma": 0.1}, r"target\.gamma: got 0\.1; allowed: 0"),
    ({"training.unlabelled_weight.full": 30}, r"unlabelled_weight\.full: got 30; allowed: more than 30"),
    ({"training.schedule.start": 0.5}, r"training\.schedule: given beside training\.unlabelled_weight"),
    ({"training.mode": "supervised"}, r'training\.mode: got "supervised"; allowed: "semi-supervised", since'),
    ({"training.unlabelled_weight.final": -1.0}, r"unlabelled_weight\.final: "),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_experiment("mnist_semi_bp", {**SMALL, **change})


@pytest.mark.parametrize("name", ["mnist_semi_bp", "mnist_semi_ep"])
@pytest.mark.parametrize("backend", ["ideal", "analog"])
def test_a_run_learns_and_is_accounted_without_thresholds(name: str, backend: str, tmp_path: Path) -> None:
    hardware = {"hardware.backend": backend, "hardware.periphery": "32nm", "data.train_limit": 400}
    hardware |= {"hardware.device": "ecram", "hardware.weight_range": 0.5} if backend == "analog" else {}
    record = nh.run(load_experiment(name, {**SMALL, **hardware}), out=tmp_path)
    counted = record.ledger["counts"]["target"]
    assert record.metrics["test_accuracy"] > 0.3
    assert sum(phase.get("decisions", 0) for phase in counted.values()) == 4 * 350
    assert sum(phase.get("label_decisions", 0) for phase in counted.values()) > 0
    assert not any(phase.get("homeostasis_updates", 0) for phase in counted.values())
    assert record.energy is not None

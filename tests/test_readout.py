"""Reading classes out: association by class means, worked by hand, and the linear classifier against plain torch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.networks.readout import (
    Association,
    ClassifierSettings,
    associate,
    block_prediction,
    train_linear_classifier,
)


def associated(rows: list[list[float]], labels: list[int], n_classes: int, cut: int = 2) -> Association:
    """Associate outputs [B, n_out] that come in batches of `cut`."""
    y, classes = torch.tensor(rows), torch.tensor(labels)
    return associate(zip(y.split(cut), classes.split(cut), strict=True), n_classes)


def test_a_neuron_stands_for_the_class_with_the_highest_mean_and_not_the_highest_total() -> None:
    """Neuron 0: class 0 adds up to 1.2 over four samples (mean 0.3), class 1 to 0.9 in one."""
    rows = [[0.3, 1.0], [0.3, 0.0], [0.3, 0.0], [0.3, 0.2], [0.9, 0.1]]
    assert associated(rows, [0, 0, 0, 0, 1], 2).classes.tolist() == [1, 0]


def test_neurons_that_tell_nothing_get_no_class() -> None:
    """Silent; always 1; always 0.3, which no sum of floats reproduces; alike on average; and two that tell a class."""
    third = 0.3
    rows = [
        [0.0, 1.0, third, 1.0, 0.0, 1.0],
        [0.0, 1.0, third, 0.0, 0.0, 1.0],
        [0.0, 1.0, third, 0.0, 0.2, 1.0],
        [0.0, 1.0, third, 1.0, 0.0, 0.9],
        [0.0, 1.0, third, 0.5, 0.0, 1.0],
    ]
    association = associated(rows, [0, 0, 1, 1, 2], 3)
    assert association.classes.tolist() == [-1, -1, -1, -1, 1, 0]
    outputs = torch.tensor([[0.0, 1.0, 0.3, 1.0, 0.2, 0.1]])
    assert association.predict_single_neuron(outputs).tolist() == [1]  # not class 0 by the neuron that is always 1
    assert association.predict_class_mean(outputs).tolist() == [1]


def test_a_class_without_samples_is_nobodys() -> None:
    """Outputs below zero (identity neurons) are below the mean of a class that was never seen."""
    assert associated([[-0.5, -0.2], [-0.1, -0.9]], [0, 2], 3).classes.tolist() == [2, 0]
    assert associated([[0.4, 0.6], [0.3, 0.6]], [1, 1], 3).classes.tolist() == [1, -1]


def test_prediction_by_class_means_and_a_class_without_neurons() -> None:
    """Classes 0, 0, 2: two neurons of 0.3 are a mean of 0.3 and lose to one of 0.4; class 1 has none and never wins."""
    association = Association(torch.tensor([0, 0, 2, -1]), torch.zeros(3, 4))
    outputs = torch.tensor([[0.3, 0.3, 0.4, 0.9], [0.6, 0.3, 0.4, 0.9], [0.0, 0.0, 0.0, 0.9]])
    assert association.predict_class_mean(outputs).tolist() == [2, 0, 0]
    assert association.predict_single_neuron(outputs).tolist() == [2, 0, 0]
    below = torch.tensor([[-0.5], [-3.0]])  # of identity neurons
    assert Association(torch.tensor([1]), torch.zeros(2, 1)).predict_class_mean(below).tolist() == [1, 1]


def test_blocks_of_outputs_stand_for_classes_in_order() -> None:
    outputs = torch.eye(6)
    assert block_prediction(outputs, 3).tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("settings", "factors"),
    [
        (ClassifierSettings(epochs=4, decay=0.9), [1, 0.9, 0.81, 0.729]),  # published BP: times 0.9 an epoch
        (ClassifierSettings(epochs=4, decay=None, end_factor=0.9), [1, 0.975, 0.95, 0.925]),  # EP: 1 -> 0.9
        (ClassifierSettings(epochs=4, decay=None, end_factor=1.0), [1, 1, 1, 1]),
    ],
)
def test_schedule_of_the_classifier(settings: ClassifierSettings, factors: list[float]) -> None:
    assert [settings.factor(epoch) for epoch in range(4)] == pytest.approx(factors)


@pytest.mark.parametrize("activation", ["sigmoid", "identity"])
def test_the_classifier_learns_as_plain_torch_does_with_its_schedule(activation: str) -> None:
    """One batch an epoch, no dropout: nothing random but the initial weights, which come first from the generator."""
    g = torch.Generator().manual_seed(1)
    features, labels = torch.rand(30, 5, generator=g), torch.randint(0, 3, (30,), generator=g)
    settings = ClassifierSettings(epochs=6, batch_size=30, learning_rate=0.3, dropout=0.0, activation=activation,
                                  decay=0.5)  # fmt: skip
    predict = train_linear_classifier(features, labels, 3, settings, torch.Generator().manual_seed(7))
    weight, bias = predicting(predict, 5)
    expected_weight, expected_bias = plainly(features, labels, activation, [0.3 * 0.5**i for i in range(6)])
    torch.testing.assert_close(weight - bias, expected_weight - expected_bias)
    constant, _ = plainly(features, labels, activation, [0.3] * 6)
    assert (expected_weight - constant).abs().max() > 0.1  # the schedule matters here


def predicting(predict: object, n: int) -> tuple[Tensor, Tensor]:
    """Return the scores of each input alone and of none, [n, classes], from the function's own parameters."""
    frozen, offset = (cell.cell_contents for cell in predict.__closure__)  # type: ignore[attr-defined]
    weight, bias = (frozen, offset) if frozen.dim() == 2 else (offset, frozen)
    return weight.t() + bias, bias.expand(n, -1)


def plainly(features: Tensor, labels: Tensor, activation: str, rates: list[float]) -> tuple[Tensor, Tensor]:
    linear, g = torch.nn.Linear(5, 3), torch.Generator().manual_seed(7)
    for parameter in (linear.weight, linear.bias):
        parameter.data.uniform_(-(5**-0.5), 5**-0.5, generator=g)
    optimizer = torch.optim.Adam(linear.parameters())
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        scores = linear(features)
        loss = torch.nn.functional.cross_entropy(torch.sigmoid(scores) if activation == "sigmoid" else scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return linear.weight.detach().t() + linear.bias.detach(), linear.bias.detach().expand(5, -1)


def test_the_classifier_halves_its_rate_as_published() -> None:
    """At 20, 35, 50, 60, 70, 80 and 90 % of 50 epochs."""
    experiment = load_experiment("cnn_mnist")
    assert isinstance(experiment, OnChipExperiment)
    section = experiment.evaluation.classifier
    wanted = ClassifierSettings(epochs=50, halve_at=section.halve_at)
    changes = [epoch for epoch in range(1, 50) if wanted.factor(epoch) < wanted.factor(epoch - 1)]
    assert changes == [10, 18, 25, 30, 35, 40, 45]  # 17.5 is rounded to the even 18
    assert wanted.factor(49) == 0.5**7

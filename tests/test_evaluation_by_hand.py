"""What a run says of each share of the labels, done again: which images, who stands for what, at which rate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.config import OnChipExperiment
from neurohw.data import stratified_subset
from neurohw.loading import load_experiment
from neurohw.networks.readout import ClassifierSettings, train_linear_classifier
from neurohw.runs.onchip import OnChip
from neurohw.runs.task import labels_of
from neurohw.seeding import Streams
from neurohw.training.phases import Samples

RATES = {1.0: 0.002, 0.05: 0.3}  # of the classifier, by share, in the file's order
SHARES: dict[str, Any] = {
    "network.layers": [64, 30], "data.train_limit": 400, "evaluation.association": ["direct", "linear"],
    "evaluation.label_fraction": [*RATES], "evaluation.classifier.learning_rate": [*RATES.values()],
    "evaluation.classifier.epochs": 3, "evaluation.classifier.decay": 0.9,
    "evaluation.classifier.activation": "sigmoid",
}  # fmt: skip


@pytest.fixture(scope="module")
def job() -> OnChip:
    experiment = load_experiment("quickstart", SHARES)
    assert isinstance(experiment, OnChipExperiment)
    job = OnChip(experiment, Streams(3))
    job.build()
    for _ in job.train(job.plan[0], 0):
        pass
    return job


def outputs(job: OnChip, samples: Samples) -> Tensor:
    layer = job.network.layers[0]
    assert layer.bias is not None
    return (samples.images.float() / 16 @ layer.array.snapshot().T + layer.bias).clamp(0, 1)


def again(job: OnChip, share: float) -> dict[str, float]:
    """Return the accuracies of both associations, neuron by neuron, and of the classifier."""
    train, labels, truth = job.task.train, labels_of(job.task.train), labels_of(job.task.test)
    chosen = torch.arange(400) if share == 1 else stratified_subset(labels, round(share * 400), 34)
    features, known, tests = outputs(job, train)[chosen], labels[chosen], outputs(job, job.task.test)
    means = torch.stack([features[known == label].mean(0) for label in range(10)])
    stands = [int(mean.argmax()) if mean.max() > 0 else -1 for mean in means.T]
    scores = torch.full((len(tests), 10), -1.0)
    for label in {*stands} - {-1}:
        scores[:, label] = tests[:, [i for i, own in enumerate(stands) if own == label]].mean(1)
    strongest = [max((float(y[i]), -i) for i, own in enumerate(stands) if own >= 0) for y in tests]
    single = torch.tensor([stands[-place] for _, place in strongest])
    settings = ClassifierSettings(3, 256, RATES[share], 0.2, "sigmoid", 0.9)
    predict = train_linear_classifier(features, known, 10, settings, Streams(3).fresh(f"classifier.{share:g}"))
    answers = {"direct": scores.argmax(1), "single_neuron": single, "linear": predict(tests)}
    return {f"{name}_accuracy": float((answer == truth).double().mean()) for name, answer in answers.items()}


def test_each_share_of_the_labels_has_its_own_images_and_rate(job: OnChip) -> None:
    metrics = job.evaluate("1", final=True)
    expected = {f"{share:g}": again(job, share) for share in RATES}
    assert expected["1"] != expected["0.05"]
    for share, own in expected.items():
        assert metrics["by_label_fraction"][share] == pytest.approx(own), share
    assert {name: metrics[name] for name in expected["1"]} == pytest.approx(expected["1"])


def test_the_learning_curve_is_that_of_the_largest_share(job: OnChip) -> None:
    expected = again(job, 1.0)
    assert job.evaluate("1", final=False) == pytest.approx(
        {k: v for k, v in expected.items() if k != "linear_accuracy"}
    )

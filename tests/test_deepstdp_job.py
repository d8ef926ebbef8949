"""What a run of kind "deep-stdp" measures and how its network learns, done again from outside by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import cross_entropy

from neurohw.deepstdp.convnets import ConvNet, Dropout, small, with_head
from neurohw.deepstdp.learner import Learner
from neurohw.deepstdp.preparation import Preparation
from neurohw.loading import load_experiment
from neurohw.runs.deep_stdp import DeepSTDP
from neurohw.seeding import Streams
from tests.test_deepstdp_run import TINY


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unheard(*_: Any) -> None:
    pass


def after_two_epochs(folder: Path, **over: Any) -> tuple[DeepSTDP, dict[str, Any], Tensor]:
    """Return a job, what it measured after two epochs, and the clusters of the first."""
    file = folder / "clusters.toml"
    file.write_text('kind = "deep-stdp"\n')
    experiment = load_experiment(file, TINY | {"data.test_limit": 400, "training.epochs": 2} | over)
    job = DeepSTDP(experiment, Streams(0))
    job.build()
    first = torch.empty(0)
    for epoch in job.plan:
        first = job.labels
        job.begin(epoch, unheard)
        list(job.train(epoch, 0))
    return job, job.evaluate("epoch 2", True), first


def test_measures_are_those_of_scikit_learn_and_of_gradients_one_by_one(tmp_path: Path) -> None:
    job, measured, first = after_two_epochs(tmp_path, **{"evaluation.fisher_samples": 120})
    network, classes = job.learner.network.eval(), job.training.labels
    assert classes is not None
    assert job.test.labels is not None
    with torch.no_grad():
        seen = [network.features(job.preparation.for_evaluation(part.images)).relu().numpy()
                for part in (job.training, job.test)]  # fmt: skip
    scaler = StandardScaler().fit(seen[0])
    train, test = (scaler.transform(features) for features in seen)
    probe = LogisticRegression(C=1 / (0.01 * len(train)), max_iter=5000).fit(train, classes)
    assert measured["probe_accuracy"] == pytest.approx(probe.score(test, job.test.labels), abs=0.01)
    geometric = [normalized_mutual_info_score(job.labels, other, average_method="geometric")
                 for other in (classes, first)]  # fmt: skip
    assert [measured["nmi_truth"], measured["nmi_consecutive"]] == pytest.approx(geometric)
    squares = []
    for image, label in zip(job.training.images, job.labels, strict=True):
        network.zero_grad()
        cross_entropy(network(job.preparation.for_evaluation(image[None])), label[None]).backward()
        squares.append(sum(float(p.grad.double().square().sum()) for p in network.parameters() if p.grad is not None))
    assert measured["fisher_trace"] == pytest.approx(np.mean(squares), rel=1e-4)


def test_the_body_descends_with_momentum_and_decay_and_its_head_with_decay_alone() -> None:
    """Three steps of SGD as written: v <- m v + (g + l w), w <- w - r v; the head's m is 0."""
    rate, momentum, decay = 0.05, 0.9, 0.1
    network = with_head(small(1, 8, (4,), 1, 6, seeded()), 6, 5, Dropout(0.0, seeded()), seeded())
    learner, mine = Learner(network, rate, momentum, decay), _copy(network)
    velocity = {name: torch.zeros_like(p) for name, p in mine.named_parameters()}
    for seed in range(3):
        images = torch.randn(9, 1, 8, 8, generator=seeded(seed))
        labels = torch.randint(5, (9,), generator=seeded(seed))
        learner.step(images, labels)
        mine.zero_grad()
        cross_entropy(mine.train()(images), labels).backward()
        with torch.no_grad():
            for name, p in mine.named_parameters():
                assert p.grad is not None
                kept = 0.0 if name.startswith("head") else momentum
                velocity[name] = kept * velocity[name] + p.grad + decay * p
                p -= rate * velocity[name]
    for (name, got), wanted in zip(network.named_parameters(), mine.parameters(), strict=True):
        torch.testing.assert_close(got, wanted, msg=name, rtol=1e-4, atol=1e-6)


def _copy(network: ConvNet) -> ConvNet:
    copy = with_head(small(1, 8, (4,), 1, 6, seeded()), 6, 5, Dropout(0.0, seeded()), seeded())
    copy.load_state_dict(network.state_dict())
    return copy


def whole(flip: float, gradients: bool) -> Preparation:
    """Return what crops whole images while the network learns."""
    mean, std = torch.tensor([90.0, 100.0, 110.0]), torch.tensor([60.0, 70.0, 80.0])
    return Preparation((3, 8, 8), mean, std, 8, area=(1.0, 1.0), aspect=(1.0, 1.0), flip=flip, gradients=gradients)


def test_whole_crops_that_are_not_mirrored_are_what_evaluation_sees() -> None:
    images = torch.randint(0, 256, (5, 3 * 8 * 8), generator=seeded()).to(torch.uint8)
    for gradients in (False, True):
        preparation = whole(0.0, gradients)
        seen = preparation.for_evaluation(images)
        torch.testing.assert_close(preparation.for_learning(images, seeded()), seen, rtol=1e-5, atol=1e-5)
    mirrored = whole(1.0, gradients=False)
    seen = mirrored.for_evaluation(images)
    torch.testing.assert_close(mirrored.for_learning(images, seeded()), seen.flip(3), rtol=1e-5, atol=1e-5)

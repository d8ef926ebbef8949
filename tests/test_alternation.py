"""Semi-supervised runs from outside: which images come with labels and which without, and what each phase moves."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.runs.circuit import activity_target
from neurohw.runs.onchip import OnChip
from neurohw.seeding import Streams
from neurohw.training.rules import DigitalOptimizer

SEMI: dict[str, Any] = {
    "network.layers": [64, 20, 10], "training.mode": "semi-supervised", "training.dropout": [0.2, 0.5, 0.0],
    "training.optimizer": "adam", "training.learning_rate": [0.001, 0.004], "training.epochs": 2,
    "training.pretrain.epochs": 1, "training.batch_size": 64, "data.labels": 53, "data.train_limit": 300,
    "data.test_limit": 50, "target.k": 1,
}  # fmt: skip


def job_of(seed: int = 0, **more: Any) -> OnChip:
    experiment = load_experiment("quickstart", SEMI | more)
    assert isinstance(experiment, OnChipExperiment)
    job = OnChip(experiment, Streams(seed))
    job.build()
    return job


def rows(images: torch.Tensor) -> list[bytes]:
    return [bytes(image.tolist()) for image in images]


@pytest.mark.parametrize("labelled_set", ["stratified", "balanced"])
def test_labelled_unlabelled_and_test_images_are_apart(labelled_set: str) -> None:
    task = job_of(**{"data.labelled_set": labelled_set}).task
    assert task.labelled is not None
    assert task.unlabelled is not None
    assert task.unlabelled.labels is None
    labelled, unlabelled = rows(task.labelled.images), rows(task.unlabelled.images)
    assert (len(labelled), len(unlabelled)) == (53, 247)
    assert sorted(labelled + unlabelled) == sorted(rows(task.train.images))
    assert not {*rows(task.test.images)} & {*labelled, *unlabelled}


@pytest.mark.parametrize("labelled_set", ["stratified", "balanced"])
def test_every_seed_has_labels_of_other_images(labelled_set: str) -> None:
    labelled = [job_of(seed, **{"data.labelled_set": labelled_set}).task.labelled for seed in (0, 0, 1)]
    once, again, other = ({*rows(samples.images)} for samples in labelled if samples is not None)
    assert once == again
    assert len(once & other) < 53 / 2  # 53 of 300 by chance: 9


def test_images_of_the_validation_part_are_not_learnt() -> None:
    validated = job_of(**{"data.evaluate_on": "validation", "data.train_limit": None, "data.test_limit": None}).task
    assert not {*rows(validated.test.images)} & {*rows(validated.train.images)}


def test_thresholds_begin_anew_without_labels_and_wait_with_them() -> None:
    job = job_of()
    begun, ended = [], []
    for epoch in job.plan:
        job.begin(epoch, None)  # type: ignore[arg-type]
        begun.append(job.homeostasis.threshold.clone())
        for _ in job.train(epoch, 0):
            pass
        ended.append(job.homeostasis.threshold.clone())
    assert [epoch.phase for epoch in job.plan] == ["pretraining", *["unsupervised", "supervised"] * 2]
    for i in (0, 1, 3):
        assert not begun[i].any()
    for i in (2, 4):
        assert ended[i - 1].any()
        assert torch.equal(begun[i], ended[i - 1])
        assert torch.equal(ended[i], begun[i])


def test_each_phase_has_moments_of_its_own() -> None:
    """A phase's optimiser has made as many steps as the phase had batches."""
    job = job_of()
    for epoch in job.plan:
        for _ in job.train(epoch, 0):
            pass
    made = {}
    for phase in job.phases:
        assert isinstance(phase.rule, DigitalOptimizer)
        made[phase.name] = int(phase.rule.state_dict()["0.0.step"])
    assert made == {"pretraining": 2, "unsupervised": 2 * 4, "supervised": 2 * 2}


@pytest.mark.parametrize(("rule", "variant", "wanted"), [
    ("bp", "code", 0.8 * 2 / 100), ("ep", "code", 2 / 100 / 0.8), ("bp", "paper", 0.02), ("ep", "paper", 0.02),
])  # fmt: skip
def test_how_often_outputs_shall_win_under_dropout(rule: str, variant: str, wanted: float) -> None:
    experiment = load_experiment("quickstart", {"network.rule": rule, "variant": variant})
    assert isinstance(experiment, OnChipExperiment)
    assert activity_target(experiment) == pytest.approx(wanted)

"""Measured against expected: which records speak to which value, and what counts as agreement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neurohw.config import Experiment
from neurohw.loading import load_experiment
from neurohw.runs.record import RunRecord
from neurohw.shipping import read_toml, shipped
from neurohw.studies.expected import agreements, expectations, what_is_learnt
from neurohw.studies.sweep import load_sweep

NAME = "mnist_unsupervised_ep_1layer"


def record(accuracy: float, seed: int = 0, epoch: int = 1, overrides: dict[str, Any] | None = None) -> RunRecord:
    return RunRecord(
        schema=1, name=NAME, kind="onchip", config=load_experiment(NAME, overrides).canonical(), config_hash="0" * 12,
        seed=seed, versions={}, git=None, status="stopped", metrics={"direct_accuracy": accuracy},
        timing={"train_seconds": 1.0, "train_images_per_second": 1.0, "epochs": epoch}, peak_memory_bytes=1,
        curve=[{"epoch": epoch, "phase": "unsupervised", "index": epoch, "seconds": 1.0, "direct_accuracy": accuracy}],
    )  # fmt: skip


def test_agreement_within_three_combined_standard_errors() -> None:
    (found,) = agreements([record(0.895, 0), record(0.905, 1)])
    expected = next(e for e in expectations(NAME) if e.epoch == 1)
    std = 0.005 * 2**0.5
    assert (found.mean, found.n, found.std) == (pytest.approx(0.9), 2, pytest.approx(std))
    assert found.allowed == pytest.approx(3 * (std**2 / 2 + expected.std**2 / 11) ** 0.5)  # type: ignore[operator]
    assert found.verdict == "yes"


def test_disagreement_is_said() -> None:
    (found,) = agreements([record(0.80, 0), record(0.801, 1)])
    assert found.verdict == "no"
    assert found.difference == pytest.approx(0.8005 - 0.8998)


def test_another_configuration_does_not_speak() -> None:
    assert not agreements([record(0.9, overrides={"target.k": 6})])
    assert not agreements([record(0.9, epoch=3)])


def test_a_seed_counts_once_and_failures_do_not() -> None:
    failed = record(0.1, seed=1).model_copy(update={"status": "failed"})
    (found,) = agreements([record(0.9), record(0.9), failed])
    assert found.n == 1


def test_another_share_of_the_labels_does_not_speak() -> None:
    fewer = {"evaluation.label_fraction": [0.01], "evaluation.classifier.learning_rate": 0.1}
    assert not agreements([record(0.9, overrides=fewer)])


def test_other_evaluation_settings_do_not_matter() -> None:
    assert len(agreements([record(0.9, overrides={"evaluation.label_fraction": [1.0],
                                                 "evaluation.classifier.learning_rate": 0.1})])) == 1  # fmt: skip


def test_how_energy_is_accounted_does_not_matter() -> None:
    other = {"hardware.periphery": "32nm", "energy.digital": "fp32"}
    assert agreements([record(0.9, overrides=other)])[0].n == 1


def test_what_is_done_with_what_was_learnt_does_not_matter() -> None:
    """Programmed into other devices after training; without evaluation there are no ages to do so at."""
    programmed = {"hardware.off_chip": "pcm-like", "evaluation.age_seconds": [10.0]}
    assert agreements([record(0.9, overrides=programmed)])[0].n == 1
    assert what_is_learnt(load_experiment(NAME, programmed)) == what_is_learnt(load_experiment(NAME))


def test_every_guard_guards_something(tmp_path: Path) -> None:
    """What is expected of an own run is so of a configuration that the experiment, or a sweep of it, has."""
    dead = []
    for path in sorted(shipped("experiments").glob("*/expected.toml")):
        own = [e for e in expectations(path.parent.name) if e.source == "own run"]
        there = [what_is_learnt(e) for e in configurations(path.parent, tmp_path)] if own else []
        dead += [
            e.of(path.parent.name)
            for e in own
            if what_is_learnt(load_experiment(path.parent.name, e.where)) not in there
        ]
    assert dead == []


def configurations(folder: Path, out: Path) -> Iterator[Experiment]:
    yield load_experiment(folder.name)
    for path in folder.rglob("*.toml"):
        tables = read_toml(path)
        if tables.keys() & {"axes", "variants", "seeds"} and "network.weights" not in tables.get("set", {}):
            yield from (point.experiment for point in load_sweep(path).points(out) if point.seed == 0)

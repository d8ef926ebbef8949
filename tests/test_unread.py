"""Keys that nobody reads are refused, or their runs say so; what is said to be read by nobody changes no number."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import neurohw as nh
from neurohw.config.readers import DEEP_STDP, ONCHIP
from neurohw.config.unread import unread
from neurohw.errors import InputError
from neurohw.loading import nested, validated

SMALL = {"data.train_limit": 40, "data.test_limit": 30, "network.layers": [64, 20], "training.epochs": 2}
SEMI = {"training.mode": "semi-supervised", "data.labels": 10, "training.learning_rate": [0.01],
        "training.pretrain.epochs": 1, "training.pretrain.learning_rate": [0.01]}  # fmt: skip
SUPERVISED = {"training.mode": "supervised"}
CLASSIFIER = {"evaluation.association": ["linear"], "evaluation.classifier.epochs": 2}
DEVICE = {"hardware.device": "constant_step"}
ADAM = {"training.optimizer": "adam", "training.learning_rate": [0.01]}
DEEP = {"kind": "deep-stdp", "data.train_limit": 40, "data.test_limit": 30, "training.epochs": 1,
        "network.channels": [4], "network.features": 16, "clustering.clusters": 10, "clustering.method": "random",
        "evaluation.fisher_samples": 0}  # fmt: skip


def experiment(**settings: Any) -> Any:
    return validated(nested(settings), "mine.toml")


@pytest.mark.parametrize("mode", ["unsupervised", "supervised"])
@pytest.mark.parametrize(("key", "value"), [
    ("data.labels", 30), ("data.labelled_set", "balanced"), ("training.alternate_every", 2),
    ("training.pretrain.epochs", 3), ("training.pretrain.batch_size", 4), ("training.pretrain.learning_rate", [0.2]),
    ("training.pretrain.schedule.kind", "constant"), ("training.supervised_schedule.start", 0.5),
])  # fmt: skip
def test_what_only_alternation_reads_is_refused_without_it(mode: str, key: str, value: Any) -> None:
    got = f"{value!r}".replace("[", r"\[")
    with pytest.raises(InputError, match=rf'mine.toml: {key}: got {got}, which only training.mode "semi-supervised" r'):
        experiment(**{"training.mode": mode, key: value})


def test_it_is_taken_where_it_is_read_and_where_it_says_what_is_so_anyway() -> None:
    assert experiment(**SMALL | SEMI | {"data.labelled_set": "balanced"}).data.labelled_set == "balanced"
    assert experiment(**{"data.labelled_set": "stratified", "training.pretrain.epochs": 100}).runs == 3
    assert experiment(**{"variant": "paper", "data.labelled_set": "balanced"}).data.labelled_set == "balanced"
    with pytest.raises(InputError, match=r"labelled_set: got 'stratified', which only"):
        experiment(**{"variant": "paper", "data.labelled_set": "stratified"})


UNREAD: list[tuple[dict[str, Any], str, Any]] = [
    ({}, "data.validation_fraction", 0.3),
    ({}, "hardware.drift_compensation", False),
    ({}, "training.schedule.decay", 0.5),
    ({"training.schedule.kind": "constant"}, "training.schedule.end", 0.3),
    ({"training.schedule.kind": "constant"}, "training.schedule.over", 3),
    (SEMI, "training.supervised_schedule.decay", 0.5),
    (SEMI | {"training.supervised_schedule.kind": "constant"}, "training.supervised_schedule.end", 0.5),
    (SEMI, "training.pretrain.schedule.end", 0.5),
    (SEMI, "training.pretrain.schedule.over", 2),
    (SEMI | {"training.pretrain.schedule.kind": "linear"}, "training.pretrain.schedule.decay", 0.5),
    (SEMI, "evaluation.association", ["linear"]),
    ({}, "training.cross_entropy_on", "logits"),
    ({"training.loss": "cross-entropy"}, "training.loss_reduction", "sum"),
    (DEVICE | ADAM, "hardware.pulse_length", 5),
    (DEVICE, "hardware.increments", "verified"),
    ({"hardware.periphery": "32nm"}, "energy.standby", "none"),
    (
        {"network.rule": "ep", "ep.free_steps": 5, "ep.nudged_steps": 2, "hardware.periphery": "32nm"},
        "energy.ep",
        "continuous",
    ),
    ({}, "ep.beta", 0.7),
    ({}, "ep.contrast", "difference"),
    (SUPERVISED, "target.gamma", 0.1),
    (SUPERVISED, "target.average", "ema"),
    ({"target.gamma": 0.0}, "target.average", "ema"),
    ({"target.gamma": 0.0}, "target.reset", "never"),
    ({}, "target.eta", 0.5),
    (SUPERVISED, "evaluation.association", ["linear"]),
    ({}, "evaluation.classifier.dropout", 0.5),
    (DEEP, "clustering.components", 12),
    (DEEP, "clustering.whitening", False),
    (DEEP, "clustering.unit_norm", False),
    (DEEP, "hardware.step_seconds", 0.5),
]
READ: list[tuple[dict[str, Any], str, Any]] = [
    ({"data.evaluate_on": "validation"}, "data.validation_fraction", 0.3),
    ({"training.schedule.kind": "exponential", "training.schedule.start": 1.0}, "training.schedule.decay", 0.5),
    ({}, "training.schedule.end", 0.3),
    (SEMI, "training.supervised_schedule.end", 0.5),
    (SEMI | {"training.pretrain.epochs": 2}, "training.pretrain.schedule.decay", 0.5),
    ({"training.loss": "cross-entropy"}, "training.cross_entropy_on", "logits"),
    ({}, "training.loss_reduction", "sum"),
    (DEVICE, "hardware.pulse_length", 5),
    (DEVICE | ADAM, "hardware.increments", "verified"),
    (DEVICE | {"network.rule": "hebbian-wta"}, "hardware.increments", "verified"),
    (DEVICE | {"hardware.periphery": "32nm"}, "energy.standby", "none"),
    ({"network.rule": "ep", "ep.free_steps": 5, "ep.nudged_steps": 2}, "ep.beta", 0.7),
    ({}, "target.gamma", 0.1),
    ({}, "target.average", "ema"),
    ({"target.average": "ema"}, "target.eta", 0.5),
    ({"training.epochs": 3}, "target.reset", "never"),
    ({}, "evaluation.association", ["linear"]),
    (CLASSIFIER, "evaluation.classifier.dropout", 0.5),
    (DEEP | {"clustering.method": "k-means"}, "clustering.components", 12),
    (DEEP | {"clustering.method": "k-means"}, "clustering.whitening", False),
]  # fmt: skip


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], tuple[Any, list[str]]]:
    """Return a function that runs an experiment, once: its numbers, and its warnings."""
    known: dict[str, tuple[Any, list[str]]] = {}

    def run(experiment: Any) -> tuple[Any, list[str]]:
        text = json.dumps(experiment.canonical(), sort_keys=True)
        if text not in known:
            record = nh.run(experiment, 0, tmp_path_factory.mktemp("run") / "out")
            plain = json.loads(record.model_dump_json())
            curve = [{k: v for k, v in row.items() if "seconds" not in k} for row in record.curve]
            known[text] = (
                [plain["metrics"], plain["ledger"], plain.get("looks"), plain["energy"], curve],
                record.warnings,
            )
        return known[text]

    return run


@pytest.mark.parametrize(("settings", "key", "value"), UNREAD)
def test_what_is_read_by_nobody_changes_nothing_and_is_named(
    settings: dict[str, Any], key: str, value: Any, numbers: Callable[[Any], tuple[Any, list[str]]]
) -> None:
    base = settings if "kind" in settings else SMALL | settings
    silent, given = experiment(**base), experiment(**base | {key: value})
    [said] = [text for weight in ("warning", "note") for text in unread(given, weight) if text.startswith(f"{key}: ")]
    assert f"got {value!r}, which only " in said
    assert numbers(silent)[0] == numbers(given)[0]
    warned = [text for text in numbers(given)[1] if "which only" in text and text.startswith(key)]
    assert warned == ([] if key.startswith(("ep.", "data.", "energy.")) else [said])
    assert not [text for text in unread(silent, "warning") + unread(silent, "note") if text.startswith(key)]


@pytest.mark.parametrize(("settings", "key", "value"), READ)
def test_what_is_read_changes_something_and_is_not_named(
    settings: dict[str, Any], key: str, value: Any, numbers: Callable[[Any], tuple[Any, list[str]]]
) -> None:
    base = settings if "kind" in settings else SMALL | settings
    silent, given = experiment(**base), experiment(**base | {key: value})
    assert not [text for text in unread(given, "warning") + unread(given, "note") if text.startswith(key)]
    assert numbers(silent)[0] != numbers(given)[0]


def test_every_reader_was_tried() -> None:
    tried = [key for _, key, _ in UNREAD]
    for read in (*ONCHIP, *DEEP_STDP):
        assert read.unread == "error" or any(key.startswith(read.keys) for key in tried), read.keys


@pytest.mark.parametrize("variant", ["code", "paper"])
@pytest.mark.parametrize(("rule", "mode", "circuit"), [
    *product(["bp", "ep"], ["unsupervised", "supervised", "semi-supervised"], ["ideal", "analog"]),
    ("bp", "semi-supervised", "pseudo-label"), ("ep", "semi-supervised", "pseudo-label"),
    ("hebbian-wta", "unsupervised", "ideal"), ("softhebb", "unsupervised", "softmax"),
    ("krotov-hopfield", "unsupervised", "ranked"),
])  # fmt: skip
def test_defaults_are_read_or_not_set(variant: str, rule: str, mode: str, circuit: str) -> None:
    tables = {"variant": variant, "network": {"rule": rule}, "training": {"mode": mode}, "target": {"circuit": circuit}}
    labels = {"data": {"labels": 10}} if mode == "semi-supervised" else {}
    by_default = validated(tables | labels, "defaults")
    assert [*unread(by_default, "warning"), *unread(by_default, "note")] == []


def test_the_command_says_so(neurohw: Callable[..., tuple[int, str, str]]) -> None:
    Path("mine.toml").write_text("[data]\ntrain_limit = 40\n[training]\nepochs = 1\n[ep]\nbeta = 0.7\n")
    status, out, _ = neurohw("run", "mine.toml", "--set", "target.eta=0.5", "--out", "out")
    assert status == 0
    assert 'ep.beta: got 0.7, which only network.rule "ep" reads' in out
    assert 'warning: target.eta: got 0.5, which only target.average "ema"' in out.replace("\n", " ")
    status, _, err = neurohw("run", "mine.toml", "--set", "training.pretrain.epochs=5", "--dry-run")
    assert status == 2
    assert 'error: --set: training.pretrain.epochs: got 5, which only training.mode "semi-supervised" reads' in err

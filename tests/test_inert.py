"""Settings that changed nothing are said to, and no others."""

from __future__ import annotations

from pathlib import Path

from neurohw.loading import load_experiment
from neurohw.report.inert import inert_settings
from neurohw.report.page.content import content
from neurohw.report.points import group_records
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from tests.test_report import record

SMALL = {"data.train_limit": 100, "data.test_limit": 50, "training.epochs": 1}


def trained(folder: Path, **keys: object) -> RunRecord:
    named = {key.replace("__", "."): value for key, value in keys.items()}
    return run(load_experiment("quickstart", {**SMALL, **named}), 0, folder)


def test_a_key_that_the_mode_does_not_read_is_named(tmp_path: Path) -> None:
    records = [trained(tmp_path / f"{eta}", target__eta=eta) for eta in (0.1, 0.2)]  # read by average = "ema" alone
    (sentence,) = inert_settings(group_records(records))
    assert sentence.startswith("target.eta: 0.1, 0.2 gave the same numbers to the last digit, on ")
    assert sentence in content(records).warnings


def test_a_key_that_is_read_is_not(tmp_path: Path) -> None:
    records = [
        trained(tmp_path / f"{eta}", target__eta=eta, target__average="ema", target__reset="never")
        for eta in (0.1, 0.2)
    ]
    assert inert_settings(group_records(records)) == []


def test_points_that_differ_in_more_than_the_key_are_not_compared() -> None:
    records = [record(0, 0.5, {"target.k": k, "target.gamma": gamma}) for k, gamma in ((1, 0.1), (2, 0.2))]
    assert inert_settings(group_records(records)) == []


def test_networks_that_guess_are_alike_whatever_the_key_did() -> None:
    records = [record(0, 0.098, {"training.learning_rate": [rate]}) for rate in (0.1, 1.0)]
    points = group_records(records)
    assert all(point.at_chance for point in points)
    assert inert_settings(points) == []


def test_one_seed_that_differs_is_a_difference() -> None:
    records = [record(seed, 0.5 + 0.1 * (seed == 1 == k), {"target.k": k + 1}) for k in (0, 1) for seed in (0, 1)]
    assert inert_settings(group_records(records)) == []
    assert len(inert_settings(group_records([r for r in records if r.seed == 0]))) == 1


def test_of_three_values_the_two_that_are_alike_are_named() -> None:
    records = [record(0, accuracy, {"target.k": k}) for k, accuracy in ((1, 0.5), (2, 0.5), (3, 0.6))]
    (sentence,) = inert_settings(group_records(records))
    assert sentence.startswith("target.k: 1, 2 gave")


def test_other_curves_other_counts_or_other_energies_are_a_difference() -> None:
    usual, other = (record(0, 0.5, {"target.k": k}) for k in (1, 2))
    assert len(inert_settings(group_records([usual, other]))) == 1
    counted = other.model_copy(update={"ledger": {"counts": [["W1", "train", "read", 1]]}})
    assert inert_settings(group_records([usual, counted])) == []
    curved = other.model_copy(update={"curve": [{"epoch": 1, "direct_accuracy": 0.4}]})
    assert inert_settings(group_records([usual, curved])) == []

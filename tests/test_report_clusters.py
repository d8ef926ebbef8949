"""Reports of runs that learn from clusters: what points are called, in which units they are shown."""

from __future__ import annotations

from typing import Any

import pytest

from neurohw.config import config_hash
from neurohw.loading import nested, validated
from neurohw.report.accuracy.data import accuracy_data
from neurohw.report.accuracy.tables import comparison_table
from neurohw.report.page.content import content
from neurohw.report.points import group_records
from neurohw.runs.record import RunRecord

STDP: dict[str, Any] = {"clustering.method": "stdp", "stdp.gain": 300.0, "stdp.trace_decay": 20.0}
K_MEANS: dict[str, Any] = {"clustering.method": "k-means"}


def record(seed: int, keys: dict[str, Any], metrics: dict[str, float], **more: Any) -> RunRecord:
    """Return a record as a run of ten epochs would leave it."""
    experiment = validated(nested({"name": "made-up", "kind": "deep-stdp", "training.epochs": 10} | keys), "test")
    given = {
        "schema": 1, "name": experiment.name, "kind": "deep-stdp", "config": experiment.canonical(),
        "config_hash": config_hash(experiment, {}), "seed": seed, "versions": {"neurohw": "0.1.0"}, "git": None,
        "status": "finished", "metrics": metrics, "peak_memory_bytes": 1,
        "timing": {"train_seconds": 2.0, "train_images_per_second": 500.0, "epochs": 10},
    }  # fmt: skip
    return RunRecord.model_validate(given | more)


def labels(*keys: dict[str, Any]) -> set[str]:
    return {point.label for point in group_records([record(0, k, {"probe_accuracy": 0.5}) for k in keys])}


def test_points_are_called_by_what_clusters() -> None:
    assert labels(STDP, K_MEANS) == {"STDP", "k-means"}
    assert labels(STDP) == {"STDP"}
    assert labels({"clustering.method": "random"}, {"clustering.method": "classes"}) == {
        "random labels",
        "true classes",
    }


def test_what_most_points_have_goes_without_saying() -> None:
    twice = {**K_MEANS, "training.passes": 2}
    assert labels(STDP, K_MEANS, twice) == {"STDP", "k-means", "k-means, passes=2"}
    assert labels(K_MEANS, twice) == {"k-means, passes=1", "k-means, passes=2"}
    gains = [{**STDP, "stdp.gain": gain} for gain in (100.0, 200.0, 300.0)]
    assert labels(*gains) == {"STDP, gain=100", "STDP, gain=200", "STDP, gain=300"}


def test_data_sets_are_named() -> None:
    assert labels(STDP, {**STDP, "data.dataset": "mnist"}) == {"STDP, digits", "STDP, mnist"}


def test_a_failed_run_is_listed_by_the_same_name() -> None:
    failed = record(0, STDP, {}, status="failed", message="out of memory")
    (unfinished,) = content([failed]).unfinished
    assert unfinished.label == "made-up: STDP"


@pytest.mark.parametrize(
    ("joules", "column", "cell"),
    [
        ((0.0141, 0.0143), "Energy of clustering, counted, mJ", "14.2 ± 0.141"),
        ((2.4e-6, 2.6e-6), "Energy of clustering, counted, uJ", "2.5 ± 0.141"),
        ((3.0, 5.0), "Energy of clustering, counted, J", "4 ± 1.41"),
        ((0.0, 0.0), "Energy of clustering, counted, J", "0 ± 0"),
    ],
)
def test_joules_are_shown_with_the_prefix_that_suits_them(joules: tuple[float, float], column: str, cell: str) -> None:
    records = [record(seed, STDP, {"clustering_joules": value}) for seed, value in enumerate(joules)]
    (energies,) = accuracy_data(group_records(records))
    table = comparison_table(energies)
    assert table.columns[1] == column
    assert table.rows[0].cells[1] == cell
    assert energies.rows[0].spread.values == joules

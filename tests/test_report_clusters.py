"""Reports of runs that learn from clusters: what points are called, in which units they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurohw.config import config_hash
from neurohw.loading import nested, validated
from neurohw.report.accuracy.data import accuracy_data
from neurohw.report.accuracy.tables import comparison_table
from neurohw.report.clusters.data import equal_accuracy
from neurohw.report.page.content import content
from neurohw.report.page.write import write_report
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
        ((0.0141, 0.0143), "Energy, mJ", "14.2 ± 0.141"),
        ((2.4e-6, 2.6e-6), "Energy, uJ", "2.5 ± 0.141"),
        ((3.0, 5.0), "Energy, J", "4 ± 1.41"),
        ((0.0, 0.0), "Energy, J", "0 ± 0"),
    ],
)
def test_joules_are_shown_with_the_prefix_that_suits_them(joules: tuple[float, float], column: str, cell: str) -> None:
    records = [record(seed, STDP, {"clustering_joules": value}) for seed, value in enumerate(joules)]
    (energies,) = accuracy_data(group_records(records))
    table = comparison_table(energies)
    assert table.columns[1] == column
    assert table.rows[0].cells[1] == cell
    assert energies.rows[0].spread.values == joules


def learnt(keys: dict[str, Any], accuracies: list[float], joules: float | None, seed: int = 0) -> RunRecord:
    """Return a record of a run that was evaluated every second epoch, with energy of each clustering (J)."""
    spent = [{} if joules is None else {"clustering_joules": joules * e, "clustering_joules_formula": 2 * joules * e}
             for e in range(1, 2 * len(accuracies) + 1)]  # fmt: skip
    curve: list[dict[str, Any]] = [
        {"epoch": e, "phase": "clusters", "nmi_truth": 0.1} | row for e, row in enumerate(spent, 1)
    ]
    for i, accuracy in enumerate(accuracies):
        curve[2 * i + 1]["probe_accuracy"] = accuracy
    return record(seed, keys | {"evaluation.every": 2}, {"probe_accuracy": accuracies[-1]}, curve=curve)


TWICE = {**K_MEANS, "training.passes": 2}
COMPARED = [
    *(learnt(STDP, [0.2, 0.3 + more, 0.5, 0.4], 0.001 + more, seed) for seed, more in enumerate((-0.0005, 0.0005))),
    *(learnt(TWICE, [0.1, 0.2 + more, 0.25, 0.3], 0.01, seed) for seed, more in enumerate((-0.1, 0.1))),
    *(learnt({"clustering.method": "random"}, [0.15] * 4, None, seed) for seed in (0, 1)),
    *(learnt({"clustering.method": "classes"}, [0.6] * 4, None, seed) for seed in (0, 1)),
]


def test_equal_accuracy_is_the_lowest_best_mean_of_what_clusters() -> None:
    (compared,) = equal_accuracy(group_records(COMPARED))
    assert compared.level == pytest.approx(0.3)  # of k-means; random labels are worse, and cluster nothing
    by_name = {row.point.label: row for row in compared.rows}
    stdp, twice = by_name["STDP"], by_name["k-means, passes=2"]
    assert (stdp.best.mean, stdp.best_epoch, twice.best_epoch) == (0.5, 6, 8)
    assert (stdp.epoch, stdp.passes) == (4, 4 * (1 + 3 * 1))
    assert (twice.epoch, twice.passes) == (8, 8 * (1 + 3 * 2))
    assert stdp.counted.values == pytest.approx((4 * 0.0005, 4 * 0.0015))
    assert stdp.formula.values == pytest.approx((8 * 0.0005, 8 * 0.0015))
    random = by_name["random labels (at chance)"]
    assert (random.epoch, random.counted.n) == (None, 0)
    assert (by_name["true classes"].epoch, by_name["true classes"].counted.n) == (2, 0)


def test_an_epoch_that_not_all_seeds_have_is_no_mean_over_seeds() -> None:
    short = [learnt(K_MEANS, [0.1, 0.2], 0.01, 0), learnt(K_MEANS, [0.1, 0.2, 0.9], 0.01, 1)]
    (compared,) = equal_accuracy(group_records([*COMPARED[:2], *short]))
    assert compared.level == 0.2


def test_equal_accuracy_stands_in_the_report(tmp_path: Path) -> None:
    text = (write_report(COMPARED, tmp_path / "report").parent / "report.md").read_text()
    heading, note = text.index("### Reaching equal accuracy\n"), text.index("Compared at 30.00 %")
    assert heading < text.index("| STDP | 50.00 ± 0.00 | 6 | 4 | 16 | 4 ± 2.83 | 8 ± 5.66 | 2 |") < note
    assert "| random labels (at chance) | 15.00 ± 0.00 | 2 | not reached | – | – | – | 2 |" in text
    assert "(evaluated every 2 epochs)" in text


def test_points_are_compared_on_the_same_data_only() -> None:
    other = [learnt(keys | {"data.dataset": "mnist"}, [0.8, 0.9], 0.01) for keys in (STDP, K_MEANS)]
    titles = [section.title for section in content([*COMPARED, *other]).main]
    assert titles[-2:] == ["Reaching equal accuracy: digits", "Reaching equal accuracy: mnist"]
    assert not equal_accuracy(group_records([COMPARED[0], other[0]]))


def test_on_a_crossbar_the_gap_is_to_the_same_method_without_one() -> None:
    device = {**STDP, "hardware.backend": "analog", "hardware.device": "ecram"}
    records = [
        record(0, keys, {"probe_accuracy": value}) for keys, value in ((STDP, 0.5), (device, 0.4), (K_MEANS, 0.3))
    ]
    (accuracies,) = accuracy_data(group_records(records))
    table = comparison_table(accuracies)
    assert [row.cells[:3] for row in table.rows] == [
        ("STDP", "50.00", "reference"),
        ("STDP on ecram", "40.00", "−10.00"),
        ("k-means", "30.00", "–"),
    ]
    assert labels(device, {**device, "data.train_limit": 200}) == {
        "STDP on ecram, all images",
        "STDP on ecram, 200 images",
    }
    (without,) = accuracy_data(group_records([records[0], records[2]]))
    assert comparison_table(without).columns[:3] == ("Point", "Accuracy, %", "Seeds")


def test_accuracies_in_spikes_stand_by_time_steps() -> None:
    steps = {"5": {"spiking_accuracy": 0.25}, "200": {"spiking_accuracy": 0.5}}
    metrics: dict[str, Any] = {"probe_accuracy": 0.5, "spiking_accuracy": 0.5, "by_time_steps": steps}
    records = [record(seed, STDP, metrics) for seed in (0, 1)]
    (section,) = (section for section in content(records).more if section.title.startswith("By time steps"))
    assert section.table.columns[1:3] == ("5 steps", "200 steps")
    assert section.table.rows[0].cells[1:3] == ("25.00 ± 0.00", "50.00 ± 0.00")

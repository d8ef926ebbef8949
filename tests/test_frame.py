"""Runs as a table, sweeps from Python, and how objects show themselves in a notebook."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import neurohw as nh
from neurohw.errors import InputError, NeurohwError
from neurohw.runs.collection import read_archive

REPORT = Path(__file__).parents[1] / "reports" / "demo"
FEW = {"data.train_limit": 200, "data.test_limit": 100, "training.epochs": 1}


def test_a_committed_report_is_a_table_with_the_means_of_its_data_csv() -> None:
    runs = nh.load_runs(str(REPORT))
    records = read_archive(REPORT / "records.jsonl.xz")
    assert len(runs) == len(records)
    assert runs.direct_accuracy.tolist() == [record.metrics["direct_accuracy"] for record in records]
    assert runs["hardware.device"].dropna().tolist() == [
        device for record in records if (device := record.config["hardware"]["device"])
    ]
    data = pd.read_csv(REPORT / "data.csv")
    assert set(data.columns) <= set(runs.columns)
    means = data.groupby("config_hash").direct_accuracy.mean()
    pd.testing.assert_series_equal(runs.groupby("config_hash").direct_accuracy.mean(), means, rtol=1e-12)
    assert len(means) == 10
    chips = runs[runs["hardware.backend"] == "analog"]
    assert (chips.joules_per_training_image > 0).all()
    assert chips.joules.tolist() == [
        r.energy.total.nominal
        for r in records
        if r.config["hardware"]["backend"] == "analog"  # type: ignore[union-attr]
    ]
    assert runs[runs["hardware.backend"] == "ideal"].joules.isna().all()


def test_a_sweep_from_python_runs_what_is_missing(tmp_path: Path) -> None:
    lines: list[str] = []
    rule = {"network.rule": ["bp", "ep"]}
    nh.sweep("quickstart", rule, [0], settings=FEW, out=tmp_path / "s", tell=lines.append)
    first = nh.load_runs(tmp_path / "s")
    assert sorted(first["network.rule"]) == ["bp", "ep"]
    assert len(lines) == 2
    assert lines[1].startswith("2/2 quickstart-")
    records = nh.sweep("quickstart", rule, [0, 1], settings=FEW, out=tmp_path / "s", tell=None)
    again = nh.load_runs(tmp_path / "s")
    assert len(again) == len(records) == 4
    old = again[again.seed == 0].set_index("path").train_seconds
    assert old.to_dict() == first.set_index("path").train_seconds.to_dict()  # only read
    by_hand = nh.run(nh.load_experiment("quickstart", FEW | {"network.rule": "ep"}), 1, tmp_path / "alone")
    alike = again[(again.seed == 1) & (again["network.rule"] == "ep")]
    assert alike.direct_accuracy.tolist() == [by_hand.metrics["direct_accuracy"]]


def test_a_sweep_from_python_refuses_what_is_wrong_before_it_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sweep: seeds: got 0 more than once"):
        nh.sweep("quickstart", {}, [0, 0], out=tmp_path / "s")
    with pytest.raises(InputError, match=r"network\.rule: got 'hopfield'"):
        nh.sweep("quickstart", {"network.rule": ["bp", "hopfield"]}, [0], out=tmp_path / "s")
    with pytest.raises(InputError, match="jobs: got 0; allowed: at least 1"):
        nh.sweep("quickstart", {"network.rule": ["bp"]}, [0], jobs=0)
    assert not list(tmp_path.glob("s/*"))


def test_points_that_fail_are_told_and_the_others_are_there(tmp_path: Path) -> None:
    rates = {"training.learning_rate": [[1e-3], [1e38]]}
    with pytest.raises(NeurohwError, match=r"1 of 2 points failed; the first: .*W1: the weights"):
        nh.sweep("quickstart", rates, [0], settings={**FEW, "training.optimizer": "adam"}, out=tmp_path, tell=None)
    runs = nh.load_runs(tmp_path)
    assert sorted(runs.status) == ["diverged", "finished"]


def test_objects_show_themselves_shortly_and_as_tables(tmp_path: Path) -> None:
    record = nh.run(nh.load_experiment("quickstart", FEW), 0, tmp_path)
    shown = f"{100 * record.metrics['direct_accuracy']:.2f} %"
    assert repr(record).startswith("RunRecord(quickstart, seed 0, finished, 1 epochs, direct accuracy ")
    assert shown in repr(record)
    assert shown in record._repr_html_()
    assert repr(nh.load_experiment("quickstart")) == "OnChipExperiment('quickstart')"
    assert "<td>training.epochs</td>" in nh.load_experiment("quickstart")._repr_html_()
    device = nh.load_device("ecram_mo")
    assert repr(device) == f"DeviceModel('ecram_mo', linear, 1 uS to 25 uS, {2 / 0.00028214:,.0f} states)"
    assert "<td>pulse.step</td>" in device._repr_html_()
    spiked = device.model_copy(update={"description": "<script>alert(1)</script>"})
    assert "<script>" not in spiked._repr_html_()

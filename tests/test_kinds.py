"""A kind of experiment is a configuration, a job and its metrics: driver, sweep, record and report ask for no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytest
import torch
from rich.console import Console

import neurohw as nh
from neurohw import kinds
from neurohw.config import Experiment, Section
from neurohw.errors import Diverged, InputError
from neurohw.kinds import Kind
from neurohw.loading import load_experiment
from neurohw.metrics import Metric
from neurohw.report.accuracy.data import accuracy_data
from neurohw.report.accuracy.tables import comparison_table
from neurohw.report.page.content import content
from neurohw.report.page.write import write_report
from neurohw.report.points import group_records
from neurohw.report.sensitivity.data import sensitivity_data
from neurohw.report.spread import at_chance, spread_of
from neurohw.runs.job import Job
from neurohw.runs.progress import Lines, Silent
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run
from neurohw.studies import expected
from neurohw.studies.estimate import estimate
from neurohw.studies.sweep import load_sweep
from neurohw.training.phases import Epoch
from tests.test_checkpoint import run_in_pieces

BATCHES = 5


class Walk(Section):
    """The drift of a random walk, its length in epochs, and where it diverges."""

    drift: float = 0.0
    noise: float = 1.0
    length: int = 4
    limit: float = 1e9


class WalkExperiment(Experiment):
    """A random walk of a hundred walkers."""

    kind: Literal["walk"] = "walk"
    walk: Walk = Walk()


HOME = Metric("home", "Walkers at home", chance="majority", meaning="Share of walkers within one step of the start.")
DISTANCE = Metric("distance", "Distance from home", unit="m", better="lower")


class WalkJob(Job[WalkExperiment]):
    """Steps of a hundred walkers, a batch after the other."""

    @classmethod
    def checksums(cls, experiment: WalkExperiment) -> dict[str, str]:
        return {"map": "none"}

    def build(self) -> None:
        self.chance, n = 0.3, self.experiment.walk.length
        self.places, self.order = torch.zeros(100), torch.zeros(())
        self.plan = [Epoch("walking", i, n, i + 1, True, 100 * BATCHES) for i in range(n)]

    def train(self, epoch: Epoch, done: int) -> Iterator[int]:
        order = torch.randperm(BATCHES, generator=self.streams.generator("batches"))
        for i in order[done:]:
            noise = torch.randn(100, generator=self.streams.generator("noise"))
            self.places = self.places + self.experiment.walk.drift + self.experiment.walk.noise * noise * (i + 1)
            yield 100

    def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
        home = float((self.places.abs() < 10).float().mean())
        return {"home": home, "distance": float(self.places.abs().mean())}

    def require_numbers(self) -> None:
        if self.places.abs().max() > self.experiment.walk.limit:
            raise Diverged("a walker has left the map")

    def state_dict(self) -> dict[str, Any]:
        return {"places": self.places}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.places = state["places"]


@pytest.fixture(autouse=True)
def walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the kind, as an entry of `KINDS` does."""
    kind = Kind(WalkExperiment, (HOME, DISTANCE), f"{__name__}:WalkJob", epochs="walk.length")
    monkeypatch.setitem(kinds.KINDS, "walk", kind)
    for metric in kind.metrics:
        monkeypatch.setitem(kinds.METRICS, metric.name, metric)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stroll.toml"
    path.write_text('kind = "walk"\n[walk]\nnoise = 0.5\n')
    return path


def test_a_file_of_another_kind_is_read_by_its_own_model(file: Path) -> None:
    experiment = load_experiment(file, {"walk.drift": 0.25})
    assert isinstance(experiment, WalkExperiment)
    assert isinstance(experiment, nh.Experiment)
    assert not isinstance(experiment, nh.OnChipExperiment)
    assert isinstance(load_experiment("quickstart"), nh.OnChipExperiment)
    assert (experiment.name, experiment.walk.noise, experiment.walk.drift) == ("stroll", 0.5, 0.25)
    with pytest.raises(InputError, match=r"--set: walk.driift: unknown key \(did you mean drift\?\); allowed: drift, "):
        load_experiment(file, {"walk.driift": 1.0}, "--set")
    file.write_text('kind = "walk"\n[network]\nrule = "ep"\n')
    with pytest.raises(InputError, match=r"stroll.toml: .*network: unknown key; allowed: name, kind, runs, walk"):
        load_experiment(file)
    file.write_text('kind = "run"\n[[when]]\nmatch = {name = "stroll"}\nset = {"walk.drift" = 1.0}\n')
    with pytest.raises(InputError, match=r"stroll.toml: kind: got 'run'; allowed: deep-stdp, onchip, stdp, walk"):
        load_experiment(file)


def test_a_run_interrupted_between_any_batches_goes_on_to_the_same_bits(file: Path, tmp_path: Path) -> None:
    experiment = load_experiment(file)
    whole = run(experiment, 3, tmp_path / "whole")
    cut, cuts = run_in_pieces(experiment, 3, tmp_path / "cut", 3)
    assert cuts > 3
    assert cut.metrics == whole.metrics
    assert [row["distance"] for row in cut.curve] == [row["distance"] for row in whole.curve]
    assert (whole.kind, whole.status, whole.chance, whole.timing["epochs"]) == ("walk", "finished", 0.3, 4)
    short = run(experiment, 3, tmp_path / "short", stop_after=2)
    assert (short.status, short.metrics["home"]) == ("stopped", whole.curve[1]["home"])
    assert 0 < estimate(experiment).seconds < 1


def test_what_diverges_is_said_by_phase_epoch_and_batch(file: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="walking epoch 1, after 5 of its batches: a walker has left the map"):
        run(load_experiment(file, {"walk.limit": 1e-3}), 0, tmp_path / "run")
    assert read_record(tmp_path / "run").status == "diverged"


def test_metrics_are_shown_in_their_own_units(file: Path, tmp_path: Path) -> None:
    class Kept(Silent):
        rows: list[dict[str, Any]] = []  # noqa: RUF012

        def end(self, row: dict[str, Any]) -> None:
            self.rows.append(row)

    record = run(load_experiment(file, {"walk.length": 1}), 0, tmp_path / "run", report=Kept())
    console = Console(record=True, width=200, file=StringIO())
    Lines(console).end(Kept.rows[0])
    distance = f"{record.metrics['distance']:.5g}"
    assert f"home {100 * record.metrics['home']:.2f} %, distance {distance} m" in console.export_text()


def test_a_sweep_of_it_makes_a_report_with_better_and_worse_the_right_way(file: Path, tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(
        'experiment = "stroll.toml"\nseeds = [0, 1]\n[axes]\n"walk.drift" = [0.0, 1.0, 2.0, 4.0]\n'
    )
    points = list(load_sweep(tmp_path / "sweep.toml").points(tmp_path / "runs"))
    records = [run(point.experiment, point.seed, point.folder) for point in points]
    assert records[-1].warnings == ["home 0.0 % is near chance (30.0 %)"]
    home, distance = (comparison_table(data) for data in accuracy_data(group_records(records)))
    assert home.columns[1:3] == ("Walkers at home, %", "Seeds")
    assert distance.columns[1] == "Distance from home, m"
    marks = ("", " (at chance)", " (at chance)", " (at chance)")
    assert [row.cells[0] for row in home.rows] == [
        f"WALK · drift={drift}{mark}" for drift, mark in zip((0, 1, 2, 4), marks, strict=True)
    ]
    assert home.rows[0].cells[3] == "4 of 4"
    of_home, of_distance = sensitivity_data(group_records(records))
    assert (of_home.worse, of_distance.worse) == ("larger", "larger")
    assert of_distance.metric is DISTANCE
    write_report(records, tmp_path / "report")
    text = (tmp_path / "report" / "report.md").read_text()
    assert "Distance from home, m" in text
    assert "ideal" not in text.lower()
    data = pd.read_csv(tmp_path / "report" / "data.csv")
    assert {"home", "distance", "walk.drift"} <= set(data.columns)
    assert set(data["epochs_scheduled"]) == {4}


def test_expected_values_are_of_the_kinds_own_metrics(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "experiments" / "stroll"
    folder.mkdir(parents=True)
    (folder / "experiment.toml").write_text(file.read_text())
    for module in ("neurohw.studies.expected", "neurohw.shipping"):
        monkeypatch.setattr(f"{module}.shipped", lambda kind: tmp_path / kind)
    record = run(load_experiment("stroll"), 0, tmp_path / "run")
    entry = '[[expect]]\nmetric = "{}"\nepoch = 4\nvalue = {}\ntolerance = 1.0\nsource = "by hand"\n'
    (folder / "expected.toml").write_text(entry.format("distance", record.metrics["distance"] + 0.5))
    (agreement,) = expected.agreements([record])
    assert (agreement.verdict, agreement.difference) == ("yes", pytest.approx(-0.5))
    (folder / "expected.toml").write_text(entry.format("test_accuracy", 0.5))
    with pytest.raises(InputError, match=r"metric: .*got 'test_accuracy'; allowed: home, distance"):
        expected.agreements([record])
    (folder / "expected.toml").write_text(entry.format("home", 50.0))
    with pytest.raises(InputError, match=r"got 50.0; allowed: 0 to 1, as home is a fraction"):
        expected.agreements([record])


def test_higher_is_better_of_every_accuracy() -> None:
    accuracies = [metric for metric in kinds.KINDS["onchip"].metrics if metric.name.endswith("accuracy")]
    assert len(accuracies) >= 4
    assert all(metric.better == "higher" and metric.share for metric in accuracies)


def test_chance_is_the_metrics_own() -> None:
    error = Metric("error", "Error", better="lower", chance=0.9)
    assert not error.near_chance(0.5, 0.1)
    assert error.near_chance(0.82, 0.1)
    assert not DISTANCE.near_chance(0.0, 0.1)
    assert HOME.near_chance(0.36, 0.3)
    assert not HOME.near_chance(0.36, 0.2)
    assert (HOME.loss(0.9, 0.8), DISTANCE.loss(3.0, 4.0)) == (pytest.approx(0.1), pytest.approx(1.0))


def test_a_record_of_no_accuracy_is_no_worse_than_guessing(file: Path, tmp_path: Path) -> None:
    record = run(load_experiment(file), 0, tmp_path / "run").model_copy(update={"metrics": {"distance": 2.0}})
    (point,) = group_records([RunRecord.model_validate(record.model_dump(by_alias=True) | {"curve": []})])
    assert not at_chance(point, spread_of(point, "distance"), DISTANCE)
    (section,) = content([record]).main
    assert section.title == "Distance from home"


def test_a_name_of_a_metric_has_one_meaning() -> None:
    names = [metric.name for kind in kinds.KINDS.values() for metric in kind.metrics]
    by_name = {metric.name: metric for kind in kinds.KINDS.values() for metric in kind.metrics}
    assert all(metric is by_name[metric.name] for kind in kinds.KINDS.values() for metric in kind.metrics)
    assert set(names) == set(kinds.METRICS)


def test_a_line_has_shares_and_what_stands_by_itself() -> None:
    learnt = {"seconds": 1.5, "nmi_truth": 0.25, "probe_accuracy": 0.5, "cluster_entropy": 0.9, "fisher_trace": 3.0}
    assert kinds.shown_metrics(learnt | {"spiking_accuracy": 0.49}) == (
        "nmi truth 0.25, probe accuracy 50.00 %, spiking accuracy 49.00 %"
    )
    on_chip = {"direct_accuracy": 0.91, "single_neuron_accuracy": 0.9}
    assert kinds.shown_metrics(on_chip) == "direct accuracy 91.00 %, single neuron accuracy 90.00 %"


def test_values_are_shown_with_the_si_prefix_that_suits_them() -> None:
    energy = Metric("energy", "Energy", unit="J", better="lower")
    assert [energy.text(joules) for joules in (0.0141, 2e-15, 0.0, 12.5)] == ["14.1 mJ", "2 fJ", "0 J", "12.5 J"]
    fitted = energy.fitted([0.002, 0.0141])
    assert (fitted.label, fitted.number(0.0141), fitted.number(2e-6)) == ("Energy, mJ", "14.1", "0.002")
    assert fitted.text(0.0141) == "14.1 mJ"
    squares = Metric("squares", "Inertia", unit="px²")
    assert (squares.text(1500.0), squares.fitted([1500.0])) == ("1500 px²", squares)
    assert (HOME.text(0.5), HOME.fitted([0.5]), Metric("n", "N", unit="").text(1500.0)) == ("50.00 %", HOME, "1500")

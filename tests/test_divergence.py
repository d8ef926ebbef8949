"""Runs that leave the numbers end, say where, and are no results."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neurohw.errors import Diverged, InputError
from neurohw.loading import load_experiment
from neurohw.report.page.content import content
from neurohw.report.points import group_records
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.serial import Serial
from neurohw.studies.expected import agreements
from neurohw.studies.sweep import Point

TINY = {"training.epochs": 2, "training.batch_size": 20, "data.train_limit": 60, "data.test_limit": 30,
        "network.layers": [64, 20]}  # fmt: skip
GROWING = {"training.schedule": {"kind": "linear", "start": 1.0, "end": 1e300}}  # the second epoch's rate is no number
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "adam": ({"training.optimizer": "adam", "training.learning_rate": [1e38]}, "W1: the weights"),
    "gamma": ({"target.gamma": 1e308}, "target: the thresholds"),
    "ep": ({"network.rule": "ep", "ep.beta": 1e-157}, r"W1: a learning rate of 0\.02, times 5e\+155, is beyond"),
    "devices": (
        {"hardware.device": "ecram", "training.optimizer": "adam", "training.learning_rate": [1e38]},
        "W1: an increment asks for weights that are not finite",
    ),
    "two layers": (
        {"network.layers": [64, 20, 20], "training.learning_rate": [0.1, 1e300], "training.dropout": [0.0, 0.0, 0.0]},
        r"W2: a learning rate of 1e\+300",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_diverges_ends_with_the_layer_and_the_step(case: str, tmp_path: Path) -> None:
    changes, said = CASES[case]
    experiment = load_experiment("quickstart", TINY | changes)
    with pytest.raises(Diverged, match=rf"^unsupervised epoch 1, after \d of its batches: {said}"):
        run(experiment, 0, tmp_path)
    record = read_record(tmp_path)
    assert record.status == "diverged"
    assert record.metrics == {}
    with pytest.raises(Diverged, match=f"^{re.escape(str(record.message))}$"):
        run(experiment, 0, tmp_path, resume=True)


def test_what_was_learnt_before_stands_in_checkpoint_and_curve(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", TINY | GROWING)
    for _ in range(2):  # a second plain run may begin anew
        with pytest.raises(Diverged, match="unsupervised epoch 2, after 0 of its batches: W1: a learning rate of 5e"):
            run(experiment, 0, tmp_path)
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["done"] == 1
    assert all(torch.isfinite(t).all() for t in kept["network"].values() if t.is_floating_point())
    record = read_record(tmp_path)
    assert [row["epoch"] for row in record.curve] == [1]
    assert record.metrics["direct_accuracy"] == record.curve[0]["direct_accuracy"]


def test_a_sweep_goes_on_and_a_report_averages_results_only(tmp_path: Path) -> None:
    experiments = [load_experiment("quickstart", TINY | {"training.schedule": {"end": end}}) for end in (1.0, 0.5)]
    diverging = load_experiment("quickstart", TINY | GROWING)
    points = [Point(e, seed, tmp_path / f"{i}-{seed}", None)
              for i, e in enumerate([diverging, *experiments]) for seed in (0, 1)]  # fmt: skip
    outcomes = [each.outcome for each in run_points(points, Serial())]
    assert [isinstance(outcome, Diverged) for outcome in outcomes] == [True, True, False, False, False, False]
    records = [read_record(point.folder) for point in points]
    assert len(group_records(records)) == 2
    said = content(records, None)
    assert len(said.details) == 2
    assert any("2 of 6 runs diverged" in text for text in said.warnings)
    assert {(run.status, run.seed) for run in said.unfinished} == {("diverged", 0), ("diverged", 1)}
    assert "2 diverged" in said.facts[0]
    assert agreements(records[:2]) == []


MAGNITUDES = st.one_of(st.floats(-2, 6), st.floats(0, 40), st.floats(0, 307)).map(lambda power: 10.0**power)
EXPERIMENTS = st.fixed_dictionaries(
    {"network.rule": st.sampled_from(["bp", "ep"]), "training.learning_rate": MAGNITUDES.map(lambda rate: [rate]),
     "training.optimizer": st.sampled_from(["pulsed-sgd", "sgd", "adam"])},
    optional={"target.gamma": MAGNITUDES, "ep.beta": MAGNITUDES.map(lambda beta: 1 / beta),
              "hardware.device": st.sampled_from(["ecram", "reram_es", "capacitor"]),
              "hardware.weight_range": MAGNITUDES, "training.loss": st.just("cross-entropy"),
              "hardware.remedy": st.sampled_from(["tiki-taka-v2", "agad", "mixed-precision", "differential"])},
)  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True, phases=[Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])  # fmt: skip
@given(changes=EXPERIMENTS, number=st.integers(0, 10**9))
def test_whatever_the_settings_a_run_ends_with_numbers_or_diverged(
    changes: dict[str, Any], number: int, tmp_path: Path
) -> None:
    short = {"training.epochs": 1, "ep.free_steps": 5, "ep.nudged_steps": 3}
    folder = tmp_path / str(number)
    try:
        experiment = load_experiment("quickstart", TINY | short | changes)
        record = run(experiment, 0, folder)
    except InputError:
        return
    except Diverged:
        assert read_record(folder).status == "diverged"
        return
    assert record.status == "finished"
    assert all(math.isfinite(value) for value in record.metrics.values() if isinstance(value, float))
    network = torch.load(folder / "checkpoint.pt", weights_only=True)["network"]
    assert all(torch.isfinite(t).all() for name, t in network.items() if name.endswith(("weights", "bias")))

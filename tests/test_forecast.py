"""What --dry-run says: each point's settings, what is done, and the time and disk that the rest takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neurohw.config import Experiment
from neurohw.loading import load_experiment
from neurohw.runs.run import run
from neurohw.studies.estimate import Estimate, estimate
from neurohw.studies.forecast import forecast
from neurohw.studies.sweep import Point, load_sweep

TEXT = """
experiment = "quickstart"
seeds = [0, 1, 2]
[set]
"data.train_limit" = 60
"data.test_limit" = 30
"training.epochs" = 2
"hardware.device" = "linear_step"
[variants]
small = { "network.layers" = [64, 20] }
large = { "network.layers" = [64, 40] }
[axes]
"hardware.adc_bits" = [6, 8]
[design]
kind = "latin-hypercube"
points = 3
[design.keys]
"hardware.read_noise" = { low = 0.01, high = 0.1 }
"hardware.device_parameters.step_ctoc" = { low = 0.1, high = 0.3 }
"""


def points_of(tmp_path: Path, text: str = TEXT) -> list[Point]:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return list(load_sweep(path).points(tmp_path / "out"))


class Stopwatch:
    """Says 2 s for 20 outputs, 4 s for 40."""

    def __init__(self) -> None:
        self.timed: list[int] = []

    def __call__(self, experiment: Experiment, stop_after: int | None, seeds: int) -> Estimate:
        outputs = experiment.network.layers[-1]  # type: ignore[attr-defined]
        self.timed.append(outputs)
        return Estimate(outputs / 10, 1000 * outputs)


def test_one_of_those_that_take_as_long_is_timed(tmp_path: Path) -> None:
    """Noise, bits and numbers of devices change no time; layers do."""
    timed = Stopwatch()
    rows = forecast(points_of(tmp_path), timed)
    assert timed.timed == [20, 40]
    assert [row.each.seconds for row in rows if row.each] == [2.0] * 6 + [4.0] * 6
    assert {row.seeds for row in rows} == {(0, 1, 2)}
    assert sum(row.seconds for row in rows) == pytest.approx(3 * (6 * 2 + 6 * 4))
    assert sum(row.size for row in rows) == 3 * (6 * 20_000 + 6 * 40_000)


def test_steps_much_finer_and_drift_that_is_there_are_timed_for_themselves(tmp_path: Path) -> None:
    head = TEXT.partition("[variants]")[0]
    for axis, kinds in (
        ('"hardware.device_parameters.step" = [0.001, 0.0011, 0.00006]', 2),
        ('"hardware.weight_range" = [0.1, 0.11, 10.0]', 2),
        ('"hardware.device_parameters.retention.drift_nu" = [0.0, 0.05, 0.1]', 2),
        ('"hardware.device_parameters.conductance.levels" = [4, 16, 64]', 1),
    ):
        timed = Stopwatch()
        forecast(points_of(tmp_path, f"{head}[axes]\n{axis}\n"), timed)
        assert len(timed.timed) == kinds, axis


def test_beyond_the_limit_the_mean_of_those_that_were_timed_is_taken(tmp_path: Path) -> None:
    rows = forecast(points_of(tmp_path), Stopwatch(), limit=-1)
    assert [(row.measured, row.each and row.each.seconds) for row in rows] == [(True, 2.0)] * 6 + [(False, 2.0)] * 6


def test_what_is_done_takes_no_time_and_is_not_timed(tmp_path: Path) -> None:
    points = points_of(
        tmp_path, TEXT.replace('[axes]\n"hardware.adc_bits" = [6, 8]\n', "").replace("points = 3", "points = 1")
    )
    for point in points:
        if point.experiment.network.layers[-1] == 20 or point.seed == 0:  # type: ignore[attr-defined]
            run(point.experiment, point.seed, point.folder)
    timed = Stopwatch()
    small, large = forecast(points, timed)
    assert timed.timed == [40]
    assert (small.done, small.each, small.seconds, large.done, large.seconds) == (3, None, 0.0, 1, 2 * 4.0)


def test_the_disk_is_about_what_a_run_leaves(tmp_path: Path) -> None:
    point = points_of(tmp_path)[0]
    run(point.experiment, 0, point.folder)
    left = sum(path.stat().st_size for path in point.folder.iterdir())
    assert estimate(point.experiment).size == pytest.approx(left, rel=0.5)


def test_a_dry_run_shows_settings_time_and_disk_and_runs_nothing(neurohw: Any, tmp_path: Path) -> None:
    constraint = 'constraints = ["hardware.adc_bits > 6"]'
    (tmp_path / "mine.toml").write_text(constraint + TEXT)
    status, out, _ = neurohw("sweep", str(tmp_path / "mine.toml"), "--dry-run", "--out", str(tmp_path / "out"))
    assert status == 0
    assert out.count("large, adc_bits = 8, read_noise = 0.0") == 3
    assert "0 to 2" in out
    assert "18 runs, 0 done, 18 left out by constraints or the same as others; about" in out
    assert "disk: about" in out
    assert "linear_step, as for any device" in out
    assert not (tmp_path / "out").exists()


def test_a_million_points_need_yes_and_are_not_made(neurohw: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TEXT.replace("points = 3", "points = 1000000"))
    status, _, err = neurohw("sweep", str(tmp_path / "mine.toml"), "--dry-run")
    assert status == 2
    assert "12000000 points; more than 10,000 need --yes" in err


def test_the_disk_of_adam_has_its_moments(tmp_path: Path) -> None:
    """They are made by the first batch: three numbers a weight, where one was told."""
    keys = {"training.optimizer": "adam", "training.learning_rate": [0.001], "network.layers": [64, 4000]}
    experiment = load_experiment("quickstart", {**keys, "training.epochs": 1, "data.train_limit": 200})
    run(experiment, 0, tmp_path / "run")
    left = sum(file.stat().st_size for file in (tmp_path / "run").iterdir())
    assert estimate(experiment).size == pytest.approx(left, rel=0.1)

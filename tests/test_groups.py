"""Sweeps that train seeds as one: each point once, with the outcome it would have by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from neurohw.errors import Diverged
from neurohw.loading import load_experiment
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run
from neurohw.studies.estimate import estimate
from neurohw.studies.execution import attempt as attempting
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.processes import Processes
from neurohw.studies.execution.serial import Serial
from neurohw.studies.groups import in_groups
from neurohw.studies.standing import batches_text
from neurohw.studies.sweep import Point, load_sweep
from tests.test_execution import until
from tests.test_lockstep import UNSTABLE
from tests.test_run import comparable

SMALL = ['"training.epochs" = 2', '"data.train_limit" = 200', '"data.test_limit" = 100']


def swept(path: Path, seeds: int, axes: Sequence[str] = (), settings: Sequence[str] = SMALL) -> list[Point]:
    """Write a sweep of digits, and return its points."""
    lines = [f'experiment = "quickstart"\nseeds = {list(range(seeds))}', "[set]", *settings, "[axes]", *axes]
    (path / "sweep.toml").write_text("\n".join(lines))
    return list(load_sweep(path / "sweep.toml").points(path / "out"))


def shape(groups: Sequence[Point]) -> list[list[int]]:
    return [[point.seed for point in group.members] for group in groups]


def test_points_that_differ_in_their_seed_are_a_group_where_it_pays(tmp_path: Path) -> None:
    hardware = 'hardware = [{ backend = "ideal" }, { backend = "analog", device = "ecram" }]'
    points = swept(tmp_path, 5, [hardware, '"network.layers" = [[64, 10], [64, 9000]]'])
    groups = in_groups(points)
    assert sorted(len(group.members) for group in groups) == [1] * 15 + [5]
    (several,) = (group for group in groups if group.companions)
    assert several.experiment.hardware.backend == "ideal"  # type: ignore[attr-defined]
    assert {point.folder for group in groups for point in group.members} == {point.folder for point in points}
    assert batches_text(groups) == "5 of them as one batch of networks, up to 5 seeds at once"
    assert batches_text(points) == ""


def test_every_place_gets_a_group(tmp_path: Path) -> None:
    points = swept(tmp_path, 6)
    assert shape(in_groups(points)) == [[0, 1, 2, 3, 4, 5]]
    assert shape(in_groups(points, 2)) == [[0, 1, 2], [3, 4, 5]]
    assert shape(in_groups(points, 4)) == [[0, 1], [2, 3], [4, 5]]
    assert shape(in_groups(points, 9)) == [[seed] for seed in range(6)]
    both = in_groups(swept(tmp_path, 6, ['"network.rule" = ["bp", "ep"]']), 2)
    assert shape(both) == [[0, 1, 2, 3, 4, 5]] * 2


@pytest.mark.parametrize("places", [0, 2])
def test_each_point_of_a_group_ends_once_as_it_would_alone(places: int, tmp_path: Path) -> None:
    points = swept(tmp_path, 5, ['"network.rule" = ["bp", "ep"]'])
    done = points[4]
    run(done.experiment, done.seed, done.folder)
    settled = list(run_points(in_groups(points, places or 1), Processes(places) if places else Serial()))
    assert sorted(each.point.folder for each in settled) == sorted(point.folder for point in points)
    for each in settled:
        assert isinstance(each.outcome, RunRecord)
        assert each.attempts == (each.point.folder != done.folder)
        alone = tmp_path / "alone" / each.point.folder.name
        run(each.point.experiment, each.point.seed, alone)
        ours, theirs = comparable(each.point.folder), comparable(alone)
        assert ours[0] == theirs[0]
        assert ours[1].equals(theirs[1])


def test_who_diverges_in_a_group_is_said_and_the_others_are_not_run_again(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", UNSTABLE)
    points = [Point(experiment, seed, tmp_path / f"unstable-0-{seed}", None) for seed in (0, 3, 5)]
    settled = list(run_points([points[0].joined_by(points[1:])], Serial()))
    outcomes = {each.point.seed: each.outcome for each in settled}
    assert {type(outcome) for outcome in outcomes.values()} == {RunRecord, Diverged}
    assert len(settled) == 3
    assert {each.attempts for each in settled} == {1}


def test_who_fails_in_a_group_is_tried_again_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw.runs import onchip as module

    original, asked = module.evaluate, list[int]()

    def evaluate(experiment: Any, network: Any, task: Any, streams: Any, *args: Any) -> Any:
        asked.append(streams.seed)
        if streams.seed == 2 and asked.count(2) == 1:
            raise RuntimeError("no luck")
        return original(experiment, network, task, streams, *args)

    monkeypatch.setattr(module, "evaluate", evaluate)
    settled = {each.point.seed: each for each in run_points(in_groups(swept(tmp_path, 4)), Serial())}
    assert all(isinstance(each.outcome, RunRecord) for each in settled.values())
    assert [asked.count(seed) for seed in range(4)] == [2, 2, 3, 2]


def test_a_group_has_the_time_of_all_its_points(tmp_path: Path) -> None:
    """Its process takes the time of one attempt for each."""
    seen: list[float | None] = []

    class Idle:
        point = None

        def begin(self, point: Point, timeout: float | None) -> None:
            seen.append(timeout)

    points = swept(tmp_path, 4)
    for group in (*in_groups(points), points[0]):
        executor = Processes(1, timeout=5.0)
        executor._children = [Idle()]  # type: ignore[list-item]
        executor.begin(group, ())
    assert seen == [20.0, 5.0]


def test_an_interrupted_sweep_goes_on_and_runs_no_seed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a group is trained: all its points have a checkpoint, and the same command goes on from there."""
    settings = ['"training.epochs" = 100', '"evaluation.every" = 100', '"data.test_limit" = 100']
    points = swept(tmp_path, 3, settings=settings)
    command = [sys.executable, "-m", "neurohw", "sweep", str(tmp_path / "sweep.toml"), "--out", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    heard = partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # where tests run in the background, too
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=heard)
    until(lambda: all((point.folder / "metrics.csv").exists() for point in points))
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "3 of them as one batch of networks, up to 3 seeds at once" in said
    records = [read_record(point.folder) for point in points]
    assert {record.status for record in records} == {"stopped"}
    assert len({len(record.curve) for record in records}) == 1  # all stand at the same place
    began: list[list[int]] = []
    original = attempting.run_seeds

    def run_seeds(experiment: Any, folders: Any, **more: Any) -> Any:
        began.append([*folders])
        return original(experiment, folders, **more)

    monkeypatch.setattr(attempting, "run_seeds", run_seeds)
    list(run_points(in_groups(points), Serial()))
    list(run_points(in_groups(points), Serial()))
    assert began == [[0, 1, 2]]
    alone = tmp_path / "alone"
    run(points[1].experiment, points[1].seed, alone)
    assert comparable(points[1].folder)[0]["metrics"] == comparable(alone)[0]["metrics"]


def test_the_estimate_of_a_group_is_below_that_of_its_runs_one_by_one() -> None:
    """It times a few batches: where others take the cores midway, it is asked again."""
    experiment = load_experiment("quickstart", {"training.epochs": 3})
    assert any(0 < estimate(experiment, seeds=16).seconds < 16 * estimate(experiment).seconds for _ in range(4))

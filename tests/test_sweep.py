"""Sweeps: the grid, what is skipped, what is refused, processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.errors import InputError, NeurohwError
from neurohw.loading import load_experiment
from neurohw.runs.progress import Reporter, Silent
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run
from neurohw.studies import executors
from neurohw.studies.executors import run_points
from neurohw.studies.sweep import Point, load_sweep
from tests.processes import ended, start

TEXT = """
experiment = "quickstart"
seeds = [0, 1]
stop_after = 1

[set]
"data.train_limit" = 200
"data.test_limit" = 100

[axes]
"target.k" = [1, 2]
hardware = [{ backend = "ideal" }, { backend = "aihwkit", device = "ecram" }]
"""


def written(tmp_path: Path, text: str = TEXT) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_points_are_the_product_of_axes_and_seeds(tmp_path: Path) -> None:
    points = list(load_sweep(written(tmp_path)).points(tmp_path))
    assert len(points) == 2 * 2 * 2
    assert len({p.folder for p in points}) == 8
    assert [p.seed for p in points] == [0] * 4 + [1] * 4
    first = [(p.experiment.target.k, p.experiment.hardware.device) for p in points[:4]]
    assert first == [(1, None), (1, "ecram"), (2, None), (2, "ecram")]


def test_points_that_are_the_same_run_are_run_once(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace('"target.k" = [1, 2]', '"target.k" = [1, 1]'))
    assert len(list(load_sweep(path).points(tmp_path))) == 2 * 2


def test_size_counts_runs(tmp_path: Path) -> None:
    assert load_sweep(written(tmp_path)).size() == 8
    assert load_sweep(written(tmp_path, TEXT.replace("seeds = [0, 1]", ""))).size() == 4 * 3


def test_seeds_default_to_the_published_number_of_runs(tmp_path: Path) -> None:
    path = written(tmp_path, 'experiment = "quickstart"\n[set]\nruns = 4\n')
    assert [p.seed for p in load_sweep(path).points(tmp_path)] == [0, 1, 2, 3]


@pytest.mark.parametrize("jobs", [1, 2])
def test_sweeps_skip_what_is_finished(jobs: int, tmp_path: Path) -> None:
    points = list(load_sweep(written(tmp_path)).points(tmp_path / "out"))
    outcomes = dict(run_points(points, jobs, Silent()))
    assert all(isinstance(outcome, RunRecord) for outcome in outcomes.values())
    written_at = {p.folder: (p.folder / "record.json").stat().st_mtime_ns for p in points}
    again = dict(run_points(points, 1, Silent()))
    assert {p.folder: (p.folder / "record.json").stat().st_mtime_ns for p in points} == written_at
    assert again[points[0]].metrics == outcomes[points[0]].metrics  # type: ignore[union-attr]


def test_one_failed_point_does_not_end_the_others(tmp_path: Path) -> None:
    path = written(
        tmp_path, TEXT.replace('device = "ecram"', 'device = "pcm", recommended = false')
    )  # which needs a pair
    outcomes = [outcome for _, outcome in run_points(list(load_sweep(path).points(tmp_path)), 1, Silent())]
    assert sum(isinstance(o, RunRecord) for o in outcomes) == 4
    assert all("needs a pair" in str(o) for o in outcomes if isinstance(o, NeurohwError))


class Slow(Silent):
    """Makes a run last, and leaves a file where it has trained."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def tick(self, images: int) -> None:
        (self.folder / f"{os.getpid()}.trained").touch()
        time.sleep(0.1)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Workers that are forked: they import nothing, and last."""
    monkeypatch.setattr(executors, "_PROCESSES", multiprocessing.get_context("fork"))
    monkeypatch.setattr(executors, "Silent", lambda: Slow(tmp_path))


def forked_workers(test: Any) -> Any:
    """Have a test's workers forked, which Python 3.12 warns of."""
    return pytest.mark.usefixtures("forked")(pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")(test))


TINY = TEXT.replace("= 200", "= 60").replace("= 100", "= 30").replace(', { backend = "aihwkit", device = "ecram" }', "")


def workers(of: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == of and state != "Z":
                found.append(int(path.parent.name))
    return found


@forked_workers
def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path) -> None:
    """One of two is killed in its first point: all points end, that one last, as if nothing had been."""
    points = list(load_sweep(written(tmp_path, TINY)).points(tmp_path / "out"))
    outcomes = []
    for point, outcome in run_points(points, 2, Silent()):
        if not outcomes:
            os.kill(workers(os.getpid())[0], signal.SIGKILL)
        outcomes.append((point, outcome))
    assert sorted(point.folder for point, _ in outcomes) == sorted(point.folder for point in points)
    assert all(isinstance(outcome, RunRecord) for _, outcome in outcomes), outcomes
    for point, record in outcomes:
        alone = run(point.experiment, point.seed, tmp_path / "alone" / point.folder.name, stop_after=point.stop_after)
        assert record.metrics == alone.metrics  # type: ignore[union-attr]


@forked_workers
def test_a_point_that_kills_each_of_its_workers_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = list(load_sweep(written(tmp_path, TINY)).points(tmp_path / "out"))
    lives = tmp_path / "lives"

    def deadly(point: Point, report: Reporter) -> Any:
        if point == points[1]:
            with lives.open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return original(point, report)

    original = executors._outcome
    monkeypatch.setattr(executors, "_outcome", deadly)
    outcomes = dict(run_points(points, 2, Silent()))
    assert len(outcomes) == len(points)
    failed = outcomes.pop(points[1])
    assert str(failed).startswith(f"{points[1].folder.name}: its process ended 3 times (signal 9), for want of memory")
    assert lives.read_text() == "xxx"
    assert all(isinstance(outcome, RunRecord) for outcome in outcomes.values())


@forked_workers
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_sweep_and_lose_no_batch(how: signal.Signals, tmp_path: Path) -> None:
    text = TINY.replace("= 60", "= 400").replace("[1, 2]", "[1]")  # of 25 batches, 2.5 s an epoch, they do a few
    points = list(load_sweep(written(tmp_path, text)).points(tmp_path / "out"))

    def sweep() -> None:
        signal.signal(signal.SIGTERM, executors._terminated)
        list(run_points(points, 2, Silent()))

    coordinator = start(sweep)
    until(lambda: len(list(tmp_path.glob("*.trained"))) == 2)
    started = workers(coordinator)
    assert len(started) == 2
    os.kill(coordinator, how)
    ended(coordinator)
    until(lambda: not any(map(running, started)))
    for point in points:
        if left := {path.name for path in point.folder.glob("*")}:  # none where the run had not begun
            assert left <= {"record.json", "metrics.csv", "checkpoint.pt"}
            assert read_record(point.folder).status == "stopped"
    kept = [torch.load(path, weights_only=True) for path in tmp_path.rglob("checkpoint.pt")]
    assert [checkpoint["done"] for checkpoint in kept] == [0, 0]
    assert all(checkpoint["batches"] > 0 for checkpoint in kept)
    for point, record in run_points(points, 1, Silent()):
        alone = run(point.experiment, point.seed, tmp_path / "alone" / point.folder.name, stop_after=point.stop_after)
        assert isinstance(record, RunRecord)
        assert record.metrics == alone.metrics


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def running(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("seed", [-1, 2**63, True, 1.0])
def test_what_is_no_seed_is_refused(seed: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"seed: got {seed}; allowed: an integer from 0 to 9223372036854775807"):
        run(load_experiment("quickstart"), seed, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_device_that_does_not_exist_is_named_before_anything_runs(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace('device = "ecram"', 'device = "unobtainium"'))
    with pytest.raises(InputError, match=r"hardware\.device: device 'unobtainium': no such file"):
        list(load_sweep(path).points(tmp_path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("seeds = [0, 1]", "seeds = []"), "seeds: got none"),
        (("seeds = [0, 1]", "seeds = [4, 1, 4, 2, 1]"), "seeds: got 1, 4 more than once; allowed: each seed once"),
        (("seeds = [0, 1]", "seeds = [0, true]"), r"seeds\.1: got True; allowed: a valid integer"),
        (("seeds = [0, 1]", "seeds = [-1]"), r"seeds\.0: got -1; allowed: greater than or equal to 0"),
        (("seeds = [0, 1]", "seeds = [1.0]"), r"seeds\.0: got 1\.0; allowed: a valid integer"),
        (("stop_after = 1", "stop_after = true"), "stop_after: got True; allowed: a valid integer"),
        (("[axes]", "[axis]"), "axis"),
        (('"target.k" = [1, 2]', '"target.kk" = [1, 2]'), r"target\.kk: unknown key \(did you mean k\?\)"),
        (('"quickstart"', '"slowstart"'), "slowstart"),
        (("stop_after = 1", "stop_after = 0"), "stop_after"),
    ],
)
def test_wrong_sweeps_are_explained(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        list(load_sweep(written(tmp_path, TEXT.replace(*change))).points(tmp_path))


def test_shipped_sweeps_are_valid() -> None:
    from neurohw.loading import load_experiment
    from neurohw.shipping import shipped

    found: list[Any] = []
    for path in sorted(shipped("experiments").glob("*/*.toml")):
        if path.name in ("experiment.toml", "expected.toml"):
            continue
        sweep = load_sweep(path)
        for overrides in sweep.combinations():
            found.append(load_experiment(sweep.base(), overrides))
    assert len(found) > 20


def test_a_parameter_of_a_device_is_an_axis(tmp_path: Path) -> None:
    axis = '"hardware.device_parameters.conductance.levels" = [4, 16, 64]'
    path = written(tmp_path, f'experiment = "quickstart"\nset = {{ "hardware.device" = "ecram" }}\n[axes]\n{axis}\n')
    levels = [p.experiment.hardware.device_parameters["conductance.levels"] for p in load_sweep(path).points(tmp_path)]
    assert levels == [4, 16, 64] * 3

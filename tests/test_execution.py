"""Points on executors: retries, limits, logs, locks, and what a sweep leaves that was killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw import kinds
from neurohw.errors import Diverged, GivenUp, InputError, NeurohwError
from neurohw.runs.files import is_locked, locked
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run
from neurohw.studies.execution.base import AttemptFailed, Settled
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.processes import Processes, threads_of
from neurohw.studies.execution.serial import Serial
from neurohw.studies.run_sweep import Execution, Telling, run_sweep
from neurohw.studies.standing import Count, rate_text, read_standing
from neurohw.studies.sweep import Point, load_sweep
from tests import stubs

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every process knows the kind, and leaves marks of its attempts."""
    monkeypatch.setitem(kinds.KINDS, "stub", stubs.KIND)
    monkeypatch.setitem(kinds.METRICS, "level", stubs.KIND.metrics[0])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(stubs.SITE), str(ROOT)]))
    (tmp_path / "marks").mkdir()
    monkeypatch.setenv(stubs.MARKS, str(tmp_path / "marks"))


def swept(tmp_path: Path, count: int = 4, axes: str = "", **settings: Any) -> Path:
    """Write a sweep of stubs and return its path."""
    (tmp_path / "stub.toml").write_text('kind = "stub"\n')
    faults = settings.pop("faults", {})
    lines = [f"{key} = {value}" for key, value in settings.items()]
    lines += [f"faults.{seed} = {list(fault)}" for seed, fault in faults.items()]
    path = tmp_path / "sweep" / "sweep.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'experiment = "../stub.toml"\nseeds = {list(range(count))}\n[set.stub]\n' + "\n".join(lines)
                    + f"\n[axes]\n{axes}\n")  # fmt: skip
    return path


def points_of(tmp_path: Path, **settings: Any) -> list[Point]:
    return list(load_sweep(swept(tmp_path, **settings)).points(tmp_path / "out"))


def by_seed(settled: Iterator[Settled]) -> dict[int, Settled]:
    found = {each.point.seed: each for each in settled}
    return found


def attempts(tmp_path: Path, seed: int) -> int:
    return len(list((tmp_path / "marks").glob(f"stub-1-{seed}.*")))


def alone(point: Point, tmp_path: Path) -> RunRecord:
    """Return the record of the point, run by itself in this process."""
    elsewhere = tmp_path / "alone" / point.folder.name
    return run(point.experiment, point.seed, elsewhere, stop_after=point.stop_after)


def numbers(folder: Path) -> dict[str, Any]:
    """Return what two runs of one point have in common, to the last bit."""
    return numbers_of(read_record(folder))


def numbers_of(record: RunRecord) -> dict[str, Any]:
    kept = record.model_dump(exclude={"timing", "versions", "peak_memory_bytes"})
    return kept | {"curve": [{k: v for k, v in row.items() if k != "seconds"} for row in record.curve]}


def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(of: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == of and state != "Z":
                found.append(int(path.parent.name))
    return found


def peak_megabytes(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def running(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


ALWAYS = 1000


def test_what_raises_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    points = points_of(tmp_path, faults={1: ("raise", ALWAYS), 2: ("lead", ALWAYS), 3: ("raise", 1)})
    ended = by_seed(run_points(points, Serial(), retries=1))
    assert [isinstance(ended[seed].outcome, RunRecord) for seed in range(4)] == [True, False, False, True]
    assert [ended[seed].attempts for seed in range(4)] == [1, 2, 1, 2]
    assert [attempts(tmp_path, seed) for seed in range(4)] == [1, 2, 1, 2]
    failed, log = ended[1], points[1].folder / "log.txt"
    assert str(failed.outcome) == f"{points[1].folder.name}: ValueError: as it was told (2 attempts, log: {log})"
    assert log.read_text().count("ValueError: as it was told") == 2
    told = json.loads((points[1].folder / "failed.json").read_text())
    assert (told["seed"], told["config_hash"], told["log"]) == (1, points[1].digest, "log.txt")
    assert [each["how"] for each in told["attempts"]] == ["raised", "raised"]
    assert all(each["where"] == "this process" for each in told["attempts"])
    assert str(ended[2].outcome) == "stub.faults: got 'lead'; allowed: gold"
    assert {path.parent for path in (tmp_path / "out").rglob("failed.json")} == {p.folder for p in points[1:3]}


def test_however_points_fail_in_processes_they_are_tried_again_and_fail_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurohw.studies.execution import child

    monkeypatch.setattr(child, "GRACE_SECONDS", 4.0)  # for one that is deaf to SIGTERM
    faults = {0: ("kill", 1), 1: ("kill", ALWAYS), 2: ("memory", 1), 3: ("hang", ALWAYS), 4: ("lead", ALWAYS)}
    points = points_of(tmp_path, count=7, faults=faults)
    ended = by_seed(run_points(points, Processes(2, timeout=4.0), retries=1))
    assert [ended[seed].attempts for seed in range(7)] == [2, 2, 2, 2, 1, 1, 1]
    assert {seed for seed in range(7) if isinstance(ended[seed].outcome, RunRecord)} == {0, 2, 5, 6}
    killed = str(ended[1].outcome)
    assert killed.startswith(f"{points[1].folder.name}: its process ended (signal 9), for want of memory perhaps")
    assert (points[1].folder / "log.txt").read_text().count("the last words") == 2
    begun = [line for line in (points[2].folder / "log.txt").read_text().splitlines() if "begun by process" in line]
    assert len({line.split("process ")[1] for line in begun}) == 2  # one that wanted for memory is not trusted again
    assert f"{points[3].folder.name}: took longer than 4 s (--point-timeout)" in str(ended[3].outcome)
    hows = {path.parent: [each["how"] for each in json.loads(path.read_text())["attempts"]]
            for path in (tmp_path / "out").rglob("failed.json")}  # fmt: skip
    assert hows == {points[1].folder: ["killed"] * 2, points[3].folder: ["late"] * 2, points[4].folder: ["input"]}


def test_what_takes_too_long_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    """Each attempt has time for some of the batches; together they do all, as one undisturbed run would."""
    points = points_of(tmp_path, count=1, batches=20, seconds=0.1)
    (settled,) = run_points(points, Processes(1, timeout=1.2), retries=9)
    assert isinstance(settled.outcome, RunRecord)
    assert settled.attempts >= 2
    assert settled.outcome.metrics == alone(points[0], tmp_path).metrics


def test_the_time_limit_is_of_each_point_however_many_run_together(tmp_path: Path) -> None:
    first, second = points_of(tmp_path, count=2, batches=4, seconds=0.5)
    settled = [*run_points([first.joined_by([second])], Processes(1, timeout=3.5), retries=0)]
    assert [type(each.outcome) for each in settled] == [RunRecord, RunRecord]


def test_a_log_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (point,) = points_of(tmp_path, count=1)
    point.folder.mkdir(parents=True)
    (point.folder / "log.txt").symlink_to("/dev/full")
    (settled,) = run_points([point], Processes(1), retries=0)
    assert isinstance(settled.outcome, RunRecord)


def test_a_failed_point_is_tried_anew_by_the_same_command(tmp_path: Path) -> None:
    points = points_of(tmp_path, faults={1: ("raise", 1)})
    failed = by_seed(run_points(points, Serial(), retries=0))[1]
    assert isinstance(failed.outcome, NeurohwError)
    again = by_seed(run_points(points, Serial(), retries=0))
    assert [again[seed].attempts for seed in range(4)] == [0, 1, 0, 0]
    assert not (failed.point.folder / "failed.json").exists()


def test_finished_points_are_only_read_and_damaged_records_are_said(tmp_path: Path) -> None:
    points = points_of(tmp_path)
    list(run_points(points, Serial()))
    (points[0].folder / "record.json").write_text("{}")
    (points[1].folder / "failed.json").write_text("{}")  # of a sweep before the run that made the record
    ended = by_seed(run_points(points, Serial()))
    assert isinstance(ended[0].outcome, InputError)
    assert "this is no record that neurohw wrote" in str(ended[0].outcome)
    assert [ended[seed].attempts for seed in range(4)] == [0, 0, 0, 0]
    assert not (points[1].folder / "failed.json").exists()


def test_a_sweep_that_is_not_valid_leaves_no_process(tmp_path: Path) -> None:
    sweep = load_sweep(swept(tmp_path, axes='"stub.length" = [1]'))
    before = children(os.getpid())
    with pytest.raises(InputError, match=r"stub\.length: unknown key"):
        run_sweep(sweep, tmp_path / "out", Execution(2), Telling(print))
    assert children(os.getpid()) == before
    assert not is_locked(tmp_path / "out")


def test_two_sweeps_of_one_folder_are_one_too_many(tmp_path: Path) -> None:
    sweep = load_sweep(swept(tmp_path))
    (tmp_path / "out").mkdir()
    with locked(tmp_path / "out"), pytest.raises(InputError, match=rf"out: is in use by process {os.getpid()} on .*"):
        run_sweep(sweep, tmp_path / "out", Execution(2), Telling(print))
    assert not list((tmp_path / "marks").iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"threads": 0}, "threads: got 0; allowed: at least 1"),
        ({"retries": -1}, "retries: got -1; allowed: at least 0"),
        ({"timeout": 0.0}, "point_timeout: got 0.0; allowed: more than 0 seconds"),
        ({"timeout": float("nan")}, "point_timeout: got nan; allowed: more than 0 seconds"),
        ({"jobs": 0, "timeout": 1.0}, "point_timeout: needs processes"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Execution(**given)


def test_threads_are_a_share_of_the_cores_and_no_more_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw.studies.execution import processes

    monkeypatch.setattr(processes, "cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [threads_of(jobs) for jobs in (1, 3, 8, 20)] == [8, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [threads_of(jobs) for jobs in (1, 8)] == [2, 1]


def test_processes_take_the_threads_that_are_said(tmp_path: Path) -> None:
    executor = Processes(2, threads=3)
    assert str(executor) == "2 processes of 3 threads each"
    assert str(Processes(1, threads=1)) == "1 process of 1 thread"
    (settled,) = run_points(points_of(tmp_path, count=1), executor)
    assert settled.outcome.versions["threads"] == "3"  # type: ignore[union-attr]


SWEEP = [sys.executable, "-m", "neurohw", "sweep"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_sweep_and_lose_no_batch(how: signal.Signals, tmp_path: Path) -> None:
    path = swept(tmp_path, count=2, batches=600, seconds=0.05)
    command = [*SWEEP, str(path), "--jobs", "2", "--out", str(tmp_path / "out")]
    coordinator = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: len(list((tmp_path / "marks").iterdir())) == 2)
    started = children(coordinator.pid)
    assert len(started) == 2
    time.sleep(0.5)
    coordinator.send_signal(how)
    assert coordinator.wait(60) == (130 if how == signal.SIGTERM else -9)
    until(lambda: not any(map(running, started)))
    points = points_of(tmp_path, count=2, batches=600, seconds=0.05)
    for point in points:
        assert read_record(point.folder).status == "stopped"
        checkpoint = torch.load(point.folder / "checkpoint.pt", weights_only=True)
        assert checkpoint["batches"] > 0


def test_killed_anywhere_and_started_again_a_sweep_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    """A process is killed, then the coordinator by SIGKILL; started again, each point is finished once."""
    path = swept(tmp_path, count=4, axes='"stub.step" = [1.0, 2.0]', epochs=2, batches=4, seconds=0.1)
    command = [*SWEEP, str(path), "--jobs", "2", "--out", str(tmp_path / "out")]
    coordinator = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: len(list((tmp_path / "out").rglob("record.json"))) >= 2)
    os.kill(children(coordinator.pid)[0], signal.SIGKILL)
    until(lambda: len(list((tmp_path / "out").rglob("record.json"))) >= 4)
    assert peak_megabytes(coordinator.pid) < 300  # its processes load torch, it does not
    coordinator.kill()
    coordinator.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("record.json")
            if read_record(path).status == "finished"}  # fmt: skip
    assert len(kept) >= 2
    again = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "failed" not in again.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    points = list(load_sweep(path).points(tmp_path / "out"))
    assert len(points) == 8
    for point in points:
        alone(point, tmp_path)
        assert numbers(point.folder) == numbers(tmp_path / "alone" / point.folder.name)


def test_the_standing_counts_what_is_done_and_what_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = points_of(tmp_path, epochs=4)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    count = Count(4, "here")
    now = 110.0
    assert (count.now().per_second, count.now().seconds_left) == (0.0, None)
    count.epoch(points[0], {"epoch": 2, "level": 1.0})
    assert count.now().seconds_left == pytest.approx(70.0)  # half a point in 10 s, 3.5 are left
    assert count.now().under_way == [f"{points[0].folder.name}: epoch 2 of 4, level 1 m"]
    line = count.settled(Settled(points[0], AttemptFailed("no luck"), 3))
    assert line == f"1/4 {points[0].folder.name}: failed: no luck"
    count.settled(Settled(points[1], Diverged("too far"), 0))
    standing = count.now()
    assert (standing.done, standing.known, standing.failed, standing.under_way) == (2, 1, 2, [])
    assert standing.summary() == "2 of 4 points, 1 of them had been done before, 2 failed, 6 a min, 20 s left"
    assert [rate_text(rate) for rate in (2.5, 0.1, 0.001)] == ["2.5 a s", "6 a min", "3.6 a h"]
    standing.write(tmp_path)
    assert read_standing(tmp_path) == standing


def test_a_sweep_is_watched_and_not_disturbed(neurohw: Any, tmp_path: Path) -> None:
    path = swept(tmp_path, faults={1: ("raise", ALWAYS)})
    assert neurohw("sweep", str(path), "--out", "out", "--retries", "0")[0] == 1
    status, said, _ = neurohw("watch", "out")
    assert status == 0
    assert said.startswith("4 of 4 points, 1 failed\n")
    assert "ValueError: as it was told" in said
    with locked(tmp_path / "out"):
        assert neurohw("watch", "out", "--once")[1] == said  # it goes on, and is let alone
        assert is_locked(tmp_path / "out")
    assert not is_locked(tmp_path / "out")
    (tmp_path / "out" / "standing.json").write_text('{"total": -1}')
    status, _, wrong = neurohw("watch", "out")
    assert (status, "standing.json: total: got -1; allowed: greater than or equal to 0" in wrong) == (2, True)
    status, _, wrong = neurohw("watch", "nowhere")
    assert (status, "nowhere: no standing.json in it; allowed: the folder (--out) of a `neurohw sweep`" in wrong) == (
        2,
        True,
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_who_is_given_up_ends_at_the_next_batch_and_the_others_go_on(tmp_path: Path, jobs: int) -> None:
    from neurohw.studies.execution.local import local

    def watch(point: Point, row: dict[str, Any]) -> None:
        if point.seed in (1, 2) and row["epoch"] == 2:
            raise GivenUp("seen enough")

    ended = by_seed(run_points(points_of(tmp_path, epochs=5, batches=40, seconds=0.01), local(jobs, watch)))
    assert [isinstance(ended[seed].outcome, GivenUp) for seed in range(4)] == [False, True, True, False]
    for seed, each in ended.items():
        record = read_record(each.point.folder)
        assert not (each.point.folder / "failed.json").exists()
        if seed in (1, 2):
            assert (record.status, each.attempts) == ("stopped", 1)
            assert str(record.message).endswith("seen enough")
            assert record.timing["epochs"] in ((2,) if jobs == 1 else (2, 3))  # another process hears of it later
        else:
            assert record.status == "finished"
    again = by_seed(run_points(points_of(tmp_path, epochs=5, batches=40, seconds=0.01), local(1)))
    assert all(isinstance(each.outcome, RunRecord) for each in again.values())  # it is no result, and goes on
    assert numbers(ended[1].point.folder) == numbers_of(alone(ended[1].point, tmp_path))


@pytest.mark.parametrize("jobs", [1, 2])
def test_further_points_are_asked_for_when_there_is_a_place(tmp_path: Path, jobs: int) -> None:
    """Whoever draws a point knows what became of all that gave their place to it."""
    from neurohw.studies.execution.local import local

    points = iter(points_of(tmp_path, count=5))
    known: list[int] = []
    asked: list[int] = []

    def more() -> Point | None:
        asked.append(len(known))
        return next(points, None)

    for each in run_points([], local(jobs), more=more):
        known.append(each.point.seed)
    assert sorted(known) == [0, 1, 2, 3, 4]
    assert asked[:2] == [0, 1] if jobs == 1 else [0, 0]
    assert all(n + jobs > i for i, n in enumerate(asked[:5]))

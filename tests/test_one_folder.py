"""One folder, whatever runs, stops, is killed or goes on in it: one record, with metrics of its own; nothing lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs import task
from neurohw.runs.progress import Silent
from neurohw.runs.record import RunRecord, git_revision, read_record, versions
from neurohw.runs.run import run
from tests.processes import KILLED, apart, ended, killed_at, start
from tests.test_checkpoint import assert_the_same_run

EPOCHS = 2
TINY = {"training.epochs": EPOCHS, "training.batch_size": 30, "data.train_limit": 60, "data.test_limit": 30,
        "network.layers": [64, 20]}  # fmt: skip
CASES: dict[str, Any] = {  # not shrunk: each takes a second
    "deadline": None, "derandomize": True, "phases": [Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}  # fmt: skip
FILES = {"record.json", "metrics.csv", "checkpoint.pt"}
OURS = load_experiment("quickstart", TINY)
OTHER = load_experiment("quickstart", {**TINY, "target.k": 3})


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """What is looked up once per process is looked up before there are many; disks are not waited for."""
    git_revision(), versions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "load_dataset", cache(task.load_dataset))
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of our run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run(OURS, 0, folder)
    return folder


class Interrupting(Silent):
    def __init__(self, batches: int) -> None:
        self.left = batches

    def tick(self, images: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def content(folder: Path) -> dict[str, bytes]:
    """Return the folder's files, less the lock that a killed process left."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file() and path.name != ".lock"}


def result(folder: Path) -> RunRecord | None:
    """Return the folder's record, if there is one: it is whole, and its metrics are its own."""
    if not (folder / "record.json").is_file():
        return None
    record = read_record(folder)
    assert [row["epoch"] for row in record.curve] == list(range(1, len(record.curve) + 1))
    assert record.timing["epochs"] == len(record.curve)
    assert sum(row["seconds"] for row in record.curve) == pytest.approx(record.timing["train_seconds"])
    return record


def reached(folder: Path) -> float:
    """Return the epochs that are not lost: those of the record, or of the checkpoint."""
    record = result(folder)
    saved = folder / "checkpoint.pt"
    kept = torch.load(saved, weights_only=True)["done"] if saved.is_file() else 0
    return max(record.timing["epochs"] if record else 0, kept)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ours", "ours", "ours", "other"]),
        st.booleans(),  # resume
        st.sampled_from([None, None, 1]),  # stop_after
        st.one_of(
            st.none(),
            st.tuples(st.just("killed"), st.integers(0, 30)),
            st.tuples(st.just("interrupted"), st.integers(0, 3)),
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20, **CASES)
@given(steps=STEPS)
def test_whatever_happens_nothing_is_lost_and_the_run_goes_on_to_the_same_bits(
    steps: list[Any], whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    owner = None
    for which, resume, stop_after, end in steps:
        experiment = OURS if which == "ours" else OTHER
        before, epochs, former = content(folder), reached(folder), result(folder)
        report = Interrupting(end[1]) if end and end[0] == "interrupted" else Silent()

        def work(*asked: Any) -> None:
            run(asked[0], 0, folder, resume=asked[1], stop_after=asked[2], report=asked[3])

        asked = (experiment, resume, stop_after, report)
        if end and end[0] == "killed":
            status = apart(killed_at(end[1], folder, lambda: work(*asked)))  # noqa: B023 (done within the turn)
        else:
            status = apart(lambda: work(*asked))  # noqa: B023
        if status == 2:  # another's, or an interrupted run that was to start anew
            assert content(folder) == before
            assert owner not in (None, which) or not resume
            continue
        assert status in ((0, KILLED) if end is None or end[0] == "killed" else (0, 1))
        if owner is None and {"record.json", "checkpoint.pt"} & content(folder).keys():
            owner = which
        replaced = epochs if resume else min(epochs, stop_after or EPOCHS)  # by a shorter run, once that is whole
        assert reached(folder) >= replaced
        if former is not None and former.message is None and status == 1:
            assert (now := result(folder)) is not None
            assert now.timing["epochs"] >= former.timing["epochs"]
        if status == 0:
            assert (done := result(folder)) is not None
            assert done.timing["epochs"] >= (stop_after or EPOCHS)
            assert set(content(folder)) == FILES
    if owner == "ours":
        run(OURS, 0, folder, resume=True)
        assert_the_same_run(folder, whole)
        assert set(content(folder)) == FILES


def test_killed_before_any_change_of_a_file_a_run_goes_on_to_the_same_bits(whole: Path, tmp_path: Path) -> None:
    """Every place of a run where a file is opened to be written, renamed or removed; also over a former record."""
    for kind in ("first", "again"):
        at = 0
        while True:
            folder = tmp_path / f"{kind}{at}"
            if kind == "again":
                shutil.copytree(whole, folder)
            status = apart(killed_at(at, folder, lambda: run(OURS, 0, folder)))  # noqa: B023
            result(folder)
            if kind == "again":
                assert reached(folder) == EPOCHS
            run(OURS, 0, folder, resume=True)
            assert_the_same_run(folder, whole)
            assert kind == "again" or set(content(folder)) == FILES
            if status == 0:
                break
            assert status == KILLED
            at += 1
        assert at > 20


@settings(max_examples=8, **CASES)
@given(
    which=st.sampled_from([("ours", "ours"), ("ours", "other")]),
    resume=st.tuples(st.booleans(), st.booleans()),
    begun=st.booleans(),
)
def test_of_two_runs_in_one_folder_one_is_recorded_and_the_other_told(
    which: tuple[str, str], resume: tuple[bool, bool], begun: bool, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    if begun:
        with pytest.raises(KeyboardInterrupt):
            run(OURS, 0, folder, report=Interrupting(2))
    children = []
    for name, goes_on in zip(which, resume, strict=True):
        experiment = OURS if name == "ours" else OTHER
        children.append(start(lambda: run(experiment, 0, folder, resume=goes_on)))  # noqa: B023 (forked at once)
    statuses = [ended(child) for child in children]
    assert set(statuses) <= {0, 2}
    record = result(folder)
    assert record is not None
    if 0 not in statuses:  # an interrupted run: who could not go on with it held the lock
        assert begun
        assert record.status == "stopped"
        return
    assert record.status == "finished"
    if record.config["target"]["k"] == OURS.target.k:
        assert_the_same_run(folder, whole)
    if which == ("ours", "other"):
        assert sorted(statuses) == [0, 2]
    assert set(content(folder)) == FILES


def test_who_runs_in_a_folder_is_named_to_who_comes(tmp_path: Path) -> None:
    class Looking(Silent):
        said = ""

        def tick(self, images: int) -> None:
            with pytest.raises(InputError) as refused:
                run(OTHER, 0, tmp_path)
            self.said = str(refused.value)

    looking = Looking()
    run(OURS, 0, tmp_path, report=looking)
    assert f"{tmp_path}: is in use by process {os.getpid()} on " in looking.said
    assert set(content(tmp_path)) == FILES


@pytest.mark.parametrize("resume", [False, True])
def test_another_runs_record_is_never_replaced(resume: bool, whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / "checkpoint.pt").unlink()
    before = content(folder)
    for experiment, seed in ((OTHER, 0), (OURS, 1)):
        with pytest.raises(InputError, match="holds the run quickstart-"):
            run(experiment, seed, folder, resume=resume)
    assert content(folder) == before


@pytest.mark.parametrize("resume", [False, True])
def test_what_the_user_has_in_the_folder_stays(resume: bool, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("day,visitors\n1,2\n")
    with pytest.raises(InputError, match=r"metrics\.csv: stands without a record\.json or a checkpoint\.pt"):
        run(OURS, 0, tmp_path, resume=resume)
    assert content(tmp_path) == {"metrics.csv": b"day,visitors\n1,2\n"}
    (tmp_path / "metrics.csv").rename(tmp_path / "visitors.csv")
    kept = {"visitors.csv", ".record.json.swp", ".checkpoint.pt.bak", "record.json~"}
    for name in kept:
        (tmp_path / name).touch()
    run(OURS, 0, tmp_path, resume=resume)
    assert set(content(tmp_path)) == FILES | kept


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_second_run_that_ends_early_leaves_the_record_of_the_first(
    error: type[BaseException], whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    before = content(folder)

    class Failing(Silent):
        def end(self, row: dict[str, Any]) -> None:
            raise error  # after the first epoch: what the last one says is said when all is written

    with pytest.raises(error):
        run(OURS, 0, folder, report=Failing())
    assert content(folder) == before
    with pytest.raises(InputError, match="interrupted run; --resume"):
        run(OURS, 0, folder)
    counted: list[str] = []
    report = Silent()
    report.begin = lambda title, images: counted.append(title)  # type: ignore[method-assign]
    run(OURS, 0, folder, resume=True, report=report)
    assert len(counted) == 1  # of two epochs, one was kept
    assert {path.name for path in folder.iterdir()} == FILES
    assert content(folder)["record.json"] != before["record.json"]
    assert_the_same_run(folder, whole)


def test_a_run_that_goes_on_keeps_a_record_of_as_far_as_it_is(tmp_path: Path) -> None:
    """Killed after it went on, its metrics and its record are of the same epochs."""
    experiment = load_experiment("quickstart", {**TINY, "training.epochs": 3})
    run(experiment, 0, tmp_path, stop_after=1)
    seen = []

    class Looking(Silent):
        def begin(self, title: str, images: int) -> None:
            record = result(tmp_path)
            assert record is not None
            seen.append((record.status, record.timing["epochs"]))

    run(experiment, 0, tmp_path, resume=True, report=Looking())
    assert seen == [("stopped", 1), ("stopped", 2)]

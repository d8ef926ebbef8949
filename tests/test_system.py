"""What the system does to a command: one message that names what is at fault, status 1, 2 or 130, and nothing lost."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neurohw.__main__ import main
from neurohw.loading import load_experiment
from neurohw.runs import task
from neurohw.runs.progress import Lines
from neurohw.runs.record import git_revision, read_record, versions
from neurohw.runs.run import run
from tests.processes import ended, start
from tests.test_checkpoint import assert_the_same_run

TINY = {"training.epochs": 2, "training.batch_size": 30, "data.train_limit": 60, "data.test_limit": 30,
        "network.layers": [64, 20]}  # fmt: skip
SET = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
FAULT_OF_OURS = "fault of neurohw's"


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """What is looked up once per process is looked up before there are many."""
    git_revision(), versions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "load_dataset", cache(task.load_dataset))
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run(load_experiment("quickstart", TINY), 0, folder)
    return folder


def command(
    *arguments: str, output: int | None = None, before: Callable[[], object] = lambda: None
) -> tuple[int, list[str]]:
    """Run the command line in a process of its own; return its status and its lines on standard error.

    Args:
        arguments: of the command line.
        output: what its standard output goes to; nowhere unless given.
        before: done in the process first.
    """
    reads, writes = os.pipe()

    def work() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY) if output is None else output, 1)
        os.dup2(writes, 2)
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(i, "w"), encoding="utf-8") for i in (1, 2))
        sys.argv = ["neurohw", *arguments]
        before()
        status = 0
        try:
            main()
        except SystemExit as error:
            status = int(error.code or 0)
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(status)

    child = start(work)
    os.close(writes)
    with os.fdopen(reads, errors="replace") as errors:
        said = errors.read()
    return ended(child), [line for line in said.splitlines() if line.strip()]


def goes_on(folder: Path, whole: Path) -> None:
    """What is left of the run goes on to the same bits."""
    run(load_experiment("quickstart", TINY), 0, folder, resume=True)
    assert_the_same_run(folder, whole)


def closed() -> int:
    """Return a pipe's end of which the reader has gone."""
    reads, writes = os.pipe()
    os.close(reads)
    return writes


def full() -> int:
    """Return a device that takes nothing."""
    return os.open("/dev/full", os.O_WRONLY)


OUTPUTS = [(closed, "Broken pipe"), (full, "No space left on device")]


@pytest.mark.parametrize(("output", "reason"), OUTPUTS)
def test_a_run_whose_output_cannot_be_written_stops_and_goes_on(
    output: Callable[[], int], reason: str, whole: Path, tmp_path: Path
) -> None:
    status, said = command("run", "quickstart", *SET, "--out", str(tmp_path / "run"), output=output())
    expected = f"standard output: cannot be written ({reason}); --resume goes on from the last checkpoint"
    assert (status, said) == (1, [f"error: {expected}"])
    record = read_record(tmp_path / "run")
    assert (record.status, record.message, len(record.curve)) == ("stopped", expected, 1)
    goes_on(tmp_path / "run", whole)


@pytest.mark.parametrize(("output", "reason"), OUTPUTS)
@pytest.mark.parametrize("arguments", [["device", "list"], ["data", "list"], ["report", "whole"], ["run", "--help"]])
def test_any_output_that_cannot_be_written_is_one_message(
    arguments: list[str], output: Callable[[], int], reason: str, whole: Path, tmp_path: Path
) -> None:
    more = ["--out", str(tmp_path / "report")] if arguments[0] == "report" else []
    status, said = command(*(str(whole) if a == "whole" else a for a in arguments), *more, output=output())
    assert (status, said) == (1, [f"error: standard output: cannot be written ({reason})"])


def test_a_sweep_whose_output_is_closed_ends(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'experiment = "quickstart"\nseeds = [0, 1, 2]\n[set]\n' + "\n".join(f'"{k}" = {v}' for k, v in TINY.items())
    )
    status, said = command("sweep", str(tmp_path / "mine.toml"), "--out", str(tmp_path / "out"), output=closed())
    assert status == 1
    assert said[0].startswith("error: standard output: cannot be written (Broken pipe)")
    begun = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert not begun  # what comes first could not be said


@settings(max_examples=15, deadline=None, derandomize=True, phases=[Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(size=st.integers(0, 60_000), again=st.booleans())
def test_a_disk_that_is_full_costs_nothing_that_was_written(
    size: int, again: bool, whole: Path, tmp_path: Path
) -> None:
    """A limit of each file's size stands for the disk: it ends in the checkpoint, the metrics or the record."""
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    if again:
        shutil.copytree(whole, folder)
    before = {path.name: path.read_bytes() for path in folder.glob("*")}
    limit = (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    status, said = command("run", "quickstart", *SET, "--out", str(folder),
                           before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))  # fmt: skip
    if status:
        assert status == 1
        assert len(said) == 1
        assert said[0].startswith(f"error: {folder}/")
        assert said[0].endswith(": cannot be written (File too large)")
        assert {name: (folder / name).read_bytes() for name in before} == before
    goes_on(folder, whole)
    assert {path.name for path in folder.iterdir()} == {"record.json", "metrics.csv", "checkpoint.pt"}


def test_a_folder_that_is_lost_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lines, "end", lambda *_: shutil.rmtree(tmp_path / "run"))
    status, said = command("run", "quickstart", *SET, "--out", str(tmp_path / "run"))
    lost = f"error: {tmp_path / 'run' / 'checkpoint.pt'}: cannot be written (No such file or directory)"
    assert (status, said) == (1, [lost])


LONG = "n" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "quickstart", *SET, "--out", LONG],
        ["run", LONG],
        ["run", f"{LONG}/experiment.toml"],
        ["sweep", LONG],
        ["report", LONG],
        ["energy", LONG],
        ["device", "show", LONG],
        ["device", "plot", "ecram", "--out", LONG],
        ["circuit", "show", LONG],
        ["data", "fetch", "mnist", "--from", f"{LONG}/mnist"],
    ],
)
def test_a_name_that_is_too_long_is_named(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, said = command(*arguments)
    assert status in (1, 2)
    assert LONG in "".join(said)
    assert FAULT_OF_OURS not in "".join(said)
    assert not list(tmp_path.rglob("record.json"))


def as_any_user() -> None:
    """Give up root's right to read and write whatever it likes: capabilities 1 and 2 of Linux's capabilities(7)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert libc.capget(header, sets) == 0
        sets[0] &= ~0b110  # of the effective ones
        assert libc.capset(header, sets) == 0


def test_what_may_not_be_read_is_named(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / "record.json").chmod(0)
    for arguments in (["report", str(folder)], ["run", "quickstart", *SET, "--out", str(folder)]):
        status, said = command(*arguments, before=as_any_user)
        assert status == 2
        assert f"{folder / 'record.json'}" in said[0]
        assert "Permission denied" in said[0]


def test_an_error_of_the_system_names_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreadable(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "weights"))

    monkeypatch.setattr("neurohw.runs.run.run", unreadable)
    assert command("run", "quickstart") == (1, [f"error: {tmp_path / 'weights'}: Permission denied"])


@settings(max_examples=10, deadline=None, derandomize=True, phases=[Phase.generate],
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(moment=st.floats(0.005, 0.3), how=st.sampled_from([signal.SIGINT, signal.SIGTERM]))
def test_an_interrupt_at_any_moment_is_one_line_and_costs_nothing(
    moment: float, how: signal.Signals, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)

    def interrupted() -> None:
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(how))
        signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background have it ignored
        signal.setitimer(signal.ITIMER_REAL, moment)

    status, said = command("run", "quickstart", *SET, "--out", str(folder), before=interrupted)
    assert status in (0, 130), said
    if status == 130:
        assert len(said) == 1
        assert said[0].startswith("interrupted")
    goes_on(folder, whole)


def test_ctrl_c_while_a_command_is_still_imported_is_one_line(tmp_path: Path) -> None:
    """From the first statement of ours on; before, Python itself answers."""
    code = "from neurohw.__main__ import main; print('ready', flush=True); main()"
    out = str(tmp_path / "out")
    for moment in (0.01, 0.03, 0.1, 0.3):
        process = subprocess.Popen(
            [sys.executable, "-c", code, "run", "quickstart", "--out", out],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moment)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "interrupted\n")
    assert not Path(out).exists()

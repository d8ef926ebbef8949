"""ngspice as a child process: results, its own message where it fails, and nothing left running, whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurohw.errors import InputError
from neurohw.transistors import ngspice
from neurohw.transistors.ngspice import NgspiceError, run

real = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed (apt-get install ngspice)")
RESISTOR = "one resistor\nv1 a 0 3\nr1 a 0 1k\n"
HEADER = (
    "Title: t\nFlags: real\nNo. Variables: 2\nNo. Points: {points}\nVariables:\n\t0\ttime\ttime\n\t1\tv(a)\tvoltage\n"
)


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of executables that stand in for ngspice."""

    def make(script: str) -> Path:
        path = tmp_path / "ngspice"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def alive(pid: int) -> bool:
    """Return whether a process runs: a zombie, which its own parent has yet to reap, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_gone(pids: Path) -> bool:
    """Return whether every process named in a file has ended (what was killed may take a moment)."""
    named = [int(line) for line in pids.read_text().split()]
    assert len(named) == 2
    for _ in range(100):
        if not any(map(alive, named)):
            return True
        time.sleep(0.02)
    return False


def hanging(pids: Path) -> str:
    """A script with a child, both of which ignore polite requests and sleep."""
    return f"trap '' TERM INT HUP; echo Doing analysis; sleep 1000 & echo $! > {pids}; echo $$ >> {pids}; sleep 1000"


def test_a_hanging_ngspice_is_stopped_with_its_children(fake: Callable[[str], Path], tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(
        NgspiceError, match=r"stopped after 0\.5 s, the time limit; it had said: Doing analysis"
    ) as told:
        run(RESISTOR, ["op"], time_limit=0.5, executable=fake(hanging(tmp_path / "pids")))
    assert told.value.exit_status == 1
    assert time.monotonic() - started < 10
    assert all_gone(tmp_path / "pids")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupt_leaves_no_process_behind(
    fake: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    pids = tmp_path / "pids"
    wait = subprocess.Popen.wait

    def interrupted(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if timeout is None:
            return wait(process)
        while not (pids.exists() and len(pids.read_text().split()) == 2):
            time.sleep(0.01)
        raise error

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(error):
        run(RESISTOR, ["op"], executable=fake(hanging(pids)))
    assert all_gone(pids)


def test_a_child_of_a_finished_ngspice_is_ended_too(fake: Callable[[str], Path], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(NgspiceError):
        run(RESISTOR, ["op"], executable=fake(f"sleep 1000 & echo $! > {pids}; echo $$ >> {pids}"))
    assert all_gone(pids)


def test_its_own_message_is_shown(fake: Callable[[str], Path]) -> None:
    script = "echo Circuit: one; echo 'Error: no such thing as   m17' >&2; echo bye; exit 3"
    with pytest.raises(NgspiceError, match=r"failed with status 3: Error: no such thing as m17$"):
        run(RESISTOR, ["op"], executable=fake(script))


def raw(points: int, values: list[float]) -> str:
    """A script that writes the raw file of the first analysis."""
    body = "".join(f"\\{byte:03o}" for byte in np.array(values, dtype="<f8").tobytes())
    return f"printf '{HEADER.format(points=points)}Binary:\\n{body}' > 0.raw".replace("\n", "\\n")


def test_what_it_writes_is_read(fake: Callable[[str], Path]) -> None:
    (found,) = run(RESISTOR, ["op"], executable=fake(raw(2, [0.0, 1.5, 1.0, 2.5])))
    assert {name: column.tolist() for name, column in found.items()} == {"time": [0.0, 1.0], "v(a)": [1.5, 2.5]}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo 'Error: no circuit loaded'", "no complete results: Error: no circuit loaded"),
        (raw(1, [0.0, 1.0]) + "; echo 'doAnalyses: timestep too small, run aborted'", "gave up: doAnalyses: timestep"),
        ("head -c 5000 /dev/urandom > 0.raw; head -c 5000 /dev/urandom", "no complete results"),
        ("printf 'No. Variables: many\\nBinary:\\n' > 0.raw", "no complete results"),
        ("printf 'No. Variables: 1\\nNo. Points: -1\\nBinary:\\n' > 0.raw", "no complete results"),
        (raw(3, [0.0, 1.5, 1.0, 2.5]), "no complete results"),
        (raw(1, [0.0, float("nan")]), "are no numbers"),
        (raw(0, []), "are no numbers"),
        ("kill -SEGV $$", "failed with status -11"),
    ],
)
def test_garbage_is_an_error(fake: Callable[[str], Path], script: str, told: str) -> None:
    with pytest.raises(NgspiceError, match=told) as error:
        run(RESISTOR, ["op"], executable=fake(script))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


def test_one_that_prints_without_end_is_stopped(fake: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngspice, "_MOST", 100_000)
    with pytest.raises(NgspiceError, match="printed more than"):
        run(RESISTOR, ["op"], executable=fake("while true; do head -c 100000 /dev/zero; sleep 0.05; done"))


def test_an_absent_ngspice_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NgspiceError, match="ngspice is not on the PATH; remedy: apt-get install ngspice"):
        run(RESISTOR, ["op"])
    with pytest.raises(NgspiceError, match="nowhere is not on the PATH"):
        ngspice.version("nowhere")


def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ngspice"
    path.write_bytes(b"\x7fELF but not really")
    path.chmod(0o755)
    with pytest.raises(NgspiceError, match="does not start"):
        run(RESISTOR, ["op"], executable=path)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_time_limit_is_positive(limit: float) -> None:
    with pytest.raises(InputError, match=r"time_limit: got .*; allowed: above 0 s") as error:
        run(RESISTOR, ["op"], time_limit=limit)
    assert error.value.exit_status == 2


def test_something_must_be_analysed() -> None:
    with pytest.raises(InputError, match="analyses: got none"):
        run(RESISTOR, [])


@real
def test_analyses_come_back_in_order() -> None:
    text = "rc\nv1 a 0 dc 3 pulse(0 1 0 1n 1n 1 2)\nr1 a b 1k\nc1 b 0 1u\n"
    op, swept, step = run(text, ["op", "alter r1 = 2k\ndc v1 0 2 1", "tran 10u 10m 0 10u"])
    assert op["i(v1)"].tolist() == pytest.approx([0.0], abs=1e-9)
    assert swept["v(a)"].tolist() == [0.0, 1.0, 2.0]
    expected = 1 - np.exp(-step["time"] / 2e-3)  # the altered 2 kOhm stay
    assert np.abs(step["v(b)"] - expected).max() < 0.002


@real
def test_only_what_is_saved_comes_back() -> None:
    (found,) = run(RESISTOR + ".save i(v1)\n", ["op"])
    assert {name: value.tolist() for name, value in found.items()} == {"i(v1)": [pytest.approx(-3e-3)]}


@real
@pytest.mark.parametrize(
    ("netlist", "told"),
    [
        ("t\nv1 a 0 3\nm1 a a 0 0 nothing\n", "nothing"),
        ("t\nv1 a 0 3\nv2 a 0 2\n", "singular matrix|no convergence|failed"),
        ("t\nv1 a 0\nb1 a 0 i=nonsense(\n", "(?i)error"),
    ],
)
def test_a_wrong_netlist_ends_in_its_message(netlist: str, told: str) -> None:
    with pytest.raises(NgspiceError, match=told):
        run(netlist, ["op"])


@real
def test_a_long_simulation_is_stopped() -> None:
    with pytest.raises(NgspiceError, match="the time limit"):
        run("rc\nv1 a 0 sin(0 1 1meg)\nr1 a b 1k\nc1 b 0 1u\n.save v(b)\n", ["tran 1n 10 0 1n"], time_limit=0.5)


@real
def test_the_version_is_known() -> None:
    assert ngspice.version().startswith("ngspice")


@real
def test_nothing_is_left_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run(RESISTOR, ["op"])
    assert list(tmp_path.iterdir()) == []

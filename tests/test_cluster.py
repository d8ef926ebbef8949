"""A sweep on a Dask cluster of real processes on loopback: what comes back, who is refused, and who is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from neurohw.errors import InputError
from neurohw.runs.record import read_record
from neurohw.studies.execution.cluster import Cluster as Coordinator
from neurohw.studies.execution.cluster import connected
from neurohw.studies.sweep import load_sweep
from tests import stubs
from tests.test_execution import ROOT, SWEEP, alone, numbers, peak_megabytes, swept, until
from tests.test_execution import stub as stub

pytest.importorskip("distributed")
DASK = [sys.executable, "-m", "dask"]


class Cluster:
    """A scheduler and its workers, each a process group that ends with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, list[subprocess.Popen[bytes]]()
        where = folder / "scheduler.json"
        quiet = ["--no-dashboard", "--host", "127.0.0.1"]
        self.start("scheduler", *quiet, "--port", "0", "--scheduler-file", str(where))
        until(where.is_file)
        self.address: str = json.loads(where.read_text())["address"]

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{arguments[0]}{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [*DASK, *arguments], cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | environment,
            )  # fmt: skip
        self.started.append(process)
        return process

    def worker(self, **environment: str) -> subprocess.Popen[bytes]:
        place = self.folder / f"worker{len(self.started)}"
        place.mkdir()
        return self.start("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host",
                          "127.0.0.1", "--local-directory", str(place), **environment)  # fmt: skip

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler of its own; the processes of workers end with them."""
    (tmp_path / "cluster").mkdir()
    running = Cluster(tmp_path / "cluster")
    try:
        yield running
    finally:
        running.end()


def finished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("record.json") if read_record(path).status == "finished"]


def test_one_worker_killed_and_the_coordinator_too_a_sweep_ends_as_if_nothing_had_been(
    cluster: Cluster, tmp_path: Path
) -> None:
    victim = cluster.worker()
    cluster.worker()
    path, out = (
        swept(tmp_path, count=5, axes='"stub.step" = [1.0, 2.0]', epochs=2, batches=4, seconds=0.1),
        tmp_path / "out",
    )
    command = [*SWEEP, str(path), "--scheduler", cluster.address, "--out", str(out)]
    coordinator = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: len(finished(out)) >= 2)
    os.killpg(victim.pid, signal.SIGKILL)
    until(lambda: len(finished(out)) >= 4)
    assert peak_megabytes(coordinator.pid) < 300
    coordinator.kill()
    coordinator.wait()
    kept = {path: path.stat().st_mtime_ns for path in finished(out)}
    again = subprocess.run(command, capture_output=True, text=True, timeout=150, check=True)
    assert "failed" not in again.stdout
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    points = list(load_sweep(path).points(out))
    assert len(finished(out)) == len(points) == 10
    for point in points:
        alone(point, tmp_path)
        assert numbers(point.folder) == numbers(tmp_path / "alone" / point.folder.name)
        assert {each.name for each in point.folder.iterdir()} == {"record.json", "metrics.csv", "log.txt"}


def test_a_worker_without_our_files_gets_them_and_failures_come_back_with_their_logs(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Quickstart on a device of a file that only the coordinator has, and stubs that fail in each way."""
    cluster.worker()
    shutil.copy(ROOT / "device_models" / "ecram.toml", tmp_path / "mine.toml")
    (tmp_path / "device.toml").write_text(
        'experiment = "quickstart"\nseeds = [0]\nstop_after = 1\n[set]\n"data.train_limit" = 60\n'
        '"data.test_limit" = 30\n"hardware.device" = "mine.toml"\n"hardware.backend" = "analog"\n'
    )
    more = ["--scheduler", cluster.address, "--retries", "1", "--point-timeout", "60"]
    subprocess.run([*SWEEP, "device.toml", *more, "--out", "device"], cwd=tmp_path, check=True, timeout=150)
    (folder,) = (tmp_path / "device").glob("quickstart-*")
    assert read_record(folder).config["hardware"]["device"] == "mine.toml"
    assert "quickstart seed 0" in (folder / "log.txt").read_text()

    faults = {0: ("raise", 1), 1: ("kill", 1000), 2: ("lead", 1000), 4: ("diverge", 1000)}
    path = swept(tmp_path, count=5, faults=faults)
    ended = subprocess.run(
        [*SWEEP, str(path), *more, "--out", "out"], cwd=tmp_path, capture_output=True, text=True, timeout=150
    )
    assert ended.returncode == 1
    assert "3 of 5 points failed; the first: stub-" in ended.stderr
    seeds = {read_record(path).seed for path in finished(tmp_path / "out")}
    assert seeds == {0, 3}
    told = {
        each["seed"]: each
        for path in (tmp_path / "out").rglob("failed.json")
        for each in [json.loads(path.read_text())]
    }
    assert {seed: [a["how"] for a in each["attempts"]] for seed, each in told.items()} == {
        1: ["killed"] * 2, 2: ["input"] * 2,
    }  # fmt: skip
    assert told[1]["attempts"][0]["where"].startswith("tcp://127.0.0.1:")
    (diverged,) = (tmp_path / "out").glob("stub-*-4")
    assert read_record(diverged).status == "diverged"
    assert "the level is not finite" in str(read_record(diverged).message)
    (log,) = (tmp_path / "out").glob("stub-*-1/log.txt")
    assert log.read_text().count("the last words") == 2


def test_a_record_of_other_data_is_not_taken(cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker(**{stubs.DATA: "other"})
    command = [*SWEEP, str(swept(tmp_path, count=1)), "--scheduler", cluster.address, "--retries", "0", "--out", "out"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150)
    assert ended.returncode == 1
    assert "instead: its data, or files that the settings name, are not the same" in ended.stderr
    (folder,) = (tmp_path / "out").glob("stub-*")
    assert {path.name for path in folder.iterdir()} == {"failed.json", "log.txt"}


def test_a_worker_of_another_version_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "neurohw", other / "neurohw", ignore=shutil.ignore_patterns("__pycache__"))
    init = other / "neurohw" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9.'))
    worker = cluster.worker(PYTHONPATH=str(other))
    client = connected(cluster.address)
    until(lambda: len(client.nthreads()) == 1)
    client.close()
    path = swept(tmp_path)
    command = [*SWEEP, str(path), "--scheduler", cluster.address, "--out", str(tmp_path / "out")]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2
    said = " ".join(refused.stderr.split())
    assert "error: --scheduler: worker tcp://127.0.0.1:" in said
    assert "has neurohw 9.0" in said
    assert "install the same there and start it again" in said
    assert worker.poll() is None
    assert not list((tmp_path / "marks").iterdir())

    os.killpg(worker.pid, signal.SIGKILL)
    client = connected(cluster.address)
    until(lambda: not client.nthreads())
    client.close()
    told: list[str] = []
    with closing(Coordinator(cluster.address, 1, None, told.append)) as coordinator:
        assert "has no workers yet" in told[0]
        cluster.worker(PYTHONPATH=str(other))
        until(lambda: coordinator.wait() or len(told) > 1)
        coordinator.wait()
    assert len(told) == 2
    assert told[1].startswith("refused: worker tcp://127.0.0.1:")


@contextmanager
def listener() -> Iterator[int]:
    """Yield the port of a server that never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_where_no_scheduler_answers_it_is_said_within_seconds() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(InputError, match=rf"--scheduler tcp://127.0.0.1:{port}: no Dask scheduler answers there"):
        connected(f"tcp://127.0.0.1:{port}")
    with listener() as port, pytest.raises(InputError, match="no Dask scheduler answers there"):
        connected(f"tcp://127.0.0.1:{port}")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("address", ["", "127.0.0.1:8786", "http://here:1", "tcp://:1", "tcp://here", "tcp://a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(
        InputError, match=r"--scheduler: got .*; allowed: tcp://HOST:PORT, as `dask scheduler` prints it"
    ):
        connected(address)

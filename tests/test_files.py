"""Files that appear whole or not at all: on the disk before their names, with the mode and into what the user chose."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from neurohw.errors import InputError, NeurohwError
from neurohw.runs import files
from neurohw.runs import record as record_module
from neurohw.runs.files import LOCK, atomic, atomic_set, locked, remove_partial, writable_folder, write_text
from tests.processes import apart, ended, start


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_files_have_the_mode_that_the_umask_leaves(umask: int, tmp_path: Path) -> None:
    former = os.umask(umask)
    try:
        write_text(tmp_path / "ours", "x")
        (tmp_path / "plain").write_text("x")
    finally:
        os.umask(former)
    ours, plain = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain"))
    assert ours == plain == 0o666 & ~umask


def test_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    fsync, replace = os.fsync, Path.replace

    def synchronised(handle: int) -> None:
        done.append(("fsync", os.fstat(handle).st_ino))
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        done.append(("rename", path.stat().st_ino))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synchronised)
    monkeypatch.setattr(Path, "replace", renamed)
    with atomic_set(tmp_path / "a", tmp_path / "b") as temporaries:
        for temporary in temporaries:
            temporary.write_text("content")
    a, b = ((tmp_path / name).stat().st_ino for name in "ab")
    assert done == [("fsync", a), ("fsync", b), ("rename", a), ("rename", b)]


@pytest.mark.parametrize("error", [ValueError("of the writer"), OSError(28, "No space left on device")])
def test_what_fails_leaves_the_former_file_and_nothing_else(error: Exception, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_text(path, "former")

    def write() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise error

    told = "of the writer" if isinstance(error, ValueError) else f"{path}: cannot be written (No space left on device)"
    with pytest.raises((NeurohwError, ValueError), match=f"^{re.escape(told)}$"):
        write()
    assert path.read_text() == "former"
    assert names(tmp_path) == {"record.json"}


def test_a_disk_that_takes_no_more_is_one_message(tmp_path: Path) -> None:
    """A limit of the file's size stands for the full disk; the process ends with the error of `atomic`."""
    write_text(tmp_path / "data", "former")

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(NeurohwError, match=r"data: cannot be written \(File too large\)"):
            write_text(tmp_path / "data", "x" * 10_000)

    assert apart(full) == 0
    assert (tmp_path / "data").read_text() == "former"
    assert names(tmp_path) == {"data"}


def test_a_folder_that_was_lost_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(NeurohwError, match=r"gone/data: cannot be written \(No such file or directory\)"):
        write_text(tmp_path / "gone" / "data", "x")


def test_a_name_that_is_too_long_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(NeurohwError, match=r"cannot be written \(File name too long\)"):
        write_text(tmp_path / ("n" * 250), "x")
    with pytest.raises(InputError, match=r"cannot be written to \(File name too long\)"):
        writable_folder(tmp_path / ("n" * 300))


def test_pipes_and_devices_are_written_to_and_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through the pipe")
    reader.join(timeout=20)
    assert read == ["through the pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == {"pipe"}
    write_text(Path(os.devnull), "away")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_one_message_and_stays_a_device() -> None:
    with pytest.raises(NeurohwError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        write_text(Path("/dev/full"), "x")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("former")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_only_our_own_temporary_files_are_removed(tmp_path: Path) -> None:
    left = atomic(tmp_path / "record.json")  # as by a killed process
    left.__enter__()
    others = {".record.json.swp", ".record.json.bak", "record.json~", ".record.json.abc.partial", ".notes"}
    for name in others:
        (tmp_path / name).write_text("the user's")
    assert len(names(tmp_path)) == len(others) + 1
    remove_partial(tmp_path / "record.json")
    assert names(tmp_path) == others


def test_who_holds_a_folder_is_named(tmp_path: Path) -> None:
    said = rf"^{tmp_path}: is in use by process {os.getpid()} on \S+ since \d{{4}}-.*; wait for its end"
    with locked(tmp_path):
        with pytest.raises(InputError, match=said), locked(tmp_path):
            pass
        assert names(tmp_path) == {LOCK}
    assert names(tmp_path) == set()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    there, here = os.pipe()

    def hold() -> None:
        with locked(tmp_path):
            os.write(here, b"held")
            threading.Event().wait(60)

    holder = start(hold)
    assert os.read(there, 4) == b"held"
    with pytest.raises(InputError, match=f"process {holder} on"), locked(tmp_path):
        pass
    os.kill(holder, 9)
    assert ended(holder) == -9
    assert names(tmp_path) == {LOCK}
    with locked(tmp_path):
        assert f"process {os.getpid()} on" in (tmp_path / LOCK).read_text()
    assert names(tmp_path) == set()


def test_of_many_that_want_a_folder_one_has_it(tmp_path: Path) -> None:
    """Six processes take and leave it, over and over; each looks whether another is inside."""

    def work() -> None:
        for _ in range(60):
            with contextlib.suppress(InputError), locked(tmp_path):
                (tmp_path / "inside").touch(exist_ok=False)
                os.sched_yield()
                (tmp_path / "inside").unlink()

    assert [ended(child) for child in [start(work) for _ in range(6)]] == [0] * 6
    assert names(tmp_path) == set()


def test_where_there_are_no_locks_one_works_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(handle: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", none)
    with locked(tmp_path):
        pass
    assert names(tmp_path) == set()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one commit, of which the index is stale: `git describe` would like to write it."""

    def git(*arguments: str) -> Any:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.setattr(record_module, "__file__", str(tmp_path / "neurohw" / "runs" / "record.py"))
    (tmp_path / "file").write_text("content")
    git("init", "-q")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    os.utime(tmp_path / "file", (1e9, 1e9))
    return tmp_path


def test_the_source_trees_revision_is_read_without_its_lock(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = (tree / ".git" / "index").read_bytes()
    commit = (tree / ".git" / "refs" / "heads").glob("*")
    expected = next(commit).read_text()[:12]
    monkeypatch.setenv("GIT_DIR", str(tree / "elsewhere"))  # as where a hook of another tree runs us
    assert record_module.git_revision.__wrapped__() == expected
    (tree / "untracked").touch()
    assert record_module.git_revision.__wrapped__() == expected
    assert (tree / ".git" / "index").read_bytes() == index
    (tree / "file").write_text("changed")
    assert record_module.git_revision.__wrapped__() == f"{expected}+changes"

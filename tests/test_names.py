"""Names and hashes in files: one that is accepted is a single part of a path; any other is refused where it is read."""

from __future__ import annotations

import json
import os
import string
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import example, given
from hypothesis import strategies as st

from neurohw.circuits.library import load_circuit
from neurohw.devices.library import load_device
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.names import LONGEST, as_hash, as_name, checked_name
from neurohw.runs.record import read_record
from neurohw.shipping import shipped
from neurohw.studies.sweep import load_sweep

PARTS = st.sampled_from(["..", ".", "/", "\\", "~", "a", "victim", "\0", "\n", "$HOME", "-", "C:", " ", "%2e", "é"])
ANY = st.one_of(st.text(max_size=120), st.lists(PARTS, max_size=6).map("".join), st.text("ab/.-_", max_size=120))
ALLOWED = set(string.ascii_letters + string.digits + "_.-")
HOSTILE = ["../../../victim", "/victim", "..", ".hidden", "-rf", "a/b", "a\\b", "", "a\n", "a" * (LONGEST + 1)]
RECORD = {
    "schema": 1, "name": "tried", "kind": "onchip", "config": {}, "config_hash": "0123456789ab", "seed": 0,
    "versions": {}, "git": None, "status": "finished", "metrics": {}, "timing": {}, "peak_memory_bytes": 0,
}  # fmt: skip


@given(ANY)
def test_an_accepted_name_is_one_part_of_a_path_and_no_option(text: str) -> None:
    try:
        name = as_name(text)
    except ValueError:
        assert not (set(text) <= ALLOWED and text[:1].isalnum() and len(text) <= LONGEST)
        return
    folder = Path("/a/b")
    assert Path(os.path.normpath(folder / name)).parent == folder
    assert name[0] not in "-."
    assert set(name) <= ALLOWED
    assert len(os.fsencode(name)) <= LONGEST


@given(st.one_of(ANY, st.text("0123456789abcdefABCDEF\n", min_size=10, max_size=14)))
@example("0123456789a")
@example("0123456789abc")
def test_an_accepted_hash_is_twelve_lower_case_digits(text: str) -> None:
    fits = len(text) == 12 and set(text) <= set("0123456789abcdef")
    try:
        assert as_hash(text) == text
    except ValueError:
        assert not fits
    else:
        assert fits


def _toml(path: Path, shipped_as: str, name: str) -> Path:
    tables = tomllib.loads((shipped("device_models") / shipped_as).read_text())
    path.write_text(tomlkit.dumps(tables | {"name": name}))
    return path


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _record(path: Path, **changed: Any) -> Path:
    (path.parent / "record.json").write_text(json.dumps(RECORD | changed))
    return path.parent


READERS: dict[str, Callable[[Path, str], object]] = {
    "device": lambda path, name: load_device(_toml(path, "ecram.toml", name)),
    "circuit": lambda path, name: load_circuit(_toml(path, "circuits/subthreshold_180nm.toml", name)),
    "periphery": lambda path, name: EnergyTable.load(_toml(path, "periphery_32nm.toml", name)),
    "experiment": lambda path, name: load_experiment(_written(path, tomlkit.dumps({"name": name}))),
    "record's name": lambda path, name: read_record(_record(path, name=name)),
    "record's hash": lambda path, name: read_record(_record(path, config_hash=name)),
}


@pytest.mark.parametrize("kind", READERS)
def test_every_reader_refuses_a_name_that_is_a_path(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "given.toml"
    path.write_text("")
    READERS[kind](path, "0123456789ab")
    for name in HOSTILE:
        with pytest.raises(InputError, match=r"allowed: (letters|12 hex|a text)") as refused:
            READERS[kind](path, name)
        assert "name" in str(refused.value) or "hash" in str(refused.value)
        assert str(tmp_path) in str(refused.value)


def test_what_the_command_line_calls_a_file_it_writes() -> None:
    with pytest.raises(InputError, match=r"--name: got '\.\./x'; allowed: letters"):
        checked_name("../x", "--name")


def test_a_sweep_is_called_after_its_folder_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "study" / "inside"
    inside.mkdir(parents=True)
    (tmp_path / "study" / "sweep.toml").write_text('experiment = "quickstart"\n')
    monkeypatch.chdir(inside)
    assert load_sweep("../sweep.toml").name == "study"
    monkeypatch.chdir(tmp_path / "study")
    assert load_sweep("sweep.toml").name == load_sweep(".").name == "study"


@pytest.mark.parametrize(("command", "file"), [(["device", "plot"], "ecram.toml"),
                                               (["circuit", "plot"], "circuits/subthreshold_180nm.toml"),
                                               (["device", "check"], "ecram.toml"),
                                               (["circuit", "show"], "circuits/subthreshold_180nm.toml")])  # fmt: skip
def test_no_command_follows_a_file_s_name(neurohw, tmp_path: Path, command: list[str], file: str) -> None:
    path = _toml(tmp_path / "given.toml", file, "../../victim")
    status, _, err = neurohw(*command, str(path))
    assert status == 2
    assert f"{path}: name: got '../../victim'; allowed: letters" in err
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_does_not_write_where_a_record_says(neurohw, tmp_path: Path) -> None:
    victim, runs = tmp_path / "victim.toml", tmp_path / "a" / "b" / "run"
    victim.write_text("mine")
    runs.mkdir(parents=True)
    _record(runs / "given", config_hash="../../../../victim", config=load_experiment("quickstart").canonical())
    status, _, err = neurohw("report", str(runs))
    assert status == 2
    assert f"{runs / 'record.json'}: config_hash: got '../../../../victim'; allowed: 12 hexadecimal digits" in err
    assert victim.read_text() == "mine"

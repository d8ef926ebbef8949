"""Texts and sizes that files may hold: no markup, no formula, no mathematics, and nothing beyond the machine."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from neurohw.cli import app as cli
from neurohw.clock import Clock
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.output import guarded
from neurohw.report.drawing import as_svg, style
from neurohw.report.table import text_cells
from neurohw.runs.build import build_network
from neurohw.seeding import Streams
from neurohw.studies.sweep import load_sweep


@given(st.text(alphabet="=@+-\t 1.e(A'x", max_size=8))
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    frame = text_cells(pd.DataFrame({text: [text]}))
    for cell in (frame.iloc[0, 0], frame.columns[0]):
        assert cell.removeprefix("'") == text.removeprefix("'")
        if cell[:1] and cell[0] in "=@+-\t\r":
            float(cell)  # a number, or nothing


def test_a_dollar_in_a_name_is_a_dollar() -> None:
    with style():
        figure = Figure()
        figure.text(0.5, 0.5, r"$\foo$")
        assert r"$\foo$" in as_svg(figure)


def test_brackets_in_a_folder_s_name_are_no_markup(neurohw, tmp_path: Path) -> None:
    (tmp_path / "[/x]").mkdir(parents=True)
    few = ["--set", "training.epochs=1", "--set", "data.train_limit=40", "--set", "data.test_limit=20"]
    status, out, _ = neurohw("run", "quickstart", *few, "--out", "[/x]")
    assert status == 0
    assert "record: [/x]/record.json" in out


@given(st.text(st.sampled_from("\x1b[]0;m38A\x07\x9d\\\r\n\tb"), max_size=30))
def test_no_text_commands_a_terminal_but_colours_and_the_cursor(text: str) -> None:
    buffer = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="")
    written = guarded(buffer)
    written.write(text)
    written.flush()
    shown = buffer.buffer.getvalue().decode()  # type: ignore[attr-defined]
    rest = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert not set(rest) & set("\x1b\x07\x9d")
    assert len(shown) == len(text)
    assert all(b in (a, "?") for a, b in zip(text, shown, strict=True))


@pytest.mark.parametrize("command", [["device", "check"], ["device", "show"], ["circuit", "show"], ["run"], ["sweep"]])
def test_control_characters_in_a_file_are_refused_by_name(neurohw, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "mine.toml").write_text('name = "a\\u001b]0;title\\u0007"\n', encoding="utf-8")
    status, _, err = neurohw(*command, "mine.toml")
    assert status == 2
    assert "mine.toml" in err
    assert r"got a text with the control character '\x1b'; allowed: printable ones" in err


@pytest.mark.parametrize("error", [MemoryError("Unable to allocate 8 GiB"), RuntimeError("can't allocate memory: 9")])
def test_what_the_memory_cannot_hold_is_said(neurohw, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    status, _, err = neurohw("run", "quickstart")
    assert status == 1
    assert f"the memory is not enough: {error}" in err
    assert "fault of neurohw" not in err


def test_an_ascii_terminal_gets_ascii() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run(
        [sys.executable, "-m", "neurohw", "device", "list"], env=environment, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert b"ecram" in ended.stdout
    assert ended.stdout.isascii()


@pytest.mark.parametrize("layers", [[64, 2**62], [64, 10**12]])
def test_networks_beyond_the_memory_are_refused_before_it_is_taken(layers: list[int]) -> None:
    with pytest.raises(InputError, match=r"network\.layers: .*GiB of this machine"):
        build_network(load_experiment("quickstart", {
            "network.layers": layers, "training.learning_rate": [0.1] * (len(layers) - 1),
        }), Streams(0), Clock())  # fmt: skip


def test_a_sweep_counts_its_runs_before_it_lists_them(neurohw, tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    path.write_text('experiment = "quickstart"\n[set]\nruns = 1000000000\n')
    assert load_sweep(path).size() == 10**9
    status, _, err = neurohw("sweep", "many.toml", "--dry-run")
    assert status == 2
    assert "--yes" in err

"""Texts and sizes that files may hold: no markup, no formula, no mathematics, and nothing beyond the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from neurohw.clock import Clock
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.report.figures import as_svg, style
from neurohw.report.tables import text_cells
from neurohw.runs.build import build_network
from neurohw.runs.sweep import load_sweep
from neurohw.seeding import Streams


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

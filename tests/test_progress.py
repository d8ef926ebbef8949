"""What a run says on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from neurohw.loading import load_experiment
from neurohw.runs.progress import Lines
from neurohw.runs.record import read_record
from neurohw.runs.run import run

SEMI = {
    "training": {"mode": "semi-supervised", "epochs": 2, "learning_rate": [0.1, 0.1], "dropout": [],
                 "pretrain": {"epochs": 7, "learning_rate": [1.0, 1.0]}},
    "network.layers": [64, 30, 10], "target.k": 1, "data": {"labels": 100, "train_limit": 300, "test_limit": 50},
}  # fmt: skip


def test_pretraining_is_one_line_with_the_time_of_all_its_epochs(tmp_path: Path) -> None:
    told = io.StringIO()
    run(load_experiment("quickstart", SEMI), 0, tmp_path, report=Lines(Console(file=told, width=200)))
    curve, lines = read_record(tmp_path).curve, told.getvalue().splitlines()
    assert [line.split(":")[0].split()[-2:] for line in lines] == [
        ["pretraining", "7/7"], ["unsupervised", "1/2"], ["supervised", "1/2"], ["unsupervised", "2/2"],
        ["supervised", "2/2"],
    ]  # fmt: skip
    assert sum(row["phase"] == "pretraining" for row in curve) == 7
    seconds = [
        sum(row["seconds"] for row in curve if row["phase"] == "pretraining"),
        *(r["seconds"] for r in curve[7:]),
    ]
    for line, taken in zip(lines, seconds, strict=True):
        assert f": {taken:.1f} s" in line
    assert "accuracy" in lines[0]


def test_a_pretraining_that_ends_early_adds_nothing_to_the_next_run() -> None:
    told = io.StringIO()
    lines = Lines(Console(file=told, width=200))
    for row in ({"epoch": 0, "seconds": 2.0}, {"epoch": 1, "seconds": 0.5}):
        lines.begin(f"epoch {row['epoch']}", 10)
        lines.end(row)
        lines.close()
    assert told.getvalue().splitlines() == ["epoch 1: 0.5 s"]

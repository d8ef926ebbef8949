"""The command `search`: processes, accounts, what it says, and what it refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from neurohw.runs.record import read_record
from neurohw.studies import journal
from tests.test_search import ECRAM, tiny

pytest.importorskip("optuna")

ROOT = str(Path(__file__).parents[1])
Command = Callable[..., tuple[int, str, str]]


def test_processes_share_the_trials_and_give_up(neurohw: Command, tmp_path: Path) -> None:
    keys = '"training.learning_rate" = [{ low = 1e-5, high = 10.0, log = true }]\n'
    path = tiny(tmp_path, keys=keys, more='[pruning]\nkind = "median"\nstartup_trials = 2\n[finalists]\nnumber = 1\n')
    status, out, err = neurohw("search", str(path), "--jobs", "2", "--trials", "8", "--out", "out")
    assert (status, err) == (0, "")
    assert "best of 8 trials (" in out
    assert "on the test set, once: neurohw run out/best.toml" in out
    table = pd.read_csv("out/trials.csv")
    assert set(table.state) == {"whole", "given up"}
    assert table.hash.nunique() == 8
    assert not list(Path("out").glob("*/checkpoint.pt"))
    before = table.to_csv()
    status, out, _ = neurohw("search", str(path), "--jobs", "2", "--trials", "8", "--out", "out")
    assert "8 trials are done already in out" in out
    assert pd.read_csv("out/trials.csv").to_csv() == before


def test_a_front_of_accuracy_and_energy(neurohw: Command, tmp_path: Path) -> None:
    chip = (
        '"data.train_limit" = 100\n"training.epochs" = 1\n"hardware.device" = "ecram"\n"hardware.periphery" = "32nm"\n'
    )
    names = '["direct_accuracy", "joules_per_training_image", "square_metres", "images_until_worn"]'
    keys = '"hardware.adc_bits" = { low = 4, high = 9, integer = true }\n'
    keys += '"network.layers" = { values = [[64, 20], [64, 60]] }\n'
    more = "[finalists]\nnumber = 2\nseeds = [1]\n"
    path = tiny(tmp_path, objectives=names, set=chip, keys=keys, more=more)
    status, _, err = neurohw("search", str(path), "--out", "out")
    assert (status, err) == (0, "")
    table = pd.read_csv("out/trials.csv")
    areas = table.groupby("network.layers").square_metres.max()
    assert areas["[64, 60]"] > areas["[64, 20]"] > 0
    for _, row in table.iterrows():
        chip_of = read_record(next(Path("out").glob(f"*-{row.hash}-0"))).energy
        assert row.joules_per_training_image == pytest.approx(chip_of.per_training_image.nominal)
        assert row.images_until_worn == pytest.approx(min(each.images for each in chip_of.lifetime))
    assert Path("out/front_1.toml").exists()


def test_a_dry_run_says_what_would_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: what Optuna says of itself is not heard."""
    monkeypatch.chdir(tmp_path)
    path = str(tiny(tmp_path))
    command = [sys.executable, "-m", "neurohw", "search", path, "--sampler", "random", "--jobs", "2", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": ROOT})
    status, out, err = done.returncode, done.stdout, done.stderr
    assert (status, err) == (0, "")
    for said in ("1 to 9, integer", "4 trials by random (seed 0), 0 done; objectives: direct_accuracy", "--jobs 2",
                 "then the best 3 and the starting point with seeds 1, 2, 3"):  # fmt: skip
        assert said in out
    assert not Path("runs").exists()


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "objective": ({"objectives": '["accuracy"]'},
          "objectives: got 'accuracy'.*; allowed: direct_accuracy, .*square_metres"),
    "twice": ({"objectives": '["direct_accuracy", "direct_accuracy"]'}, "each objective once"),
    "not measured": ({"objectives": '["linear_accuracy"]'},
                     "'linear_accuracy', which this experiment does not measure; allowed: direct_accuracy"),
    "no chip": ({"objectives": '["direct_accuracy", "square_metres"]'}, "with hardware.device and hardware.periphery"),
    "unknown key": ({"keys": '"target.kk" = { low = 1, high = 2 }\n'}, r"target\.kk: unknown key \(did you mean k"),
    "order": ({"keys": '"target.k" = { low = 9, high = 1 }\n'}, r"search\.keys\.target\.k: got low = 9 and high = 1"),
    "log of 0": ({"keys": '"target.gamma" = { low = 0, high = 1, log = true }\n'},
                 r"search\.keys\.target\.gamma\.low: got 0 with log = true; allowed: numbers above 0"),
    "bound": ({"keys": '"target.gamma" = { low = 0.1, hihg = 1 }\n'}, r"target\.gamma\.\w+: "),
    "values": ({"keys": '"target.k" = [1, 2, 3]\n'}, r"or a choice, as \{ values = \[8, 16, 32\] \}"),
    "number": ({"keys": '"target.k" = 3\n'}, "got 3; allowed: a range"),
    "one choice": ({"keys": '"target.k" = { values = [1] }\n'}, r"target\.k\.values: "),
    "nothing": ({"keys": ""}, r"search\.keys: "),
    "list": ({"keys": '"training.learning_rate" = { low = 0.1, high = 1.0 }\n'},
          r"training\.learning_rate: got 0.1; allowed: a list"),
    "layers": ({"keys": '"training.learning_rate" = [{ low = 0.1, high = 1.0 }, { low = 0.1, high = 1.0 }]\n'},
               r"training\.learning_rate: got 2 values; allowed: 1"),
    "both": ({"set": '"target.k" = 3\n'}, r"search\.keys\.target\.k: stands in \[set\] as well"),
    "test set": ({"set": '"data.evaluate_on" = "test"\n'}, "never on the test set"),
    "test set, as a table": ({"set": 'data = { evaluate_on = "test" }\n'}, "never on the test set"),
    "searches the test set": ({"keys": '"data.evaluate_on" = { values = ["test", "validation"] }\n'},
          "never on the test set"),
    "pruning of two": ({"objectives": '["direct_accuracy", "linear_accuracy"]', "more": '[pruning]\nkind = "median"\n'},
                       r"pruning\.kind: got 'median' with 2 objectives"),
    "pruning by joules": ({"objectives": '["joules"]', "more": '[pruning]\nkind = "median"\n',
                           "set": ECRAM}, "known at the end only"),
    "seeds": ({"more": '[finalists]\nseeds = [0, 1]\n'}, "0 is that of the trials"),
    "sampler": ({"search": 'sampler = "grid"\n'}, r"search\.sampler: .*'random' or 'tpe'"),
    "kind": ({"more": '[pruning]\nkind = "hyperband"\n'}, r"pruning\.kind: "),
    "range": ({"keys": '"target.k" = { low = 1, high = 500, integer = true }\n'},
          r"target\.k: got 500; allowed: 1 to 100"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_refused_by_name(neurohw: Command, tmp_path: Path, name: str) -> None:
    changes, said = WRONG[name]
    status, _, err = neurohw("search", str(tiny(tmp_path, **changes)), "--trials", "1", "--out", "out")
    assert status == 2
    assert "mine.toml" in err or "objectives" in err
    assert re.search(said, err)
    assert "Traceback" not in err


def test_wrong_commands(neurohw: Command, tmp_path: Path, monkeypatch: Any) -> None:
    path = str(tiny(tmp_path))
    (tmp_path / "plain.toml").write_text('[network]\nrule = "bp"\n')
    for arguments, said in {
        ("nowhere",): "search 'nowhere': no such file",
        ("plain.toml",): "plain.toml: this is an experiment; allowed: a file with [search.keys]",
        (path, "--sampler", "grid"): "--sampler: got 'grid'; allowed: random, tpe",
        (path, "--set", "target.k=3"): "--set target.k: is searched",
        (path, "--set", "data.evaluate_on=test"): "never on the test set",
        (path, "--set", "target.kk=3"): "target.kk: unknown key",
    }.items():
        status, _, err = neurohw("search", *arguments)
        assert (status, said in err) == (2, True), err
    monkeypatch.setattr(journal.importlib.util, "find_spec", lambda name: None)
    status, _, err = neurohw("search", path)
    assert status == 2
    assert "search: Optuna is not installed; get it with: pip install 'neurohw[search]'" in err

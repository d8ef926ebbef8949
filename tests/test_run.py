"""Runs: the same numbers again, stopped, interrupted, resumed; what is written and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import neurohw as nh
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.collection import find_records
from neurohw.runs.progress import Silent
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from tests.processes import ended, start

SMALL = {"training.epochs": 3, "data.train_limit": 400, "data.test_limit": 200}
SEMI: dict[str, Any] = {
    "training.mode": "semi-supervised", "training.epochs": 3, "training.pretrain.epochs": 2, "data.labels": 60,
    "data.test_limit": 200, "network.layers": [64, 40, 10], "training.learning_rate": [0.001, 0.003],
    "training.optimizer": "adam", "training.loss": "cross-entropy", "training.dropout": [0.2, 0.3, 0.0],
    "target.k": 1,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "bp": SMALL,
    "ep": {**SMALL, "network.rule": "ep"},
    "ep-two-layers": {
        **SMALL, "network.rule": "ep", "network.layers": [64, 30, 40], "training.learning_rate": [0.02, 0.02],
        "training.dropout": [0.2, 0.0, 0.2], "ep.free_steps": 15, "ep.nudged_steps": 5,
    },
    "semi-bp": {**SEMI, "network.neurons": ["relu", "sigmoid"]},
    "semi-ep": {**SEMI, "network.rule": "ep", "target.smoothing": 0.3},
    "never-reset-ema": {**SMALL, "target.reset": "never", "target.average": "ema", "target.ties": "random"},
}  # fmt: skip


class Interrupting(Silent):
    """Raises Ctrl-C in the middle of an epoch."""

    def __init__(self, at: int) -> None:
        self.left = at

    def begin(self, title: str, images: int) -> None:
        self.left -= 1

    def tick(self, images: int) -> None:
        if self.left == 0:
            raise KeyboardInterrupt


def comparable(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    record = json.loads((folder / "record.json").read_text())
    for key in ("timing", "versions", "peak_memory_bytes"):
        record.pop(key)
    return record, pd.read_csv(folder / "metrics.csv").drop(columns="seconds")


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_resumes_to_the_same_numbers(kind: str, tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", KINDS[kind])
    whole = run(experiment, 5, tmp_path / "whole")
    assert whole.status == "finished"
    with pytest.raises(KeyboardInterrupt):
        run(experiment, 5, tmp_path / "cut", report=Interrupting(3))
    assert read_record(tmp_path / "cut").status == "stopped"
    with pytest.raises(InputError, match="interrupted run; --resume"):
        run(experiment, 5, tmp_path / "cut")
    run(experiment, 5, tmp_path / "cut", resume=True)
    ours, theirs = comparable(tmp_path / "cut"), comparable(tmp_path / "whole")
    assert ours[0] == theirs[0]
    pd.testing.assert_frame_equal(ours[1], theirs[1], check_exact=True)
    weights = [torch.load(tmp_path / d / "checkpoint.pt", weights_only=True)["network"] for d in ("cut", "whole")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[1])


def test_the_same_seed_gives_the_same_record_and_another_another(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", SMALL)
    run(experiment, 1, tmp_path / "a")
    run(experiment, 1, tmp_path / "b")
    run(experiment, 2, tmp_path / "c")
    a, b, c = (comparable(tmp_path / name) for name in "abc")
    assert a[0] == b[0]
    pd.testing.assert_frame_equal(a[1], b[1], check_exact=True)
    assert a[0]["metrics"] != c[0]["metrics"]


def test_learning_beats_the_untrained_network(tmp_path: Path) -> None:
    trained = run(load_experiment("quickstart"), 0, tmp_path / "trained")
    untrained = run(load_experiment("quickstart", {"training.learning_rate": [0.0]}), 0, tmp_path / "untrained",
                    stop_after=1)  # fmt: skip
    assert trained.metrics["direct_accuracy"] > untrained.metrics["direct_accuracy"] + 0.1


def test_stopping_early_keeps_the_schedule_and_can_go_on(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", SMALL)
    whole = run(experiment, 0, tmp_path / "whole")
    stopped = run(experiment, 0, tmp_path / "part", stop_after=2)
    assert (stopped.status, stopped.timing["epochs"]) == ("stopped", 2)
    assert stopped.config_hash == whole.config_hash
    accuracies = [row["direct_accuracy"] for row in whole.curve]
    assert [row["direct_accuracy"] for row in stopped.curve] == accuracies[:2]
    gone_on = run(experiment, 0, tmp_path / "part", resume=True)
    assert gone_on.metrics == whole.metrics


def test_a_finished_run_is_not_run_again_by_resume(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", SMALL)
    first = run(experiment, 0, tmp_path)
    before = (tmp_path / "record.json").stat().st_mtime_ns
    assert run(experiment, 0, tmp_path, resume=True).metrics == first.metrics
    assert (tmp_path / "record.json").stat().st_mtime_ns == before


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    run(load_experiment("quickstart", SMALL), 0, tmp_path, stop_after=1)
    with pytest.raises(InputError, match="belongs to configuration and seed"):
        run(load_experiment("quickstart", {**SMALL, "target.k": 3}), 0, tmp_path, resume=True)


def test_a_corrupt_checkpoint_is_named(tmp_path: Path) -> None:
    run(load_experiment("quickstart", SMALL), 0, tmp_path, stop_after=1)
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(InputError, match=r"checkpoint\.pt: cannot be read"):
        run(load_experiment("quickstart", SMALL), 0, tmp_path, resume=True)


def test_the_record_says_everything(tmp_path: Path) -> None:
    settings = {**SMALL, "evaluation.association": ["direct", "linear"], "evaluation.label_fraction": [0.2, 1.0],
                "evaluation.classifier.epochs": 3}  # fmt: skip
    record = run(load_experiment("quickstart", settings), 0, tmp_path)
    assert set(record.metrics["by_label_fraction"]) == {"0.2", "1"}
    assert record.metrics["linear_accuracy"] == record.metrics["by_label_fraction"]["1"]["linear_accuracy"]
    assert record.metrics["linear_accuracy"] > 0.3
    stored = json.loads((tmp_path / "record.json").read_text())
    assert stored["schema"] == 1
    assert stored["config"]["target"]["k"] == 2
    assert torch.__version__.startswith(stored["versions"]["torch"])
    assert stored["peak_memory_bytes"] > 1e8
    assert read_record(tmp_path).curve[-1]["direct_accuracy"] == record.metrics["direct_accuracy"]


def test_semi_supervised_rounds(tmp_path: Path) -> None:
    record = run(load_experiment("quickstart", KINDS["semi-bp"]), 0, tmp_path)
    phases = [(row["phase"], row["epoch"]) for row in record.curve]
    assert phases == [("pretraining", 0)] * 2 + [(p, i) for i in (1, 2, 3) for p in ("unsupervised", "supervised")]
    evaluated = [not math.isnan(row.get("test_accuracy", math.nan)) for row in record.curve]
    assert evaluated == [False, True, False, True, False, True, False, True]
    assert record.timing["epochs"] == 3


def test_supervised_blocks(tmp_path: Path) -> None:
    settings = {"training.mode": "supervised", "training.epochs": 8, "training.learning_rate": [3.0]}
    record = run(load_experiment("quickstart", settings), 0, tmp_path)
    assert record.metrics["test_accuracy"] > 0.8


def test_a_device_run_resumes_to_a_like_accuracy(tmp_path: Path) -> None:
    """aihwkit cannot be replayed: equal in distribution. Ten epochs of digits, against the whole run's accuracy."""
    settings = {"hardware.backend": "aihwkit", "hardware.device": "constant_step", "training.epochs": 10}
    experiment = load_experiment("quickstart", settings)
    whole = run(experiment, 0, tmp_path / "whole")
    run(experiment, 0, tmp_path / "part", stop_after=5)
    resumed = run(experiment, 0, tmp_path / "part", resume=True)
    assert abs(resumed.metrics["direct_accuracy"] - whole.metrics["direct_accuracy"]) < 0.15
    assert resumed.metrics["direct_accuracy"] > 0.5


def test_programmed_networks_age(tmp_path: Path) -> None:
    settings = {**SMALL, "hardware.off_chip": "pcm-like", "evaluation.age_seconds": [25.0, 1e7]}
    record = run(load_experiment("quickstart", settings), 0, tmp_path / "a")
    ages = record.metrics["by_age_seconds"]
    assert list(ages) == ["25", "1e+07"]
    assert ages["25"]["direct_accuracy"] > 0.3
    again = run(load_experiment("quickstart", settings), 0, tmp_path / "b")
    assert again.metrics == record.metrics


class InterruptingEvaluation(Silent):
    """Ctrl-C while an epoch's evaluation runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
        from neurohw.runs import onchip as module

        original, calls = module.evaluate, iter(range(1, 100))

        def evaluate(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == epoch:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        monkeypatch.setattr(module, "evaluate", evaluate)


def test_an_interrupt_during_the_last_evaluation_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment("quickstart", SMALL)
    whole = run(experiment, 0, tmp_path / "whole", stop_after=2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        run(experiment, 0, tmp_path / "cut", stop_after=2, report=InterruptingEvaluation(patch, 2))
    resumed = run(experiment, 0, tmp_path / "cut", stop_after=2, resume=True)
    assert resumed.message is None
    assert resumed.metrics == whole.metrics
    assert len(resumed.curve) == 2


def test_wrong_input_does_not_touch_a_former_run(tmp_path: Path) -> None:
    run(load_experiment("quickstart", SMALL), 0, tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    wrong = {**SMALL, "hardware.backend": "aihwkit", "hardware.device": "unobtainium"}
    with pytest.raises(InputError, match="unobtainium"):
        run(load_experiment("quickstart", wrong), 0, tmp_path)
    with pytest.raises(InputError, match="holds the run quickstart-"):
        run(load_experiment("quickstart", {**SMALL, "target.k": 3}), 0, tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hardware.off_chip": "pcm-lik", "evaluation.age_seconds": [1.0]}, r"hardware\.off_chip: unknown .*pcm-lik"),
        ({"evaluation.label_fraction": [0.001]}, r"evaluation\.label_fraction: got 0\.001, which is 1 of 1297"),
        (
            {"hardware.device": "ecram", "hardware.remedy": "agad", "training.optimizer": "adam"},
            r"training\.optimizer: got 'adam'",
        ),
        ({"network.layers": [65, 100]}, r"network\.layers: got 65 inputs; allowed: 64"),
        ({"data.train_limit": 5000}, r"data\.train_limit: got 5000; allowed: at most the 1297"),
        ({"data.train_limit": 9}, r"data\.train_limit: got 9; a subset of 9 samples .* allowed is 10 .* to 1297"),
        ({"data.test_limit": 9}, r"data\.test_limit: got 9; a subset of 9 samples .* allowed is 10 .* to 500"),
        (
            {"data.evaluate_on": "validation", "data.validation_fraction": 0.001},
            r"data\.validation_fraction: got 0\.001; a subset of 1 samples",
        ),
        (
            {
                "data.labels": 9,
                "training.mode": "semi-supervised",
                "network.layers": [64, 20, 10],
                "training.learning_rate": [1.0, 1.0],
                "training.dropout": [0.0, 0.0, 0.0],
            },
            r"data\.labels: got 9; a subset of 9 samples .* allowed is 10",
        ),
        ({"training.mode": "supervised", "network.layers": [64, 15]}, "a multiple of the 10 classes"),
        ({"hardware.backend": "aihwkit", "hardware.device": "unobtainium"}, "unobtainium"),
        ({"hardware.backend": "aihwkit", "hardware.device": "ecram", "hardware.remedy": "prayer"}, "prayer"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        run(load_experiment("quickstart", settings), 0, tmp_path / "out")
    assert not list(tmp_path.rglob("record.json"))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written to"):
        run(load_experiment("quickstart", SMALL), 0, tmp_path / "file" / "out")


def test_a_record_is_found_by_folder_or_file_as_text_or_path(tmp_path: Path) -> None:
    written = run(load_experiment("quickstart", {**SMALL, "training.epochs": 1}), 0, tmp_path)
    for where in (tmp_path, str(tmp_path), tmp_path / "record.json", str(tmp_path / "record.json")):
        found = nh.read_record(where)
        assert (found.metrics, len(found.curve)) == (written.metrics, 1)


@pytest.mark.parametrize("labels", [1297, 2000])
def test_semi_supervised_learning_needs_images_without_labels(labels: int, tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {**KINDS["semi-bp"], "data.labels": labels})
    with pytest.raises(InputError, match=rf"data\.labels: got {labels}; allowed: fewer than the 1297 training images"):
        run(experiment, 0, tmp_path)
    assert not list(tmp_path.iterdir())


def test_records_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no record\.json"):
        find_records([tmp_path])
    for content in (b'{"schema": 1}', b"\xff\xfe\x00", b"null", b'{"schema": 99}'):
        (tmp_path / "record.json").write_bytes(content)
        with pytest.raises(InputError, match=r"record\.json: .*no record that neurohw wrote"):
            find_records([tmp_path])


def cli(*arguments: str, **kwargs: Any) -> subprocess.Popen[str]:
    """Start the command line; Ctrl-C reaches it even where a shell in the background had it ignored."""
    return subprocess.Popen(
        [sys.executable, "-m", "neurohw", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **kwargs,
    )  # fmt: skip


LONG = ["--set", "training.epochs=2000", "--set", "evaluation.every=2000"]


def wait_for(path: Path, alive: Callable[[], bool]) -> None:
    """Wait until a run in another process has written a file, and a little more."""
    deadline = time.monotonic() + 120
    while not path.is_file():
        assert alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)


def test_ctrl_c_ends_with_130_and_a_stopped_record(tmp_path: Path) -> None:
    """As a whole, in a process of its own; test_system.py interrupts at other moments, and by SIGTERM."""
    process = cli("run", "quickstart", *LONG, "--out", str(tmp_path))
    wait_for(tmp_path / "metrics.csv", lambda: process.poll() is None)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors == "interrupted; the same command with --resume goes on from the last checkpoint\n"
    assert read_record(tmp_path).status == "stopped"


def test_sigkill_leaves_nothing_half_written_and_resumes(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {"training.epochs": 2000, "evaluation.every": 2000})
    process = start(lambda: run(experiment, 0, tmp_path / "cut"))
    wait_for(tmp_path / "cut" / "metrics.csv", lambda: Path(f"/proc/{process}").exists())
    os.kill(process, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    done = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)["done"]
    assert done >= 1
    assert not (tmp_path / "cut" / "record.json").exists()
    assert len(pd.read_csv(tmp_path / "cut" / "metrics.csv")) in (done, done - 1)
    run(experiment, 0, tmp_path / "cut", resume=True, stop_after=done + 1)
    run(experiment, 0, tmp_path / "whole", stop_after=done + 1)
    ours, theirs = comparable(tmp_path / "cut"), comparable(tmp_path / "whole")
    assert ours[0] == theirs[0]
    pd.testing.assert_frame_equal(ours[1], theirs[1], check_exact=True)


def test_an_interrupted_sweep_leaves_no_process_behind(tmp_path: Path) -> None:
    """Ctrl-C reaches all processes of the terminal; test_sweep.py sends the other signals."""
    (tmp_path / "long.toml").write_text(
        'experiment = "quickstart"\nseeds = [0, 1]\n[set]\n"training.epochs" = 3000\n"evaluation.every" = 3000\n'
    )
    process = cli("sweep", str(tmp_path / "long.toml"), "--jobs", "2", "--out", str(tmp_path / "out"),
                  start_new_session=True)  # fmt: skip
    deadline = time.monotonic() + 120
    while len(list(tmp_path.rglob("checkpoint.pt"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    deadline = time.monotonic() + 20
    while living := _living(process.pid):
        assert time.monotonic() < deadline, living
        time.sleep(0.1)


def _living(group: int) -> list[int]:
    """Return the processes of a group that still run (a zombie does not)."""
    living = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, pgid = path.read_text().rpartition(")")[2].split()[:3]
            if int(pgid) == group and state != "Z":
                living.append(int(path.parent.name))
    return living


def test_resetting_the_thresholds_is_a_setting_that_acts(tmp_path: Path) -> None:
    """The first epoch is the same, and the second is not; what persists is saved and restored."""
    curves = {}
    for reset in ("epoch", "never"):
        run(load_experiment("quickstart", {**SMALL, "target.reset": reset}), 0, tmp_path / reset)
        curves[reset] = pd.read_csv(tmp_path / reset / "metrics.csv").drop(columns="seconds")
    assert curves["epoch"].iloc[0].equals(curves["never"].iloc[0])
    assert not curves["epoch"].equals(curves["never"])


def test_homeostasis_that_persists_learns_as_well(tmp_path: Path) -> None:
    """The paper's remark on MNIST (Sec. 2.1), here on digits: resetting H each epoch or never makes no difference."""
    means = {}
    for reset in ("epoch", "never"):
        runs = [run(load_experiment("quickstart", {"target.reset": reset}), s, tmp_path / f"{reset}{s}")
                for s in range(4)]  # fmt: skip
        means[reset] = sum(r.metrics["direct_accuracy"] for r in runs) / 4
    assert abs(means["epoch"] - means["never"]) < 0.05


def test_products_in_bfloat16_learn_as_well_and_are_said_to_be_approximate(tmp_path: Path) -> None:
    given = {"training.epochs": 1, "data.train_limit": 1000, "hardware.precision": "float32"}
    exact = run(load_experiment("quickstart", given), 0, tmp_path / "exact")
    rounded = run(load_experiment("quickstart", given | {"hardware.precision": "bfloat16"}), 0, tmp_path / "rounded")
    (warning,) = [line for line in rounded.warnings if "bfloat16" in line]
    assert warning.startswith('hardware.precision = "bfloat16": reads are products in bfloat16')
    assert not any("bfloat16" in line for line in exact.warnings)
    assert "precision" not in exact.config["hardware"]  # the hash of those before it
    assert rounded.config["hardware"]["precision"] == "bfloat16"
    assert exact.metrics["direct_accuracy"] > 0.3
    assert rounded.metrics["direct_accuracy"] == pytest.approx(exact.metrics["direct_accuracy"], abs=0.05)

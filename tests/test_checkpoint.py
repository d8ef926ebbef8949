"""Checkpoints within an epoch: interrupted between any two batches, a run goes on to the same bits."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pytest
import torch

from neurohw.circuits.target import IdealTarget
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs import driver as module
from neurohw.runs.files import atomic
from neurohw.runs.interrupts import HeldSignals
from neurohw.runs.progress import Silent
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run
from tests.test_run import KINDS, SMALL, InterruptingEvaluation, comparable


def run_in_pieces(experiment: Any, seed: int, folder: Path, batches: int) -> tuple[RunRecord, int]:
    """Return the record of a run that is interrupted after so many batches, again and again, and how often it was."""
    cuts = 0
    while True:
        try:
            return run(experiment, seed, folder, resume=True, report=InterruptingAfter(batches)), cuts
        except KeyboardInterrupt:
            cuts += 1
            assert read_record(folder).status == "stopped"


SHORT = {**SMALL, "training.epochs": 2, "data.train_limit": 200, "data.test_limit": 100}  # 13 batches an epoch
ANALOG = {"hardware.backend": "analog", "hardware.device": "ecram"}
AGEING = {
    "retention.drift_nu": 0.03, "retention.drift_nu_dtod": 0.01, "retention.lifetime": 1e4,
    "retention.diffusion": 1e-4, "retention.relaxation": 1e-3, "retention.read_noise_1f": 0.02, "write_noise": 0.3,
}  # fmt: skip
# what is run, and after how many batches it is interrupted, again and again
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "bp": (SHORT, 9),
    "ep-two-layers": ({**KINDS["ep-two-layers"], **SHORT}, 7),
    "never-reset-ema": ({**KINDS["never-reset-ema"], **SHORT}, 10),
    "semi-bp": ({**KINDS["semi-bp"], "training.epochs": 1, "data.train_limit": 300}, 7),
    "semi-ep": ({**KINDS["semi-ep"], "training.epochs": 1, "data.train_limit": 300}, 6),
    "semi-bp-in-turn": (
        {**KINDS["semi-bp"], "training.epochs": 2, "training.alternate_every": 2, "data.train_limit": 300}, 7,
    ),
    "analog-bp-ageing": (
        {**SHORT, **ANALOG, "hardware.device_parameters": AGEING, "hardware.weight_noise": 0.01,
         "hardware.relative_noise": 0.02, "evaluation.age_seconds": [10.0]}, 7,
    ),
    "analog-ep-agad-wires": (
        {**SHORT, **ANALOG, **{k: v for k, v in KINDS["ep-two-layers"].items() if k not in SHORT},
         "hardware.remedy": "agad", "hardware.wire_resistance": 1.0, "hardware.tile": [40, 40], "training.epochs": 1},
        5,
    ),
    "analog-semi-ep-one-sided": (
        {**KINDS["semi-ep"], **ANALOG, "training.epochs": 1, "training.pretrain.epochs": 1, "data.train_limit": 200,
         "training.optimizer": "sgd", "hardware.device": "pcm", "hardware.remedy": "one-sided",
         "hardware.remedy_parameters": {"refresh_every": 3}}, 4,
    ),
}  # fmt: skip


class InterruptingAfter(Silent):
    """Ctrl-C after some batches; those that a checkpoint has are told as one."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def tick(self, images: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class Counting(Silent):
    """Adds the images up that each epoch was told of."""

    def __init__(self) -> None:
        self.images: list[int] = []

    def begin(self, title: str, images: int) -> None:
        self.images.append(0)

    def tick(self, images: int) -> None:
        self.images[-1] += images


def checkpoint(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)  # type: ignore[no-any-return]


def values(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every number and tensor of a checkpoint with its place; times, and its checksum with them, differ."""
    if path.rpartition("/")[2] in ("seconds", "train_seconds", "epoch_seconds", "sha256"):
        return
    if isinstance(content, dict | list):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield from values(value, f"{path}/{key}")
    else:
        yield path, content


def assert_the_same_run(ours: Path, theirs: Path) -> None:
    """The same record, curve and final checkpoint, to the last bit."""
    assert comparable(ours)[0] == comparable(theirs)[0]
    pd.testing.assert_frame_equal(comparable(ours)[1], comparable(theirs)[1], check_exact=True)
    a, b = (dict(values(checkpoint(folder))) for folder in (ours, theirs))
    assert a.keys() == b.keys()
    for path, value in a.items():
        same = torch.equal(value, b[path]) if isinstance(value, torch.Tensor) else value == b[path]
        assert same, path


@pytest.mark.parametrize("case", CASES)
def test_a_run_interrupted_again_and_again_within_epochs_gives_the_same_bits(case: str, tmp_path: Path) -> None:
    settings, batches = CASES[case]
    experiment = load_experiment("quickstart", settings)
    run(experiment, 7, tmp_path / "whole")
    stood: list[tuple[int, int]] = []
    for _ in range(30):
        try:
            run(experiment, 7, tmp_path / "cut", resume=True, report=InterruptingAfter(batches))
        except KeyboardInterrupt:
            stood.append((checkpoint(tmp_path / "cut")["done"], checkpoint(tmp_path / "cut")["batches"]))
            assert read_record(tmp_path / "cut").message == "interrupted; --resume goes on from the last checkpoint"
        else:
            break
    assert len({at for _, at in stood}) > 1
    assert all(at > 0 for _, at in stood)
    assert stood == sorted(set(stood))
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize(("batches", "labelled"), [(7, False), (5, True), (11, True)])
def test_a_run_stopped_in_the_middle_of_a_leg_gives_the_same_bits(batches: int, labelled: bool, tmp_path: Path) -> None:
    """Without labels and with; the last where the labelled images, two batches, have come again."""
    settings = {**CASES["semi-bp-in-turn"][0], "training.alternate_every": 3}
    experiment = load_experiment("quickstart", settings)
    run(experiment, 7, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):  # in the second round: after pre-training, and a round of 15 + 15 batches
        run(experiment, 7, tmp_path / "cut", report=InterruptingAfter(2 * 2 + 30 + batches))
    assert (checkpoint(tmp_path / "cut")["done"], checkpoint(tmp_path / "cut")["batches"]) == (3, batches)
    leg, within = divmod(batches, 3)
    assert (leg % 2 == 1, within > 0) == (labelled, True)
    run(experiment, 7, tmp_path / "cut", resume=True)
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


def test_another_process_goes_on_within_the_epoch(tmp_path: Path) -> None:
    settings, _ = CASES["ep-two-layers"]
    experiment = load_experiment("quickstart", settings)
    run(experiment, 3, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(experiment, 3, tmp_path / "cut", report=InterruptingAfter(18))
    assert (checkpoint(tmp_path / "cut")["done"], checkpoint(tmp_path / "cut")["batches"]) == (1, 5)
    code = (
        "from neurohw.loading import load_experiment; from neurohw.runs.run import run\n"
        f"run(load_experiment('quickstart', {settings!r}), 3, {str(tmp_path / 'cut')!r}, resume=True)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


def test_a_killed_process_goes_on_from_the_last_checkpoint_in_time(tmp_path: Path) -> None:
    """As after SIGKILL in the second epoch, with a checkpoint after every batch: nothing but the files is left."""
    experiment = load_experiment("quickstart", SHORT)
    run(experiment, 0, tmp_path / "whole")
    kept = {}

    class Copying(Silent):
        batches = 0

        def tick(self, images: int) -> None:
            self.batches += 1
            if self.batches == 20:  # the last checkpoint is that of the 19th batch
                kept["checkpoint"] = (tmp_path / "run" / "checkpoint.pt").read_bytes()

    run(experiment, 0, tmp_path / "run", report=Copying(), checkpoint_seconds=0.0)
    assert_the_same_run(tmp_path / "run", tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "checkpoint.pt").write_bytes(kept["checkpoint"])
    assert (checkpoint(tmp_path / "killed")["done"], checkpoint(tmp_path / "killed")["batches"]) == (1, 6)
    with pytest.raises(InputError, match="interrupted run; --resume"):
        run(experiment, 0, tmp_path / "killed")
    told = Counting()
    run(experiment, 0, tmp_path / "killed", resume=True, report=told)
    assert told.images == [200]
    assert_the_same_run(tmp_path / "killed", tmp_path / "whole")


def test_a_run_that_goes_on_with_other_threads_or_code_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change in the record, also after further ones; a run that goes on as it was begun says nothing."""
    experiment = load_experiment("quickstart", {**SHORT, "training.epochs": 3})
    assert run(experiment, 0, tmp_path, stop_after=1).warnings == []
    threads = torch.get_num_threads()
    for epochs, now in ((1, threads + 1), (2, threads)):
        monkeypatch.setattr(torch, "get_num_threads", lambda now=now: now)
        record = run(experiment, 0, tmp_path, stop_after=epochs + 1, resume=True)
    assert [text.partition(": its last bits")[0] for text in record.warnings] == [
        f"went on after epoch 1 with threads {threads + 1} (before: {threads})",
        f"went on after epoch 2 with threads {threads} (before: {threads + 1})",
    ]
    run(experiment, 0, tmp_path / "code", stop_after=1)
    monkeypatch.setattr(module, "git_revision", lambda: "another")
    (said,) = run(experiment, 0, tmp_path / "code", resume=True).warnings
    assert "commit another (before: " in said
    assert "threads" not in said


def test_without_need_an_epoch_writes_one_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    original = module.save_checkpoint
    monkeypatch.setattr(module, "save_checkpoint", lambda *args: (written.append(args), original(*args)))
    run(load_experiment("quickstart", SHORT), 0, tmp_path)
    assert len(written) == 2
    last = checkpoint(tmp_path)
    assert (last["done"], last["batches"], last["epoch_seconds"]) == (2, 0, 0.0)


@pytest.mark.parametrize(("evaluation", "kept", "left"), [(1, (0, 13), [200, 200]), (2, (2, 0), [])])
def test_an_evaluation_that_is_interrupted_costs_no_training(
    evaluation: int, kept: tuple[int, int], left: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first epoch, and at the end: what is kept is the state before it."""
    experiment = load_experiment("quickstart", {**SHORT, **ANALOG})
    run(experiment, 0, tmp_path / "whole")
    with monkeypatch.context() as patch:
        report = InterruptingEvaluation(patch, evaluation)
        with pytest.raises(KeyboardInterrupt):
            run(experiment, 0, tmp_path / "cut", report=report, checkpoint_seconds=0.0)
    assert (checkpoint(tmp_path / "cut")["done"], checkpoint(tmp_path / "cut")["batches"]) == kept
    told = Counting()
    run(experiment, 0, tmp_path / "cut", resume=True, report=told)
    assert told.images == left
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


FEW = {"training.epochs": 3, "data.train_limit": 100, "data.test_limit": 50}
EVALUATED: dict[str, dict[str, Any]] = {
    "bp": {
        **SHORT, **ANALOG, **FEW, "hardware.device_parameters": AGEING, "hardware.wire_resistance": 1.0,
        "target.circuit": "analog", "target.parameters": {"decision.comparator_noise": 1e-9},
    },
    "ep": {
        **KINDS["ep-two-layers"], **SHORT, **ANALOG, **FEW, "hardware.remedy": "agad",
        "hardware.tile": [40, 40], "target.ties": "random", "hardware.device_parameters": AGEING,
        "hardware.compensation": "global",
    },
    "supervised": {
        **SHORT, **ANALOG, "training.mode": "supervised", **FEW, "hardware.remedy": "differential",
        "hardware.weight_noise": 0.02,
    },
}  # fmt: skip
LOOKED_AT: list[dict[str, Any]] = [
    {"evaluation.every": 3},
    {"evaluation.every": 2, "evaluation.label_fraction": [0.2, 0.6], "evaluation.association": ["direct", "linear"],
     "evaluation.classifier.epochs": 2, "evaluation.age_seconds": [10.0, 1e4],
     "evaluation.compensation": ["none", "global"]},
]  # fmt: skip


@pytest.mark.parametrize("case", EVALUATED)
def test_training_is_the_same_however_it_is_evaluated(case: str, tmp_path: Path) -> None:
    """Reads, circuits and ageing cells that draw: not a bit of what is learnt depends on who looks at it, and when."""
    trained = []
    for i, how in enumerate([{}, *LOOKED_AT]):
        run(load_experiment("quickstart", EVALUATED[case] | how), 3, tmp_path / str(i))
        trained.append(checkpoint(tmp_path / str(i)))
    for key in ("network", "rules", "streams", "threshold", "activity"):
        first = dict(values(trained[0][key]))
        for other in trained[1:]:
            for path, value in values(other[key]):
                assert torch.equal(value, first[path]), (key, path)
    noise = trained[0]["network"]
    assert any("generator" in name for name in noise)


@pytest.mark.parametrize("case", EVALUATED)
def test_a_run_that_stops_between_two_evaluations_goes_on_to_the_same_bits(case: str, tmp_path: Path) -> None:
    """The evaluation of a run that is stopped is no part of the schedule: neither weights nor counts remember it."""
    experiment = load_experiment("quickstart", EVALUATED[case] | LOOKED_AT[-1])
    run(experiment, 3, tmp_path / "whole")
    stopped = run(experiment, 3, tmp_path / "cut", stop_after=1)
    assert set(stopped.curve[-1]) > {"epoch", "seconds"}
    assert any(key.endswith("accuracy") for key in stopped.curve[-1])
    run(experiment, 3, tmp_path / "cut", resume=True, stop_after=2)
    run(experiment, 3, tmp_path / "cut", resume=True)
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """Let SIGINT raise KeyboardInterrupt: a shell that starts tests in the background has it ignored."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture
def _terminating() -> Iterator[None]:
    """SIGTERM as the command line handles it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    yield
    signal.signal(signal.SIGTERM, former)


@pytest.mark.usefixtures("_terminating")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_batch_waits_for_its_end(
    how: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = load_experiment("quickstart", SHORT)
    run(experiment, 0, tmp_path / "whole")
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(IdealTarget, "__call__", signalled(how, batch=17))
        with pytest.raises(KeyboardInterrupt):
            run(experiment, 0, tmp_path / "cut")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    assert (checkpoint(tmp_path / "cut")["done"], checkpoint(tmp_path / "cut")["batches"]) == (1, 4)
    run(experiment, 0, tmp_path / "cut", resume=True)
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


def test_a_second_signal_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch is torn, so that the last checkpoint stands."""
    experiment = load_experiment("quickstart", SHORT)
    run(experiment, 0, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(IdealTarget, "__call__", signalled(signal.SIGINT, batch=17, times=2))
        with pytest.raises(KeyboardInterrupt):
            run(experiment, 0, tmp_path / "cut")
    assert (checkpoint(tmp_path / "cut")["done"], checkpoint(tmp_path / "cut")["batches"]) == (1, 0)
    run(experiment, 0, tmp_path / "cut", resume=True)
    assert_the_same_run(tmp_path / "cut", tmp_path / "whole")


def signalled(how: signal.Signals, batch: int, times: int = 1) -> Any:
    """Return a target circuit that sends this process a signal, some times, in the middle of one batch."""
    original, count = IdealTarget.__call__, iter(range(1, 1000))

    def call(*args: Any, **kwargs: Any) -> Any:
        if next(count) == batch:
            for _ in range(times):
                signal.raise_signal(how)
        return original(*args, **kwargs)

    return call


def test_held_signals_leave_other_handlers_and_threads_alone() -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with HeldSignals():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    seen = []

    def enter() -> None:
        with HeldSignals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_a_signal_after_the_last_batch_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), HeldSignals():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_checkpoint_within_an_epoch_of_another_configuration_or_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(load_experiment("quickstart", SHORT), 0, tmp_path, report=InterruptingAfter(5))
    before = (tmp_path / "checkpoint.pt").read_bytes()
    for settings, seed in (({**SHORT, "training.batch_size": 8}, 0), (SHORT, 1)):
        with pytest.raises(InputError, match="belongs to configuration and seed"):
            run(load_experiment("quickstart", settings), seed, tmp_path, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_checkpoints_from_before_there_were_any_within_epochs_go_on(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", SHORT)
    whole = run(experiment, 0, tmp_path / "whole")
    run(experiment, 0, tmp_path / "old", stop_after=1)
    content = checkpoint(tmp_path / "old")
    del content["batches"], content["epoch_seconds"], content["sha256"]
    torch.save(content, tmp_path / "old" / "checkpoint.pt")
    assert run(experiment, 0, tmp_path / "old", resume=True).metrics == whole.metrics


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_killed_process_left_half_written_is_removed(resume: bool, tmp_path: Path) -> None:
    killed = [atomic(tmp_path / name) for name in ("checkpoint.pt", "record.json", "metrics.csv")]
    for writing in killed:  # never left, as by a killed process
        writing.__enter__().write_text("half")
    (tmp_path / ".notes").write_text("mine")
    assert len(list(tmp_path.iterdir())) == 4
    run(load_experiment("quickstart", {**SHORT, "training.epochs": 1}), 0, tmp_path, resume=resume)
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.pt", "record.json", "metrics.csv", ".notes"}

"""Runs that are trained together: each one's folder is what it would be had it been run alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from neurohw.errors import Diverged, InputError
from neurohw.loading import load_experiment
from neurohw.runs.files import locked
from neurohw.runs.lockstep import Lockstep
from neurohw.runs.progress import Silent
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run, run_seeds
from tests.test_checkpoint import SHORT, InterruptingAfter, assert_the_same_run, checkpoint
from tests.test_run import InterruptingEvaluation, comparable

SEEDS = (0, 3, 4)
EP = {**SHORT, "network.rule": "ep", "hardware.periphery": "32nm"}
UNSTABLE = {  # near the learning rate beyond which nothing is stable: some seeds diverge, sooner or later
    "network.layers": [64, 20], "network.neurons": ["identity"], "training.mode": "supervised",
    "training.learning_rate": [3.15], "training.dropout": [0.5, 0.0], "training.epochs": 3, "data.train_limit": 1000,
    "data.test_limit": 50,
}  # fmt: skip


def folders(path: Path, seeds: tuple[int, ...] = SEEDS) -> dict[int, Path | None]:
    return {seed: path / str(seed) for seed in seeds}


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The seeds of each group that is trained from now on."""
    seen: list[list[int]] = []
    original = Lockstep.go

    def go(self: Lockstep, stop_after: int | None) -> list[RunRecord | Exception]:
        seen.append([driver.streams.seed for driver in self.drivers])
        return original(self, stop_after)

    monkeypatch.setattr(Lockstep, "go", go)
    return seen


@pytest.mark.parametrize("settings", [SHORT, EP], ids=["BP", "EP, priced"])
def test_each_run_of_several_is_the_run_alone(
    settings: dict[str, Any], tmp_path: Path, groups: list[list[int]]
) -> None:
    experiment = load_experiment("quickstart", settings)
    outcomes = run_seeds(experiment, folders(tmp_path / "together"))
    assert groups == [[*SEEDS]]
    for seed in SEEDS:
        alone = run(experiment, seed, tmp_path / "alone" / str(seed))
        assert_the_same_run(tmp_path / "together" / str(seed), tmp_path / "alone" / str(seed))
        together = outcomes[seed]
        assert isinstance(together, RunRecord)
        assert together.config_hash == alone.config_hash
        assert together.ledger == alone.ledger
        assert together.timing.keys() == alone.timing.keys()
    assert len({str(outcome.metrics) for outcome in outcomes.values() if isinstance(outcome, RunRecord)}) == 3


@pytest.mark.parametrize("batches", [5, 13, 14])
def test_an_interrupt_ends_all_and_each_goes_on(batches: int, tmp_path: Path, groups: list[list[int]]) -> None:
    """Within an epoch, at its end, and after it; one of them then goes on alone, the others together."""
    experiment = load_experiment("quickstart", SHORT)
    with pytest.raises(KeyboardInterrupt):
        run_seeds(experiment, folders(tmp_path), report=InterruptingAfter(batches))
    assert [read_record(tmp_path / str(seed)).status for seed in SEEDS] == ["stopped"] * 3
    stood = {(checkpoint(tmp_path / str(seed))["done"], checkpoint(tmp_path / str(seed))["batches"]) for seed in SEEDS}
    assert stood == {divmod(batches, 13) if batches != 13 else (0, 13)}
    run(experiment, 3, tmp_path / "3", resume=True)
    run_seeds(experiment, folders(tmp_path), resume=True)
    assert groups == [[*SEEDS], [3], [0, 4]]
    for seed in SEEDS:
        run(experiment, seed, tmp_path / "alone" / str(seed))
        assert_the_same_run(tmp_path / str(seed), tmp_path / "alone" / str(seed))


def test_runs_that_stand_apart_go_on_apart(
    tmp_path: Path, groups: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interrupt of the second one's evaluation all stand before it; who begins anew stands alone."""
    experiment = load_experiment("quickstart", SHORT)
    with monkeypatch.context() as patch:
        report = InterruptingEvaluation(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            run_seeds(experiment, folders(tmp_path), report=report, checkpoint_seconds=0.0)
    run_seeds(experiment, folders(tmp_path), resume=True)
    assert groups[1:] == [[*SEEDS]]
    for seed in SEEDS:
        run(experiment, seed, tmp_path / "alone" / str(seed))
        assert_the_same_run(tmp_path / str(seed), tmp_path / "alone" / str(seed))
    shutil.rmtree(tmp_path / "4")
    for seed in (0, 3):
        (tmp_path / str(seed) / "record.json").unlink()
    run_seeds(experiment, folders(tmp_path), resume=True)
    assert groups[-2:] == [[0, 3], [4]]
    assert_the_same_run(tmp_path / "4", tmp_path / "alone" / "4")


def test_a_finished_run_is_only_read(tmp_path: Path, groups: list[list[int]]) -> None:
    experiment = load_experiment("quickstart", SHORT)
    run(experiment, 3, tmp_path / "3")
    before = (tmp_path / "3" / "record.json").stat().st_mtime_ns
    run_seeds(experiment, folders(tmp_path), resume=True)
    assert groups == [[3], [0, 4]]
    assert (tmp_path / "3" / "record.json").stat().st_mtime_ns == before


def test_who_diverges_spoils_no_other(tmp_path: Path, groups: list[list[int]]) -> None:
    experiment, seeds = load_experiment("quickstart", UNSTABLE), (0, 2, 3, 5)
    outcomes = run_seeds(experiment, folders(tmp_path / "together", seeds))
    assert groups == [[*seeds]]
    assert {read_record(tmp_path / "together" / str(seed)).status for seed in seeds} == {"finished", "diverged"}
    for seed in seeds:
        alone = tmp_path / "alone" / str(seed)
        if isinstance(outcome := outcomes[seed], Diverged):
            with pytest.raises(Diverged) as said:
                run(experiment, seed, alone)
            assert str(said.value) == str(outcome) == read_record(alone).message
        else:
            run(experiment, seed, alone)
        assert comparable(tmp_path / "together" / str(seed))[0] == comparable(alone)[0]
    again = run_seeds(experiment, folders(tmp_path / "together", seeds), resume=True)
    assert {seed: type(outcome) for seed, outcome in again.items()} == {s: type(o) for s, o in outcomes.items()}


def test_what_all_of_them_are_asked_ends_all(tmp_path: Path) -> None:
    """A learning rate that is no number any more in the second epoch."""
    experiment = load_experiment(
        "quickstart", {**SHORT, "training.schedule": {"kind": "linear", "start": 1.0, "end": 1e300}}
    )
    outcomes = run_seeds(experiment, folders(tmp_path))
    for seed in SEEDS:
        assert str(outcomes[seed]).startswith("unsupervised epoch 2, after 0 of its batches: W1: a learning rate of")
        assert len(read_record(tmp_path / str(seed)).curve) == 1


def test_a_folder_that_cannot_be_used_is_no_matter_of_the_others(tmp_path: Path, groups: list[list[int]]) -> None:
    experiment = load_experiment("quickstart", SHORT)
    (tmp_path / "0").mkdir()
    (tmp_path / "3").write_text("a file")
    with locked(tmp_path / "0"):
        outcomes = run_seeds(experiment, folders(tmp_path))
    assert "is in use by" in str(outcomes[0])
    assert isinstance(outcomes[3], InputError)
    assert isinstance(outcomes[4], RunRecord)
    assert groups == [[4]]


def test_what_a_run_cannot_evaluate_ends_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw.runs import onchip as module

    original = module.evaluate

    def evaluate(experiment: Any, network: Any, task: Any, streams: Any, *args: Any) -> Any:
        if streams.seed == 3:
            raise RuntimeError("no luck")
        return original(experiment, network, task, streams, *args)

    monkeypatch.setattr(module, "evaluate", evaluate)
    outcomes = run_seeds(load_experiment("quickstart", SHORT), folders(tmp_path))
    assert [type(outcomes[seed]) for seed in SEEDS] == [RunRecord, RuntimeError, RunRecord]
    assert [read_record(tmp_path / str(seed)).status for seed in SEEDS] == ["finished", "failed", "finished"]


def test_one_line_an_epoch_tells_the_mean(tmp_path: Path) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.titles: list[str] = []
            self.rows: list[dict[str, Any]] = []

        def begin(self, title: str, images: int) -> None:
            self.titles.append(title)

        def end(self, row: dict[str, Any]) -> None:
            self.rows.append(row)

    told = Told()
    outcomes = run_seeds(load_experiment("quickstart", SHORT), folders(tmp_path), report=told)
    records = [outcome for outcome in outcomes.values() if isinstance(outcome, RunRecord)]
    assert told.titles == [f"quickstart mean of 3 seeds unsupervised {i}/2" for i in (1, 2)]
    for i, row in enumerate(told.rows):
        rows = [record.curve[i] for record in records]
        assert row["direct_accuracy"] == pytest.approx(sum(each["direct_accuracy"] for each in rows) / 3)
        assert row["seconds"] == pytest.approx(sum(each["seconds"] for each in rows))

"""The ledger: counts, and runs that count; the same numbers with it and without, and the same counts when resumed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.circuits.target import TargetCircuit
from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.metering.ledger import EnergyLedger, of_training
from neurohw.networks.base import Network
from neurohw.runs import onchip as module
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from tests.approximately import approx
from tests.test_checkpoint import InterruptingAfter, checkpoint
from tests.test_run import KINDS

TINY = {"training.epochs": 1, "data.train_limit": 100, "data.test_limit": 50}
ANALOG = {"hardware.backend": "analog", "hardware.device": "ecram"}
TWO = {"network.rule": "ep", "network.layers": [64, 30, 40], "training.learning_rate": [0.02, 0.02],
       "ep.free_steps": 6, "ep.nudged_steps": 3, "training.dropout": []}  # fmt: skip
SEMI = {**KINDS["semi-bp"], "training.epochs": 1, "training.pretrain.epochs": 1, "data.train_limit": 200}
WAYS: dict[str, dict[str, Any]] = {
    "bp": TINY,
    "ep": {**TINY, "network.rule": "ep"},
    "ep-two-layers": {**TINY, **TWO},
    "analog-bp": {**TINY, **ANALOG},
    "analog-ep": {**TINY, **ANALOG, "network.rule": "ep", "ep.hold_input": False, "ep.free_steps": 5},
    "analog-ep-two-layers-tiled": {**TINY, **ANALOG, **TWO, "hardware.tile": [25, 25]},
    "analog-adam": {**TINY, **ANALOG, "training.optimizer": "adam", "training.learning_rate": [0.01]},
    "semi-bp-adam": SEMI,
}  # fmt: skip


def test_counts_are_added_nested_and_merged() -> None:
    ledger, other = EnergyLedger(), EnergyLedger()
    ledger.record("W1", "free", "reads", 3)
    ledger.record("W1", "free", "reads", 4)
    ledger.record("digital", "update", "adds", 0)
    other.record("W1", "inference", "reads", 5)
    other.merge(ledger.counts())
    assert ledger.counts() == {"W1": {"free": {"reads": 7.0}}}
    assert other.counts() == {"W1": {"free": {"reads": 7.0}, "inference": {"reads": 5.0}}}
    assert of_training(other.counts()) == {"W1": {"free": {"reads": 7.0}}}
    restored = EnergyLedger()
    restored.load_state_dict(other.state_dict())
    assert json.loads(json.dumps(restored.counts())) == other.counts()


@dataclass
class Unmetered:
    """Stands for `neurohw.runs.meters.metered`: the parts as they are."""

    network: Network
    circuit: TargetCircuit
    ledger: EnergyLedger

    def facts(self, epochs: float) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("way", WAYS)
def test_counting_changes_no_bit(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = load_experiment("quickstart", WAYS[way])
    counted = run(experiment, 3, tmp_path / "counted")
    with monkeypatch.context() as patch:

        def plain(experiment: OnChipExperiment, network: Network, circuit: TargetCircuit) -> Unmetered:
            return Unmetered(network, circuit, EnergyLedger())

        patch.setattr(module, "metered", plain)
        uncounted = run(experiment, 3, tmp_path / "plain")
    assert counted.metrics == uncounted.metrics
    assert counted.config_hash == uncounted.config_hash
    assert counted.ledger["counts"]
    ours, theirs = (checkpoint(tmp_path / name)["network"] for name in ("counted", "plain"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("way", ["ep-two-layers", "analog-ep-two-layers-tiled", "analog-adam"])
def test_a_resumed_run_ends_with_the_same_ledger(way: str, tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {**WAYS[way], "training.epochs": 2})
    whole = run(experiment, 1, tmp_path / "whole")
    for _ in range(10):
        try:
            cut = run(experiment, 1, tmp_path / "cut", resume=True, report=InterruptingAfter(5))
            break
        except KeyboardInterrupt:
            assert read_record(tmp_path / "cut").ledger["counts"]["clock"]
    assert cut.ledger == whole.ledger


def test_the_record_has_counts_facts_and_a_curve(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {**WAYS["analog-bp"], "training.epochs": 2})
    ledger = run(experiment, 0, tmp_path).ledger
    assert ledger == read_record(tmp_path).ledger
    clock = ledger["counts"]["clock"]
    assert clock["forward"] == {"images": 200.0}
    assert clock["inference"] == {"images": 2 * 50.0}
    assert clock["association"] == {"images": 2 * 100.0}
    assert clock["update"] == {"seconds": 14.0}
    first, last = ledger["ledger_curve"]
    assert first["W1"]["forward"]["reads"] == 100
    assert last == of_training(ledger["counts"])
    facts = ledger["facts"]["arrays"]["W1"]
    assert {key: facts[key] for key in ("n_post", "n_pre", "tiles", "dac_bits", "adc_bits")} == {
        "n_post": 100, "n_pre": 64, "tiles": [1, 1], "dac_bits": 7, "adc_bits": 9,
    }  # fmt: skip
    pulses = ledger["counts"]["W1"]["update"]["pulses_up"] + ledger["counts"]["W1"]["update"]["pulses_down"]
    assert facts["writes_per_cell"]["mean"] == approx(pulses / 6400)
    assert facts["writes_per_cell"]["mean"] < facts["writes_per_cell"]["p999"] <= facts["writes_per_cell"]["max"]


def test_runs_from_checkpoints_without_a_ledger_say_that_nothing_was_counted(tmp_path: Path) -> None:
    """Half a count would mislead."""
    experiment = load_experiment("quickstart", {**TINY, "training.epochs": 3})
    run(experiment, 0, tmp_path, stop_after=1)
    content = checkpoint(tmp_path)
    del content["ledger"], content["ledger_curve"], content["sha256"]  # as from before there was either
    torch.save(content, tmp_path / "checkpoint.pt")
    assert run(experiment, 0, tmp_path, stop_after=2, resume=True).ledger == {}
    assert run(experiment, 0, tmp_path, resume=True).ledger == {}


def test_records_without_a_ledger_are_read(tmp_path: Path) -> None:
    run(load_experiment("quickstart", TINY), 0, tmp_path)
    stored = json.loads((tmp_path / "record.json").read_text())
    del stored["ledger"]
    (tmp_path / "record.json").write_text(json.dumps(stored))
    assert read_record(tmp_path).ledger == {}


def test_ageing_is_no_time_of_the_run(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {**WAYS["analog-bp"], "evaluation.age_seconds": [1e6]})
    counts = run(experiment, 0, tmp_path).ledger["counts"]
    assert counts["clock"]["update"]["seconds"] == 7
    assert "seconds" not in counts["clock"]["inference"]


def test_aihwkit_runs_are_counted_too(tmp_path: Path) -> None:
    settings = {**TINY, "hardware.backend": "aihwkit", "hardware.device": "ecram"}
    ledger = run(load_experiment("quickstart", settings), 0, tmp_path).ledger
    events = ledger["counts"]["W1"]
    assert events["forward"]["reads"] == 100
    assert events["forward"]["read_conductance"] > 0
    assert events["update"]["pulses_up"] > 0
    assert ledger["facts"]["arrays"]["W1"]["pulses"] == "expected"
    assert ledger["facts"]["arrays"]["W1"]["writes_per_cell"] is None

"""What learning rules read, and the work that accounts know; convolutions are in test_conv.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurohw.config import OnChipExperiment
from neurohw.config.rules import network_settings
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.operations import FeedForward
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.run import run
from tests.approximately import approx


@pytest.mark.parametrize(("rule", "key", "value", "reason"), [
    ("ep", "training.cross_entropy_on", "logits", "network.rule 'ep' does not read"),
    ("ep", "training.loss_reduction", "sum", "network.rule 'ep' does not read"),
    ("bp", "network.parameters.kernel", 3, "rule 'bp' reads no parameters of its own"),
    ("ep", "network.neurons", ["relu", "hardsigm"], "one circuit for all dynamical units"),
    ("hebb", "network.parameters", {}, "'bp', 'ep'"),
])  # fmt: skip
def test_what_a_rule_does_not_read_is_refused(rule: str, key: str, value: object, reason: str) -> None:
    with pytest.raises(Exception, match=reason):
        load_experiment("quickstart", {"network.rule": rule, key: value})


def test_a_network_sees_no_key_that_its_rule_does_not_name() -> None:
    experiment = OnChipExperiment(network={"rule": "bp"})  # type: ignore[arg-type]
    assert network_settings(experiment)["training.loss"] == "mse"
    with pytest.raises(KeyError):
        network_settings(experiment)["ep"]


@pytest.mark.parametrize(("name", "frequency"), [("bp", 0.1 * 0.7), ("ep", 0.1 / 0.7)])
def test_every_rule_has_its_classes(name: str, frequency: float) -> None:
    rule = LEARNING_RULES[name]
    assert rule.network_class().built is not None
    assert rule.work_class().phase
    assert rule.frequency(0.1, 0.7) == approx(frequency)


@pytest.mark.parametrize(("entry", "message"), [
    (("digital", "forward", "sorts", 1.0), r"digital\.sorts: no rule for this event"),
    (("digital", "hebbian", "adds", 1.0), r"phase 'hebbian', which no account takes for training"),
])  # fmt: skip
def test_work_that_no_account_knows_is_refused_before_the_run(
    entry: tuple[str, str, str, float], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else joules would be missing from the figures of training, or a run would end without an account."""
    monkeypatch.setattr(FeedForward, "of_contrasts", lambda self, images: iter([entry]))
    with pytest.raises(InputError, match=message):
        run(load_experiment("quickstart", {"hardware.periphery": "32nm"}), 0, tmp_path / "out")
    run(load_experiment("quickstart", {"training.epochs": 1, "data.train_limit": 20}), 0, tmp_path / "unpriced")


def test_no_parameters_leave_no_trace_in_the_configuration() -> None:
    """So that configurations of rules without any keep their hashes."""
    assert "parameters" not in OnChipExperiment().canonical()["network"]

"""Target circuits by name, and one of one's own: soft, with a file of its own, that passes what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from neurohw.circuits.kinds import CIRCUITS, CircuitKind
from neurohw.circuits.library import CircuitModel, load_circuit
from neurohw.circuits.parameters import Parameters, Share
from neurohw.circuits.target import Chosen, DecisionEvents, Homeostasis, KWTATarget, TargetRule
from neurohw.cli.app import app
from neurohw.clock import Clock
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_target import MeteredTarget
from neurohw.runs.build import file_contents
from neurohw.runs.circuit import circuit_parameters
from neurohw.seeding import Streams
from neurohw.testing import TargetCircuitConformance


class SoftParameters(Parameters):
    """[the file]: the width of the competition, in outputs."""

    width: Share = 0.1


class SoftTarget(KWTATarget):
    """d = softmax((y - H) / width): currents that share a bias."""

    def __init__(self, rule: TargetRule, parameters: SoftParameters) -> None:
        super().__init__(rule)
        self.parameters = parameters

    @classmethod
    def built(cls, rule: TargetRule, parameters: SoftParameters, ties: str, streams: Streams) -> SoftTarget:
        return cls(rule, parameters)

    def _choose(self, competition: Tensor, homeostasis: Homeostasis) -> Chosen:
        shares = ((competition - homeostasis.threshold) / self.parameters.width).softmax(1)
        return Chosen(shares > 0.5, DecisionEvents(len(shares), 1), shares)


class TestSoftTarget(TargetCircuitConformance):
    k_hot = False

    def make_circuit(self, n_out: int, k: int) -> SoftTarget:
        return SoftTarget(TargetRule(n_out, k, gamma=0.5), SoftParameters())


@pytest.fixture
def soft(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a soft circuit's file; its kind is known, and takes the place of the analog one in experiments."""
    kind = CircuitKind(f"{__name__}:SoftTarget", f"{__name__}:SoftParameters", file=True)
    monkeypatch.setitem(CIRCUITS, "soft", kind)
    model = CircuitModel("mine", "a soft circuit", "CMOS", "nobody", SoftParameters(width=0.2), {"width": "assumed"},
                         circuit="soft")  # fmt: skip
    path = tmp_path / "mine.toml"
    path.write_text(model.to_toml())
    assert load_circuit(path) == model
    monkeypatch.setitem(CIRCUITS, "analog", kind)
    return path


def test_a_file_of_another_kind_is_refused(soft: Path) -> None:
    experiment = load_experiment("quickstart", {"target.circuit": "analog", "target.model": str(soft)})
    with pytest.raises(InputError, match=r"target\.model: .*mine\.toml: circuit: got 'soft'; allowed: 'analog'"):
        circuit_parameters(experiment)


def test_a_circuit_of_ones_own_is_shown(soft: Path) -> None:
    shown = CliRunner().invoke(app, ["circuit", "show", str(soft)])
    assert shown.exit_code == 0
    assert "width" in shown.output
    assert "assumed: 1 of 1 numbers" in shown.output
    drawn = CliRunner().invoke(app, ["circuit", "plot", str(soft)])
    assert "is a soft one" in str(drawn.exception)


def test_the_contents_of_a_circuits_file_are_hashed(soft: Path) -> None:
    soft.write_text(soft.read_text().replace('"soft"', '"analog"'))
    experiment = load_experiment("quickstart", {"target.circuit": "analog", "target.model": str(soft)})
    before = file_contents(experiment, {})
    assert circuit_parameters(experiment).width == 0.2
    soft.write_text(soft.read_text().replace("0.2", "0.3"))
    assert file_contents(experiment, {}) != before


@pytest.mark.parametrize(("text", "message"), [
    ("width = { value = -1, unit = \"1\", source = \"s\" }", "width: got -1"),
    ("breadth = { value = 1, unit = \"1\", source = \"s\" }", "breadth: unknown key"),
])  # fmt: skip
def test_a_circuits_own_keys_are_checked(soft: Path, text: str, message: str) -> None:
    lines = [line for line in soft.read_text().splitlines() if not line.startswith("width")]
    soft.write_text("\n".join([*lines, text]))
    with pytest.raises(InputError, match=message):
        load_circuit(soft)


@pytest.mark.parametrize(("circuit", "keys"), [
    ("ideal", {"target.model": "generic_180nm"}),
    ("ideal", {"target.parameters": {"inputs.offset": 1e-9}}),
    ("spiking", {"target.model": "generic_180nm"}),
])  # fmt: skip
def test_what_a_circuit_does_not_read_is_refused(circuit: str, keys: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf'which target\.circuit "{circuit}" does not read'):
        load_experiment("quickstart", {"target.circuit": circuit, **keys})


@pytest.mark.parametrize("name", ["ideal", "analog", "spiking"])
def test_shipped_circuits_are_built_by_name(name: str) -> None:
    kind = CIRCUITS[name]
    circuit = kind.circuit_class().built(TargetRule(20, 3, 0.5), kind.ideal(), "lowest", Streams(0))
    decision = circuit(torch.rand(4, 20), circuit.initial())
    assert decision.target.shape == (4, 20)


def test_k_is_checked_once_for_all() -> None:
    with pytest.raises(InputError, match=r"target\.k: got 21; allowed: 1 to 20"):
        TargetRule(20, 21, 0.5)


@pytest.mark.parametrize("name", CIRCUITS)
def test_without_homeostasis_nothing_moves_and_nothing_is_charged(name: str) -> None:
    kind = CIRCUITS[name]
    rule = TargetRule(20, 2 if name == "ranked" else 1, gamma=0.0)
    circuit = kind.circuit_class().built(rule, kind.ideal(), "random", Streams(0))
    ledger = EnergyLedger()
    decision = MeteredTarget(circuit, ledger, Clock())(torch.rand(7, 20), circuit.initial(), seconds=1.0)
    assert decision.target.any()
    assert not decision.homeostasis.threshold.any()
    assert decision.events.decisions == 7
    assert "homeostasis" not in ledger.counts()["target"]

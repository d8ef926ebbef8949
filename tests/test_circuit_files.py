"""Circuit files, the commands of `neurohw circuit`, and the competition that they draw."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import neurohw as nh
from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.analog_target import AnalogTarget
from neurohw.circuits.competition import compete
from neurohw.circuits.library import CircuitModel, circuit_from_tables, circuit_names, load_circuit
from neurohw.circuits.spiking_target import SpikingTarget
from neurohw.circuits.target import IdealTarget, TargetRule
from neurohw.cli.app import app
from neurohw.errors import InputError
from neurohw.runs.circuit import build_circuit, circuit_parameters
from neurohw.seeding import Streams

TEXTS = {"name": "x", "description": "a circuit", "technology": "CMOS", "reference": "nobody"}


@pytest.mark.parametrize("name", circuit_names())
def test_shipped_circuits_say_where_every_number_is_from(name: str) -> None:
    model = load_circuit(name)
    assert model.name == name
    numbers = {key for key, value in model.given() if not isinstance(value, str | bool)}
    assert numbers == set(model.sources)
    again = circuit_from_tables(tomllib.loads(model.to_toml()))
    assert again == model


@pytest.mark.parametrize("storage", ["capacitor", "counter"])
def test_every_parameter_survives_a_file(storage: str) -> None:
    values = {
        key: 3 if key in ("homeostasis.bits", "decision.winner_error") else 0.37 for key in TargetParameters.units()
    }
    values |= {"inputs.gain_mismatch": 0.0, "inputs.slope_factor": 1.7, "inputs.rectified": True}
    values |= {"decision.unresolved": "too-few", "decision.output": "digital", "homeostasis.storage": storage}
    values |= {"homeostasis.rounding": "stochastic", "homeostasis.thermal_noise": True}
    if storage == "counter":
        injected = ("charge_injection", "decrement_injection", "injection_mismatch")
        values |= {f"homeostasis.{key}": 0.0 for key in injected}
        values |= {"homeostasis.thermal_noise": False, "homeostasis.leak_seconds": None}
    parameters = TargetParameters().with_values(values)
    model = CircuitModel(**TEXTS, parameters=parameters)
    assert circuit_from_tables(tomllib.loads(model.to_toml())).parameters == parameters


def test_units_are_converted() -> None:
    model = circuit_from_tables(TEXTS | {"decision": {"node_capacitance": {"value": 20, "unit": "fF", "source": "s"}},
                                         "temperature": {"value": 350, "unit": "K", "source": "assumed"}})  # fmt: skip
    assert model.parameters.decision.node_capacitance == pytest.approx(2e-14)
    assert model.parameters.temperature == 350
    assert model.assumed() == ["temperature"]


QUANTITY = {"value": 1.0, "unit": "s", "source": "s"}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"decision": {"seconds": QUANTITY | {"unit": "V"}}}, r"decision\.seconds: unit 'V' is of dimension 'V'"),
        (
            {"decision": {"seconds": QUANTITY | {"value": -1.0}}},
            r"decision\.seconds: got -1\.0; allowed: greater than 0",
        ),
        ({"decision": {"seconds": 1e-6}}, r"decision\.seconds: got 1e-06; allowed: a table \{value, unit, source\}"),
        ({"decision": {"seconds": {"value": 1.0, "unit": "s"}}}, r"decision\.seconds\.source: missing"),
        ({"decision": {"haste": QUANTITY}}, r"decision\.haste: unknown key .*; allowed: decision\."),
        ({"speed": {"seconds": QUANTITY}}, r"speed: unknown key; allowed: name, "),
        ({"inputs": {"gate_area": {"value": -1, "unit": "um2", "source": "s"}}}, r"inputs\.gate_area: got -1e-12"),
        ({"name": 3}, r"name: got 3; allowed: a text"),
        ({"decision": {"winner_error": {"value": 10, "unit": "%", "source": "s"}}}, r"winner_error: got 10 %; allowed"),
    ],
)
def test_wrong_files_are_explained(tables: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        circuit_from_tables(TEXTS | tables)


def test_an_unknown_circuit_is_named_before_anything_runs() -> None:
    experiment = nh.load_experiment("quickstart", {"target.circuit": "analog", "target.model": "subthresold_180nm"})
    with pytest.raises(InputError, match=r"target\.model: circuit .*did you mean subthreshold_180nm"):
        circuit_parameters(experiment)


@pytest.mark.parametrize("key", ["model", "parameters"])
def test_the_ideal_circuit_refuses_what_it_does_not_read(key: str) -> None:
    value = "subthreshold_180nm" if key == "model" else {"inputs.offset": 1e-9}
    with pytest.raises(InputError, match=rf"target\.{key}: got .*does not read"):
        nh.load_experiment("quickstart", {f"target.{key}": value})


def test_homeostasis_makes_all_win_equally_often() -> None:
    circuits = [IdealTarget(TargetRule(60, 3, gamma)) for gamma in (0.5, 0.0)]
    with_it, without = (compete(c, 3, 400, torch.Generator().manual_seed(0)) for c in circuits)
    assert with_it.frequency.std() < 0.1 * without.frequency.std()
    assert with_it.frequency.mean().item() == pytest.approx(0.05)
    assert not without.threshold.any()


@pytest.mark.parametrize("parameters", [
    {"decision.output": "current", "decision.early_voltage": 0.5},
    {"levels.low_error": 0.05, "levels.high_error": -0.55},
])  # fmt: skip
def test_who_won_is_counted_whatever_the_levels_are(parameters: dict[str, str | float]) -> None:
    circuit = AnalogTarget(TargetRule(60, 3, 0.5), TargetParameters().with_values(parameters))
    found = compete(circuit, 3, 200, torch.Generator().manual_seed(0)).frequency
    assert found.sum().item() == pytest.approx(3)
    assert found.std().item() < 0.02  # without homeostasis 0.1


def test_a_fast_leak_undoes_homeostasis() -> None:
    leaky = TargetParameters().with_values({"homeostasis.leak_seconds": 2e-4})  # a batch takes 1 ms
    made = [
        AnalogTarget(TargetRule(60, 3, gamma), p)
        for gamma, p in ((0.5, TargetParameters()), (0.5, leaky), (0.0, leaky))
    ]
    tight, loose, none = (compete(c, 3, 300, torch.Generator().manual_seed(0)).frequency.std().item() for c in made)
    assert loose > 5 * tight
    assert loose == pytest.approx(none, rel=0.1)


def test_circuit_show_and_plot(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["circuit", "show", "subthreshold_180nm"])
    assert shown.exit_code == 0
    assert "gain mismatch: 14.7 %" in shown.output
    assert "early_voltage" in shown.output
    command = ["circuit", "plot", "subthreshold_180nm", "--batches", "60", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (tmp_path / "subthreshold_180nm.png").stat().st_size > 20_000
    frequencies = pd.read_csv(tmp_path / "subthreshold_180nm-frequencies.csv")
    assert frequencies["without"].max() > 2 * frequencies["with_homeostasis"].median()


@pytest.mark.parametrize("k", ["0", "101"])
def test_circuit_plot_refuses_a_wrong_k(k: str) -> None:
    result = CliRunner().invoke(app, ["circuit", "plot", "subthreshold_180nm", "--k", k])
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_status == 2
    assert f"--k: got {k}; allowed: 1 to 100" in str(result.exception)


def test_a_spiking_target_is_built_from_its_parameters() -> None:
    given = {"presentation": 0.01, "dt": 1e-3, "coding": "regular"}
    experiment = nh.load_experiment("quickstart", {"target.circuit": "spiking", "target.parameters": given})
    circuit = build_circuit(experiment, Streams(0), 10)
    assert isinstance(circuit, SpikingTarget)
    assert (circuit.parameters.presentation, circuit.parameters.coding) == (0.01, "regular")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"target.parameters": {"speed": 1.0}}, r"target\.parameters: speed: unknown key; allowed: "),
        (
            {"target.parameters": {"presentation": -1.0}},
            r"parameters: spiking\.presentation: got -1\.0",
        ),
        ({"target.parameters": {"dt": "soon"}}, r"target\.parameters: spiking\.dt: got 'soon'; allowed: a number"),
        ({"target.parameters": {"dt": True}}, r"target\.parameters: spiking\.dt: got True; allowed: a number"),
        ({"target.parameters": {"dt": 0.07}}, r"spiking\.presentation: got 0\.1; allowed: a multiple of dt, 0\.07 s"),
    ],
)
def test_what_a_spiking_target_refuses(overrides: dict[str, object], message: str) -> None:
    experiment = nh.load_experiment("quickstart", {"target.circuit": "spiking"} | overrides)
    with pytest.raises(InputError, match=message):
        build_circuit(experiment, Streams(0), 10)


def test_nested_tables_are_dotted_keys() -> None:
    nested = {"decision": {"comparator_noise": 1e-10}, "inputs": {"offset": 1e-9}}
    experiment = nh.load_experiment("quickstart", {"target.circuit": "analog", "target.parameters": nested})
    assert experiment.target.parameters == {"decision.comparator_noise": 1e-10, "inputs.offset": 1e-9}
    one = nh.load_experiment("quickstart", {"target.circuit": "analog", "target.parameters.inputs.offset": 1e-9})
    assert one.target.parameters == {"inputs.offset": 1e-9}


def test_a_leak_needs_the_time_of_a_batch() -> None:
    leak = {"target.circuit": "analog", "target.parameters": {"homeostasis.leak_seconds": 1.0}}
    with pytest.raises(
        InputError, match=r"hardware\.step_seconds: got 0; target\.parameters homeostasis\.leak_seconds"
    ):
        nh.load_experiment("quickstart", leak | {"hardware.step_seconds": 0.0})


RC_FILE = """name = "rc"
description = "an RC averages decisions"
technology = "CMOS"
reference = "nobody"
homeostasis = { average_seconds = { value = 10, unit = "ms", source = "assumed" } }
"""


def test_a_time_constant_of_a_file_needs_the_time_of_a_batch(tmp_path: Path) -> None:
    """An RC that no time passes for would never hear of a decision: all thresholds would sink alike."""
    (tmp_path / "rc.toml").write_text(RC_FILE)
    given = {"target.circuit": "analog", "target.model": str(tmp_path / "rc.toml"), "target.average": "ema"}
    build_circuit(nh.load_experiment("quickstart", given), Streams(0), 10)
    instant = nh.load_experiment("quickstart", given | {"hardware.step_seconds": 0.0})
    with pytest.raises(
        InputError, match=r"step_seconds: got 0; homeostasis\.average_seconds of target\.model '.*rc.toml"
    ):
        build_circuit(instant, Streams(0), 10)


def test_a_circuit_whose_decisions_an_rc_averages_is_shown(tmp_path: Path) -> None:
    (tmp_path / "rc.toml").write_text(RC_FILE)
    shown = CliRunner().invoke(app, ["circuit", "show", str(tmp_path / "rc.toml")])
    assert shown.exit_code == 0, shown.exception
    assert "average_seconds" in shown.output


@pytest.mark.parametrize(("circuit", "ties"), [("ideal", "lowest"), ("analog", "random")])
def test_ties_are_decided_as_hardware_would(circuit: str, ties: str) -> None:
    ideal_arrays = {"hardware.backend": "ideal", "hardware.device": None}
    assert nh.load_experiment("quickstart", {"target.circuit": circuit} | ideal_arrays).target.ties == ties


CONTRACT = (
    "load_experiment", "run", "SynapseArray", "IdealArray", "AnalogArray", "AihwkitArray", "build_array", "load_device",
    "IdealTarget", "AnalogTarget", "EPNetwork", "BPNetwork", "EnergyLedger", "write_report",
)  # fmt: skip


@pytest.mark.parametrize("name", CONTRACT)
def test_the_names_of_the_contract_are_there(name: str) -> None:
    assert getattr(nh, name).__name__ == name

"""The account in the record of a run: asked for by the experiment, checked before it runs, covered by its hash."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import neurohw as nh
from neurohw.cli.app import app
from neurohw.config import OnChipExperiment, config_hash
from neurohw.crossbar.remedies import names
from neurohw.devices.library import load_device
from neurohw.energy.recorded import ChipAccount, DigitalAccount
from neurohw.energy.rules import ARRAY_RULES, RULES, Elsewhere
from neurohw.energy.table import EnergyTable, table_path
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.metering.polarities import LINE_EVENTS
from neurohw.runs.accountable import check_accountable
from neurohw.runs.accounts import accounted, energy_of, schedule_of, training_energy
from neurohw.runs.build import file_contents
from neurohw.runs.progress import Silent
from neurohw.runs.record import read_record, validated_record
from tests.approximately import approx
from tests.test_meter import EP, batch_of

SMALL: dict[str, Any] = {
    "name": "small",
    "data": {"dataset": "digits", "train_limit": 64, "test_limit": 32},
    "network": {"rule": "ep", "layers": [64, 20, 10]},
    "training": {"epochs": 2, "learning_rate": [0.01, 0.01]},
    "ep": {"free_steps": 8, "nudged_steps": 4, "contrast": "difference"},
    "hardware": {"backend": "analog", "device": "taox_hfox", "periphery": "32nm", "step_seconds": 1e-5},
}


def experiment(**changed: Any) -> OnChipExperiment:
    sections = {key: {**value} if isinstance(value, dict) else value for key, value in SMALL.items()}
    for dotted, value in changed.items():
        section, _, key = dotted.partition("__")
        sections.setdefault(section, {})[key] = value
    return OnChipExperiment.model_validate(sections)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> nh.RunRecord:
    return nh.run(experiment(), out=tmp_path_factory.mktemp("run"))


def test_the_record_has_joules_by_component_and_phase(done: nh.RunRecord) -> None:
    energy = done.energy
    nested = energy.by_component_and_phase
    assert {"adc", "dac", "conduction", "write", "target", "digital"} <= nested.keys()
    for bound in ("low", "nominal", "high"):
        total = sum(getattr(part, bound) for phases in nested.values() for part in phases.values())
        assert total == approx(getattr(energy.total, bound))
    again = accounted(done, EnergyTable.load("32nm"))
    assert again.total == energy.total


def test_the_file_has_it_too(done: nh.RunRecord, tmp_path: Path) -> None:
    done.write(tmp_path)
    written = json.loads((tmp_path / "record.json").read_text())["energy"]
    assert written == json.loads(json.dumps(done.energy.as_recorded()))
    assert list(written) == [key for key in ChipAccount.model_fields if key not in ("items", "aged")]  # it has not aged
    assert read_record(tmp_path).energy == done.energy


def test_accounts_of_other_versions_are_read_and_kept(done: nh.RunRecord) -> None:
    content = json.loads(done.model_dump_json(by_alias=True))
    energy = content["energy"]
    del energy["schedule"]["polarities"], energy["useful_tops_per_watt"], energy["array_models"]
    energy["later"] = {"some": "key"}
    record = validated_record(json.dumps(content), "old")
    assert isinstance(record.energy, ChipAccount)
    assert record.energy.schedule.polarities == "together"  # before there was a choice, both were pulsed at once
    assert record.energy.array_models == ()
    again = json.loads(record.model_dump_json(by_alias=True))["energy"]
    assert again == energy | {"schedule": energy["schedule"] | {"polarities": "together"}}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("total", 3, "old: energy: total: got 3"),
        ("images", {"trained": -1.0, "inferred": 0.0, "epochs": 1.0}, "old: energy: images.trained: got -1.0"),
        ("lifetime", [{}], "old: energy: lifetime.0.array: missing"),
        ("array_models", [{"array": "W1"}], "old: energy: array_models.0.vectors: missing"),
    ],
)
def test_an_account_that_is_none_is_refused_by_key(done: nh.RunRecord, key: str, value: Any, message: str) -> None:
    content = json.loads(done.model_dump_json(by_alias=True))
    content["energy"][key] = value
    with pytest.raises(InputError, match=re.escape(message)):
        validated_record(json.dumps(content), "old")


def test_training_adds_up_epoch_by_epoch(done: nh.RunRecord) -> None:
    curve = [energy.nominal for energy in done.energy.training_by_epoch]
    assert len(curve) == 2
    assert 0 < curve[0] < curve[1]
    assert curve[1] == approx(2 * done.energy.per_epoch.nominal)
    (phase,) = done.energy.by_training_phase.values()
    assert phase.images == 128
    assert phase.nominal == approx(curve[1])


def test_phases_of_the_alternation_are_told_apart(tmp_path: Path) -> None:
    half = experiment(
        data__labels=30,
        training__mode="semi-supervised",
        training__pretrain={"epochs": 2, "learning_rate": [0.01, 0.01]},
    )
    record = nh.run(half, out=tmp_path)
    phases = record.energy.by_training_phase
    assert set(phases) == {row["phase"] for row in record.curve}
    assert len(phases) == 3
    assert phases["pretraining"].images == 2 * 30
    whole = record.energy.training_by_epoch[-1].nominal
    assert sum(phase.nominal for phase in phases.values()) == approx(whole)
    assert whole == approx(len(record.curve) * record.energy.per_epoch.nominal)


def test_two_layers_share_their_time_as_the_account_has_it(done: nh.RunRecord) -> None:
    """Layers of EP are read together: adding their times epoch by epoch must not add energy to the account."""
    table = EnergyTable.load("32nm")
    for ep in ("clocked", "continuous"):
        schedule = schedule_of(done.config, ep=ep)
        whole = accounted(done, table, schedule)
        assert training_energy(done, table, schedule)[-1].nominal == approx(
            whole.of("free", "nudged", "target", "homeostasis", "update").nominal
        )


def test_ideal_arrays_are_accounted_as_a_digital_accelerator(tmp_path: Path) -> None:
    record = nh.run(experiment(hardware__backend="ideal", hardware__device=None), out=tmp_path)
    assert isinstance(record.energy, DigitalAccount)
    assert {(side.precision, side.dram) for side in record.energy.digital} == {
        (precision, dram) for precision in ("int8", "fp16") for dram in (False, True)
    }


def test_without_a_table_there_is_no_account(tmp_path: Path) -> None:
    record = nh.run(experiment(hardware__periphery=None), out=tmp_path)
    assert record.energy is None
    assert record.ledger["counts"]
    assert energy_of(record, EnergyTable.load("65nm")).table == "periphery_65nm"


def test_settings_without_a_table_are_refused() -> None:
    with pytest.raises(ValueError, match=r"energy: got settings, but hardware\.periphery names no table"):
        experiment(hardware__periphery=None, energy__standby="none")


def test_the_schedule_is_the_experiments_unless_said_otherwise() -> None:
    config = experiment(energy__columns_per_adc=4, energy__standby="simulated").canonical()
    assert schedule_of(config).parallelism.columns_per_adc == 4
    assert schedule_of(config).standby == "simulated"
    assert schedule_of(config, standby="none", columns_per_adc=None).standby == "none"
    assert schedule_of(config, columns_per_adc=None).parallelism.columns_per_adc == 4
    assert schedule_of({}).standby == "busy"  # of a record from before


def test_the_hash_covers_the_table_and_the_devices_figures(tmp_path: Path) -> None:
    def digest(e: OnChipExperiment) -> str:
        return config_hash(e, file_contents(e, {}))

    table, device = tmp_path / "t.toml", tmp_path / "d.toml"
    table.write_text(table_path("32nm").read_text())
    device.write_text(load_device("taox_hfox").to_toml())
    mine = experiment(hardware__periphery=str(table), hardware__device=str(device))
    before = digest(mine)
    table.write_text(table.read_text().replace("nominal = 1.71", "nominal = 1.72"))
    after_table = digest(mine)
    device.write_text(device.read_text().replace("704", "705"))
    assert len({before, after_table, digest(mine)}) == 3


def test_what_a_run_never_counts_may_be_missing_and_nothing_else(tmp_path: Path) -> None:
    """A clocked BP run needs no neurons that settle; every run needs its writes and its digital side."""
    text = table_path("32nm").read_text()

    def without(section: str) -> str:
        start = text.index(f"[{section}]")
        path = tmp_path / f"{section}.toml"
        path.write_text(text[:start] + text[text.index("\n[", start) + 1 :])
        return str(path)

    bp = {"network__rule": "bp", "network__neurons": ("hardsigm", "hardsigm")}
    check_accountable(experiment(hardware__periphery=without("neuron"), **bp))
    check_accountable(experiment(hardware__periphery=without("kwta"), training__mode="supervised", **bp))
    for section, key in (("pulse_line", "pulse_line.energy"), ("dram", "dram.energy"), ("digital", "digital.")):
        for ep in ("clocked", "continuous"):
            with pytest.raises(InputError, match=rf"{section}\.toml: {key}"):
                check_accountable(experiment(hardware__periphery=without(section), energy__ep=ep))
    ideal = experiment(hardware__backend="ideal", hardware__device=None, hardware__periphery=without("sram"))
    with pytest.raises(InputError, match=r"sram\.energy"):
        check_accountable(ideal)
    with pytest.raises(InputError, match=r"neuron\.power"):
        check_accountable(experiment(hardware__periphery=without("neuron"), energy__ep="continuous"))


def test_what_could_not_be_accounted_is_refused_before_it_runs(tmp_path: Path) -> None:
    device = tmp_path / "bare.toml"
    text = load_device("taox_hfox").to_toml()
    device.write_text(text[: text.index("[write]")])
    bare = experiment(hardware__device=str(device))
    with pytest.raises(InputError) as error:
        check_accountable(bare)
    said = str(error.value)
    assert "hardware.periphery: got '32nm', with which this run could not be accounted; nothing was run" in said
    assert f"{device}: write.potentiation_voltage and write.pulse_time, or write.potentiation_energy: missing" in said
    with pytest.raises(InputError, match=r"^device 'ecrm': no such file"):
        check_accountable(experiment(hardware__device="ecrm"))
    file = tmp_path / "e.toml"
    file.write_text('[hardware]\nbackend = "analog"\nperiphery = "3nm"\ndevice = "ecram"\n')
    folder = tmp_path / "out"
    result = CliRunner().invoke(app, ["run", str(file), "--out", str(folder)])
    assert isinstance(result.exception, InputError)
    assert "periphery table '3nm': no such file, and no periphery table of that name" in str(result.exception)
    assert not folder.exists()


class _Stopping(Silent):
    """Interrupts in the middle of the second epoch."""

    def __init__(self) -> None:
        self.images = 0

    def tick(self, images: int) -> None:
        self.images += images
        if self.images >= 64 + 32:
            raise KeyboardInterrupt


def test_a_run_stopped_within_an_epoch_is_accounted_for_what_it_did(tmp_path: Path, done: nh.RunRecord) -> None:
    with pytest.raises(KeyboardInterrupt):
        nh.run(experiment(), out=tmp_path, report=_Stopping())
    stopped = read_record(tmp_path)
    assert stopped.ledger["facts"]["images"]["epochs"] == 1.5
    found = energy_of(stopped, EnergyTable.load("32nm"))
    assert found.per_epoch.nominal == approx(done.energy.per_epoch.nominal, rel=0.1)
    assert found.training_by_epoch == done.energy.training_by_epoch[:1]


def test_a_record_can_be_accounted_anew_in_place(done: nh.RunRecord, tmp_path: Path) -> None:
    done.write(tmp_path)
    before = (tmp_path / "metrics.csv").read_bytes()
    shown = CliRunner().invoke(app, ["energy", str(tmp_path), "--table", "65nm", "--digital", "int8"])
    assert shown.exit_code == 0, shown.output
    assert read_record(tmp_path).energy == done.energy  # nothing is written unless asked for
    saved = CliRunner().invoke(app, ["energy", str(tmp_path), "--table", "65nm", "--digital", "int8", "--save"])
    assert saved.exit_code == 0, saved.output
    assert "accounts written into their records: 1" in saved.output
    found = read_record(tmp_path)
    assert (found.energy.table, found.energy.schedule.digital) == ("periphery_65nm", "int8")
    assert found.model_copy(update={"energy": done.energy}) == done
    assert (tmp_path / "metrics.csv").read_bytes() == before


_ONE_LAYER = {"network.layers": [64, 20], "hardware.periphery": "32nm"}
_ON = {"hardware.backend": "analog", "hardware.device": "taox_hfox"}
WALKED: dict[str, dict[str, Any]] = {
    **{remedy: {**_ON, "hardware.remedy": remedy} for remedy in names()},
    "tiled ep": {**EP, **_ON, "hardware.tile": [10, 30], "ep.hold_input": False},
    "adam, verified": {**_ON, "training.optimizer": "adam", "hardware.increments": "verified"},
    "deterministic, compensated": {**_ON, "hardware.pulse_kind": "deterministic", "hardware.compensation": "global"},
    "pcm": {**_ON, "hardware.device": "pcm", "hardware.remedy": "one-sided"},
    "aihwkit": {"hardware.backend": "aihwkit", "hardware.device": "ecram"},
    "aihwkit, transfers": {"hardware.backend": "aihwkit", "hardware.device": "ecram", "hardware.remedy": "agad"},
    "analog circuit": {**_ON, "target.circuit": "analog", "target.model": "generic_180nm"},
}


@pytest.mark.parametrize("way", WALKED)
def test_all_that_any_run_counts_can_be_accounted(way: str) -> None:
    """And nothing is silently free: what could not be counted is named."""
    settings = {**_ONE_LAYER, **WALKED[way]}
    counts, parts = batch_of(settings)
    experiment = load_experiment("quickstart", settings)
    check_accountable(experiment)
    ledger = {"counts": parts.ledger.counts(), "facts": parts.facts(1.0)}
    record = nh.RunRecord.model_validate({
        "schema": 1, "name": "r", "kind": "onchip", "config_hash": "0" * 12, "seed": 0, "versions": {}, "git": None,
        "config": experiment.canonical(), "status": "finished", "metrics": {}, "timing": {}, "ledger": ledger,
        "peak_memory_bytes": 1,
    })  # fmt: skip
    found = accounted(record, EnergyTable.load("32nm"))
    charged = {(item.part, item.event) for item in found.items if item.energy.low}
    for part, phases in counts.items():
        rules = ARRAY_RULES if part.startswith("W") else RULES[part]
        for event in {event for events in phases.values() for event in events}:
            plain = event.removesuffix("_in_turn")
            assert isinstance(rules[plain], Elsewhere) or (part, plain) in charged
    assert bool(found.uncounted()) == (way == "aihwkit, transfers")


def test_spiking_decisions_are_foreseen(tmp_path: Path) -> None:
    spiking = {**_ONE_LAYER, **_ON, "target.circuit": "spiking"}
    check_accountable(load_experiment("quickstart", spiking))
    text = table_path("32nm").read_text()
    table = tmp_path / "t.toml"
    table.write_text("".join(line for line in text.splitlines(True) if not line.startswith(("spike =", "synapse ="))))
    with pytest.raises(InputError, match=r"spiking\.spike: missing .*\n.*spiking\.synapse: missing"):
        check_accountable(load_experiment("quickstart", {**spiking, "hardware.periphery": str(table)}))
    check_accountable(load_experiment("quickstart", {**_ONE_LAYER, **_ON, "hardware.periphery": str(table)}))


def test_references_are_devices_that_conduct_take_room_and_are_not_worn() -> None:
    """An array of references doubles cells and, where weights are small, conduction; it is never written."""
    device = {**_ONE_LAYER, **_ON, "hardware.device": "epiram"}
    found = {}
    for reference in ("array", "offset"):
        counts, parts = batch_of({**device, "hardware.reference": reference})
        facts = parts.facts(1.0)["arrays"]["W1"]
        found[reference] = counts["W1"], facts
    (ours, array), (theirs, offset) = found["array"], found["offset"]
    assert (array["devices_per_weight"], array["devices_on_line"]) == (2, 2)
    assert (offset["devices_per_weight"], offset["devices_on_line"]) == (1, 1)
    for phase in ("forward", "inference"):
        assert ours[phase]["adc_conversions"] == theirs[phase]["adc_conversions"]
        assert ours[phase]["read_conductance"] == approx(2 * theirs[phase]["read_conductance"], rel=0.05)
    for event in (*LINE_EVENTS, "train_bits"):  # of the lines of one crossbar
        assert ours["update"][event] == approx(theirs["update"][event], rel=0.05)  # other noise of reads
    for events, facts in ((ours, array), (theirs, offset)):
        pulses = sum(events["update"].get(event, 0.0) for event in ("pulses_up", "pulses_down"))
        assert facts["writes_per_cell"]["mean"] == approx(pulses / (20 * 64))

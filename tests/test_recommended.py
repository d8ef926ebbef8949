"""What a device gives to an experiment that is silent: [recommended] of its file, or what suits any; and when not."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from neurohw.archive import unpacked
from neurohw.config import config_hash
from neurohw.devices.library import device_names, device_path, load_device
from neurohw.devices.recommended import asymmetry, recommended, with_recommendation
from neurohw.errors import InputError
from neurohw.loading import load_experiment, load_with_advice, validated
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.shipping import shipped
from neurohw.studies.sweep import load_sweep

TABLE = """
[recommended]
source = "mine"
remedy = "differential"

[recommended.ep]
weight_range = 0.37   # of EP
learning_rate = [0.05]
pulse_length = 17
contrast = "difference"
remedy = "several-cells"
remedy_parameters = { devices = 3 }
evidence = { accuracy = 0.8 }

[recommended.bp]
learning_rate = [3.0]
"""


@pytest.fixture
def device(tmp_path: Path) -> Path:
    text = device_path("reram_es").read_text().partition("[recommended]")[0]
    path = tmp_path / "mine.toml"
    path.write_text(text + TABLE)
    return path


def on(device: Path | str, rule: str = "ep", **values: Any) -> Any:
    given = {
        "hardware.device": str(device),
        "network.rule": rule,
        **{k.replace("__", "."): v for k, v in values.items()},
    }
    return load_with_advice("quickstart", given)


def test_what_the_file_recommends_is_set_where_the_experiment_is_silent(device: Path) -> None:
    experiment, (applied,) = on(device)
    hardware = experiment.hardware
    assert (hardware.weight_range, hardware.pulse_length, experiment.ep.contrast) == (0.37, 17, "difference")
    assert experiment.training.learning_rate == (0.05,)
    assert (hardware.remedy.name, hardware.remedy.cell_parameters) == ("several-cells", {"devices": 3})
    line = str(applied)
    assert str(device) in line
    for text in (
        "hardware.weight_range = 0.37",
        "training.learning_rate = [0.05]",
        'hardware.remedy = "several-cells"',
    ):
        assert text in line


def test_a_rule_takes_its_own_table_over_what_stands_above_it(device: Path) -> None:
    experiment, _ = on(device, "bp")
    assert (experiment.training.learning_rate, experiment.hardware.remedy.name) == ((3.0,), "differential")


def test_nothing_of_another_remedy_is_left_where_a_rule_has_its_own(device: Path) -> None:
    halves = 'remedy = "several-cells"\nremedy_parameters = { devices = 3 }'
    assert halves in device.read_text()
    device.write_text(device.read_text().replace(halves, 'cell = "reference-cell"\nwriting = "mixed-precision"'))
    experiment, (applied,) = on(device)
    assert experiment.hardware.remedy.name == "reference-cell + mixed-precision"
    assert "hardware.remedy" not in applied.values


def test_what_the_experiment_says_is_kept(device: Path, tmp_path: Path) -> None:
    experiment, (applied,) = on(device, hardware__weight_range=0.9)
    assert (experiment.hardware.weight_range, experiment.hardware.pulse_length) == (0.9, 17)
    assert "hardware.weight_range" not in applied.values
    file = tmp_path / "experiment.toml"
    file.write_text(
        f'[network]\nrule = "ep"\n[hardware]\ndevice = "{device}"\n[training]\nlearning_rate = [0.2]\n'
        '[[when]]\nmatch = { "network.rule" = "ep" }\nset = { "ep.contrast" = "two-phase" }\n'
    )
    said = load_experiment(file)
    assert (said.training.learning_rate, said.ep.contrast, said.hardware.pulse_length) == ((0.2,), "two-phase", 17)


@pytest.mark.parametrize("value", [False, True])
def test_it_can_be_turned_off_and_leaves_no_trace_in_the_configuration(device: Path, value: bool) -> None:
    experiment, applied = on(device, hardware__recommended=value)
    assert bool(applied) == value
    assert (experiment.hardware.weight_range is None) == (not value)
    assert "recommended" not in experiment.canonical()["hardware"]
    assert validated(experiment.canonical(), "record") == experiment
    with pytest.raises(InputError, match=r"hardware\.recommended: got 'no'"):
        on(device, hardware__recommended="no")


def test_values_that_are_applied_and_values_that_are_given_are_one_configuration(device: Path) -> None:
    applied, _ = on(device, "bp")
    values = {"training.learning_rate": [3.0], "hardware.remedy": "differential"}
    values["hardware.weight_range"] = applied.hardware.weight_range
    given = load_experiment("quickstart", {"hardware.device": str(device), "hardware.recommended": False, **values})
    assert config_hash(applied, {}) == config_hash(given, {})


def test_another_remedy_another_optimiser_or_another_engine_takes_none_of_it(device: Path) -> None:
    """They were found together; what suits any device is set all the same."""
    for other in (
        {"hardware.remedy": "mixed-precision"},
        {"training.optimizer": "sgd"},
        {"hardware.backend": "aihwkit"},
    ):
        given = {"hardware.device": str(device), "network.rule": "ep", **other}
        experiment, (usual,) = load_with_advice("quickstart", given)
        assert "any device" in usual.origin
        assert experiment.training.learning_rate == (0.02,)
        contrast = "two-phase" if "training.optimizer" in other else "difference"  # increments have no phases
        assert (experiment.hardware.weight_range, experiment.ep.contrast) == (0.14, contrast)
    same, (applied,) = on(device, hardware__remedy="several-cells", hardware__remedy_parameters={"devices": 3})
    assert same.training.learning_rate == (0.05,)
    assert str(device) in applied.origin


def test_a_remedy_that_is_named_by_a_half_is_named(device: Path) -> None:
    experiment, applied = on("pcm", hardware__cell="single", hardware__writing="mixed-precision")
    assert experiment.hardware.remedy.name == "mixed-precision"
    assert not any(key.startswith("hardware.remedy") for each in applied for key in each.values)


def test_one_rate_is_for_every_layer(device: Path) -> None:
    experiment, _ = on(device, network__layers=[64, 50, 100], training__dropout=[0.2, 0.2, 0.2])
    assert experiment.training.learning_rate == (0.05, 0.05)


def test_a_value_that_does_not_fit_is_the_devices_fault(device: Path) -> None:
    device.write_text(device.read_text().replace("pulse_length = 17", "pulse_length = 0"))
    with pytest.raises(InputError, match=r"mine\.toml: hardware\.pulse_length: got 0"):
        on(device)


@pytest.mark.parametrize(
    ("name", "contrast"), [("idealized", "two-phase"), ("constant_step", "two-phase"), ("capacitor", "difference"),
                           ("reram_es", "difference"), ("pcm", "difference")],
)  # fmt: skip
def test_untuned_devices_write_a_difference_where_they_are_asymmetric(name: str, contrast: str, tmp_path: Path) -> None:
    text = device_path(name).read_text()
    path = tmp_path / "untuned.toml"
    path.write_text(text[: text.index("[recommended")] if "[recommended" in text else text)
    experiment, (usual, *_) = on(path)
    assert experiment.ep.contrast == contrast
    assert experiment.hardware.weight_range == 0.14  # 1.5 * 0.5 * sqrt(6 / 164)
    assert (experiment.hardware.cell == "one-sided") == (name == "pcm")
    assert "neurohw tune" in str(usual)
    assert on(path, hardware__recommended=False)[0].ep.contrast == "two-phase"


def test_untuned_cells_that_reach_less_far_down_than_up_hold_the_initial_weights_all_the_same() -> None:
    """1.5 times the largest initial weight a; of a single cell of -0.5 to 1.5: 3 a; of a pair that reaches 2: 1.5 a."""
    largest = load_experiment("quickstart").network.largest_weight
    for w_min, cell, wanted in ((-1.5, "single", 1.5), (-0.5, "single", 3.0), (-0.5, "differential", 1.5)):
        numbers = {"w_min": w_min, "w_max": 1.5}
        experiment, _ = on("linear_step", "bp", hardware__device_parameters=numbers, hardware__cell=cell)
        assert experiment.hardware.weight_range == pytest.approx(wanted * largest, rel=0.03), (w_min, cell)


def test_rates_of_another_depth_leave_the_advice_out(device: Path) -> None:
    text = device.read_text()
    device.write_text(text + "learning_rate = [0.1, 0.2]\n")
    experiment, advice = on(device, "bp")
    assert not any("recommended in" in str(line) for line in advice)
    assert len(experiment.training.learning_rate) == 1


def test_a_remedy_that_there_is_not_is_named(device: Path) -> None:
    """It left all advice out in silence."""
    device.write_text(device.read_text().replace('remedy = "several-cells"', 'remedy = "severel-cells"'))
    with pytest.raises(InputError, match=r"recommended in reram_es: .*'severel-cells'"):
        on(device)


def test_a_batch_of_seconds_is_said_before_it_ages_a_device() -> None:
    """The default of 1 s a batch let a drifting device learn nothing, and said so afterwards only."""
    untuned = "capacitor"
    experiment, advice = on(untuned)
    assert str(advice[-1]).startswith("capacitor ages 1 s in each batch, which takes a chip some 1e-05 s: ")
    assert "hardware.step_seconds" in str(advice[-1])
    assert not advice[-1].values
    silent = load_with_advice("quickstart", {"hardware.device": untuned, "hardware.recommended": False})[0]
    assert experiment.hardware.step_seconds == silent.hardware.step_seconds == 1.0
    for values in ({"hardware__step_seconds": 1e-5}, {"hardware__step_seconds": 2.0}, {"hardware__recommended": False}):
        assert not [line for line in on(untuned, **values)[1] if "step_seconds" in str(line)]
    assert not [line for line in on("constant_step")[1] if "step_seconds" in str(line)]


def test_asymmetry_of_soft_bounds_is_that_of_their_closed_form() -> None:
    """Soft bounds: up ~ 1 - w, down ~ 1 + w in units of the bounds, so that |up - down| / (up + down) = |w|."""
    assert asymmetry(load_device("soft_bounds")) == pytest.approx(0.9, abs=1e-3)  # at 5 % from a bound
    assert asymmetry(load_device("idealized")) == 0


def test_what_is_recommended_is_written_with_its_evidence_and_all_else_stays(device: Path) -> None:
    before = device.read_text()
    values = {"training.learning_rate": [0.7], "hardware.weight_range": 0.2, "hardware.remedy": "none"}
    text = with_recommendation(before, "bp", values, {"accuracy": 0.81, "trials": 9})
    table = tomllib.loads(text)["recommended"]
    assert table["bp"] == {"learning_rate": [0.7], "weight_range": 0.2, "remedy": "none",
                           "evidence": {"accuracy": 0.81, "trials": 9}}  # fmt: skip
    assert {**table, "bp": None} == {**tomllib.loads(before)["recommended"], "bp": None}
    kept = [line for line in before.splitlines() if line != "learning_rate = [3.0]"]
    rest = iter(text.splitlines())
    assert all(line in rest for line in kept)  # every line, in order, comments included
    device.write_text(text)
    assert recommended(load_device(device), "bp")["training.learning_rate"] == [0.7]


@pytest.mark.parametrize(("reference", "applies"), [("array", True), ("column", False), ("offset", False)])
def test_a_remedy_of_reference_cells_is_left_out_where_references_are_others(reference: str, applies: bool) -> None:
    """Zero-shifting needs a device for each device; asked to subtract others, the network would not be built."""
    experiment = load_experiment("quickstart", {"hardware.device": "taox_hfox", "hardware.reference": reference})
    assert (experiment.hardware.writing == "tiki-taka-v2") == applies
    run(experiment.model_copy(update={"training": experiment.training.model_copy(update={"epochs": 1})}), 0)


def test_a_file_without_the_table_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "new.toml"
    text = device_path("sonos").read_text()
    path.write_text(with_recommendation(text, "ep", {"hardware.weight_range": 0.2}, {"trials": 1}))
    assert path.read_text().startswith(text)
    assert recommended(load_device(path), "ep") == {"hardware.weight_range": 0.2}


def test_names_that_nothing_reads_fail_the_check(neurohw, device: Path) -> None:
    device.write_text(device.read_text().replace("pulse_length = 17", "pulse_lenght = 17"))
    status, out, _ = neurohw("device", "check", str(device))
    assert status == 2
    assert "recommended.ep.pulse_lenght: unknown key (did you mean pulse_length?)" in " ".join(out.split())


@pytest.mark.parametrize("name", device_names())
def test_every_shipped_recommendation_can_be_applied(name: str) -> None:
    for rule in ("bp", "ep"):
        experiment, applied = on(name, rule)
        assert applied or experiment.hardware.backend == "ideal"
        for key, value in recommended(load_device(name), rule).items():
            section, _, field = key.partition(".")
            found = experiment.canonical()[section].get(field)
            assert found == value, (name, rule, key)


def _configurations(report: str) -> dict[str, Any]:
    path = shipped("experiments").parent / "reports" / report / "records.jsonl.xz"
    return {line["config_hash"]: line["config"] for _, line in unpacked(path)}


@pytest.mark.parametrize(
    ("report", "sweep"),
    [("demo", "quickstart"), ("hardware_gap", "hardware_gap"), ("erasure", "erasure"), ("energy", "energy"),
     ("energy/contrast", "energy/contrast.toml"), ("energy/alternation", "energy/alternation_ep.toml"),
     ("close_the_gap", "close_the_gap/ep.toml"), ("engine_equality", "engine_equality")],
)  # fmt: skip
def test_committed_records_are_what_their_sweeps_would_run_today(report: str, sweep: str, tmp_path: Path) -> None:
    known = {config_hash(validated(c, report), {}) for c in _configurations(report).values()}
    path = shipped("experiments") / sweep if sweep.endswith(".toml") else sweep
    loaded = load_sweep(path)
    today = {config_hash(load_experiment(loaded.base(), each.overrides), {}) for each in loaded.combinations()}
    assert today
    assert today <= known


def test_run_says_in_one_line_what_was_set_and_the_record_has_it(neurohw, device: Path, tmp_path: Path) -> None:
    tiny = (
        "training.epochs=1",
        "data.train_limit=64",
        "data.test_limit=32",
        "evaluation.every=1",
        f"hardware.device={device}",
    )
    arguments = [part for each in tiny for part in ("--set", each)]
    status, out, _ = neurohw("run", "quickstart", *arguments, "--out", str(tmp_path / "run"))
    assert status == 0
    lines = [line for line in out.splitlines() if line.startswith(f"recommended in {device}")]
    assert len(lines) == 1
    assert "training.learning_rate = [3.0]" in lines[0]
    assert "hardware.recommended = false" in lines[0]
    assert read_record(tmp_path / "run").config["training"]["learning_rate"] == [3.0]

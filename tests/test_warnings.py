"""What a run says against itself: in its record, at the end of its output, and first in a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from neurohw.config.accuracies import DIRECT
from neurohw.crossbar.build import build_array
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment
from neurohw.report.page.write import write_report
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.runs.symptoms import near_chance
from neurohw.runs.warnings import ages_without_change, forgetful_thresholds, single_devices_drift, without_a_cause
from tests.test_report import seeds

EQUAL_CELLS = {"w_max_dtod": 0.0, "w_min_dtod": 0.0}
SHORT: dict[str, Any] = {
    "training.epochs": 1, "data.train_limit": 100, "data.test_limit": 100, "hardware.backend": "analog",
    "hardware.device": "constant_step", "hardware.device_parameters": EQUAL_CELLS,
}  # fmt: skip
BOUND = 0.5 * (6 / (64 + 100)) ** 0.5  # of the initial weights of 64-100 neurons, U(-b, b)


@pytest.mark.parametrize(("weight_range", "remedy", "reach"), [
    (0.05, "none", 1), (0.02, "none", 1), (0.02, "differential", 2), (BOUND, "none", 1), (0.05, "several-cells", 1),
    (0.02, "one-sided", 2),
])  # fmt: skip
def test_the_share_of_clipped_initial_weights_is_told(
    weight_range: float, remedy: str, reach: int, tmp_path: Path
) -> None:
    """|w| is uniform up to b, so that 1 - range / b lie beyond; a pair of devices reaches twice as far."""
    keys = {"hardware.weight_range": weight_range, "hardware.remedy": remedy}
    record = run(load_experiment("quickstart", SHORT | keys), 0, tmp_path)
    told = [text for text in record.warnings if "clipped" in text]
    expected = 100 * (1 - reach * weight_range / BOUND)
    if expected <= 1:
        assert not told
        return
    (text,) = told
    assert float(text.removeprefix("W1: ").split(" %")[0]) == pytest.approx(expected, abs=2.5)  # 4 sigma of 6,400
    assert "hardware.weight_range" in text
    assert read_record(tmp_path).warnings == record.warnings
    assert json.loads((tmp_path / "record.json").read_text())["warnings"] == record.warnings


@pytest.mark.parametrize("tile", [None, (3, 2)])
@pytest.mark.parametrize("backend", ["analog", "aihwkit"])
def test_every_array_counts_what_it_clips(backend: str, tile: tuple[int, int] | None) -> None:
    """Of 20 weights, six lie beyond +-0.5 where every cell ends; tiles are of unlike size."""
    weights = torch.zeros(5, 4)
    weights[0], weights[4, :2] = 0.6, -0.9
    weights[2] = 0.49
    device = load_device("constant_step").with_parameters(EQUAL_CELLS)
    array = build_array(backend, weights, device=device, tile=tile, weight_range=0.5)
    assert array.clipped == pytest.approx(6 / 20)
    assert array.snapshot().abs().amax() <= 0.5 + 1e-6


def test_stuck_cells_are_not_clipped_ones() -> None:
    device = load_device("constant_step").with_parameters(EQUAL_CELLS | {"faults.stuck_low": 0.3})
    assert build_array("analog", torch.full((40, 40), 0.1), device=device).clipped == 0


def test_a_network_at_chance_says_so_at_every_age(tmp_path: Path) -> None:
    """Weights of zero: all outputs are alike, and every image gets the same class."""
    keys = {"network.init_gain": 0.0, "training.learning_rate": [0.0], "evaluation.age_seconds": [100.0]}
    record = run(load_experiment("quickstart", SHORT | keys), 0, tmp_path)
    assert record.chance == pytest.approx(0.1, abs=0.02)  # a hundred images of ten classes
    near = [text for text in record.warnings if "chance" in text]
    assert len(near) == 2
    assert "direct accuracy" in near[0]
    assert "at an age of 100 s" in near[1]
    assert "compensation" not in near[1]  # time has taken nothing that there was
    assert not [text for text in record.warnings if "clipped" in text]


@pytest.mark.parametrize(("changes", "told"), [
    ({"target.gamma": 0.0}, True), ({}, False), ({"target.gamma": 0.0, "training.mode": "supervised"}, False),
    ({"network.rule": "softhebb"}, False),
])  # fmt: skip
def test_networks_without_homeostasis_are_told_of_it(changes: dict[str, Any], told: bool) -> None:
    """Hebbian rules do without; supervised networks have no target circuit."""
    assert ("target.gamma" in without_a_cause(load_experiment("quickstart", {**SHORT, **changes}))) == told


@pytest.mark.parametrize(("circuit", "told"), [("analog", True), ("spiking", True), ("ideal", False)])
def test_a_network_at_chance_is_told_to_look_without_its_target_circuit(circuit: str, told: bool) -> None:
    """A circuit with a hundred times too little time for a decision was met by advice for the learning rate alone."""
    experiment = load_experiment("quickstart", {**SHORT, "target.circuit": circuit})
    assert ('target.circuit = "ideal"' in without_a_cause(experiment)) == told


@pytest.mark.parametrize(("changes", "told"), [
    ({}, True), ({"hardware.remedy": "tiki-taka-v2"}, True), ({"hardware.remedy": "differential"}, False),
    ({"hardware.remedy": "agad"}, False), ({"hardware.device_parameters": {}}, False),
    ({"hardware.device": "constant_step"}, False),
])  # fmt: skip
def test_single_devices_that_drift_are_told_what_may_help(changes: dict[str, Any], told: bool) -> None:
    """Not pairs, not weights that are signed by themselves, which drift to 0."""
    drifting = {"hardware.device": "taox_hfox", "hardware.device_parameters": {"retention.drift_nu": 0.05}}
    experiment = load_experiment("quickstart", {**SHORT, **drifting, **changes})
    text = single_devices_drift(experiment)
    assert ("each write restarts the drift of a cell (retention.drift_nu = 0.05)" in text) == told
    assert bool(text) == told


@pytest.mark.parametrize("numbers", [{"loss_per_decade": 0.02}, {"lifetime": 3e4, "stretch": 0.5}])
def test_every_law_that_a_write_restarts_is_named(numbers: dict[str, float]) -> None:
    keys = {f"retention.{key}": value for key, value in numbers.items()}
    device = {"hardware.device": "taox_hfox", "hardware.device_parameters": keys}
    first, value = next(iter(numbers.items()))
    text = single_devices_drift(load_experiment("quickstart", {**SHORT, **device}))
    assert f"restarts the drift of a cell (retention.{first} = {value:g})" in text


def test_ages_beyond_what_a_noise_model_was_measured_at_are_told() -> None:
    """Wan et al. publish 1 s, 1 day and 2 days; the models of drift laws go on."""
    for model, days, told in (("reram-wan2022", 2.0, 0), ("reram-wan2022", 2.1, 1), ("pcm-like", 365.0, 0)):
        keys = {"hardware.off_chip": model, "evaluation.age_seconds": [days * 86400.0, 1.0]}
        texts = ages_without_change(load_experiment("quickstart", keys))
        assert len(texts) == told
        assert all("reram-wan2022 was measured up to 172800 s" in text for text in texts)


def test_a_metric_near_chance_is_told_with_its_level() -> None:
    (symptom,) = near_chance({"direct_accuracy": 0.11}, 0.1)
    assert symptom.message == "direct accuracy 11.0 % is near chance (10.0 %)"
    assert near_chance({"direct_accuracy": 0.5}, 0.1) == []


def test_near_chance_is_a_tenth_of_the_way() -> None:
    assert DIRECT.near_chance(0.1899, 0.1)
    assert not DIRECT.near_chance(0.1901, 0.1)
    assert DIRECT.near_chance(0.54, 0.5)
    assert not DIRECT.near_chance(0.56, 0.5)


def test_a_network_that_learns_and_fits_warns_of_nothing(tmp_path: Path) -> None:
    record = run(load_experiment("quickstart", {"training.epochs": 3}), 0, tmp_path)
    assert record.warnings == []


def test_warnings_end_the_output(neurohw: Any) -> None:
    keys = {**SHORT, "hardware.weight_range": 0.02, "training.learning_rate": [0.0]}
    assign = [text for key, value in keys.items() for text in ("--set", f"{key}={_toml(value)}")]
    status, out, _ = neurohw("run", "quickstart", *assign, "--quiet")
    assert status == 0
    last = out.strip().splitlines()[-1]
    assert last.startswith("warning: W1: ")
    assert "were clipped" in last


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


def test_warnings_come_first_in_a_report_once_a_point(tmp_path: Path) -> None:
    records = seeds([0.11, 0.12], {"network.rule": "ep"}) + seeds([0.9, 0.9])
    for record, share in zip(records, (13.5, 13.9, 0, 0), strict=True):
        if share:
            record.warnings = [f"W1: {share} % of the initial weights were clipped"]
    page = write_report(records, tmp_path).read_text()
    said = "EP · ideal (at chance) (seeds 0, 1): W1: 13.5 % of the initial weights were clipped"
    assert page.count(said) == 1
    assert page.index("What did not learn") < page.index(said) < page.index(">Ideal against hardware-constrained</h2>")
    assert said in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(("more", "lost"), [
    ({}, "18 %"), ({"hardware.step_seconds": 0.4}, None), ({"target.gamma": 0.0}, None),
    ({"training.mode": "supervised"}, None), ({"target.circuit": "ideal", "target.model": None}, None),
    ({"target.parameters": {"homeostasis.leak_seconds": 2.0}}, "39 %"),
])  # fmt: skip
def test_thresholds_that_leak_in_a_batch_are_told(more: dict[str, Any], lost: str | None) -> None:
    """Of generic_180nm a time constant of 4.971 s, of which a batch takes 1 s unless told otherwise."""
    given = {"target.circuit": "analog", "target.model": "generic_180nm"} | more
    said = forgetful_thresholds(load_experiment("quickstart", given))
    assert [lost is not None and lost in text for text in said] == [True] * (lost is not None)

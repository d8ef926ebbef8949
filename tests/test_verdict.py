"""A verdict tells devices that behave like the measurement from those that do not, and says what was not seen."""

from __future__ import annotations

import dataclasses
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.devices import laws
from neurohw.devices.characterise import characterise, staircase
from neurohw.devices.library import load_device
from neurohw.devices.model import device_from_tables
from neurohw.devices.replay import Pulses, replayed
from neurohw.errors import InputError
from neurohw.fitting.conditions import Conditions
from neurohw.fitting.fit_device import FittedDevice, fit_device
from neurohw.fitting.kalman import observed
from neurohw.fitting.law_parameters import FITTED
from neurohw.fitting.measurements import PulseTrains
from neurohw.fitting.overlay import overlay
from neurohw.fitting.seen import reads, upwards
from neurohw.fitting.trains import fit
from neurohw.fitting.verdict import CARE, GOOD, WRONG, judged, with_checks
from neurohw.loading import load_experiment
from neurohw.runs.run import run

LOW, HIGH = 10e-6, 50e-6
SPREADS: dict[str, Any] = {"step_dtod": 0.1, "w_max_dtod": 0.05, "w_min_dtod": 0.05, "step_ctoc": 0.3}
SOFT = laws.SoftBounds(step=0.1, w_max=1.0, w_min=-1.0, **SPREADS)


def trains(law: laws.PulseResponse, up: int, down: int, start: float | None = None, devices: int = 6) -> PulseTrains:
    """Simulate three cycles of each device, with noise of 1 % of the range."""
    stairs = staircase(
        law, devices, up, down, 3, torch.Generator().manual_seed(0), start=start, reset=start is not None
    )
    share = (stairs.weights[:, :, 1:] - law.w_min) / (law.w_max - law.w_min)
    share = share + 0.01 * np.random.default_rng(0).standard_normal(share.shape)
    ups = np.broadcast_to(stairs.polarity > 0, share.shape).copy()
    return PulseTrains(LOW + (HIGH - LOW) * share, ups, np.ones_like(ups), tuple("abcdefgh"[:devices]), "t.csv")


@cache
def good() -> FittedDevice:
    return fit_device(trains(SOFT, 30, 30), "soft-bounds")


def test_a_device_like_the_measurement_is_good() -> None:
    found = good()
    assert found.verdict.level == GOOD, str(found.verdict)
    assert found.verdict.rms_mean_S < 2 * found.verdict.noise_floor_S
    measured = found.fit.trains.conductance.mean(1)
    floor = (measured.std(0, ddof=1) ** 2 / len(measured)).mean() ** 0.5
    assert found.verdict.noise_floor_S == pytest.approx(floor)


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({"step": 0.05}, WRONG, "the mean is off"),
        ({"asymmetry": 0.6}, WRONG, "the mean is off"),
        ({"step_ctoc": 3.0}, WRONG, "spread is off|something else"),
        ({"read.noise": 0.05}, CARE, "single pulses do something else"),
    ],
)
def test_a_device_that_behaves_otherwise_is_not(change: dict[str, float], level: str, said: str) -> None:
    found = good()
    other = found.device.with_parameters(change)
    verdict = judged(found.fit, other, overlay(found.fit, other))
    assert verdict.level in (level, WRONG), str(verdict)
    assert re.search(said, str(verdict))


def test_cells_that_jump_once_are_described_by_no_law() -> None:
    """Filaments that close at any pulse: their mean rises evenly, but no single cell does."""
    rng = np.random.default_rng(0)
    at = rng.integers(3, 18, (6, 2, 1))
    rising = np.where(np.arange(20) < at, LOW, HIGH)
    g = np.concatenate([rising, np.linspace(HIGH, LOW, 20) * np.ones((6, 2, 1))], axis=2)
    g = g * (1 + 0.01 * rng.standard_normal(g.shape))
    up = np.broadcast_to(np.arange(40) < 20, g.shape).copy()
    found = fit_device(PulseTrains(g, up, np.ones_like(up), tuple("abcdef"), "jumps.csv"), "linear")
    assert found.verdict.level == WRONG, str(found.verdict)


def test_replayed_cells_are_the_staircase() -> None:
    """The mean of many cells under the same pulses, from the lower bound, is that of `staircase`."""
    device = good().device
    up = np.broadcast_to(np.arange(41) <= 20, (2000, 1, 41))
    seen = replayed(device, Pulses(np.zeros((2000, 1)), up), torch.Generator().manual_seed(1))
    stairs = staircase(device.response(), 2000, 20, 20, 1, torch.Generator().manual_seed(2))
    np.testing.assert_allclose(seen.mean((0, 1)), device.conductance(stairs.mean), atol=0.01 * (HIGH - LOW))
    mixed = up.copy()
    mixed[:1000] = ~mixed[:1000]
    both = replayed(device, Pulses(np.full((2000, 1), 0.5), mixed), torch.Generator().manual_seed(1))
    assert both[1000:, 0, 20].mean() > both[:1000, 0, 20].mean() + 0.5 * (device.g_max - device.g_min)


def test_bounds_that_were_not_seen_are_where_the_data_end() -> None:
    law = laws.LinearStep(step=0.02, gamma_up=0.1, gamma_down=0.1, w_max=1.0, w_min=-1.0, **SPREADS)
    measured = trains(law, 25, 25, start=-0.5)
    found = fit_device(measured, "linear")
    assert found.device.g_max == pytest.approx(measured.conductance.max(), rel=1e-4)
    assert "data end" in found.estimates["g_max"].note
    assert found.device.response().w_max_dtod == 0
    assert found.verdict.level == CARE
    assert "no saturation was seen: g_max and g_min are where the data end" in str(found.verdict)


@pytest.mark.parametrize("name", ["linear", "exponential", "piecewise"])
def test_no_step_turns_its_sign_inside_the_range(name: str) -> None:
    """Whatever the optimiser tries: steps of cells between their bounds, for far parameters."""
    law = FITTED[name][0]
    rng = np.random.default_rng(0)
    effects = np.tile([0.05, 0.0, 1.0, -1.0], (200, 1, 1))
    own = rng.normal(0, 3, (200, 1, len(law.effects) - 4))
    effects = torch.from_numpy(np.concatenate([effects, own], axis=2))
    response = law.response(effects, torch.from_numpy(rng.normal(0, 3, (200, len(law.shared)))))
    w = torch.linspace(-1, 1, 41, dtype=torch.float64).expand(200, 1, 41)
    assert (response.steps(w.clone(), True) >= 0).all()
    assert (response.steps(w.clone(), False) >= 0).all()
    assert (response.steps(w.clone(), True)[:, 0, 0] > 0).all()
    assert (response.steps(w.clone(), False)[:, 0, -1] > 0).all()


@pytest.mark.parametrize("up", [True, False])
def test_one_polarity_makes_a_device_that_only_potentiates(up: bool) -> None:
    law = laws.SoftBounds(step=0.15, w_max=1.0, w_min=-1.0, **SPREADS)
    measured = trains(law, 30, 0, start=-1.0)
    if not up:
        mirrored = measured.conductance.max() + measured.conductance.min() - measured.conductance
        measured = dataclasses.replace(measured, conductance=mirrored, up=~measured.up)
    found = fit_device(measured, "soft-bounds")
    assert found.device.sided == 1
    assert found.device.response().asymmetry == 0
    assert found.estimates["asymmetry"].note == "no depressing pulse was measured"
    assert found.device.response().step == pytest.approx(0.15, rel=0.15)
    assert "pulse.asymmetry" in found.device.assumed()  # nobody measured it
    assert "pulse.step" not in found.device.assumed()
    assert found.verdict.describes, str(found.verdict)
    assert found.fit.mirrored is not up
    assert ("mirrored" in found.device.description or "stands for" in found.device.description) is not up
    assert characterise(found.device, torch.Generator(), devices=2).staircase.weights.shape[2] == 31


def test_pulses_that_were_not_read_are_predicted() -> None:
    """Every third pulse read gives the same device; the filter's likelihood is that of the reads only."""
    measured = trains(SOFT, 45, 45)
    valid = np.broadcast_to(np.arange(90) % 3 == 0, measured.valid.shape).copy()
    last = np.maximum.accumulate(np.where(valid, np.arange(90), 0), axis=2)
    sparse = dataclasses.replace(
        measured, valid=valid, conductance=np.take_along_axis(measured.conductance, last, axis=2)
    )
    whole, some = fit(measured, "soft-bounds").estimates, fit(sparse, "soft-bounds").estimates
    for name, tolerance in (("step", 0.1), ("step_ctoc", 0.15), ("read_noise", 0.15)):
        assert some[name].value == pytest.approx(whole[name].value, rel=tolerance), name


def test_reads_count_the_pulses_between_them() -> None:
    up = np.array([True, True, True, True, False, False, False])[None, None]
    valid = np.array([True, False, True, True, False, True, True])[None, None]
    read = reads(observed(np.arange(7.0)[None, None], up, valid))
    assert read.w[read.valid].tolist() == [0, 2, 3, 5, 6]
    assert read.pulses[:5, 0, 0].tolist() == [0, 2, 1, 2, 1]
    assert read.up[:5, 0, 0].tolist() == [True, True, True, False, False]
    mixed = reads(observed(np.arange(7.0)[None, None], up, np.isin(np.arange(7), (0, 5))[None, None]))
    assert mixed.pulses[:2, 0, 0].tolist() == [0, 0]


def test_trains_begin_at_their_first_read() -> None:
    valid = np.array([[False, False, True, True], [True, False, True, False]])[None]
    g = np.arange(8.0).reshape(1, 2, 4)
    begun, mirrored = upwards(PulseTrains(g, np.ones_like(valid), valid, ("a",), "x"))
    assert begun.conductance[0, 0, :2].tolist() == [2, 3]
    assert begun.valid.tolist() == [[[True, True, False, False], [True, False, True, False]]]
    assert not mirrored
    with pytest.raises(InputError, match="a train without a read"):
        upwards(PulseTrains(g, np.ones_like(valid), np.zeros_like(valid), ("a",), "x"))


def test_noise_that_the_fit_adds_is_not_held_against_the_device() -> None:
    """Hard bounds are fitted with white noise on top: the trains that the verdict compares are the measured ones."""
    stairs = staircase(laws.ConstantStep(step=0.1, step_ctoc=0.05), 6, 15, 15, 2, torch.Generator().manual_seed(0))
    share = (stairs.weights[:, :, 1:] + 1) / 2
    ups = np.broadcast_to(stairs.polarity > 0, share.shape).copy()
    measured = PulseTrains(LOW + (HIGH - LOW) * share, ups, np.ones_like(ups), tuple("abcdef"), "clean.csv")
    found = fit_device(measured, "constant")
    assert (found.fit.trains.conductance == measured.conductance).all()
    assert found.compared.changes < found.compared.chance + 0.1  # 0.25 with the noise, 0.3 where steps vary less
    assert found.verdict.describes, str(found.verdict)


def test_a_mirrored_cell_has_the_voltage_that_its_pulses_had() -> None:
    given = Conditions(depression_voltage="-1.5 V", depression_energy="2 pJ", pulse_width="100 ns",
                       sources={"depression_voltage": "stated in a.csv"})  # fmt: skip
    write = given.mirrored().tables()["write"]
    assert write["potentiation_voltage"] == {"value": 1.5, "unit": "V", "source": "stated in a.csv"}
    assert write["potentiation_energy"]["value"] == 2
    assert Conditions(write_voltage="1.2 V").mirrored().tables()["write"]["potentiation_voltage"]["value"] == 1.2
    measured = trains(laws.SoftBounds(step=0.15, w_max=1.0, w_min=-1.0, **SPREADS), 30, 0, start=-1.0)
    mirror = measured.conductance.max() + measured.conductance.min() - measured.conductance
    falling = dataclasses.replace(measured, conductance=mirror, up=~measured.up)
    found = fit_device(falling, "soft-bounds", conditions=given)
    assert found.device.write.potentiation_voltage is not None
    assert found.device.write.potentiation_voltage.si("V") == 1.5


def test_checks_of_the_device_that_is_written_count() -> None:
    found = good()
    assert with_checks(found.verdict, found.device) == found.verdict
    tables = found.device.tables()
    tables["retention"] = {"lifetime": {"value": 1e15, "unit": "s", "source": "made up"}}
    verdict = with_checks(found.verdict, device_from_tables(tables, "made up"))
    assert verdict.level == WRONG
    assert "retention.lifetime" in verdict.reasons[0]


def test_conditions_are_numbers_with_units() -> None:
    tables = Conditions(write_voltage="1.6 V", pulse_width="100ns", cell_area="0.25 um2", endurance="1e8").tables()
    assert tables["write"]["potentiation_voltage"] == {"value": 1.6, "unit": "V", "source": "given on the command line"}
    assert tables["write"]["depression_voltage"]["value"] == 1.6
    assert tables["write"]["depression_voltage"]["source"] == "assumed: as potentiation_voltage"
    assert tables["write"]["pulse_time"] == {"value": 100.0, "unit": "ns", "source": "given on the command line"}
    assert tables["write"]["endurance"]["value"] == 1e8
    assert tables["area"]["cell"]["unit"] == "um2"
    for text, said in (("1.6", "a number with its unit, as in '1.6 V'"), ("1.6 ns", "dimension"), ("x V", "got 'x V'")):
        with pytest.raises(InputError, match=f"--write-voltage: .*{said}"):
            Conditions(write_voltage=text).tables()


def test_the_command_says_the_verdict_and_its_status(tmp_path: Path) -> None:
    """Cells that hop between two levels whatever the pulses: noise on its limit, a check that fails, status 1."""
    rng = np.random.default_rng(1)
    level = np.where(np.cumsum(rng.random((3, 40)) < 0.15, axis=1) % 2, HIGH, LOW) * (1 + 0.01 * rng.random((3, 40)))
    rows = [(d, p + 1, 1 if p < 20 else -1, level[d, p]) for d in range(3) for p in range(40)]
    csv, out = tmp_path / "random.csv", tmp_path / "mine.toml"
    pd.DataFrame(rows, columns=["device", "pulse", "polarity", "conductance_S"]).to_csv(csv, index=False)
    arguments = ["device", "fit", str(csv), "--law", "constant", "--out", str(out), "--write-voltage", "2 V"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output
    text = " ".join(done.output.split())
    assert "does not describe this data: " in text
    assert "check failed: numbers are plausible" in text
    assert "step_ctoc is on its limit of 12.2" in text
    assert "noise floor" in text
    device = load_device(out)
    assert device.write.potentiation_voltage is not None
    assert (device.measured.pulses_up, device.measured.pulses_down, device.measured.devices) == (20, 20, 3)
    assert json.loads((tmp_path / "mine.fit.json").read_text())["verdict"]["level"] == WRONG
    assert device.measured.verdict is not None
    assert device.measured.verdict.startswith("does not describe this data: ")
    shown = " ".join(CliRunner().invoke(app, ["device", "show", str(out)]).output.split())
    assert "verdict of its fit: does not describe this data: " in shown
    few = {"data.train_limit": 60, "data.test_limit": 30, "training.epochs": 1, "hardware.device": str(out)}
    record = run(load_experiment("quickstart", few), 0, tmp_path / "run")
    assert [text for text in record.warnings if text.startswith("mine does not describe this data: ")]
    assert "on its limit" in next(line for line in out.read_text().splitlines() if line.startswith("step_ctoc"))
    for kind in ("trains", "pairs", "residuals"):
        assert (tmp_path / f"mine.{kind}.png").stat().st_size > 10_000
    assert CliRunner().invoke(app, [*arguments, "--accept"]).exit_code == 0


def binary(chance: float, pulses: int) -> PulseTrains:
    """Cells of two states: each pulse switches them with a chance, most of them long before the train ends."""
    rng = np.random.default_rng(3)
    set_at, reset_at = (rng.geometric(chance, (6, 4, 1)) for _ in range(2))
    places = np.arange(1, pulses + 1)
    share = np.concatenate([places >= set_at, places < reset_at], axis=2).astype(float)
    ups = np.broadcast_to(np.arange(2 * pulses) < pulses, share.shape).copy()
    siemens = LOW + (HIGH - LOW) * share + 0.02 * (HIGH - LOW) * rng.standard_normal(share.shape)
    return PulseTrains(siemens, ups, np.ones_like(ups), tuple("abcdef"), "binary.csv")


@pytest.mark.parametrize("chance", [0.2, 0.4])
def test_cells_that_jump_between_two_states_are_not_described(chance: float) -> None:
    """Most pulses change nothing, so that neither means nor single changes need tell: no read lies between."""
    found = fit_device(binary(chance, 25))
    assert found.verdict.level == WRONG, str(found.verdict)
    assert "jump between two states" in str(found.verdict)
    assert "jump between" not in str(good().verdict)

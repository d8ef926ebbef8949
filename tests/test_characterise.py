"""Staircases, steps, drift and read noise, against their closed forms; the figure's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from neurohw.cli.device import device_app
from neurohw.devices import characterise as ch
from neurohw.devices import laws
from neurohw.devices.frames import frames
from neurohw.devices.library import load_device
from neurohw.devices.retention import Retention
from neurohw.errors import InputError
from tests.approximately import approx

TEMPLATE = Path(__file__).parents[1] / "device_models" / "template.toml"
EQUAL = {"step_dtod": 0.0, "step_ctoc": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
BOUNDS = {"w_max": 1.0, "w_min": -1.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_constant_step_climbs_straight_and_stops_at_the_bound() -> None:
    law = laws.ConstantStep(step=0.1, **EQUAL, **BOUNDS)
    stairs = ch.staircase(law, 3, 25, 10, 2, generator())
    expected = np.concatenate([np.minimum(-1 + 0.1 * np.arange(26), 1), 1 - 0.1 * np.arange(1, 11)])
    np.testing.assert_allclose(stairs.weights[:, 0], np.tile(expected, (3, 1)), atol=1e-5)
    np.testing.assert_allclose(stairs.weights[:, 1, 0], stairs.weights[:, 0, -1], atol=0)
    np.testing.assert_allclose(stairs.device_to_device, 0, atol=1e-6)


def test_soft_bounds_approach_the_bound_exponentially() -> None:
    law = laws.SoftBounds(step=0.05, **EQUAL, **BOUNDS)
    stairs = ch.staircase(law, 1, 60, 0, 1, generator(), start=0.0)
    np.testing.assert_allclose(stairs.mean, 1 - 0.95 ** np.arange(61), atol=1e-5)


def test_spreads_are_told_apart() -> None:
    only_devices = laws.ConstantStep(step=0.01, **{**EQUAL, "step_dtod": 0.2}, **BOUNDS)
    stairs = ch.staircase(only_devices, 400, 50, 0, 3, generator(), start=-1.0, reset=True)
    assert stairs.device_to_device[-1] == approx(50 * 0.01 * 0.2, rel=0.1)
    assert stairs.cycle_to_cycle.max() < 1e-6
    only_cycles = laws.ConstantStep(step=0.01, **{**EQUAL, "step_ctoc": 0.5}, **BOUNDS)
    stairs = ch.staircase(only_cycles, 400, 50, 0, 6, generator(), start=-0.5, reset=True)
    assert stairs.cycle_to_cycle[-1] == approx(50**0.5 * 0.01 * 0.5, rel=0.1)
    assert stairs.device_to_device[-1] == approx(stairs.cycle_to_cycle[-1] / 6**0.5, rel=0.15)


def test_write_noise_is_seen_but_not_kept() -> None:
    law = laws.ConstantStep(step=0.01, write_noise=3.0, **EQUAL, **BOUNDS)
    stairs = ch.staircase(law, 500, 30, 0, 1, generator(), start=0.0)
    seen = stairs.weights[:, 0]
    assert seen[:, -1].std() == approx(3 * 0.01, rel=0.1)
    assert seen[:, -1].mean() == approx(0.3, abs=0.005)
    assert abs(np.corrcoef(seen[:, -1], seen[:, -2])[0, 1]) < 0.15


def test_the_same_generator_gives_the_same_staircase() -> None:
    one, other = (ch.staircase(laws.SoftBounds(), 5, 20, 20, 2, generator(3)).weights for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (ch.staircase(laws.SoftBounds(), 5, 20, 20, 2, generator(4)).weights != one).any()


def test_steps_are_those_of_the_law_and_equal_at_the_symmetry_point() -> None:
    device = load_device("epiram")
    steps, law = ch.step_sizes(device, 200, generator()), device.response()
    at_zero = np.interp(0.0, steps.w, steps.up)
    assert at_zero == approx(law.step * (1 + min(law.asymmetry, 0)), rel=1e-3)
    assert steps.symmetry_point is not None
    up, down = (np.interp(steps.symmetry_point, steps.w, s) for s in (steps.up, steps.down))
    assert up == approx(down, rel=1e-3)
    np.testing.assert_allclose(steps.up_noise, law.step_ctoc * law.step, rtol=1e-4)  # its noise is additive


def test_drift_follows_its_power_law() -> None:
    retention = Retention(drift_nu=0.05, drift_nu_dtod=0.01, drift_nu_state=0.02, drift_t0=10.0)
    start, seconds = np.array([15e-6, 20e-6]), np.array([1.0, 10.0, 1e5])
    data = ch.drift_curves(retention, start, seconds, 20000, generator(), g_min=10e-6, g_max=20e-6)
    np.testing.assert_allclose(data.mean[:, :2], np.stack([start, start], axis=1))
    for i, nu in enumerate((0.05, 0.06)):  # the middle of the range, and its upper end
        lasting = np.log(1e4)
        exact = np.exp(-nu * lasting + 0.5 * (0.01 * lasting) ** 2)  # mean of a log-normal
        assert data.mean[i, 2] / start[i] == approx(exact, rel=2e-3)
        assert data.std[i, 2] / data.mean[i, 2] == approx(0.01 * lasting, rel=0.05)


def test_read_noise_is_a_share_of_the_range() -> None:
    device = load_device(TEMPLATE).with_parameters({"read.noise": 0.02})
    noise = ch.read_noise(device, generator())
    assert noise.sigma == approx(0.02 * (device.g_max - device.g_min))
    assert noise.reads.std() == approx(noise.sigma, rel=0.1)


def test_frames_are_in_siemens_within_the_range() -> None:
    data = ch.characterise(load_device(TEMPLATE), generator(), devices=20, pulses=30, cycles=1)
    tables = frames(data)
    frame = tables["staircase"]
    assert len(frame) == 61
    assert data.device.g_min * 0.5 < frame["mean_S"].iloc[0] < data.device.g_min * 1.5
    steps = tables["steps"]
    assert steps["step_up_S"].iloc[0] == approx(data.steps.up[0] * data.device.siemens)
    assert set(tables["drift"]["start_S"]) == set(data.drift.start)


@pytest.mark.parametrize("wrong", [{"devices": 0}, {"cycles": 0}, {"pulses_up": -1}])
def test_wrong_counts_are_named(wrong: dict[str, int]) -> None:
    counts = {"devices": 1, "pulses_up": 1, "pulses_down": 1, "cycles": 1} | wrong
    with pytest.raises(InputError, match=next(iter(wrong))):
        ch.staircase(laws.ConstantStep(), **counts, generator=generator())


@pytest.mark.parametrize("name", ["pcm_drift", "epiram"])  # one that only potentiates and drifts, one that does neither
def test_plot_writes_a_small_figure_and_every_curve(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(device_app, ["plot", name, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for kind in ("svg", "png"):
        size = (tmp_path / f"{name}.{kind}").stat().st_size
        assert 10_000 < size < 1_000_000
    svg = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    for label in ("Conductance, µS", "Pulse", "Time since the write", "Mean step of a pulse", "Read noise"):
        assert label in svg
    assert "$" not in svg  # of mathematics, which texts here are not
    for curve in ("staircase", "steps", "drift", "reads"):
        assert not pd.read_csv(tmp_path / f"{name}-{curve}.csv").isna().any().any()
    drift = pd.read_csv(tmp_path / f"{name}-drift.csv")
    loses = drift["mean_S"].iloc[-1] < 0.9 * drift["start_S"].iloc[-1]
    assert loses == (name == "pcm_drift")

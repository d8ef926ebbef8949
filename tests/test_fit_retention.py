"""Retention fitted: laws, spreads, states and temperatures that closed forms in numpy were made with come back."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import curve_fit
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError
from neurohw.fitting.device_file import finite_only
from neurohw.fitting.measurements import RetentionCurves
from neurohw.fitting.retention import RetentionFit, fit_retention, listed
from neurohw.fitting.retention_figure import levels_of, retention_panels
from neurohw.fitting.retention_mixed import fit_law
from neurohw.fitting.retention_model import Ageing
from neurohw.fitting.retention_report import retention_report, sentences

G_MIN, G_MAX, SPAN = 10e-6, 50e-6, 40e-6
TIMES = np.logspace(0, 6, 10)
KELVIN = (300.0, 340.0, 380.0)
SIMULATED: dict[str, dict[str, float]] = {
    "power": {"rate": 0.01, "spread": 0.002},
    "exponential": {"rate": 3e6, "spread": 0.3},
    "stretched": {"rate": 3e6, "spread": 0.3},
    "logarithmic": {"rate": 0.01, "spread": 0.002},
}
MAIN = {"power": "drift_nu", "logarithmic": "loss_per_decade", "exponential": "lifetime", "stretched": "lifetime"}


def measured(
    law: str, rate: float, spread: float, noise: float = 0.01, devices: int = 8, levels: int = 4,
    kelvin: tuple[float, ...] = KELVIN, energy: float = 0.3, state: float = 0.0, rest: float = 15e-6,
    times: np.ndarray = TIMES, relative: bool = False, beta: float = 0.5, seed: int = 7,
) -> RetentionCurves:  # fmt: skip
    """Return curves of the closed form; `spread` is exact over the devices, noise a share of the range or of G."""
    rng = np.random.default_rng(seed)
    xi = rng.standard_normal(devices)
    xi = spread * (xi - xi.mean()) / xi.std(ddof=1) if devices > 1 else 0 * xi
    rows = []
    for d in range(devices):
        for kelvin_ in kelvin or (None,):
            faster = np.exp(-energy / 8.617333e-5 * (1 / kelvin_ - 1 / kelvin[0])) if kelvin_ else 1.0
            for g0 in np.linspace(0.3, 0.9, levels) * G_MAX:
                s = (g0 - G_MIN) / SPAN - 0.5
                if law in ("power", "logarithmic"):
                    number, t = faster * (rate + state * s + xi[d]), times / times[0]
                    left = t**-number if law == "power" else np.maximum(1 - number * np.log10(t), 0)
                    g = g0 * left
                else:
                    tau = rate * np.exp(state * s + xi[d]) / faster
                    g = rest + (g0 - rest) * np.exp(-((times / tau) ** (beta if law == "stretched" else 1.0)))
                g = g + rng.standard_normal(len(g)) * noise * (g if relative else SPAN)
                rows.append((times, np.maximum(g, 1e-9), f"d{d}", kelvin_))
    seconds, conductance, names, temperatures = zip(*rows, strict=True)
    return RetentionCurves(seconds, conductance, names, "retention.csv", temperatures if kelvin else ())


@cache
def fitted(law: str, **changed: Any) -> RetentionFit:
    return fit_retention(measured(law, **SIMULATED[law] | changed), G_MIN, G_MAX)


def value(fit: RetentionFit, key: str) -> float:
    found = fit.estimates[key].value
    assert isinstance(found, float)
    return found


@pytest.mark.parametrize("law", SIMULATED)
def test_the_law_and_its_numbers_come_back_from_three_temperatures_and_four_levels(law: str) -> None:
    """1 % noise, 8 devices: main number and spread to 10 %, activation energy to 3 %."""
    fit = fitted(law)
    assert (fit.law, fit.undecided) == (law, None)
    assert fit.candidates[0].law == law
    assert value(fit, MAIN[law]) == pytest.approx(SIMULATED[law]["rate"], rel=0.1)
    dtod = f"{MAIN[law]}_dtod" + ("_ln" if MAIN[law] == "lifetime" else "")
    assert value(fit, dtod) == pytest.approx(SIMULATED[law]["spread"], rel=0.1)
    assert value(fit, "activation_energy") == pytest.approx(0.3, rel=0.03)
    assert value(fit, "reference_temperature") == 300.0
    assert fit.noise == pytest.approx(0.01 * SPAN, rel=0.1)
    assert not fit.chosen.relative_noise
    assert fit.chosen.r_squared > 0.98
    if MAIN[law] == "lifetime":
        assert value(fit, "rest") == pytest.approx((15e-6 - 30e-6) / 20e-6, abs=0.01)
    else:
        assert value(fit, "drift_t0") == 1.0
    assert ("stretch" in fit.estimates) == (law == "stretched")
    if law == "stretched":
        assert value(fit, "stretch") == pytest.approx(0.5, rel=0.02)
    assert all(fit.estimates[key].identifiable for key in (MAIN[law], "activation_energy"))


@pytest.mark.parametrize("law", ["power", "stretched"])
def test_activation_energies_come_back_under_noise(law: str) -> None:
    """3 % of the range, 0.8 eV, where next to nothing happens at the lowest temperature."""
    less = 0.1 if MAIN[law] != "lifetime" else 1.0
    rate, spread = SIMULATED[law]["rate"] * (less if less < 1 else 10.0), SIMULATED[law]["spread"] * less
    fit = fitted(law, noise=0.03, energy=0.8, devices=5, rate=rate, spread=spread)
    assert fit.law == law
    assert value(fit, "activation_energy") == pytest.approx(0.8, rel=0.1)


def test_errors_are_as_large_as_said() -> None:
    """Activation energies of 16 draws of the noise, in their standard errors: mean 0 to 3 errors, deviation 1."""
    z = []
    for seed in range(16):
        curves = measured("stretched", 3e6, 0.3, devices=4, times=TIMES[::2], seed=seed)
        data, scale = listed(curves, G_MIN, G_MAX, 300.0)
        model, guess = (
            Ageing("stretched", ("rate", "energy", "stretch", "rest"), False),
            np.array([14.0, 0.4, 0.6, 0.2]),
        )
        fit = fit_law(model, data, (0.2, 1.0), guess)
        assert scale == max(g.max() for g in curves.conductance)
        z.append((fit.point.theta[1] - 0.3) / fit.covariance[1, 1] ** 0.5)
    assert np.mean(z) == pytest.approx(0.0, abs=3 / 16**0.5)
    assert np.std(z) == pytest.approx(1.0, rel=0.4)


def test_one_curve_is_fitted_as_scipy_fits_it() -> None:
    """R squared of the change in time, exponent, noise and interval, against curve_fit of the same law."""
    curves = measured("power", 0.2, 0.0, noise=0.02, devices=1, levels=1, kelvin=())
    fit = fit_retention(curves, G_MIN, G_MAX)
    assert (fit.law, fit.chosen.relative_noise) == ("power", False)
    t, g = curves.seconds[0], curves.conductance[0] * 1e6
    (scale, nu), covariance = curve_fit(lambda t, scale, nu: scale * t**-nu, t, g, p0=[g[0], 0.1])
    squares = ((g - scale * t**-nu) ** 2).sum()
    assert fit.chosen.r_squared == pytest.approx(1 - squares / ((g - g.mean()) ** 2).sum(), abs=1e-6)
    assert value(fit, "drift_nu") == pytest.approx(nu, rel=1e-4)
    assert fit.noise == pytest.approx((squares / (len(t) - 2)) ** 0.5 * 1e-6, rel=1e-3)
    reach = 2.306 * covariance[1, 1] ** 0.5  # Student's t of 8 degrees of freedom
    assert fit.estimates["drift_nu"].high == pytest.approx(nu + reach, rel=1e-3)


@pytest.mark.parametrize(("law", "state"), [("power", -0.006), ("exponential", 1.5)])
def test_rates_that_depend_on_the_state_are_found(law: str, state: float) -> None:
    fit = fitted(law, state=state, kelvin=(), devices=5)
    assert fit.law == law
    assert value(fit, f"{MAIN[law]}_state") == pytest.approx(state, rel=0.1)
    assert f"{MAIN[law]}_state" not in fitted(law).estimates


def test_measurement_noise_is_no_spread_between_devices() -> None:
    """20 equal devices: the exponents of straight lines through log G spread by the noise alone."""
    curves = measured("power", 0.05, 0.0, noise=0.03, devices=20, levels=1, kelvin=())
    lines = [np.polyfit(np.log(t), np.log(g), 1)[0] for t, g in zip(curves.seconds, curves.conductance, strict=True)]
    spread = fit_retention(curves, G_MIN, G_MAX).estimates["drift_nu_dtod"]
    assert spread.value < 0.6 * np.std(lines, ddof=1)
    assert spread.low == 0.0


def test_noise_that_is_a_share_of_the_conductance_is_told() -> None:
    fit = fitted("logarithmic", noise=0.02, relative=True, kelvin=(), rate=0.05, devices=4)
    assert (fit.law, fit.chosen.relative_noise) == ("logarithmic", True)
    assert fit.noise == pytest.approx(0.02, rel=0.15)


def test_conductances_may_rise_to_their_rest() -> None:
    fit = fitted("exponential", rest=60e-6, rate=1e3, kelvin=(), devices=4)
    assert fit.law == "exponential"
    assert value(fit, "rest") == pytest.approx(1.5, abs=0.01)
    assert any("beyond the range that pulses reach" in sentence for sentence in sentences(fit))


def test_two_times_do_not_tell_laws_apart_and_it_is_said() -> None:
    two = np.array([1.0, 1e5])
    fit = fit_retention(measured("logarithmic", 0.02, 0.004, kelvin=(), times=two), G_MIN, G_MAX)
    assert fit.law == "power"
    assert fit.undecided is not None
    assert fit.undecided.startswith("two times a curve cannot tell how conductances go from one to the other: power")
    left = 1 - 5 * 0.02
    assert value(fit, "drift_nu") == pytest.approx(-np.log(left) / np.log(1e5), rel=0.03)
    assert any("two times a curve" in sentence for sentence in sentences(fit))


def test_two_times_and_one_curve_a_device_leave_noise_in_the_spread() -> None:
    fit = fit_retention(
        measured("power", 0.05, 0.01, noise=0.0, devices=30, levels=1, kelvin=(), times=np.array([1.0, 1e5])),
        G_MIN, G_MAX,
    )  # fmt: skip
    assert value(fit, "drift_nu") == pytest.approx(0.05, rel=0.02)
    assert value(fit, "drift_nu_dtod") == pytest.approx(0.01, rel=0.05)
    assert not fit.estimates["drift_nu_dtod"].identifiable
    assert "not told apart from the spread" in sentences(fit)[1]
    alone = replace(fit.curves, seconds=fit.curves.seconds[:1], conductance=fit.curves.conductance[:1], devices=("a",))
    assert not fit_retention(alone, G_MIN, G_MAX).estimates["drift_nu"].identifiable


def test_what_does_not_change_has_no_law() -> None:
    fit = fit_retention(measured("power", 0.0, 0.0, kelvin=(), devices=3, levels=2), G_MIN, G_MAX)
    assert fit.law == "power"
    assert fit.undecided is not None
    assert value(fit, "drift_nu") < 5e-4
    assert any("describes little of the change" in sentence for sentence in sentences(fit))


def test_temperatures_are_of_all_curves_or_of_none() -> None:
    curves = measured("power", 0.01, 0.002, devices=2, times=TIMES[::3])
    half = replace(curves, kelvin=(None, *curves.kelvin[1:]))
    with pytest.raises(InputError, match=r"retention\.csv: 23 of 24 curves have a temperature; allowed: all or none"):
        fit_retention(half, G_MIN, G_MAX)
    same = fit_retention(replace(curves, kelvin=(300.0,) * 24), G_MIN, G_MAX)
    assert "activation_energy" not in same.estimates


# the device that comes of it, and its figure


def device_of(fit: RetentionFit) -> DeviceModel:
    numbers = {f"retention.{key}": estimate.value for key, estimate in fit.estimates.items()}
    span = {"conductance.g_min": G_MIN, "conductance.g_max": G_MAX}
    template = load_device(Path(__file__).parents[1] / "device_models" / "template.toml")  # weights are -1 to 1
    return template.with_parameters({"retention.lifetime": 0.0, **span, **numbers})


@pytest.mark.parametrize("law", SIMULATED)
def test_the_simulated_device_runs_through_the_measurements(law: str) -> None:
    """A panel a temperature, a curve a level; mean and spread of simulated devices are those of the measured ones."""
    fit = fitted(law)
    panels = retention_panels(fit, device_of(fit), torch.Generator().manual_seed(0))
    assert [panel.kelvin for panel in panels] == list(KELVIN)
    for panel in panels:
        assert [(level.number, len(level.seconds)) for level in panel.levels] == [(n, 8) for n in range(4)]
        for level in panel.levels:
            g = np.stack(level.conductance)
            mean = np.interp(np.log(level.seconds[0]), np.log(level.simulated.seconds), level.simulated.mean[0])
            std = np.interp(np.log(level.seconds[0]), np.log(level.simulated.seconds), level.simulated.std[0])
            np.testing.assert_allclose(mean, g.mean(0), atol=0.02 * SPAN)
            np.testing.assert_allclose(np.hypot(std, fit.noise), g.std(0, ddof=1), rtol=0.3, atol=0.01 * SPAN)


def test_levels_are_parted_at_gaps_or_evenly() -> None:
    assert levels_of(np.array([3.0, 1.0, 1.1, 3.1, 2.0])).tolist() == [2, 0, 0, 2, 1]
    assert levels_of(np.array([2.0, 2.01, 2.0, 2.3, 2.4])).tolist() == [0] * 5
    assert np.unique(levels_of(np.linspace(1, 9, 50)), return_counts=True)[1].tolist() == [13, 12, 12, 13]


def test_the_command_writes_the_law_its_evidence_and_an_overlay(tmp_path: Path) -> None:
    curves = measured("stretched", 3e6, 0.3, devices=4, levels=2)
    frame = [
        (device, level, t, g, kelvin)
        for number, (device, kelvin) in enumerate(zip(curves.devices, curves.kelvin, strict=True))
        for level in (number % 2,)
        for t, g in zip(curves.seconds[number], curves.conductance[number], strict=True)
    ]
    retention, out = tmp_path / "bake.csv", tmp_path / "mine.toml"
    columns = ["device", "level", "time_s", "conductance_S", "temperature_K"]
    pd.DataFrame(frame, columns=columns).to_csv(retention, index=False)
    pulses = tmp_path / "pulses.csv"
    rng = np.random.default_rng(0)
    rows = ["device,pulse,polarity,conductance_S"]
    for device in range(3):
        g = G_MIN
        for pulse in range(121):
            rows.append(f"{device},{pulse},{1 if pulse <= 60 else -1},{g + 2e-8 * rng.standard_normal():.9g}")
            g += 0.05 * ((G_MAX - g) if pulse < 60 else (G_MIN - g)) * (1 + 0.1 * rng.standard_normal())
    pulses.write_text("\n".join(rows), encoding="utf-8")
    arguments = ["device", "fit", str(pulses), "--law", "soft-bounds", "--retention", str(retention), "--out", str(out)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert out.exists(), done.output
    assert "retention: stretched law, w(t) = rest + (w - rest) exp(-(t / tau)^beta)" in done.output
    assert "ΔBIC: stretched 0.0" in done.output
    device = load_device(out)
    assert device.retention_parameters().lifetime == pytest.approx(3e6, rel=0.4)
    assert device.retention.activation_energy is not None
    assert device.retention.activation_energy.si("eV") == pytest.approx(0.3, rel=0.05)
    report = json.loads(out.with_suffix(".fit.json").read_text(encoding="utf-8"))["retention"]
    assert (report["law"], report["kelvin"], report["curves"]) == ("stretched", list(KELVIN), 24)
    assert report["devices"] == 4
    assert report["candidates"][0]["law"] == "stretched"
    assert 10_000 < out.with_suffix(".retention.png").stat().st_size < 1_000_000


def test_what_does_not_change_makes_a_plausible_file_and_valid_json(tmp_path: Path) -> None:
    """No decay at all has any lifetime: none beyond what is plausible is written, and no Infinity."""
    rng = np.random.default_rng(0)
    seconds = tuple(np.logspace(0, 4, 6) for _ in range(8))
    curves = RetentionCurves(seconds, tuple(2e-5 * (1 + 1e-3 * rng.standard_normal(6)) for _ in seconds),
                             tuple("abcdefgh"), "flat.csv", (300.0, 360.0) * 4)  # fmt: skip
    found = fit_retention(curves, 1e-6, 5e-5)
    lifetime = found.estimates.get("lifetime")
    assert lifetime is None or float(lifetime.value) <= 1.0001e12  # type: ignore[arg-type]
    assert "Infinity" not in json.dumps(finite_only(retention_report(found)), allow_nan=False)


def test_the_report_is_plain() -> None:
    report = json.loads(json.dumps(retention_report(fitted("power"))))
    assert report["r_squared"] == fitted("power").chosen.r_squared
    assert report["parameters"]["drift_nu"]["low"] < 0.01 < report["parameters"]["drift_nu"]["high"]

"""Retention laws: each in the engine against its closed form in numpy; spreads, states, writes and temperature."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor
from typer.testing import CliRunner

from neurohw.cli.device import device_app
from neurohw.config import HardwareSection
from neurohw.crossbar.aihwkit.translation import lost_in_aihwkit
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.devices import characterise as ch
from neurohw.devices.draw import draw_drift
from neurohw.devices.laws import ConstantStep
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from neurohw.devices.retention import Retention
from neurohw.devices.retention_laws import RETENTION_LAWS, arrhenius, laws_of
from neurohw.errors import InputError
from neurohw.runs.hardware import device_model

CERTAIN: dict[str, Any] = {
    "step_dtod": 0.0, "step_ctoc": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
}  # fmt: skip
PULSE = ConstantStep(step=0.001, w_max=1.0, w_min=-1.0, **CERTAIN)
WEIGHTS = torch.rand(10, 12, generator=torch.Generator().manual_seed(1)) - 0.5
ZERO = -1.2  # the weight of no conductance
NUMBERS: dict[str, dict[str, float]] = {
    "power": {"drift_nu": 0.1, "drift_t0": 2.0},
    "exponential": {"lifetime": 40.0, "rest": 0.2},
    "stretched": {"lifetime": 40.0, "rest": 0.2, "stretch": 0.4},
    "logarithmic": {"loss_per_decade": 0.08, "drift_t0": 2.0},
}
CLOSED: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "power": lambda w, t: ZERO + (w - ZERO) * max(t / 2.0, 1.0) ** -0.1,
    "exponential": lambda w, t: 0.2 + (w - 0.2) * np.exp(-t / 40.0),
    "stretched": lambda w, t: 0.2 + (w - 0.2) * np.exp(-((t / 40.0) ** 0.4)),
    "logarithmic": lambda w, t: ZERO + (w - ZERO) * max(1 - 0.08 * np.log10(max(t / 2.0, 1.0)), 0.0),
}  # fmt: skip
SPREADS: dict[str, dict[str, float]] = {
    "power": {"drift_nu_dtod": 0.02, "drift_nu_state": 0.03},
    "exponential": {"lifetime_dtod_ln": 0.5},
    "stretched": {"lifetime_dtod_ln": 0.5, "lifetime_state": 1.0},
    "logarithmic": {"loss_per_decade_dtod": 0.02, "loss_per_decade_state": 0.04},
}
LAWS = list(NUMBERS)


def array_of(weights: Tensor = WEIGHTS, **retention: float) -> AnalogArray:
    device = DevicePopulation(PULSE, Retention(**retention), zero=ZERO, signed=False)
    return AnalogArray(
        weights, device, "none", read_path=ReadPath.perfect(), generator=torch.Generator().manual_seed(2),
        pulses=PulseScheme(kind="deterministic"), reference="offset",
    )  # fmt: skip


def pulse_cell(array: AnalogArray, row: int, column: int, steps: int) -> None:
    post, pre = torch.zeros(1, array.shape[0]), torch.zeros(1, array.shape[1])
    post[0, row] = pre[0, column] = 1.0
    array.update(OuterProducts((Product(post, pre),), 1.0), steps * 0.001)


def near(found: Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=1e-5, atol=2e-6)


def test_every_law_is_registered_with_its_equation_its_source_and_its_keys() -> None:
    assert list(RETENTION_LAWS) == ["power", "exponential", "logarithmic", "stretched"]
    for name, law in RETENTION_LAWS.items():
        assert [found.name for found in laws_of(Retention(**NUMBERS[name]))] == [name]
        assert law.equation
        assert law.source
        assert set(law.keys) <= set(Retention.__dataclass_fields__)
        assert {*NUMBERS[name], *SPREADS[name]} <= set(law.keys)


@pytest.mark.parametrize("law", LAWS)
def test_cells_age_by_the_closed_form(law: str) -> None:
    array, since, w = array_of(**NUMBERS[law]), 0.0, WEIGHTS.double().numpy()
    near(array.snapshot(), w)
    for wait in (0.5, 1.5, 18.0, 180.0, 1e4):
        array.elapse(wait)
        since += wait
        near(array.snapshot(), CLOSED[law](w, since))


@pytest.mark.parametrize("law", LAWS)
def test_two_waits_are_one_wait_and_no_time_is_none(law: str) -> None:
    numbers = NUMBERS[law] | SPREADS[law]
    one, two = array_of(**numbers), array_of(**numbers)
    two.elapse(0.0)
    assert torch.equal(two.snapshot(), WEIGHTS)
    one.elapse(717.0)
    for wait in (3.0, 0.25, 13.75, 700.0):
        two.elapse(wait)
    assert (one.snapshot() - WEIGHTS).abs().max() > 0.02
    torch.testing.assert_close(one.snapshot(), two.snapshot(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_huge_times_stay_in_range(law: str) -> None:
    array = array_of(**NUMBERS[law] | SPREADS[law])
    for wait in (1e12, 1e30, 1e300):
        array.elapse(wait)
        found = array.snapshot()
        assert found.isfinite().all()
        assert (found >= ZERO - 1e-6).all()
        assert (found <= torch.maximum(WEIGHTS, torch.tensor(0.2)) + 1e-6).all()
    if RETENTION_LAWS[law].to_rest:
        near(found, np.full(WEIGHTS.shape, 0.2))


@pytest.mark.parametrize("law", LAWS)
def test_a_write_restarts_the_law_of_its_cell_alone(law: str) -> None:
    array, w = array_of(**NUMBERS[law]), WEIGHTS.double().numpy()
    array.elapse(100.0)
    pulse_cell(array, 3, 4, 10)
    expected = CLOSED[law](w, 100.0)
    expected[3, 4] += 0.010
    near(array.snapshot(), expected)
    array.elapse(900.0)
    later = CLOSED[law](w, 1000.0)
    later[3, 4] = CLOSED[law](expected[3, 4], 900.0)
    near(array.snapshot(), later)


@pytest.mark.parametrize("law", LAWS)
def test_a_checkpoint_holds_every_clock(law: str) -> None:
    numbers = NUMBERS[law] | SPREADS[law]
    array = array_of(**numbers)
    array.elapse(30.0)
    pulse_cell(array, 1, 1, 20)
    array.elapse(5.0)
    again = array_of(WEIGHTS * 0, **numbers)
    again.load_state_dict(array.state_dict())
    assert torch.equal(array.snapshot(), again.snapshot())
    for both in (array, again):
        both.elapse(300.0)
        pulse_cell(both, 2, 2, 5)
    assert torch.equal(array.snapshot(), again.snapshot())


@pytest.mark.parametrize(
    ("law", "of_left"),
    [
        ("power", lambda left, t: -np.log(left) / math.log(t / 2.0)),
        ("exponential", lambda left, t: np.log(-t / np.log(left))),
        ("stretched", lambda left, t: np.log(t * (-np.log(left)) ** -2.5)),
        ("logarithmic", lambda left, t: (1 - left) / math.log10(t / 2.0)),
    ],
)
def test_devices_spread_as_the_numbers_say(law: str, of_left: Callable[[np.ndarray, float], np.ndarray]) -> None:
    """10,000 cells, each solved for its own number: mean to 5 standard errors, standard deviation to 4 %."""
    array = array_of(torch.full((100, 100), 0.0), **NUMBERS[law] | SPREADS[law] | {"rest": 0.2})
    array.elapse(20.0)
    end = 0.2 if RETENTION_LAWS[law].to_rest else ZERO
    number = of_left((array.snapshot().double().numpy() - end) / (0.0 - end), 20.0)
    mean = {"power": 0.1, "logarithmic": 0.08}.get(law, math.log(40.0))
    spread = next(value for key, value in SPREADS[law].items() if "dtod" in key)
    assert number.mean() == pytest.approx(mean, abs=5 * spread / 100)
    assert number.std() == pytest.approx(spread, rel=0.04)


def test_lifetimes_and_losses_depend_on_the_state_as_written() -> None:
    """tau = 40 exp(1.5 (s - 1/2)), also without a stretch; k = 0.08 + 0.1 (s - 1/2)."""
    w = np.array([[-0.9, -0.3, 0.1, 0.8]])
    state = (w + 1) / 2 - 0.5
    for stretch in (1.0, 0.5):
        array = array_of(torch.from_numpy(w).float(), lifetime=40.0, lifetime_state=1.5, stretch=stretch, rest=-0.5)
        for since in (10.0, 50.0):
            array.elapse(since if since == 10.0 else 40.0)
            left = np.exp(-((since / (40.0 * np.exp(1.5 * state))) ** stretch))
            near(array.snapshot(), -0.5 + (w + 0.5) * left)
    array = array_of(torch.from_numpy(w).float(), loss_per_decade=0.08, loss_per_decade_state=0.1)
    array.elapse(1000.0)
    near(array.snapshot(), ZERO + (w - ZERO) * (1 - 3 * (0.08 + 0.1 * state)))


def test_a_decay_to_a_rest_beyond_the_bounds_ends_at_the_bound() -> None:
    """As the simple decay's cells do."""
    for stretch in (1.0, 0.5):
        array = array_of(lifetime=1.0, stretch=stretch, rest=-3.0)
        array.elapse(1e4)
        torch.testing.assert_close(array.snapshot(), torch.full_like(WEIGHTS, -1.0))


@pytest.mark.parametrize("law", LAWS)
def test_figures_draw_the_same_law(law: str) -> None:
    """`device plot` and the engine, in siemens: 1 S per unit of weight from 0 S at ZERO, range -1 to 1."""
    start, seconds = np.array([0.5, 1.6, 2.1]), np.array([0.1, 2.0, 50.0, 1e4])
    drawn = ch.drift_curves(
        Retention(**NUMBERS[law]), start, seconds, 2, torch.Generator(), -1.0 - ZERO, 1.0 - ZERO, 0.0, 0.2 - ZERO
    )
    expected = np.stack([CLOSED[law](start + ZERO, t) - ZERO for t in seconds], 1)
    np.testing.assert_allclose(drawn.mean, expected, rtol=1e-6)


# what a device's file says


def with_retention(**numbers: Any) -> DeviceModel:
    return load_device("ecram").with_parameters({f"retention.{key}": value for key, value in numbers.items()})


HOT = {"activation_energy": 0.6, "reference_temperature": 300.0}


@pytest.mark.parametrize("law", LAWS)
def test_temperature_multiplies_the_rates(law: str) -> None:
    """exp(0.6 eV / k (1 / 300 K - 1 / 330 K)) = 8.25: of nu, of the loss per decade, of 1 / lifetime."""
    times = math.exp(0.6 / 8.617333e-5 * (1 / 300 - 1 / 330))
    numbers = NUMBERS[law] | SPREADS[law]
    cold = with_retention(**numbers, **HOT).retention_parameters()
    assert cold == Retention(**numbers)
    hot = with_retention(**numbers, **HOT, temperature=330.0).retention_parameters()
    main = {"power": "drift_nu", "logarithmic": "loss_per_decade"}.get(law)
    if main is None:
        assert hot.lifetime == pytest.approx(40.0 / times, rel=1e-6)
        assert (hot.stretch, hot.rest, hot.lifetime_dtod_ln) == (cold.stretch, cold.rest, cold.lifetime_dtod_ln)
    else:
        for key in (main, f"{main}_dtod", f"{main}_state"):
            assert getattr(hot, key) == pytest.approx(times * getattr(cold, key), rel=1e-6)
        assert hot.drift_t0 == 2.0


def test_the_temperature_of_a_run_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "warm.toml"
    path.write_text(with_retention(**NUMBERS["stretched"], **HOT).to_toml(), encoding="utf-8")
    section = HardwareSection(backend="analog", device=str(path), kelvin=330.0)
    warm, cold = device_model(section), device_model(section.model_copy(update={"kelvin": None}))
    assert warm is not None
    assert cold is not None
    assert warm.retention_parameters().lifetime == pytest.approx(40.0 / 8.2457, rel=1e-3)
    assert cold.retention_parameters().lifetime == 40.0
    assert warm.checksum() != cold.checksum()
    with pytest.raises(InputError, match=r"hardware\.kelvin: got 330, but nothing of device ecram depends on it"):
        device_model(section.model_copy(update={"device": "ecram"}))
    with pytest.raises(InputError, match=r"hardware\.kelvin: got 330, but device ideal has no temperature"):
        device_model(section.model_copy(update={"backend": "aihwkit", "device": "ideal"}))
    assert "kelvin" not in HardwareSection().model_dump()


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"drift_nu": 0.1, "loss_per_decade": 0.1}, "two laws, power and logarithmic"),
        ({"drift_nu": 0.1, "lifetime": 9.0, "stretch": 0.5}, "two laws, power and stretched"),
        ({"stretch": 0.5}, "got stretch and no lifetime"),
        ({"lifetime": 1.0, "stretch": 1.5}, "stretch must be above 0 and at most 1, but got 1.5"),
        ({"lifetime": 1.0, "lifetime_dtod": 0.1, "lifetime_dtod_ln": 0.1}, "lifetime_dtod and lifetime_dtod_ln"),
        ({"loss_per_decade": -0.1}, "loss_per_decade: got -0.1; allowed: at least 0"),
        ({"temperature": 300.0}, "temperature: got it without activation_energy"),
        ({"activation_energy": 0.6}, "reference_temperature: missing"),
        ({**HOT, "temperature": 0.0}, r"temperature: got 0 K; allowed: at least 1 K"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_by_name(numbers: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        with_retention(**numbers)


def test_a_power_law_beside_a_simple_decay_stays_possible() -> None:
    """As in device files before there were other laws."""
    array = array_of(drift_nu=0.1, lifetime=40.0, rest=ZERO)
    array.elapse(10.0)
    near(array.snapshot(), np.maximum(ZERO + (WEIGHTS.double().numpy() - ZERO) * np.exp(-0.25), -1.0) * 10.0**-0.1
         + ZERO * (1 - 10.0**-0.1))  # fmt: skip


def test_what_aihwkit_has_no_counterpart_of_is_named() -> None:
    lost = {law: lost_in_aihwkit(with_retention(**NUMBERS[law] | SPREADS[law])) for law in LAWS}
    assert lost["logarithmic"] == [f"retention.loss_per_decade{end}" for end in ("", "_dtod", "_state")]
    assert {"retention.lifetime_state", "retention.lifetime_dtod_ln", "retention.stretch"} <= set(lost["stretched"])
    assert "retention.lifetime_dtod_ln" in lost["exponential"]
    assert lost_in_aihwkit(with_retention(lifetime=40.0, **HOT, temperature=330.0)) == []


def test_show_and_the_figure_speak_of_the_law(tmp_path: Path) -> None:
    path = tmp_path / "slow.toml"
    path.write_text(with_retention(**NUMBERS["stretched"], **HOT, temperature=330.0).to_toml(), encoding="utf-8")
    done = CliRunner().invoke(device_app, ["show", str(path)])
    assert "retention, stretched: w(t) = rest + (w - rest) exp(-(t / tau)^beta), τ = 4.85 s, β = 0.4" in done.output
    assert "temperature: 330 K, 8.25 times as fast as at 300 K; 0.6 eV" in done.output
    ax = Figure().subplots()
    draw_drift(ax, ch.characterise(load_device(path), torch.Generator(), devices=2, pulses=1, cycles=1))
    assert ax.get_title() == "Retention: stretched, τ = 4.85 s, β = 0.4"
    mean = ax.lines[-1].get_ydata()
    assert np.ptp(mean) > 0.2 * np.max(mean)  # it is drawn over the times in which it happens


@pytest.mark.parametrize(("energy", "kelvin", "reference"), [(1.5, 400.0, 20.0), (1.0, 10.0, 300.0)])
def test_a_temperature_that_no_number_can_follow_is_refused(energy: float, kelvin: float, reference: float) -> None:
    with pytest.raises(InputError, match=rf"hardware\.kelvin: got {kelvin:g} K, which ages cells exp\(.*1e-30 to 1e30"):
        arrhenius(energy, kelvin, reference)

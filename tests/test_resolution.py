"""The law of separation and decision time: its limits, its consistency, and its fit."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import numpy as np
import pytest
import torch

from neurohw.circuits.characteristics import DecisionTimes, Numbers, Transfer
from neurohw.circuits.resolution import Resolution
from neurohw.circuits.resolution_fit import fit_resolution
from neurohw.errors import InputError
from tests.approximately import approx

LAW = Resolution(50e-15, early_voltage=2.3, ceiling=0.5, fixed_delay=1e-7, cell_delay=1e-8)
SLEWING = Resolution(50e-15, early_voltage=None, ceiling=None)
DIFFERENCES = np.geomspace(1e-3, 0.9, 13)


def balance(law: Resolution, separation: Numbers) -> Numbers:
    """The current balance of the runner-up's sink, as written: the difference that rests at this separation."""
    assert law.early_voltage is not None
    assert law.ceiling is not None

    def sink(node: Numbers | float) -> Numbers:
        return np.asarray(-np.expm1(-node / law.thermal_voltage) * (1 + node / law.early_voltage))

    return np.asarray(1 - sink(law.ceiling - separation) / sink(law.ceiling))


@pytest.mark.parametrize("law", [LAW, Resolution(1e-15, 30.0, 1.2), Resolution(1e-12, 0.3, 0.2)])
def test_rest_balances_the_currents(law: Resolution) -> None:
    np.testing.assert_allclose(balance(law, law.separation(DIFFERENCES)), DIFFERENCES, rtol=1e-9)


def test_separation_follows_the_published_four_cell_circuit() -> None:
    published = np.array([440, 133, 55, 28, 14])  # mV, HARDWARE.md section 3
    law = Resolution(50e-15, early_voltage=2.28, ceiling=0.52)
    found = 1e3 * law.separation(np.array([0.2, 0.05, 0.02, 0.01, 0.005]))
    np.testing.assert_allclose(found, published, rtol=0.06)


def test_slewing_takes_c_dv_over_di() -> None:
    assert SLEWING.decision_time(1.0, 0.5e-9, 0.13, n=8) == approx(13e-6)  # 50 fF, 0.13 V, 0.5 nA
    assert SLEWING.resolvable(5e-9, 13e-6, 0.13, n=8) == approx(0.1)
    assert SLEWING.separation(0.1, 5e-9, 13e-6) == approx(0.13)
    assert LAW.decision_time(0.5, 1e-8, 1e-3, n=1) - LAW.delay(1) == approx(50e-15 * 1e-3 / 0.5e-8, rel=1e-3)


def test_small_differences_are_amplified_by_the_gain() -> None:
    assert LAW.gain == approx(2.8)
    assert LAW.separation(1e-4) == approx(2.8e-4, rel=1e-3)
    assert LAW.resolvable(1e-9, None, 0.028, n=4) == approx(0.01, rel=1e-3)


def test_separation_ends_at_the_ceiling() -> None:
    assert LAW.separation(1.0) == approx(0.5)
    assert LAW.decision_time(1.0, 1e-8, 0.5, n=4) == math.inf
    assert LAW.resolvable(1e-8, None, 0.51, n=4) == math.inf


@pytest.mark.parametrize("law", [LAW, SLEWING, Resolution(50e-15, None, 0.5), Resolution(50e-15, 2.0, None)])
@pytest.mark.parametrize("required", [0.01, 0.13])
def test_the_three_quantities_agree(law: Resolution, required: float) -> None:
    seconds = law.decision_time(DIFFERENCES, 3e-9, required, n=16, k=2)
    decided = np.isfinite(seconds)
    assert decided.any()
    for difference, time in zip(DIFFERENCES[decided], seconds[decided], strict=True):
        assert law.separation(float(difference), 3e-9, float(time), n=16, k=2) == approx(required)
        assert law.resolvable(3e-9, float(time), required, n=16, k=2) == approx(difference)


def test_too_small_differences_never_decide() -> None:
    least = LAW.resolvable(1e-9, None, 0.13, n=4)
    times = LAW.decision_time(np.array([0.99 * least, 1.01 * least]), 1e-9, 0.13, n=4)
    assert np.isinf(times).tolist() == [True, False]


def test_delay_grows_with_competitors_per_winner() -> None:
    assert LAW.delay(64) - LAW.delay(4) == approx(60e-8)
    assert LAW.delay(64, k=16) == approx(1e-7 + 64e-8 / 31)
    assert LAW.separation(0.5, 1e-9, LAW.delay(64), n=64) == 0
    assert LAW.resolvable(1e-9, LAW.delay(64), 0.01, n=64) == math.inf


def test_separation_grows_with_difference_and_time() -> None:
    longer = [LAW.separation(DIFFERENCES, 1e-9, t, n=4) for t in (1e-6, 1e-5, 1e-4, 1e-2)]
    assert (np.diff(np.stack(longer), axis=0) > 0).all()
    assert (np.diff(np.stack(longer), axis=1) > 0).all()
    np.testing.assert_allclose(longer[-1], LAW.separation(DIFFERENCES), rtol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_and_arrays_give_the_same(dtype: torch.dtype) -> None:
    currents = np.array([[1e-9, 3e-9], [1e-8, 1e-7]])
    tensor = torch.tensor(currents, dtype=dtype)
    for law in (LAW, SLEWING):
        for seconds in (None, 1e-5):
            found = law.resolvable(tensor, seconds, 0.13, n=16)
            assert found.dtype == dtype
            np.testing.assert_allclose(found.numpy(), law.resolvable(currents, seconds, 0.13, n=16), rtol=1e-4)
        times = law.decision_time(torch.full_like(tensor, 0.3), tensor, 0.13, n=16)
        np.testing.assert_allclose(
            times.numpy(), law.decision_time(0.3 + 0 * currents, currents, 0.13, n=16), rtol=1e-4
        )
        apart = law.separation(torch.full_like(tensor, 0.3), tensor, 1e-5, n=16)
        array = law.separation(0.3 + 0 * currents, currents, 1e-5, n=16)
        np.testing.assert_allclose(apart.numpy(), array, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [("node_capacitance", 0.0), ("early_voltage", -1.0), ("ceiling", math.nan), ("cell_delay", -1e-9)],
)
def test_wrong_parameters_are_named(name: str, value: float) -> None:
    parameters = {"node_capacitance": 1e-15, "early_voltage": 1.0, "ceiling": 1.0, name: value}
    with pytest.raises(InputError, match=rf"resolution\.{name}: got .*; allowed: "):
        Resolution(**parameters)


def test_a_circuit_biased_for_another_current_is_as_its_transistors_say() -> None:
    """I = I_0 exp((V_g / n - V_s) / U_T) of sink and follower, solved for the nodes at either current."""
    n, u, leak = 1.4, 0.0259, 1e-15

    def rest(current: float) -> float:
        common = n * u * math.log(current / leak)  # the sink's gate, its source at ground
        return n * (common + u * math.log(2 * current / leak))  # the follower's gate, its source at the common node

    law = Resolution(5e-14, 6.0, rest(1e-9), u, 4e-7, 2e-8, unit_current=1e-9, slope_factor=n)
    fast = law.at(8e-9)
    assert fast.ceiling == approx(rest(8e-9), rel=1e-12)
    assert fast.delay(32, 4) == approx(law.delay(32, 4) / 8, rel=1e-12)
    assert astuple(fast.at(1e-9)) == approx(astuple(law), rel=1e-12)
    # small differences, far from the ceiling: all of a decision takes an eighth of the time
    assert fast.decision_time(0.05, 8e-9, 0.05, 32, 4) * 8 == approx(
        law.decision_time(0.05, 1e-9, 0.05, 32, 4), rel=0.05
    )
    assert LAW.at(5e-6) is LAW  # nothing says for which current it holds


@pytest.mark.parametrize("current", [1e-8 * 20.5, 1e-8 / 20.5, 0.0, math.nan])
def test_a_current_too_far_from_the_characterised_one_is_refused(current: float) -> None:
    law = Resolution(5e-14, 6.0, 0.6, unit_current=1e-8)
    with pytest.raises(InputError, match=r"at 1e-08 A; allowed: 5e-10 to 2e-07 A, .*circuit characterise"):
        law.at(current)


def test_fit_finds_the_slope_factor_from_several_currents() -> None:
    law = replace(LAW, unit_current=1e-9, slope_factor=1.45)
    found = [measured(law.at(current), currents=(current,)) for current in (1e-9, 4e-9)]
    transfers, times = ([one for part in parts for one in part] for parts in zip(*found, strict=True))
    fit = fit_resolution(transfers, times, biased=True)
    assert max(fit.worst) < 1e-3
    assert fit.resolution.unit_current == 1e-9
    for name in ("ceiling", "early_voltage", "fixed_delay", "cell_delay", "slope_factor"):
        assert getattr(fit.resolution, name) == approx(getattr(law, name), rel=0.01)
    assert "slope_factor" in fit.standard_errors


def test_time_without_current_is_refused() -> None:
    with pytest.raises(InputError, match="seconds without a current"):
        LAW.separation(0.1, seconds=1e-6)


def measured(
    law: Resolution, noise: float = 0.0, seed: int = 0, currents: tuple[float, ...] = (1e-9, 1e-8)
) -> tuple[list[Transfer], list[DecisionTimes]]:
    """What a circuit that obeys the law would show, each number wrong by a relative Gaussian error."""
    rng = np.random.default_rng(seed)
    differences = np.geomspace(3e-3, 0.3, 11)
    transfers, times = [], []
    for n in (4, 64):
        apart = law.separation(differences) * (1 + noise * rng.standard_normal(11))
        transfers.append(Transfer(n, 1, currents[0], differences, apart, np.zeros((11, 2))))
        for current in currents:
            for required in (0.03, 0.1):
                seconds = law.decision_time(differences, current, required, n) * (1 + noise * rng.standard_normal(11))
                times.append(DecisionTimes(n, 1, current, required, differences, seconds))
    return transfers, times


@pytest.mark.parametrize(
    "law",
    [
        LAW,
        Resolution(3e-12, early_voltage=1.6, ceiling=0.4, fixed_delay=3e-6),
        Resolution(2e-15, early_voltage=25.0, ceiling=0.3, cell_delay=2e-9),
    ],
)
def test_fit_finds_the_law_again(law: Resolution) -> None:
    fit = fit_resolution(*measured(law))
    assert fit.disagreements == 0
    assert max(fit.worst) < 1e-3
    for name in ("node_capacitance", "early_voltage", "ceiling"):
        assert getattr(fit.resolution, name) == approx(getattr(law, name), rel=2e-3)
    for name in ("fixed_delay", "cell_delay"):
        assert getattr(fit.resolution, name) == approx(getattr(law, name), rel=0.01, abs=1e-10)


def root_mean_square(errors: tuple[Numbers, ...]) -> float:
    together = np.concatenate(errors)
    return float(np.sqrt(np.mean(together[np.isfinite(together)] ** 2)))


def test_fit_reports_residuals_and_standard_errors() -> None:
    fit = fit_resolution(*measured(LAW, noise=0.03))
    assert all(0.02 < root_mean_square(errors) < 0.05 for errors in (fit.separation, fit.seconds))
    for name, error in fit.standard_errors.items():
        assert abs(getattr(fit.resolution, name) - getattr(LAW, name)) < 4 * error
    assert fit.standard_errors["node_capacitance"] < 0.02 * LAW.node_capacitance


def test_fit_without_saturation_still_knows_the_gain() -> None:
    law = Resolution(50e-15, early_voltage=0.6, ceiling=1.4)
    fit = fit_resolution(*measured(law))
    assert max(fit.worst) < 0.01
    assert fit.resolution.gain == approx(2.0, rel=0.01)
    assert fit.resolution.ceiling is not None
    assert law.separation(0.3) < fit.resolution.ceiling < 1.5


def test_fit_leaves_out_what_never_decides() -> None:
    transfers, times = measured(LAW)
    assert any(np.isinf(t.seconds).any() for t in times)
    fit = fit_resolution(transfers, times)
    for residual, time in zip(fit.seconds, times, strict=True):
        assert (np.isnan(residual) == np.isinf(time.seconds)).all()


def test_fit_of_one_size_has_no_delay_per_cell() -> None:
    transfers, times = measured(LAW)
    fit = fit_resolution(transfers[:1], times[:4])
    assert fit.resolution.delay(4) == approx(LAW.delay(4), rel=1e-2)
    assert "cell_delay" not in fit.standard_errors


def test_fit_needs_data() -> None:
    transfers, _ = measured(LAW)
    with pytest.raises(InputError, match="got 0 separations and 0 finite decision times; allowed: at least 3 and 2"):
        fit_resolution([], [])
    with pytest.raises(InputError, match="0 finite decision times"):
        fit_resolution(transfers, [])

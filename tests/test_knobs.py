"""Knobs of a device that mean the same for any law, measured on simulated staircases: no formula of a law is used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from neurohw.crossbar.aihwkit.translation import to_aihwkit
from neurohw.devices.characterise import staircase
from neurohw.devices.knobs import turned
from neurohw.devices.laws import (
    ConstantStep,
    ExponentialStep,
    LinearStep,
    PiecewiseStep,
    PowerStep,
    PulseResponse,
    SoftBounds,
    SoftBoundsReference,
)
from neurohw.devices.library import load_device
from neurohw.errors import InputError

SPREADS: dict[str, Any] = dict.fromkeys(("step_dtod", "step_ctoc", "asymmetry_dtod", "w_max_dtod", "w_min_dtod"), 0.0)
QUIET: dict[str, Any] = SPREADS | {"step": 0.004}
BOUNDS: dict[str, Any] = {"w_max": 1.2, "w_min": -0.8}
FALLING: dict[str, Any] = {"A_up": -1.0, "A_down": -0.5, "gamma_up": -6.0, "gamma_down": -5.0}
LAWS = {
    "constant": ConstantStep(**QUIET, **BOUNDS, asymmetry=0.3),
    "linear": LinearStep(**QUIET, **BOUNDS, gamma_up=0.5, gamma_down=0.2, gamma_up_dtod=0, gamma_down_dtod=0),
    "soft-bounds": SoftBounds(**QUIET, **BOUNDS, asymmetry=-0.4),
    "soft-bounds-reference": SoftBoundsReference(**QUIET, **BOUNDS, asymmetry=0.2, subtract_symmetry_point=True),
    "exponential": ExponentialStep(**QUIET, **BOUNDS, A_up=0.1, A_down=0.4, gamma_up=2.0, gamma_down=1.5),
    "falling exponential": ExponentialStep(**QUIET | {"step": 0.0008}, **BOUNDS, **FALLING),
    "power": PowerStep(**QUIET, **BOUNDS, gamma=1.5, gamma_asymmetry=0.4, gamma_dtod=0.0),
    "piecewise": PiecewiseStep(
        **QUIET, **BOUNDS, table_up=(1.4, 1.2, 1.0, 0.5, 0.4), table_down=(0.3, 0.7, 1, 1.1, 1.3)
    ),
}
TAKES_ANY = ["linear", "exponential", "falling exponential", "power", "piecewise"]


@dataclass(frozen=True)
class Measured:
    """Steps of one cell at 1/4, 1/2 and 3/4 of its range, from pulses one by one."""

    up: np.ndarray
    down: np.ndarray

    @property
    def ratio(self) -> float:
        return float(self.up[1] / self.down[1])

    @property
    def mean(self) -> float:
        return float(self.up[1] + self.down[1]) / 2

    @property
    def nonlinearity(self) -> tuple[float, float]:
        return 1 - float(self.up[2] / self.up[0]), 1 - float(self.down[0] / self.down[2])


def measured(law: PulseResponse) -> Measured:
    """Measure from a fifth of the way on; a train goes well beyond four fifths."""
    cell, sides = law.exact_mean_cell(), []
    low, high = cell["w_min"].item(), cell["w_max"].item()
    for pulses, start in (((1500, 0), 0.2), ((0, 1500), 0.8)):
        stairs = staircase(law, 1, *pulses, 1, torch.Generator(), start=low + start * (high - low))
        w = stairs.weights[0, 0]
        assert w.max() > low + 0.76 * (high - low)
        assert w.min() < low + 0.24 * (high - low)
        middles, steps = (w[1:] + w[:-1]) / 2, np.abs(np.diff(w))
        order = np.argsort(middles)
        sides.append(np.interp(low + np.array([0.25, 0.5, 0.75]) * (high - low), middles[order], steps[order]))
    return Measured(*sides)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_ratio_of_steps_up_and_down_at_mid_range(name: str, ratio: float) -> None:
    """And the mean of both, and their nonlinearities, stay."""
    before, after = measured(LAWS[name]), measured(turned(LAWS[name], {"up_down_ratio": ratio}))
    assert after.ratio == pytest.approx(ratio, rel=2e-3)
    assert after.mean == pytest.approx(before.mean, rel=2e-3)
    assert after.nonlinearity == pytest.approx(before.nonlinearity, abs=4e-3)


@pytest.mark.parametrize("name", TAKES_ANY)
@pytest.mark.parametrize("nonlinearity", [0.0, 0.15, 0.4])
def test_what_steps_lose_on_their_way(name: str, nonlinearity: float) -> None:
    """In both directions, while those at mid range stay."""
    before, after = measured(LAWS[name]), measured(turned(LAWS[name], {"nonlinearity": nonlinearity}))
    assert after.nonlinearity == pytest.approx((nonlinearity, nonlinearity), abs=3e-3)
    assert (after.up[1], after.down[1]) == pytest.approx((before.up[1], before.down[1]), rel=2e-3)


@pytest.mark.parametrize("name", ["linear", "falling exponential"])
def test_steps_that_grow_on_their_way(name: str) -> None:
    assert measured(turned(LAWS[name], {"nonlinearity": -0.5})).nonlinearity == pytest.approx((-0.5, -0.5), abs=5e-3)


@pytest.mark.parametrize("name", LAWS)
def test_symmetric_devices_step_down_as_they_step_up(name: str) -> None:
    law = turned(LAWS[name], {"symmetric": True})
    before, after = measured(LAWS[name]), measured(law)
    assert after.ratio == pytest.approx(1, rel=2e-3)
    assert after.down[::-1] == pytest.approx(after.up, rel=2e-3)
    assert after.nonlinearity[0] == pytest.approx(before.nonlinearity[0], abs=3e-3)
    assert after.mean == pytest.approx(before.mean, rel=2e-3)
    assert law.step_at(0.3, up=True) == pytest.approx(law.step_at(0.7, up=False), rel=1e-9)


@pytest.mark.parametrize("name", TAKES_ANY)
def test_knobs_are_turned_together(name: str) -> None:
    after = measured(turned(LAWS[name], {"nonlinearity": 0.3, "symmetric": True}))
    assert (*after.nonlinearity, after.ratio) == pytest.approx((0.3, 0.3, 1), abs=5e-3)
    after = measured(turned(LAWS[name], {"nonlinearity": 0.3, "up_down_ratio": 2.0}))
    assert (*after.nonlinearity, after.ratio) == pytest.approx((0.3, 0.3, 2), abs=5e-3)


@pytest.mark.parametrize(
    ("name", "knobs", "said"),
    [
        ("constant", {"nonlinearity": 0.2}, r"law constant: nonlinearity: got 0.2, .*allowed: 0, which it has"),
        ("soft-bounds", {"nonlinearity": 0.2}, r"law soft-bounds: nonlinearity: .*allowed: 0.667, which it has"),
        ("soft-bounds-reference", {"nonlinearity": 0.0}, r"law soft-bounds-reference: nonlinearity: got 0"),
        ("linear", {"nonlinearity": 0.7}, r"law linear: nonlinearity: got 0.7; allowed: -2 to 2/3"),
        ("exponential", {"nonlinearity": 1.0}, r"law exponential: nonlinearity: got 1; allowed with .* and 1$"),
        ("falling exponential", {"nonlinearity": 0.95}, r"law exponential: nonlinearity: got 0.95; .*-inf and 0\."),
        ("power", {"nonlinearity": -0.1}, r"law power: nonlinearity: got -0.1; allowed: 0 to below 1"),
        ("piecewise", {"nonlinearity": 0.99}, r"law piecewise: nonlinearity: got 0.99, but its table has 0.583"),
        ("linear", {"nonlinearity": True}, r"nonlinearity: got True; allowed: a finite number"),
        ("linear", {"up_down_ratio": 0.0}, r"up_down_ratio: got 0.0; allowed: numbers above 0"),
        ("linear", {"symmetric": 1.0}, r"symmetric: got 1.0; allowed: true, false"),
        ("linear", {"symmetric": True, "up_down_ratio": 2.0}, r"up_down_ratio: got 2.0 beside symmetric"),
    ],
)
def test_what_a_law_cannot_take_is_refused_by_name(name: str, knobs: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        turned(LAWS[name], knobs)


def test_what_a_law_has_anyway_is_no_change() -> None:
    for name, nonlinearity in (("constant", 0.0), ("soft-bounds", 2 / 3), ("soft-bounds-reference", 0.667)):
        law = turned(LAWS[name], {"nonlinearity": nonlinearity})
        assert law.step == pytest.approx(LAWS[name].step, rel=1e-9)
        assert law.asymmetry == pytest.approx(LAWS[name].asymmetry, rel=1e-9)
    assert turned(LAWS["linear"], {"symmetric": False}).step == pytest.approx(LAWS["linear"].step)


def test_bounds_at_zero_that_cannot_be_symmetric_are_refused() -> None:
    law = LinearStep(**QUIET, w_max=1.0, w_min=0.0, gamma_up=0.5, gamma_down=0.0, gamma_up_dtod=0, gamma_down_dtod=0)
    with pytest.raises(InputError, match="symmetric: got true, which it cannot be between bounds 0 and 1"):
        turned(law, {"symmetric": True})
    with pytest.raises(InputError, match="with bounds 0 and 1 no gamma bends both directions"):
        turned(law, {"nonlinearity": 0.5})


def test_a_device_has_its_knobs_as_parameters_of_its_law() -> None:
    device = load_device("ecram")
    turned_device = device.with_parameters({"up_down_ratio": 2.0, "nonlinearity": 0.3, "step_ctoc": 0.0})
    law = turned_device.response()
    assert law.step_ctoc == 0
    assert law.step_at(0.5, up=True) / law.step_at(0.5, up=False) == pytest.approx(2)
    assert (law.nonlinearity(True), law.nonlinearity(False)) == pytest.approx((0.3, 0.3))
    assert turned_device.checksum() != device.checksum()
    sources = {key: quantity.source for key, quantity in turned_device.numbers()}
    assert {key for key, source in sources.items() if source == "override"} == {
        "pulse.step", "pulse.asymmetry", "pulse.gamma_up", "pulse.gamma_down", "pulse.step_ctoc",
    }  # fmt: skip
    assert to_aihwkit(turned_device).gamma_up == pytest.approx(law.gamma_up)  # type: ignore[attr-defined]


def test_spreads_stay_as_they_are() -> None:
    law = load_device("ecram").response()
    kept = [name for name in vars(law) if name.endswith(("_dtod", "_ctoc")) or name.startswith("w_")]
    after = turned(law, {"symmetric": True, "nonlinearity": 0.1})
    assert {name: getattr(after, name) for name in kept} == {name: getattr(law, name) for name in kept}
    assert after != replace(law)


@pytest.mark.parametrize(
    ("device", "parameters", "said"),
    [
        ("pcm", {"up_down_ratio": 2.0}, "device pcm: up_down_ratio: got 2.0, but the device only potentiates"),
        ("pcm", {"symmetric": True}, "device pcm: symmetric: got True, but the device only potentiates"),
        ("ecram", {"up_down_ratio": 2.0, "asymmetry": 0.1}, "device ecram: asymmetry: given beside up_down_ratio"),
        ("ecram", {"nonlinearity": 0.2, "pulse.gamma_up": 0.1}, "device ecram: gamma_up: given beside nonlinearity"),
        ("ecram", {"nonlinearit": 0.2}, r"nonlinearit: unknown key \(did you mean nonlinearity"),
    ],
)
def test_what_a_device_cannot_take_is_refused_by_name(device: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_device(device).with_parameters(parameters)


def test_a_device_that_only_potentiates_is_bent() -> None:
    before = load_device("pcm").response()
    law = load_device("pcm").with_parameters({"nonlinearity": 0.9}).response()
    assert law.nonlinearity(True) == pytest.approx(0.9)
    assert law.step_at(0.5, up=True) == pytest.approx(before.step_at(0.5, up=True))

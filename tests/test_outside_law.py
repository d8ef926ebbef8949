"""A law of somebody else's: one class, which owns its keys; where it has no counterpart, it is refused by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.translation import NoCounterpart, to_aihwkit
from neurohw.devices import characterise as ch
from neurohw.devices.laws import LAWS
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.devices.plausibility import Span
from neurohw.devices.response import Cells, PulseResponse, number
from neurohw.errors import InputError
from neurohw.fitting.law_parameters import fitted_laws
from neurohw.testing import DeviceModelConformance
from tests.approximately import approx

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class LogarithmicStep(PulseResponse):
    """dw+ = s exp(-k U v / V0), dw- = s exp(-k U (1 - v) / V0), v = (w - w_min) / (w_max - w_min), V0 = 1 V.

    Args:
        rate: k, how many e-folds the step loses from bound to bound per volt; pulse_voltage: U, V.
    """

    rate: float = number(3.0, required=True, plausible=Span(0.01, 100))
    pulse_voltage: float = number(1.0, unit="V", required=True, plausible=Span(0.01, 10))
    name: ClassVar[str] = "logarithmic"

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s exp(-k U v)."""
        share = (w - cells["w_min"]) / (cells["w_max"] - cells["w_min"]).clamp(min=1e-12)
        return (-self.rate * self.pulse_voltage * (share if up else 1 - share)).exp() * cells["up" if up else "down"]


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAWS, LogarithmicStep.name, LogarithmicStep)


def device(**changes: tuple[object, str]) -> DeviceModel:
    tables = load_device(ROOT / "device_models/template.toml").tables()
    kept = {key: tables["pulse"][key] for key in ("sided", "step", "w_max", "w_min", "step_ctoc")}
    numbers = {"rate": (1.5, "1"), "pulse_voltage": (2.0, "V"), "step": (0.002, "1")} | changes
    numbers = {key: {"value": value, "unit": unit, "source": "test"} for key, (value, unit) in numbers.items()}
    return device_from_tables({**tables, "name": "mine", "pulse": {**kept, "law": "logarithmic", **numbers}}, "mine")


class TestItsDevice(DeviceModelConformance):
    @pytest.fixture
    def model(self) -> DeviceModel:
        return device()


def test_its_staircase_is_the_logarithm() -> None:
    """Of steps small against the range, v(n) = ln(1 + k U n s / (w_max - w_min)) / (k U), to the size of a step."""
    law = device(step_ctoc=(0.0, "1")).response()
    up = ch.staircase(law, 1, 1000, 0, 1, torch.Generator().manual_seed(1)).mean
    assert (up + 1) / 2 == approx(np.log1p(3 * np.arange(1001) * 0.001) / 3, abs=0.002)


def test_its_keys_are_its_own() -> None:
    with pytest.raises(InputError, match=r"mine: pulse\.rates: unknown key \(did you mean rate\?\).*logarithmic"):
        device(rates=(1.0, "1"))
    with pytest.raises(InputError, match=r"mine: pulse\.pulse_voltage: unit 's' is of dimension 's'; allowed: V"):
        device(pulse_voltage=(1.0, "s"))
    assert device().with_parameters({"pulse_voltage": 0.5}).response() == device(pulse_voltage=(500, "mV")).response()


def test_check_says_where_it_has_no_counterpart_and_finds_slips(neurohw, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(device().to_toml())
    status, out, _ = neurohw("device", "check", "mine.toml")
    assert status == 0
    assert "does not apply  aihwkit takes it: device mine: law 'logarithmic' has no counterpart in aihwkit" in out
    (tmp_path / "mine.toml").write_text(device(pulse_voltage=(1500, "V")).to_toml())
    status, out, _ = neurohw("device", "check", "mine.toml")
    assert status == 2
    assert 'pulse.pulse_voltage: got 1500 V; plausible: 10 mV to 10 V; likely meant: unit = "mV"' in out


def test_aihwkit_and_the_fit_refuse_it_by_name(neurohw, tmp_path: Path) -> None:
    with pytest.raises(NoCounterpart, match=r"device mine: law 'logarithmic'.*those of constant, .*analog backend"):
        to_aihwkit(device(), ignore=True)
    with pytest.raises(InputError, match="law 'logarithmic': there is no fit of it; allowed: constant, "):
        fitted_laws("logarithmic")
    (tmp_path / "mine.toml").write_text(device().to_toml())
    status, _, err = neurohw("run", "quickstart", "--set", "hardware.backend=aihwkit", "--set",
                             "hardware.device=mine.toml")  # fmt: skip
    assert status == 2
    assert "has no counterpart in aihwkit" in err

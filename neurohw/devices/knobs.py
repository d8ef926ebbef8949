"""Knobs that mean the same for any law: how unequal steps up and down are, how much they shrink on their way.

All three are of the mean cell between its bounds, as `PulseResponse.step_at` measures it; spreads stay as they are.
They are turned after every other parameter, in this order: `symmetric`, `nonlinearity`, `up_down_ratio`. The mean of
both steps at mid range stays what it was.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from neurohw.devices.response import PulseResponse
from neurohw.errors import InputError

KNOBS = {
    "symmetric": "true: depressing steps are the mirror image of potentiating ones about mid range, equal there",
    "nonlinearity": "what a step loses between a quarter and three quarters of its way from bound to bound, relative, "
    "in both directions: 0 for equal steps, 2/3 for soft bounds, below 0 where steps grow; those at mid range stay",
    "up_down_ratio": "potentiating over depressing step at mid range; the mean of both stays",
}
_PLACES = [i / 20 for i in range(1, 20)]


def turned(law: PulseResponse, knobs: Mapping[str, Any], sided: int = 2) -> PulseResponse:
    """Return the law with the parameters that the knobs ask for.

    Args:
        law: with all other parameters as they shall be.
        knobs: values by the names of `KNOBS`.
        sided: 1 for devices that only potentiate.

    Raises:
        InputError: a value that is none, knobs that contradict each other, or that this law or device cannot take.
    """
    _check(law, knobs, sided)
    up, down = law.step_at(0.5, up=True), law.step_at(0.5, up=False)
    ratio = knobs.get("up_down_ratio", 1.0 if knobs.get("symmetric") else up / down if down else math.inf)
    if math.isfinite(ratio):
        up, down = (up + down) * ratio / (1 + ratio), (up + down) / (1 + ratio)
    result = law.mirrored() if knobs.get("symmetric") else law
    if (nonlinearity := knobs.get("nonlinearity")) is not None:
        result = result.bent(float(nonlinearity))
    result = _scaled(result, up, down)
    if knobs.get("symmetric") and not _is_symmetric(result):
        raise InputError(f"law {law.name}: symmetric: got true, which it cannot be between bounds {law.w_min:g} and "
                         f"{law.w_max:g}")  # fmt: skip
    return result


def asked_for(law: PulseResponse, knobs: Mapping[str, Any], sided: int, given: Collection[str]) -> dict[str, Any]:
    """Return the parameters that turn a law so; those that are given beside the knobs must be free, but for the step.

    Raises:
        InputError: as of `turned`, or one of `given` would be another.
    """
    result = turned(law, knobs, sided)
    values = {field.name: getattr(result, field.name) for field in dataclasses.fields(law)}
    values = {name: value for name, value in values.items() if value != getattr(law, name)}
    for name in values.keys() - {"step"}:
        if name in given or f"pulse.{name}" in given:
            raise InputError(f"{name}: given beside {', '.join(knobs)}; allowed: one of them")
    return values


def _check(law: PulseResponse, knobs: Mapping[str, Any], sided: int) -> None:
    for name, value in knobs.items():
        flag = name == "symmetric"
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if flag and not isinstance(value, bool):
            raise InputError(f"{name}: got {value!r}; allowed: true, false")
        if not flag and not number:
            raise InputError(f"{name}: got {value!r}; allowed: a finite number")
        if sided == 1 and name != "nonlinearity" and value is not False:
            raise InputError(f"{name}: got {value!r}, but the device only potentiates")
    if (ratio := knobs.get("up_down_ratio", 1.0)) <= 0:
        raise InputError(f"up_down_ratio: got {ratio!r}; allowed: numbers above 0")
    if knobs.get("symmetric") and ratio != 1:
        raise InputError(f"up_down_ratio: got {ratio!r} beside symmetric = true; allowed: one of them")
    if not all(law.step_at(0.5, up) > 0 for up in (True, False)[:sided]):
        raise InputError(f"law {law.name}: {', '.join(knobs)}: its cells do not move at mid range")


def _scaled(law: PulseResponse, up: float, down: float) -> PulseResponse:
    """Return the law with these steps at mid range."""
    cell = law.exact_mean_cell()
    scales = []
    for side, wanted in (("up", up), ("down", down)):
        here = law.step_at(0.5, side == "up")
        scales.append(cell[side].item() * wanted / here if here > 0 else cell[side].item())
    most, least = max(scales), min(scales)
    lost = 1 - least / most
    return dataclasses.replace(law, step=most, asymmetry=lost if scales[1] == least else -lost)


def _is_symmetric(law: PulseResponse) -> bool:
    pairs = [(law.step_at(place, up=True), law.step_at(1 - place, up=False)) for place in _PLACES]
    return all(math.isclose(up, down, rel_tol=1e-6, abs_tol=1e-9 * law.step) for up, down in pairs)

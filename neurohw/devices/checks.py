"""What every device model must do, beyond a valid file: checks that `neurohw device check` and the tests both run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import torch

from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.devices.plausibility import PLAUSIBLE, complaints
from neurohw.devices.recommended import check_names
from neurohw.errors import InputError

CELLS = 2000
_SEED = 20240229
_PULSES = 20_000  # at most, of a staircase

Check = Callable[[DeviceModel], None]


def it_survives_its_own_file(model: DeviceModel) -> None:
    """to_toml, read back, is the same device with the same checksum."""
    again = device_from_tables(tomllib.loads(model.to_toml()), f"device {model.name}, written and read back")
    _need(again == model and again.checksum() == model.checksum(), "written to TOML and read back it is another device")


def numbers_are_plausible(model: DeviceModel) -> None:
    """No number is of a size that no device has: it would be in another unit."""
    of_the_law = {f"pulse.{key}": known.plausible for key, known in model.response().parameters().items()}
    spans = PLAUSIBLE | {key: span for key, span in of_the_law.items() if span}
    wrong = complaints(model.numbers(), spans)
    _need(not wrong, "; ".join(wrong))


def what_is_recommended_can_be_set(model: DeviceModel) -> None:
    """[recommended] names settings that experiments have."""
    check_names(model.recommended)


def weights_and_conductances_are_one_map(model: DeviceModel) -> None:
    """w_min is g_min, w_max is g_max, and the map can be inverted."""
    law = model.response()
    ends = (model.conductance(law.w_min), model.conductance(law.w_max))
    scale = model.g_max - model.g_min
    _need(
        abs(ends[0] - model.g_min) + abs(ends[1] - model.g_max) < 1e-9 * scale,
        f"w_min and w_max stand for {ends[0]:g} and {ends[1]:g} S, not for g_min and g_max",
    )
    w = torch.linspace(law.w_min, law.w_max, 11, dtype=torch.float64)
    _need(bool(torch.allclose(model.weight(model.conductance(w)), w)), "weights do not survive the map to siemens")


def a_population_is_finite(model: DeviceModel) -> None:
    """2,000 drawn cells have finite parameters, and nearly all of them a range and a step."""
    law = model.response()
    cells = law.draw((CELLS,), _generator())
    for key, values in cells.items():
        _need(bool(values.isfinite().all()), f"{key} is not finite in {CELLS} drawn cells: a spread is too large")
    dead = ((cells["w_max"] <= cells["w_min"]) | (cells["up"] <= 0)).double().mean().item()
    _need(dead <= 0.05, f"{dead:.0%} of {CELLS} drawn cells have no range or no step: a spread is too large")


def a_step_is_smaller_than_the_range(model: DeviceModel) -> None:
    """One pulse does not move a cell further than from bound to bound."""
    law = model.response()
    _need(law.step <= law.w_max - law.w_min, f"pulse.step: got {law.step:g}; allowed: up to the range of weights, "
                                             f"{law.w_max - law.w_min:g}")  # fmt: skip


def potentiation_goes_up_and_depression_down(model: DeviceModel) -> None:
    """Pulses from one bound take the mean cell through half of its range, and no step is negative on average."""
    law = model.response()
    cells = law.draw((CELLS,), _generator())
    middle = (cells["w_min"] + cells["w_max"]) / 2
    for up in (True, False) if model.sided == 2 else (True,):
        name, pulses = "potentiation" if up else "depression", min(_PULSES, 20 * int(model.states) + 20)
        share = _climb(model, up, pulses)
        _need(share >= 0.5, f"{name}: {pulses} pulses from the bound take the mean cell through {share:.0%} of its "
                            "range; allowed: at least half; the curve of the law stops it earlier")  # fmt: skip
        mean = law.steps(middle, cells, up).mean().item()
        _need(mean > 0, f"{name}: the mean step of {CELLS} cells in mid-range is {mean:g}; allowed: above 0")


def _climb(model: DeviceModel, up: bool, pulses: int) -> float:
    """Return through which share of its range so many pulses take the mean cell, at most about a half."""
    law = model.response()
    cell = law.mean_cell()
    low, high = cell["w_min"], cell["w_max"]
    start = low if up else high
    w, share = start.clone(), 0.0
    for _ in range(pulses):
        step = law.steps(w, cell, up)
        w = (w + (step if up else -step)).clamp(low, high)
        share = ((w - start).abs() / (high - low)).item()
        if share >= 0.5:
            break
    return share


def noise_is_finite(model: DeviceModel) -> None:
    """The cycle-to-cycle spread is a finite number at every weight of every cell."""
    law = model.response()
    cells = law.draw((CELLS,), _generator())
    for place in (0.0, 0.5, 1.0):
        w = cells["w_min"] + place * (cells["w_max"] - cells["w_min"])
        for up in (True, False):
            noise = torch.as_tensor(law.noise(w, law.steps(w, cells, up), cells, up))
            _need(bool(noise.isfinite().all()), f"the cycle-to-cycle spread is not finite at {place:.0%} of the range")


CHECKS: tuple[Check, ...] = (
    it_survives_its_own_file,
    numbers_are_plausible,
    what_is_recommended_can_be_set,
    weights_and_conductances_are_one_map,
    a_population_is_finite,
    a_step_is_smaller_than_the_range,
    potentiation_goes_up_and_depression_down,
    noise_is_finite,
)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(_SEED)


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InputError(otherwise)

"""A device model as aihwkit's device, and aihwkit's presets as device models: the same numbers under other names.

aihwkit counts time in mini-batches: its lifetime and diffusion are those of a device at one batch a second.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from neurohw.crossbar.aihwkit.presets import device_preset
from neurohw.crossbar.aihwkit.rpu_config import aihwkit_api, set_field
from neurohw.devices.laws import LAWS, PulseResponse
from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.devices.tables import REQUIRED, SHAPE
from neurohw.errors import InputError
from neurohw.quantity import ASSUMED

DEFAULT = "aihwkit 1.1.0 default"
FITTED = "the reference, as fitted in aihwkit 1.1.0"

_CLASSES = {
    "constant": "ConstantStepDevice",
    "linear": "LinearStepDevice",
    "soft-bounds": "SoftBoundsDevice",
    "soft-bounds-reference": "SoftBoundsReferenceDevice",
    "exponential": "ExpStepDevice",
    "power": "PowStepDevice",
    "piecewise": "PiecewiseStepDevice",
}
_PULSE = {  # ours: aihwkit's, where they differ
    "step": "dw_min",
    "step_dtod": "dw_min_dtod",
    "step_log_normal": "dw_min_dtod_log_normal",
    "step_ctoc": "dw_min_std",
    "asymmetry": "up_down",
    "asymmetry_dtod": "up_down_dtod",
    "write_noise": "write_noise_std",
    "reference": "reference_mean",
    "reference_dtod": "reference_std",
    "noise_offset": "dw_min_std_add",
    "noise_slope": "dw_min_std_slope",
    "table_up": "piecewise_up",
    "table_down": "piecewise_down",
}
_POWER = {
    "gamma": "pow_gamma",
    "gamma_dtod": "pow_gamma_dtod",
    "gamma_asymmetry": "pow_up_down",
    "gamma_asymmetry_dtod": "pow_up_down_dtod",
}
_RETENTION = {"lifetime": "s", "lifetime_dtod": "1", "diffusion": "1/sqrt(s)", "diffusion_dtod": "1"}
_NOT_TRANSLATED = {"additive_noise"}  # aihwkit's `mult_noise` is its opposite


def to_aihwkit(model: DeviceModel, ignore: bool = False) -> Any:
    """Return aihwkit's dataclass of a device.

    Args:
        model: the device.
        ignore: leave out what aihwkit cannot do (`lost_in_aihwkit`) instead of refusing the device.

    Raises:
        InputError: the device has something that aihwkit cannot do, or a field of [aihwkit] that it does not have.
        EnvironmentMismatch: aihwkit cannot be imported.
    """
    lost = lost_in_aihwkit(model)
    if lost and not ignore:
        raise InputError(
            f"device {model.name}: aihwkit has no counterpart of {', '.join(lost)}; use the analog backend"
        )
    law = model.response()
    device = getattr(aihwkit_api().configs, _CLASSES[law.name])()
    for field in dataclasses.fields(law):
        _set_pulse(device, law, field.name)
    _set_retention(device, model)
    for name, value in model.aihwkit.items():
        set_field(device, name, value, f"device {model.name}: [aihwkit]")
    return device


def lost_in_aihwkit(model: DeviceModel) -> list[str]:
    """Return the dotted keys of what changes results but has no counterpart in aihwkit's devices.

    aihwkit's weights are signed by themselves. Those of other devices are conductances less a reference, which ages
    too: of a drift that all devices have in common the same is left, but not of spreads, walks and a rest of their own.
    """
    retention, faults = model.retention_parameters(), model.fault_rates()
    of_conductance = ("drift_nu_state", "drift_nu_log", "drift_nu_dtod_log")
    lost = [key for key in (*of_conductance, "relaxation", "read_noise_1f") if getattr(retention, key)]
    mean, spread = retention.middle
    lost += ["drift_nu_dtod"] if spread and not (model.signed and mean) else []
    if not model.signed:
        lost += ["diffusion"] if retention.diffusion else []
        lost += ["rest"] if retention.lifetime and retention.rest else []
    found = [f"retention.{key}" for key in lost]
    found += [f"faults.{f.name}" for f in dataclasses.fields(faults)
              if getattr(faults, f.name) and f.name != "endurance_dtod"]  # fmt: skip
    found += ["conductance.levels"] if model.levels else []
    found += ["read.noise_scale"] if model.read_noise_scale else []
    law = model.response()
    return [*found, "pulse.write_noise"] if law.write_noise and law.name == "constant" else found


def aihwkit_takes_it(model: DeviceModel) -> None:
    """A check of device models: aihwkit makes a tile of the device, what it has no counterpart of left out.

    Raises:
        InputError: aihwkit refuses; its own message is in ours.
    """
    api = aihwkit_api()
    config = api.configs.SingleRPUConfig(device=to_aihwkit(model, ignore=True))
    try:
        config.tile_class(2, 2, config, bias=False)
    except (api.error, RuntimeError) as error:
        raise InputError(f"aihwkit refuses it: {' '.join(str(error).split())}") from error


def from_aihwkit(name: str) -> DeviceModel:
    """Return a preset of aihwkit as a device model.

    aihwkit knows no conductances: the range is an assumption. Numbers that the preset itself sets have its publication
    as their source; what its law's dataclass would give anyway has "aihwkit 1.1.0 default", and is left out where it
    is what a device file means by leaving it out.

    Args:
        name: from `neurohw.crossbar.aihwkit.presets`.

    Raises:
        InputError: no such preset, or "ideal", which has no pulse law.
    """
    preset = device_preset(name)
    device = preset.load()()
    law = _law_of(device, name)
    base = getattr(aihwkit_api().configs, _CLASSES[law])()

    def quantity(field: str, value: Any, unit: str = "1") -> dict[str, Any]:
        own = type(device) is not type(base) and field in type(device).__annotations__
        return {"value": value, "unit": unit, "source": FITTED if own else DEFAULT}

    tables: dict[str, Any] = {
        "name": name,
        "description": preset.description,
        "technology": preset.description,
        "cell": "not specified",
        "reference": preset.source if preset.source != "generic" else "generic law of aihwkit 1.1.0",
        "conductance": {
            "g_min": {"value": 1, "unit": "uS", "source": ASSUMED},
            "g_max": {"value": 25, "unit": "uS", "source": ASSUMED},
        },
        "pulse": {"law": law, "sided": preset.sided, "signed": True, **_pulse_table(device, law, quantity)},
        "retention": _retention_table(device, quantity),
        "aihwkit": _leftovers(device, base, law),
    }
    return device_from_tables({key: table for key, table in tables.items() if table != {}}, f"preset {name}")


def _law_of(device: Any, name: str) -> str:
    api = aihwkit_api()
    for law, attribute in _CLASSES.items():
        if isinstance(device, getattr(api.configs, attribute)):
            return law
    raise InputError(f"preset {name!r} has no pulse-response law; allowed: the pulsed ones, all but 'ideal'")


@functools.cache
def _names(law: str) -> Mapping[str, str]:
    """Return aihwkit's name of each parameter of a law, where it is the same number."""
    own = {**_PULSE, **(_POWER if law == "power" else {})}
    names = {field.name: own.get(field.name, field.name) for field in dataclasses.fields(LAWS[law])}
    absent = {"write_noise"} if law == "constant" else set()
    return {ours: theirs for ours, theirs in names.items() if ours not in _NOT_TRANSLATED | absent}


def _set_pulse(device: Any, law: PulseResponse, name: str) -> None:
    value = getattr(law, name)
    if name == "additive_noise":
        device.mult_noise = not value
    elif name in _names(law.name):
        setattr(device, _names(law.name)[name], list(value) if isinstance(value, tuple) else value)


def _set_retention(device: Any, model: DeviceModel) -> None:
    retention = model.retention_parameters()
    for name in _RETENTION:
        setattr(device, name, getattr(retention, name))
    device.reset = retention.rest
    mean, spread = retention.middle
    if mean:
        device.drift.nu, device.drift.t_0 = mean, retention.drift_t0
        device.drift.nu_dtod = spread / mean  # aihwkit's is relative


def _pulse_table(device: Any, law: str, quantity: Any) -> dict[str, Any]:
    table = {}
    for ours, theirs in _names(law).items():
        value = getattr(device, theirs)
        table[ours] = quantity(theirs, [float(v) for v in value] if isinstance(value, list) else value)
    if hasattr(device, "mult_noise"):
        table["additive_noise"] = quantity("mult_noise", not device.mult_noise)
    needed = (*REQUIRED, *SHAPE.get(law, ()))
    return {name: entry for name, entry in table.items() if name in needed or not _is_default(law, name, entry)}


def _is_default(law: str, name: str, entry: Mapping[str, Any]) -> bool:
    default = next(field.default for field in dataclasses.fields(LAWS[law]) if field.name == name)
    neutral = default if isinstance(default, bool) else 0.0
    return entry["source"] == DEFAULT and bool(entry["value"] == neutral)


def _retention_table(device: Any, quantity: Any) -> dict[str, Any]:
    """Return what is not zero; aihwkit's `reset` is both the reset value and what decay goes to."""
    table = {name: quantity(name, getattr(device, name), unit) for name, unit in _RETENTION.items()}
    table["rest"] = quantity("reset", device.reset)
    return {name: entry for name, entry in table.items() if entry["value"]}


def _leftovers(device: Any, base: Any, law: str) -> dict[str, Any]:
    """Return the fields that a preset sets away from its law's default, and that have no counterpart here."""
    covered = {*_names(law).values(), *_RETENTION, "reset", "mult_noise", "drift"}
    names = [field.name for field in dataclasses.fields(device) if field.name not in covered]
    return {name: getattr(device, name) for name in names if getattr(device, name) != getattr(base, name)}

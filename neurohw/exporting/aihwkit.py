"""A device as a Python script that makes aihwkit's rpu_config of it."""

from __future__ import annotations

import dataclasses
from typing import Any

from neurohw.crossbar.aihwkit.translation import to_aihwkit
from neurohw.devices.model import DeviceModel
from neurohw.exporting.texts import identifier, rendered
from neurohw.exporting.trains import PULSES

_SETTLING = 10  # pulses over states: e^-10 of the way to a soft bound is left


def script(model: DeviceModel) -> dict[str, str]:
    """Return NAME_aihwkit.py, see `script_name`.

    Raises:
        InputError: the device has what aihwkit cannot do; each such number is named.
        EnvironmentMismatch: aihwkit cannot be imported.
    """
    device = to_aihwkit(model)
    law = model.response()
    lowest = float(law.mean_cell()["w_min"])
    values = {
        "kind": type(device).__name__,
        "fields": changed_fields(device),
        "drift": changed_fields(device.drift),
        "spreads": _spreads(device),
        "w_min": law.w_min,
        "start": round(lowest, 6),
        "settling": int(_SETTLING * model.states) if lowest < law.w_min - 1e-6 else 0,
        "g_min": model.g_min,
        "siemens": model.siemens,
        "less_reference": not model.signed and model.sided == 2,
        "read_noise": model.read_noise,
        "pulses": PULSES,
    }
    return {script_name(model): rendered("rpu_config.py.j2", model, **values)}


def script_name(model: DeviceModel) -> str:
    """Return the script's name, as Python imports it: NAME_aihwkit.py with underscores."""
    return identifier(model).removeprefix("cell_") + "_aihwkit.py"


def changed_fields(parameters: Any) -> dict[str, Any]:
    """Return the fields of an aihwkit dataclass that differ from their defaults, those that are dataclasses apart."""
    default = type(parameters)()
    found = {field.name: getattr(parameters, field.name) for field in dataclasses.fields(parameters)}
    plain = {name: value for name, value in found.items() if not dataclasses.is_dataclass(value)}
    return {name: value for name, value in plain.items() if value != getattr(default, name)}


def _spreads(device: Any) -> list[str]:
    names = [field.name for field in dataclasses.fields(device)]
    noisy = ("_dtod", "_std", "diffusion", "lifetime")
    return [name for name in names if name.endswith(noisy) and isinstance(getattr(device, name), float)]

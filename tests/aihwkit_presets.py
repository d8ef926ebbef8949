"""aihwkit's presets as device models: what the shipped files and the laws are compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from neurohw.crossbar.aihwkit.api import aihwkit_api
from neurohw.crossbar.aihwkit.presets import device_preset
from neurohw.crossbar.aihwkit.translation import COUNTERPARTS, RETENTION, field_names
from neurohw.devices.laws import LAWS
from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.quantity import ASSUMED

DEFAULT = "aihwkit 1.1.0 default"
FITTED = "the reference, as fitted in aihwkit 1.1.0"


def from_aihwkit(name: str) -> DeviceModel:
    """Return a preset of aihwkit as a device model.

    aihwkit knows no conductances: the range is an assumption. Numbers that the preset itself sets have its publication
    as their source; what its law's dataclass would give anyway has "aihwkit 1.1.0 default", and is left out where it
    is what a device file means by leaving it out.

    Args:
        name: from `neurohw.crossbar.aihwkit.presets`; not "ideal", which has no pulse law.
    """
    preset = device_preset(name)
    device = preset.load()()
    configs = aihwkit_api().configs
    law = next(law for law, theirs in COUNTERPARTS.items() if isinstance(device, getattr(configs, theirs)))
    base = getattr(configs, COUNTERPARTS[law])()

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


def _pulse_table(device: Any, law: str, quantity: Any) -> dict[str, Any]:
    table = {}
    for ours, theirs in field_names(law).items():
        value = getattr(device, theirs)
        table[ours] = quantity(theirs, [float(v) for v in value] if isinstance(value, list) else value)
    if hasattr(device, "mult_noise"):
        table["additive_noise"] = quantity("mult_noise", not device.mult_noise)
    known = LAWS[law].parameters()

    def is_default(name: str, entry: Mapping[str, Any]) -> bool:
        return entry["source"] == DEFAULT and bool(entry["value"] == known[name].absent)

    return {name: entry for name, entry in table.items() if known[name].required or not is_default(name, entry)}


def _retention_table(device: Any, quantity: Any) -> dict[str, Any]:
    """Return what is not zero; aihwkit's `reset` is both the reset value and what decay goes to."""
    table = {name: quantity(name, getattr(device, name), unit) for name, unit in RETENTION.items()}
    table["rest"] = quantity("reset", device.reset)
    return {name: entry for name, entry in table.items() if entry["value"]}


def _leftovers(device: Any, base: Any, law: str) -> dict[str, Any]:
    """Return the fields that a preset sets away from its law's default, and that have no counterpart here."""
    covered = {*field_names(law).values(), *RETENTION, "reset", "mult_noise", "drift"}
    names = [field.name for field in dataclasses.fields(device) if field.name not in covered]
    return {name: getattr(device, name) for name in names if getattr(device, name) != getattr(base, name)}

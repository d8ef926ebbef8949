"""The device library: TOML files by name, from `device_models/` or from anywhere."""

from __future__ import annotations

import difflib
from pathlib import Path

from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.errors import InputError
from neurohw.shipping import read_toml, shipped

_FOLDER = "device_models"
_TEMPLATE = "template"
_PERIPHERY = "periphery_"  # energy tables of the circuits around the cells, see neurohw.energy.table


def device_names() -> tuple[str, ...]:
    """Return the names of the shipped devices."""
    stems = (path.stem for path in shipped(_FOLDER).glob("*.toml"))
    return tuple(sorted(stem for stem in stems if stem != _TEMPLATE and not stem.startswith(_PERIPHERY)))


def device_path(name_or_path: str | Path) -> Path:
    """Return the file of a shipped device's name, or the path itself.

    Raises:
        InputError: there is neither; the shipped names are listed.
    """
    given = Path(name_or_path)
    if str(name_or_path) in device_names():
        return shipped(_FOLDER) / f"{name_or_path}.toml"
    if given.is_file():
        return given
    near = difflib.get_close_matches(str(name_or_path), device_names(), n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise InputError(f"device {str(name_or_path)!r}: no such file, and no device of that name{hint}; allowed: "
                     f"a TOML file, or one of {', '.join(device_names())}")  # fmt: skip


def load_device(name_or_path: str | Path) -> DeviceModel:
    """Return the device of a shipped name or of a TOML file.

    Raises:
        InputError: naming the file, the key, the value received and what is allowed.
    """
    path = device_path(name_or_path)
    return device_from_tables(read_toml(path), str(path))

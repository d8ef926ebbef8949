"""The device library: TOML files by name, from `device_models/` or from anywhere."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from neurohw.devices.model import DeviceModel, device_from_tables
from neurohw.shipping import find_file, read_toml, shipped, shipped_files, stamped

_TEMPLATE = "template"
_PERIPHERY = "periphery_"  # energy tables of the circuits around the cells, see neurohw.energy.table


def device_names() -> tuple[str, ...]:
    """Return the names of the shipped devices."""
    return tuple(_files())


def device_path(name_or_path: str | Path) -> Path:
    """Return the file of a shipped device's name, or the path itself.

    Raises:
        InputError: there is neither; the shipped names are listed.
    """
    return find_file("device", name_or_path, _files())


def load_device(name_or_path: str | Path) -> DeviceModel:
    """Return the device of a shipped name or of a TOML file.

    Raises:
        InputError: naming the file, the key, the value received and what is allowed.
    """
    return _read(*stamped(device_path(name_or_path)))


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, size: int) -> DeviceModel:
    """Return the device of a file, which a sweep asks for at every point; read again where it was changed."""
    return device_from_tables(read_toml(path), str(path))


def _files() -> dict[str, Path]:
    return _listed(*stamped(shipped("device_models")))


@lru_cache(maxsize=1)
def _listed(folder: Path, changed: int, size: int) -> dict[str, Path]:
    files = shipped_files("device_models", "*.toml")
    return {name: path for name, path in files.items() if name != _TEMPLATE and not name.startswith(_PERIPHERY)}

"""The back-ends by name: what each reads of what is asked for, and the class that makes its arrays.

A back-end of your own is a subclass of `SynapseArray` with a class method `build`, and one `register`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from neurohw.errors import InputError

CONVERTERS = {
    "read_path", "backward", "dac_bits", "adc_bits", "input_bound", "output_bound", "read_noise", "weight_noise",
    "input_scale", "nonlinearity",
}  # fmt: skip
READS = CONVERTERS | {"input_noise", "relative_noise", "coding", "signed_passes", "column_gain", "column_offset"}
TRAINS = {"pulses", "length", "update_management", "update_bl_management"}
DEVICES = {"device", "device_parameters", "kelvin", "remedy", "cell", "writing", "weight_range", "tile"}


@dataclass(frozen=True)
class Backend:
    """A kind of array.

    Args:
        name: in experiment files and of `build_array`.
        array: its class, "module:Class"; imported when the first one is built, as aihwkit takes seconds. Its class
            method `build` makes one crossbar of (weights, `ArraySpec`, seed).
        reads: the settings that it reads, by the names of `ArraySpec`, `ReadPath`, `PulseScheme` and of the keys of
            `hardware` in experiment files; others are refused.
        devices: it is made of devices, which must be named, which age, and whose energy is accounted.
        exact: its reads are noiseless and linear: what others are compared with.
    """

    name: str
    array: str
    reads: frozenset[str]
    devices: bool = True
    exact: bool = False

    def load(self) -> Any:
        """Return the class of its arrays."""
        return resolve_name(self.array)


BACKENDS: dict[str, Backend] = {}


def register(name: str, array: str, reads: Iterable[str], devices: bool = True, exact: bool = False) -> None:
    """Make a back-end known; see `Backend`."""
    BACKENDS[name] = Backend(name, array, frozenset(reads), devices, exact)


def find_backend(name: str) -> Backend:
    """Return the back-end called `name`; an unknown one is an InputError that lists the allowed ones."""
    if name not in BACKENDS:
        raise InputError(f"unknown backend {name!r}; allowed: {', '.join(BACKENDS)}")
    return BACKENDS[name]


def unread(backend: str, key: str, setting: str, value: object) -> str | None:
    """Return why a back-end refuses a setting that it does not read; None where it reads it.

    Args:
        backend: its name.
        key: as it was given; setting: what of an array it sets; value: what it was set to.
    """
    if setting in find_backend(backend).reads:
        return None
    others = ", ".join(other.name for other in BACKENDS.values() if setting in other.reads)
    shown = " ".join(repr(value).split())  # a tensor takes several lines
    return f'{key}: got {shown}, which backend "{backend}" does not read; read by: {others or "none"}'


register(
    "ideal",
    "neurohw.crossbar.ideal:IdealArray",
    {"dtype", "torch_device", "precision", "bounds", "absent", "off_chip", "drift_compensation"},
    devices=False,
    exact=True,
)
register(
    "analog",
    "neurohw.crossbar.analog:AnalogArray",
    READS | TRAINS | DEVICES
    | {"kind", "remedy_parameters", "cell_parameters", "writing_parameters", "reference", "increments", "compensation",
       "wire_resistance", "fault_map", "absent", "stuck_fraction", "torch_device", "precision", "programmed"},
)  # fmt: skip
register(
    "aihwkit",
    "neurohw.crossbar.aihwkit.array:AihwkitArray",
    CONVERTERS | TRAINS | DEVICES | {"batch_seconds", "device_overrides", "remedy_overrides"},
)

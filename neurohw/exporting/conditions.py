"""The pulses and reads that a device's file names, and what is taken where it is silent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurohw.devices.model import DeviceModel

_VOLTS, _SECONDS = 1.0, 100e-9
READ_SHARE = 0.1  # of the write voltage
MOST_READ = 0.5  # of the write voltage: cells do not move below 0.6 of it


@dataclass(frozen=True)
class Conditions:
    """How a cell of two terminals is written and read.

    Args:
        up, down: voltages of a potentiating and of a depressing pulse, of unlike signs, V.
        width: of a pulse, s.
        read: voltage of a read, V.
        assumed: in words, what the device's file does not say or a cell of two terminals cannot do.
    """

    up: float
    down: float
    width: float
    read: float
    assumed: tuple[str, ...]


def conditions(model: DeviceModel) -> Conditions:
    """Return the conditions of a device, completed."""
    assumed: list[str] = []
    known = {key: quantity for key, quantity in model.numbers() if key.startswith(("write.", "read."))}

    def value(key: str, unit: str, otherwise: float) -> float:
        if key in known and known[key].si(unit) != 0:
            return known[key].si(unit)
        assumed.append(f"{key} = {otherwise:g} {unit} (the device's file has none)")
        return otherwise

    up = value("write.potentiation_voltage", "V", _VOLTS)
    down = -up
    if model.sided == 2 or "write.depression_voltage" in known:
        down = value("write.depression_voltage", "V", -up)
    if down * up > 0:
        down = -down
        assumed.append(f"depression at {down:g} V: a cell of two terminals tells pulses apart by their sign")
    width = value("write.pulse_time", "s", _SECONDS)
    read = value("read.voltage", "V", READ_SHARE * abs(up))
    least = min(abs(up), abs(down))
    if abs(read) > MOST_READ * least:
        read = math.copysign(READ_SHARE * least, read)
        assumed.append(f"reads at {read:g} V: at the device's own read voltage the two terminals would be written")
    return Conditions(up, down, width, read, tuple(assumed))

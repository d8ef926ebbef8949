"""Measured pulse trains and retention; `neurohw.fitting.importing` reads them from files."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from neurohw.errors import InputError

LEAST_PULSES = 10  # of each polarity that was applied, per device
LEAST_TIMES = 2  # per curve
_OF_A_DEVICE = re.compile(r", (?:level|cycle) ")  # what follows it in the name of a curve


@dataclass(frozen=True)
class PulseTrains:
    """Conductances after each pulse.

    Args:
        conductance: [devices, cycles, pulses], S; where it was not measured, the last value before is repeated.
        up: [devices, cycles, pulses], the pulse before each conductance potentiates.
        valid: [devices, cycles, pulses], whether it was measured: not after a pulse that was applied and not read,
            nor where a train is shorter than the longest.
        devices: names.
        source: the file's name.
    """

    conductance: np.ndarray
    up: np.ndarray
    valid: np.ndarray
    devices: tuple[str, ...]
    source: str

    def __repr__(self) -> str:
        devices, cycles, pulses = self.conductance.shape
        return (f"PulseTrains(devices={devices}, cycles={cycles}, pulses={pulses}, read={int(self.valid.sum())}, "
                f"source={self.source!r})")  # fmt: skip


@dataclass(frozen=True)
class RetentionCurves:
    """Conductances at times after the last write.

    Args:
        seconds, conductance: one array [times] per curve, s and S; a device has one for each level and temperature.
        devices: names, one per curve.
        source: the file's name.
        kelvin: temperatures, one per curve, None where not known; () where none is.
    """

    seconds: tuple[np.ndarray, ...]
    conductance: tuple[np.ndarray, ...]
    devices: tuple[str, ...]
    source: str
    kelvin: tuple[float | None, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The device of each curve: its name without the level and the cycle that follow."""
        return tuple(_OF_A_DEVICE.split(name)[0] for name in self.devices)

    def check_temperatures(self) -> None:
        """Require a temperature of every curve, or of none.

        Raises:
            InputError: some have one and others none.
        """
        known = sum(kelvin is not None for kelvin in self.kelvin)
        if 0 < known < len(self.seconds):
            raise InputError(f"{self.source}: {known} of {len(self.seconds)} curves have a temperature; "
                             "allowed: all or none")  # fmt: skip

    def __repr__(self) -> str:
        return f"RetentionCurves(curves={len(self.devices)}, source={self.source!r})"

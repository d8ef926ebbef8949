"""Trains as arrays, and what was applied in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.options import Notes
from neurohw.fitting.importing.pulses import Train
from neurohw.fitting.measurements import LEAST_PULSES, PulseTrains
from neurohw.units import readable

_EQUAL = 0.02  # relative spread of amplitudes and widths that counts as none


@dataclass(frozen=True)
class WriteConditions:
    """How pulses were applied and read, None where a file does not say it or it was not the same for all.

    Args:
        write_voltage: of potentiating pulses, V, with its sign; depression_voltage: of depressing ones.
        pulse_width: s.
        read_voltage: V.
    """

    write_voltage: float | None = None
    depression_voltage: float | None = None
    pulse_width: float | None = None
    read_voltage: float | None = None

    def known(self) -> dict[str, float]:
        """Return the conditions that are known, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}


def stacked(trains: Sequence[Train], source: str) -> PulseTrains:
    """Return the trains as arrays.

    Raises:
        InputError: no trains, or a device with too few pulses of a polarity, or that does not move.
    """
    by_device: dict[str, list[Train]] = {}
    for train in trains:
        by_device.setdefault(train.device, []).append(train)
    if not by_device:
        raise InputError(f"{source}: no conductances; allowed: trains with at least {LEAST_PULSES} pulses")
    shape = (len(by_device), max(map(len, by_device.values())), max(len(train.up) for train in trains))
    g, up, valid = np.empty(shape), np.zeros(shape, bool), np.zeros(shape, bool)
    for d, cycles in enumerate(by_device.values()):
        g[d] = cycles[0].conductance[0]
        for c, train in enumerate(cycles):
            n = len(train.up)
            read = np.isfinite(train.conductance)
            last = np.maximum.accumulate(np.where(read, np.arange(n), 0))
            g[d, c, :n], up[d, c, :n], valid[d, c, :n] = train.conductance[last], train.up, read
            g[d, c, n:], up[d, c, n:] = g[d, c, n - 1], up[d, c, n - 1]
    stack = PulseTrains(g, up, valid, tuple(by_device), source)
    _refuse_too_few(stack)
    return stack


def conditions(trains: Sequence[Train], read_voltage: float | None, notes: Notes) -> WriteConditions:
    """Return the amplitudes and widths that were the same for all pulses; others are warned of."""
    volts = np.concatenate([t.volts for t in trains])
    up = np.concatenate([t.up for t in trains])
    seconds = np.concatenate([t.seconds for t in trains])
    return WriteConditions(
        _common(volts[up & (volts != 0)], "potentiating voltages", "V", notes),
        _common(volts[~up & (volts != 0)], "depressing voltages", "V", notes),
        _common(seconds, "pulse widths", "s", notes),
        read_voltage,
    )


def _common(values: np.ndarray, name: str, unit: str, notes: Notes) -> float | None:
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    low, high = float(known.min()), float(known.max())
    if high - low > _EQUAL * max(abs(low), abs(high)):
        sizes = f"{readable(low, unit)} to {readable(high, unit)}"
        notes.caution("", f"{name} from {sizes}: a law of identical pulses does not describe such trains")
        return None
    return float(np.median(known))


def _refuse_too_few(trains: PulseTrains) -> None:
    """Raise where a device has too few pulses of a polarity that was applied to any, or all its conductances agree."""
    counts = {
        side: ((trains.up == side) & trains.valid)[:, :, 1:].sum((1, 2)) for side in (True, False)
    }  # the first reading of a train only starts it
    applied = [side for side, count in counts.items() if count.any()]
    for side in applied or (True,):
        for device, pulses in zip(trains.devices, counts[side], strict=True):
            if pulses < LEAST_PULSES:
                name = "potentiating" if side else "depressing"
                raise InputError(
                    f"{trains.source}: device {device}: {pulses} {name} pulses with a conductance before and after; "
                    f"allowed: at least {LEAST_PULSES} of each polarity that was applied"
                )
    for device, g, valid in zip(trains.devices, trains.conductance, trains.valid, strict=True):
        if np.ptp(g[valid]) == 0:
            raise InputError(f"{trains.source}: device {device}: all conductances are {g[valid][0]:g} S; "
                             "allowed: a cell that moves")  # fmt: skip

"""Measured pulse trains from files: what was applied, what was read, and what was not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.layouts import Strip
from neurohw.fitting.importing.options import ImportOptions, Notes
from neurohw.fitting.importing.polarities import polarities
from neurohw.fitting.importing.values import in_unit, numbers

MOST_PULSES = 10**7  # of a train; a column that counts further counts no pulses
_CONTINUES = 1.5  # largest steps that a ramp may begin from where the last one ended


@dataclass(frozen=True)
class Train:
    """The pulses of a device in a row.

    Args:
        device, cycle: names.
        conductance: [pulses] after each pulse, S; nan where it was not read.
        up: [pulses], the pulse potentiates.
        volts, seconds: [pulses], its amplitude and width, nan where not known.
        begun: whether the first conductance is after a pulse; False: it is of the state that the train starts from.
        ramp: of a ramp that potentiates (True) or depresses (False), which may continue another; None otherwise.
    """

    device: str
    cycle: str
    conductance: np.ndarray
    up: np.ndarray
    volts: np.ndarray
    seconds: np.ndarray
    begun: bool = True
    ramp: bool | None = None


def trains_of(
    strip: Strip, conductance: np.ndarray, backwards: bool, options: ImportOptions, notes: Notes
) -> list[Train]:
    """Return the trains of a column of values, in the order of the file or, if listed backwards, against it.

    Raises:
        InputError: a pulse, a polarity or a voltage that is not allowed; the message names its row.
    """
    names = [_names(strip, role, default) for role, default in (("device", strip.device), ("cycle", strip.cycle))]
    groups: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(*names, strict=True)):
        groups.setdefault(key, []).append(row)
    pulse = _pulse_numbers(strip, options, notes)
    if backwards:
        groups = {key: rows[::-1] for key, rows in groups.items()}
        pulse = -pulse if pulse is not None else None
    applied = _applied(strip, notes)
    trains = []
    for (device, cycle), group in groups.items():
        pulsed, conductance = _reads_apart(strip, np.array(group), applied[0], conductance, options, notes)
        for turn, run in enumerate(_runs(strip, pulsed, pulse, notes)):
            rows = _read_ends(run, conductance)
            if not len(rows):
                notes.guess(strip.sheet.where, f"device {device}, cycle {cycle}: nothing was read, left out")
                continue
            up = polarities(strip, rows, applied[0], conductance, options, notes)
            steps = np.diff(pulse[rows]).astype(int) if pulse is not None else np.full(len(rows) - 1, options.every)
            _note_gaps(f"{strip.sheet.where}: device {device}, cycle {cycle}", steps, conductance[rows], notes)
            name = cycle if turn == 0 else f"{cycle}.{turn + 1}"
            at = np.concatenate([[0], np.cumsum(steps)])
            if at[-1] > MOST_PULSES:
                raise InputError(f"{strip.sheet.where}: device {device}: a count of {at[-1]:,} pulses; "
                                 f"allowed: at most {MOST_PULSES:,}")  # fmt: skip
            volts, seconds = (x[rows] for x in applied)
            side = up[1:] if len(up) > 1 else up  # what stands before the first read may be no pulse
            ramp = bool(side[0]) if (side == side[0]).all() else None
            begun = not backwards and not (pulse is not None and pulse[rows[0]] == 0) and volts[0] != 0
            trains.append(_filled(Train(device, name, conductance[rows], up, volts, seconds, begun, ramp), at))
    return trains


def _filled(train: Train, at: np.ndarray) -> Train:
    """Return a train with the pulses between its rows: not read, and as the next pulse that was.

    Args:
        train: a row for each pulse that is listed.
        at: [rows], which pulse each is.
    """
    nearest = np.searchsorted(at, np.arange(at[-1] + 1))
    filled = np.full(at[-1] + 1, np.nan)
    filled[at] = train.conductance
    return replace(train, conductance=filled, up=train.up[nearest], volts=train.volts[nearest],
                   seconds=train.seconds[nearest])  # fmt: skip


def joined(trains: Sequence[Train], notes: Notes) -> list[Train]:
    """Return the trains with the ramps of a cycle in a row where one continues the other, else by themselves."""
    cycles: dict[tuple[str, str], list[Train]] = {}
    for train in trains:
        cycles.setdefault((train.device, train.cycle), []).append(train)
    together: list[Train] = []
    for (device, cycle), parts in cycles.items():
        if len(parts) == 1:
            together += parts
            continue
        if len(parts) > 2 or {p.ramp for p in parts} != {True, False}:
            raise InputError(f"device {device}, cycle {cycle}: {len(parts)} trains of that name; allowed: one, or "
                             "one that potentiates and one that depresses")  # fmt: skip
        up, down = sorted(parts, key=lambda part: not part.ramp)
        for first, then in ((up, down), (down, up)):
            if then.begun and _continues(first, then):
                order = "depression after potentiation" if first is up else "potentiation after depression"
                notes.guess("", f"{order}: one train where the second ramp begins at the end of the first")
                together.append(_concatenated(first, then))
                break
        else:
            notes.guess("", "ramps that do not begin at the end of another, or with the state that they start from: "
                        "trains of their own")  # fmt: skip
            together += [replace(up, cycle=f"{cycle} up"), replace(down, cycle=f"{cycle} down")]
    return together


def listed_backwards(strips: Sequence[Strip], values: Sequence[np.ndarray], notes: Notes) -> bool:
    """Return whether depressions are listed from the last pulse to the first, as NeuroSim does: they rise, too."""
    rises = {up: [_rise(v) for s, v in zip(strips, values, strict=True) if s.up is up] for up in (True, False)}
    backwards = all(rises.values()) and min(map(np.median, rises.values())) > 0
    if backwards:
        notes.guess(
            "", "depression that rises from row to row: listed from the last pulse to the first, as NeuroSim does"
        )
    return bool(backwards)


def _rise(values: np.ndarray) -> float:
    """Return how much further the second half of a ramp lies than the first, in deviations of its steps."""
    full = values[np.isfinite(values)]
    if len(full) < 4:
        return 0.0
    half = len(full) // 2
    change = float(full[half:].mean() - full[:half].mean())
    noise = float(np.abs(np.diff(full)).mean()) / np.sqrt(half)
    return change / noise if noise and abs(change) > noise else 0.0


def _names(strip: Strip, role: str, default: str) -> list[str]:
    if role in strip.beside:
        return [cell.strip() for cell in strip.sheet.cells[strip.beside[role].column]]
    return [default] * len(strip.sheet.lines)


def _pulse_numbers(strip: Strip, options: ImportOptions, notes: Notes) -> np.ndarray | None:
    """Return the pulses that a column counts; None where none does, or it counts in shares of the train."""
    heading = strip.beside.get("pulse")
    if heading is None or "normal" in heading.column.lower():
        rows = "a row for each pulse" if options.every == 1 else f"a row for every {options.every} pulses (--every)"
        notes.guess(strip.sheet.where, f"no column counts pulses: {rows}")
        return None
    if options.every != 1:
        raise InputError(f"{strip.sheet.where}: column {heading.column} counts pulses, and --every {options.every} is "
                         f"given; allowed: one of them (--column '{heading.column}=ignore')")  # fmt: skip
    return numbers(strip.sheet, heading.column, whole=True)


def _applied(strip: Strip, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Return the voltage and the width of each pulse, nan where not known."""
    nothing = np.full(len(strip.sheet.lines), np.nan)
    voltage = strip.beside.get("write-voltage") or strip.beside.get("voltage")
    width = strip.beside.get("width")
    volts = in_unit(strip.sheet, voltage, "V", "V", notes) if voltage else nothing
    return volts, in_unit(strip.sheet, width, "s", "s", notes, above=0.0) if width else nothing


def _runs(strip: Strip, rows: np.ndarray, pulse: np.ndarray | None, notes: Notes) -> list[np.ndarray]:
    """Return the rows of a group in trains: where no column has cycles, a count that begins again begins one."""
    if pulse is None:
        return [rows]
    sheet, heading = strip.sheet, strip.beside["pulse"]
    cuts: list[int] = []
    for k in np.flatnonzero(np.diff(pulse[rows]) <= 0):
        before, row = rows[k], rows[k + 1]
        if "cycle" in strip.beside or pulse[row] > pulse[rows[cuts[-1] if cuts else 0]]:
            device, cycle = _names(strip, "device", strip.device)[row], _names(strip, "cycle", strip.cycle)[row]
            raise InputError(
                f"{sheet.where}: row {sheet.lines[row]}, column {heading.column}: got {pulse[row]:g} after "
                f"{pulse[before]:g} (device {device}, cycle {cycle}); allowed: pulses that count up in each train"
            )
        cuts.append(int(k) + 1)
    if cuts:
        notes.guess(sheet.where, f"column {heading.column} begins again at row {sheet.lines[rows[cuts[0]]]}"
                    f"{f' and {len(cuts) - 1} more' if len(cuts) > 1 else ''}: a new cycle there")  # fmt: skip
    return np.split(rows, cuts)


def _reads_apart(
    strip: Strip, rows: np.ndarray, volts: np.ndarray, conductance: np.ndarray, options: ImportOptions, notes: Notes
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of pulses, with what was read after them, of a log in which pulses and reads are rows in turn.

    Reads are the rows at the read voltage, where others are at other voltages; what flows during a pulse is no read.
    """
    at = options.read_voltage
    reads = np.zeros(len(rows), bool) if at is None else np.isclose(volts[rows], at, rtol=0.01)
    if not reads.any() or reads.all():
        return rows, conductance
    notes.guess(strip.sheet.where, f"rows at {at:g} V are reads of the pulses before them")
    after = np.full(len(conductance), np.nan)
    pulse = -1
    for row, read in zip(rows, reads, strict=True):
        if not read or pulse < 0:
            pulse = row
        if read:
            after[pulse] = conductance[row]
    volts[rows[reads]] = np.nan
    if reads[0]:
        volts[rows[0]] = 0.0  # no pulse was before it
    kept = ~reads
    kept[0] = True  # a read before the first pulse
    apart = conductance.copy()
    apart[rows] = after[rows]
    return rows[kept], apart


def _read_ends(rows: np.ndarray, conductance: np.ndarray) -> np.ndarray:
    """Return the rows from the first that was read to the last."""
    read = np.flatnonzero(np.isfinite(conductance[rows]))
    return rows[read[0] : read[-1] + 1] if len(read) else rows[:0]


def _note_gaps(where: str, steps: np.ndarray, conductance: np.ndarray, notes: Notes) -> None:
    if len(steps) and (steps > 1).all() and np.ptp(steps) == 0:
        notes.guess(where, f"every {steps[0]} pulses a read: those between are applied and not read")
    elif (steps > 1).any():
        notes.guess(where, "{n} pulses are counted and have no row: applied and not read", int((steps - 1).sum()))
    if empty := int(np.isnan(conductance).sum()):
        notes.guess(where, "{n} empty cells: pulses applied and not read", empty)


def _continues(first: Train, then: Train) -> bool:
    """Return whether a ramp begins where another ended: no further off than the largest steps of both."""
    a, b = (t.conductance[np.isfinite(t.conductance)] for t in (first, then))
    if len(a) < 2 or len(b) < 2:
        return False
    largest = max(float(np.abs(np.diff(x)).max()) for x in (a, b))
    return abs(float(b[0] - a[-1])) <= _CONTINUES * largest


def _concatenated(first: Train, then: Train) -> Train:
    arrays = {key: np.concatenate([getattr(first, key), getattr(then, key)])
              for key in ("conductance", "up", "volts", "seconds")}  # fmt: skip
    return replace(first, **arrays, ramp=None)

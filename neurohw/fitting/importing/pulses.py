"""Measured pulse trains from files: what was applied, what was read, and what was not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.headings import POLARITIES
from neurohw.fitting.importing.layouts import Strip
from neurohw.fitting.importing.options import ImportOptions, Notes
from neurohw.fitting.importing.sheets import is_number
from neurohw.fitting.importing.values import MISSING, in_unit, numbers

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
        ramp: of a ramp that potentiates (True) or depresses (False), which may continue another; None otherwise.
    """

    device: str
    cycle: str
    conductance: np.ndarray
    up: np.ndarray
    volts: np.ndarray
    seconds: np.ndarray
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
    pulse = _pulse_numbers(strip)
    if backwards:
        groups = {key: rows[::-1] for key, rows in groups.items()}
        pulse = -pulse if pulse is not None else None
    applied = _applied(strip, notes)
    trains = []
    for (device, cycle), group in groups.items():
        for turn, run in enumerate(_runs(strip, np.array(group), pulse, notes)):
            rows = _read_ends(run, conductance)
            if not len(rows):
                continue
            up = _polarities(strip, rows, applied[0], options, notes)
            steps = np.diff(pulse[rows]).astype(int) if pulse is not None else np.full(len(rows) - 1, options.every)
            _note_gaps(f"{strip.sheet.where}: device {device}, cycle {cycle}", steps, conductance[rows], notes)
            name = cycle if turn == 0 else f"{cycle}.{turn + 1}"
            at = np.concatenate([[0], np.cumsum(steps)])
            if at[-1] > MOST_PULSES:
                raise InputError(f"{strip.sheet.where}: device {device}: a count of {at[-1]:,} pulses; "
                                 f"allowed: at most {MOST_PULSES:,}")  # fmt: skip
            volts, seconds = (x[rows] for x in applied)
            trains.append(_filled(Train(device, name, conductance[rows], up, volts, seconds, strip.up), at))
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
            if _continues(first, then):
                order = "depression after potentiation" if first is up else "potentiation after depression"
                notes.guess(f"{order}: one train where the second ramp begins at the end of the first")
                together.append(_concatenated(first, then))
                break
        else:
            notes.guess(f"device {device}, cycle {cycle}: no ramp begins where the other ends: two trains")
            together += [replace(up, cycle=f"{cycle} up"), replace(down, cycle=f"{cycle} down")]
    return together


def listed_backwards(strips: Sequence[Strip], values: Sequence[np.ndarray], notes: Notes) -> bool:
    """Return whether depressions are listed from the last pulse to the first, as NeuroSim does: they rise, too."""
    rises = {up: [_rise(v) for s, v in zip(strips, values, strict=True) if s.up is up] for up in (True, False)}
    backwards = all(rises.values()) and min(map(np.median, rises.values())) > 0
    if backwards:
        notes.guess("depression that rises from row to row: listed from the last pulse to the first, as NeuroSim does")
    return bool(backwards)


def signs_decide(strip: Strip, options: ImportOptions) -> bool:
    """Return whether nothing but the sign of voltages says which pulses potentiate."""
    return strip.up is None and "polarity" not in strip.beside and options.polarity is None


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
        return [cell.strip() for cell in strip.sheet.cells(strip.beside[role].column)]
    return [default] * len(strip.sheet.rows)


def _pulse_numbers(strip: Strip) -> np.ndarray | None:
    """Return the pulses that a column counts; None where none does, or it counts in shares of the train."""
    heading = strip.beside.get("pulse")
    if heading is None or "normal" in heading.column.lower():
        return None
    return numbers(strip.sheet, heading.column, whole=True)


def _applied(strip: Strip, notes: Notes) -> tuple[np.ndarray, np.ndarray]:
    """Return the voltage and the width of each pulse, nan where not known."""
    nothing = np.full(len(strip.sheet.rows), np.nan)
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
    for before, row in pairwise(rows):
        if pulse[row] > pulse[before]:
            continue
        if "cycle" in strip.beside or pulse[row] > pulse[rows[cuts[-1] if cuts else 0]]:
            device, cycle = _names(strip, "device", strip.device)[row], _names(strip, "cycle", strip.cycle)[row]
            raise InputError(
                f"{sheet.where}: row {sheet.lines[row]}, column {heading.column}: got {pulse[row]:g} after "
                f"{pulse[before]:g} (device {device}, cycle {cycle}); allowed: pulses that count up in each train"
            )
        cuts.append(int(np.searchsorted(rows, row)))
    if cuts:
        notes.guess(f"{sheet.where}: column {heading.column} begins again at row {sheet.lines[rows[cuts[0]]]}"
                    f"{f' and {len(cuts) - 1} more' if len(cuts) > 1 else ''}: a new cycle there")  # fmt: skip
    return np.split(rows, cuts)


def _read_ends(rows: np.ndarray, conductance: np.ndarray) -> np.ndarray:
    """Return the rows from the first that was read to the last."""
    read = np.flatnonzero(np.isfinite(conductance[rows]))
    return rows[read[0] : read[-1] + 1] if len(read) else rows[:0]


def _note_gaps(where: str, steps: np.ndarray, conductance: np.ndarray, notes: Notes) -> None:
    if len(steps) and (steps > 1).all() and np.ptp(steps) == 0:
        notes.guess(f"every {steps[0]} pulses a read: those between are applied and not read")
    elif (steps > 1).any():
        notes.guess(f"{where}: {int((steps - 1).sum())} pulses are counted and have no row: applied and not read")
    if empty := int(np.isnan(conductance).sum()):
        notes.guess(f"{where}: {empty} empty cells: pulses applied and not read")


def _polarities(strip: Strip, rows: np.ndarray, volts: np.ndarray, options: ImportOptions, notes: Notes) -> np.ndarray:
    """Return which pulses of a train potentiate: as a column, a name, an option or the sign of a voltage says."""
    if strip.up is not None:
        return np.full(len(rows), strip.up)
    if "polarity" in strip.beside:
        return _written(strip, rows)
    pattern = options.pattern()
    if pattern:
        sides = np.concatenate([np.full(count or len(rows), up) for up, count in pattern])
        return np.resize(sides, len(rows))
    if np.isfinite(volts[rows]).any():
        return _by_sign(strip, rows, volts[rows], options, notes)
    raise InputError(f"{strip.sheet.where}: nothing says which pulses potentiate (a column polarity, a signed voltage, "
                     "set and reset in the names of columns, sheets or files); allowed: --polarity up: all of them; "
                     "down: none; up50,down50: the first 50, and so on")  # fmt: skip


def _written(strip: Strip, rows: np.ndarray) -> np.ndarray:
    column = strip.beside["polarity"].column
    cells = strip.sheet.cells(column)
    known = []
    for row in rows:
        cell = cells[row].strip().lower()
        text = cell.split(".")[0] if is_number(cell) and float(cell) == int(float(cell)) else cell
        if text not in POLARITIES and not (row == rows[0] and (cell in MISSING or text == "0")):
            raise InputError(f"{strip.sheet.where}: row {strip.sheet.lines[row]}, column {column}: got "
                             f"{cells[row]!r}; allowed: {', '.join(POLARITIES)}")  # fmt: skip
        known.append(POLARITIES.get(text))
    known[0] = known[0] if known[0] is not None else known[min(1, len(known) - 1)]
    return np.array(known, bool)


def _by_sign(strip: Strip, rows: np.ndarray, volts: np.ndarray, options: ImportOptions, notes: Notes) -> np.ndarray:
    column = (strip.beside.get("write-voltage") or strip.beside["voltage"]).column
    signs = np.sign(volts)
    if np.nan_to_num(signs[0]) == 0 and len(signs) > 1:  # read before the first pulse
        signs[0] = signs[1]
    wrong = np.flatnonzero(~(np.abs(signs) == 1))
    if len(wrong):
        row = rows[wrong[0]]
        raise InputError(f"{strip.sheet.where}: row {strip.sheet.lines[row]}, column {column}: got "
                         f"{strip.sheet.cells(column)[row]!r}; allowed: the voltage of a pulse, positive or negative "
                         "(a read without a pulse only at the beginning)")  # fmt: skip
    positive = options.positive_potentiates
    if positive is None:
        positive = True
        notes.guess(f"{strip.sheet.where}: pulses of positive {column} potentiate (--polarity negative: the others)")
    return np.asarray((signs > 0) == positive)


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

"""Measured retention from files: a curve for each device, level and temperature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.files import Paths, all_sheets
from neurohw.fitting.importing.headings import Heading, headings
from neurohw.fitting.importing.layouts import Strip, value_strips
from neurohw.fitting.importing.options import ImportOptions, Notes
from neurohw.fitting.importing.sheets import Sheet
from neurohw.fitting.importing.values import conductances, in_unit, numbers
from neurohw.fitting.measurements import LEAST_TIMES, RetentionCurves

ZERO_CELSIUS = 273.15  # K
_CELSIUS_UP_TO = 200.0  # a temperature without a unit is in degrees Celsius up to here
_NAMED = re.compile(r"(?<![\d.])(-?\d+(?:\.\d+)?)\s*(?:deg\s*|°)?(C|K)(?![a-z])")
_LEVEL = re.compile(r"(?:level|state)\s*(\w+)", re.IGNORECASE)
_CURVE = ("device", "level", "cycle")


@dataclass(frozen=True)
class ImportedRetention:
    """Retention from files.

    Args:
        curves: what was measured.
        guesses: what the files left open and how it was taken.
    """

    curves: RetentionCurves
    guesses: tuple[str, ...]


def import_retention(paths: Paths, options: ImportOptions | None = None) -> ImportedRetention:
    """Return the retention curves of files: a column of times, and values in one column or in several.

    Columns of devices, levels, cycles and temperatures, headers and names of sheets tell curves apart.

    Args:
        paths: one file or several.
        options: what the files leave open.

    Raises:
        InputError: naming the file, the row and the column, or what is ambiguous and which options make it clear.
    """
    options, notes = options or ImportOptions(), Notes()
    sheets, source = all_sheets(paths, options, notes)
    strips = [strip for sheet in sheets for strip in _strips(sheet, len(sheets) > 1, options, notes)]
    curves = []
    for strip, g in zip(strips, conductances(strips, options, notes), strict=True):
        curves += _curves(strip, g, options, notes)
    names, kelvin, seconds, conductance = zip(*curves, strict=True)
    for name, temperature, times in zip(names, kelvin, seconds, strict=True):
        if len(times) < LEAST_TIMES:
            at = f" at {temperature:g} K" if temperature is not None else ""
            raise InputError(f"{source}: device {name}{at}: {len(times)} times; allowed: at least {LEAST_TIMES}")
    known = kelvin if any(temperature is not None for temperature in kelvin) else ()
    imported = RetentionCurves(seconds, conductance, names, source, known)
    imported.check_temperatures()
    return ImportedRetention(imported, notes.guesses)


def _strips(sheet: Sheet, several: bool, options: ImportOptions, notes: Notes) -> list[Strip]:
    """Return the columns of values with a column of times and the name of a device."""
    columns = headings(sheet, options)
    if not sheet.headed and not any(h.role for h in columns):
        notes.guess(sheet.where, "no header; column 1 holds times")
        columns = [replace(columns[0], role="time"), *columns[1:]]
    if not any(h.role == "time" for h in columns):
        raise InputError(f"{sheet.where}: no column of times; got: {', '.join(h.column for h in columns)}; "
                         "name one with --column NAME=time")  # fmt: skip
    strips = value_strips(sheet, columns, options, notes)
    named = []
    for strip in strips:
        label = _own_name(strip.value.label) if len(strips) > 1 else ""
        level = _LEVEL.fullmatch(label)
        device = strip.device or ("" if level else label) or (_own_name(sheet.name) if several else "") or "1"
        named.append(replace(strip, device=f"{device}, level {level[1]}" if level else device))
    return named


def _own_name(text: str) -> str:
    """Return a name without a temperature in it."""
    return _NAMED.sub("", text).strip(" _-,")


def _curves(
    strip: Strip, conductance: np.ndarray, options: ImportOptions, notes: Notes
) -> list[tuple[str, float | None, np.ndarray, np.ndarray]]:
    """Return name, temperature, times and conductances of the curves of a column."""
    time = strip.beside["time"]
    if not time.unit:
        notes.guess(strip.sheet.where, f"column {time.column} is in s")
    seconds = in_unit(strip.sheet, replace(time, unit=time.unit or "s"), "s", "s", notes) + options.time_offset
    kelvin = _temperatures(strip, notes)
    groups: dict[tuple[str, float | None], list[int]] = {}
    for row, temperature in enumerate(kelvin):
        if np.isfinite(conductance[row]):
            groups.setdefault((_name(strip, row), temperature), []).append(row)
    curves = []
    for (name, temperature), rows in groups.items():
        _check(strip, time, rows, seconds, conductance, name)
        curves.append((name, temperature, seconds[rows], conductance[rows]))
    return curves


def _name(strip: Strip, row: int) -> str:
    """Return what a curve is called: its device, and its level and cycle where columns have them."""
    parts = {role: strip.sheet.cells[h.column][row].strip() for role in _CURVE if (h := strip.beside.get(role))}
    device = parts.pop("device", strip.device)
    return ", ".join([device, *(f"{role} {value}" for role, value in parts.items())])


def _temperatures(strip: Strip, notes: Notes) -> Sequence[float | None]:
    """Return the temperature of each row, K: of its column, or named by the header, the sheet or the file."""
    heading = strip.beside.get("temperature")
    if heading is None:
        named = _NAMED.search(strip.value.column) or _NAMED.search(strip.sheet.name)
        if named is None:
            return [None] * len(strip.sheet.lines)
        notes.guess(strip.sheet.where, f"column {strip.value.column}: measured at {named[0]}")
        return [float(named[1]) + (ZERO_CELSIUS if named[2] == "C" else 0.0)] * len(strip.sheet.lines)
    values = numbers(strip.sheet, heading.column)
    unit = heading.unit or ("C" if values.max() <= _CELSIUS_UP_TO else "K")
    if not heading.unit:
        notes.guess(strip.sheet.where, f"column {heading.column} is in {'degrees Celsius' if unit == 'C' else 'K'}")
    return [float(value) + (ZERO_CELSIUS if unit == "C" else 0.0) for value in values]


def _check(
    strip: Strip, time: Heading, rows: list[int], seconds: np.ndarray, conductance: np.ndarray, name: str
) -> None:
    """Raise where times do not increase from above zero, or conductances are none that could decay."""
    sheet = strip.sheet
    for before, row in zip([rows[0], *rows], rows, strict=False):
        where = f"{sheet.where}: row {sheet.lines[row]}, column "
        cell = sheet.cells[time.column][row]
        if not seconds[row] > 0:
            raise InputError(
                f"{where}{time.column}: got {cell!r}; allowed: a finite number above 0, the time after the write; "
                "if the clock starts later, --time-offset SECONDS"
            )
        if row != before and seconds[row] <= seconds[before]:
            raise InputError(
                f"{where}{time.column}: got {cell} after {sheet.cells[time.column][before]} (device {name}); allowed: "
                "times that increase for each device, level, cycle and temperature"
            )
        if conductance[row] <= 0:
            raise InputError(
                f"{where}{strip.value.column}: got {sheet.cells[strip.value.column][row]!r}; "
                "allowed: a conductance above 0"
            )

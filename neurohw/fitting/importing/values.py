"""Cells to numbers, and numbers to siemens: units from headers, options, or what is plausible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurohw.devices.plausibility import LEAST_SIEMENS, MOST_SIEMENS, Span, likely_unit
from neurohw.errors import InputError
from neurohw.fitting.importing.headings import Heading, unknown_unit
from neurohw.fitting.importing.layouts import Strip
from neurohw.fitting.importing.options import NORMALISED, ImportOptions, Notes
from neurohw.fitting.importing.sheets import Sheet, is_number
from neurohw.units import parse_unit, readable, to_si

MISSING = {"", "nan", "na", "n/a", "#n/a", "-", "--", "null", "none"}
OVERFLOW = 9.9e37  # what Keysight's and Keithley's instruments write for no reading (9.9e37, 9.91e37)
BELOW_ZERO = 0.05  # of the largest conductance, what noise may leave a reading of nothing at
_SURE = Span(LEAST_SIEMENS, 1e-3)  # conductances in SI that are taken for such where no unit is named
_LIKELY, _CURRENTS = Span(LEAST_SIEMENS, 1e-2), Span(1e-13, 1e-2)  # what is offered where no unit is named
_LEAST_SHARE = 0.2  # the largest of normalised values
_WITHIN = 1.6  # what noise leaves normalised values within
_USUAL = {"conductance": "S", "resistance": "Ohm", "current": "A"}
_UNITS = {"conductance": ("S", "mS", "uS", "nS"), "resistance": ("Ohm", "kOhm", "MOhm"),
          "current": ("A", "mA", "uA", "nA")}  # fmt: skip


def numbers(
    sheet: Sheet,
    column: str,
    missing: bool = False,
    above: float = -np.inf,
    whole: bool = False,
) -> np.ndarray:
    """Return a column as numbers, nan where a cell is empty and may be.

    Raises:
        InputError: naming the file, the row and the column, the value received and what is allowed.
    """
    cells = sheet.cells[column]
    values = _parsed(cells)
    empty = np.isfinite(values) & (np.abs(values) >= OVERFLOW)
    nothing = np.flatnonzero(np.isnan(values))
    empty[nothing] = [cells[row].lower() in MISSING for row in nothing]
    wrong = ~np.isfinite(values) | (values <= above) | (whole & (values != np.round(values)))
    wrong &= ~empty if missing else True
    if wrong.any():
        row = int(wrong.argmax())
        kind = "a whole number" if whole else "a finite number"
        limit = f" above {above:g}" if np.isfinite(above) else ""
        raise InputError(f"{sheet.where}: row {sheet.lines[row]}, column {column}: got {cells[row]!r}; "
                         f"allowed: {kind}{limit}")  # fmt: skip
    return np.where(empty, np.nan, values)


def in_unit(
    sheet: Sheet, heading: Heading, dimension: str, usual: str, notes: Notes, above: float = -np.inf
) -> np.ndarray:
    """Return a column of numbers that may be empty in SI; without a unit they are in the usual one, which is noted."""
    if not heading.unit:
        notes.guess(sheet.where, f"column {heading.column} is in {usual}")
    return _in_si(numbers(sheet, heading.column, missing=True, above=above), heading.unit or usual, dimension)


def conductances(strips: Sequence[Strip], options: ImportOptions, notes: Notes) -> list[np.ndarray]:
    """Return the values of each strip in siemens, nan where a cell is empty.

    Raises:
        InputError: a cell that is no number, a unit or a read voltage that is not known, values that no cell can have.
    """
    raw = [numbers(s.sheet, s.value.column, missing=True) for s in strips]
    units = _units(strips, raw, options, notes)
    converted = [_siemens(*each, options, notes) for each in zip(strips, raw, units, strict=True)]
    largest = max((float(np.nanmax(g, initial=-np.inf)) for g in converted), default=-np.inf)
    for strip, given, g in zip(strips, raw, converted, strict=True):
        _check(strip, given, g, largest)
    negative = sum(int((g < 0).sum()) for g in converted)
    if negative:
        lowest = min(float(np.nanmin(g)) for g in converted if g.size)
        notes.guess("", f"{negative} readings below zero, down to {readable(lowest, 'S')}: noise about zero, kept")
    return converted


def read_voltage(strips: Sequence[Strip], options: ImportOptions, notes: Notes) -> float | None:
    """Return the voltage at which all values were read, V; None where it is not known or not one."""
    columns = [(s.sheet, s.beside["read-voltage"]) for s in strips if "read-voltage" in s.beside]
    if not columns:
        return options.read_voltage
    volts = np.concatenate([in_unit(sheet, heading, "V", "V", notes) for sheet, heading in columns])
    known = np.unique(volts[np.isfinite(volts)])
    return float(known[0]) if len(known) == 1 else None


def _parsed(cells: list[str]) -> np.ndarray:
    """Return cells as numbers, nan where one is none."""
    try:
        values = np.array(cells, float)
    except ValueError:
        values = np.array([float(cell) if is_number(cell) else np.nan for cell in cells])
    return values


def _in_si(values: np.ndarray, unit: str, dimension: str) -> np.ndarray:
    factor = to_si(1.0, unit, dimension)
    return values * factor if factor >= 1 else values / round(1 / factor)  # 50 / 1e6 is nearer than 50 * 1e-6


def _units(strips: Sequence[Strip], raw: Sequence[np.ndarray], options: ImportOptions, notes: Notes) -> list[str]:
    """Return the unit of each strip: its header's, the option's, or for all of them together the plausible one."""
    open_ones = [(s, r) for s, r in zip(strips, raw, strict=True) if not s.value.unit]
    unit = _open_unit(open_ones, options, notes) if open_ones else ""
    for strip in strips:
        if strip.value.unit and options.unit and strip.value.unit != options.unit:
            notes.guess(strip.sheet.where, f"column {strip.value.column} says {strip.value.unit}; "
                        f"--unit {options.unit} is not used for it")  # fmt: skip
    return [s.value.unit or unit for s in strips]


def _open_unit(strips: Sequence[tuple[Strip, np.ndarray]], options: ImportOptions, notes: Notes) -> str:
    if options.unit:
        return options.unit
    strip = strips[0][0]
    full = np.concatenate([r[np.isfinite(r)] for _, r in strips])
    role = strip.value.role or ("current" if options.read_voltage is not None else "")
    low, high = (float(full.min()), float(full.max())) if full.size else (0.0, 0.0)
    where = f"{strip.sheet.where}: column {strip.value.column}"
    scale = _scale(low, high) if options.g_min is not None else ""
    if scale and role in ("", "conductance"):
        notes.guess(where, f"{low:g} to {high:g}: {scale}, {NORMALISED[scale]}")
        return scale
    if role and _plausible(role, full, options.read_voltage):
        notes.guess(where, f"a {role} without a unit, up to {high:g}: in {_USUAL[role]}")
        return _USUAL[role]
    unknown = unknown_unit(strip.value.column)
    said = f"{unknown!r} is no unit of conductance, resistance or current" if unknown else "no unit"
    raise InputError(f"{where}: {said}, and values from {low:g} to {high:g}; {_question(role, low, high)}")


def _scale(low: float, high: float) -> str:
    """Return whether values are shares of a range (0 to 1) or weights (-1 to 1), "" where that is open."""
    if high > _WITHIN or low < -_WITHIN or (-0.5 < low < -0.25):
        return ""
    return "weights" if low <= -0.5 else "normalised"


def _plausible(role: str, values: np.ndarray, read_voltage: float | None) -> bool:
    positive = np.abs(values[values != 0])
    if not positive.size:
        return False
    if role == "resistance":
        return _SURE.least <= 1 / float(positive.min()) <= _SURE.most
    largest = float(positive.max())
    return _SURE.least <= largest / (abs(read_voltage or 1.0) if role == "current" else 1.0) <= _SURE.most


def _question(role: str, low: float, high: float) -> str:
    """Return which units the values could be in, and what each would mean."""
    largest, texts = max(abs(low), abs(high)), []
    for kind in [role] if role else list(_UNITS):
        meant = {unit: to_si(largest, unit, _USUAL[kind]) for unit in _UNITS[kind]}
        span = _CURRENTS if kind == "current" else _LIKELY
        likely = {unit: si for unit, si in meant.items()
                  if si and span.least <= (1 / si if kind == "resistance" else si) <= span.most}  # fmt: skip
        if likely:
            also = " with --read-voltage V" if kind == "current" else ""
            sizes = ", ".join(readable(si, _USUAL[kind]) for si in likely.values())
            texts.append(f"--unit {', '.join(likely)}{also} ({kind}s up to {sizes})")
    if role in ("", "conductance") and _LEAST_SHARE <= largest <= _WITHIN:
        scales = " or ".join(f"{name} ({text})" for name, text in NORMALISED.items())
        texts.append(f"--unit {scales} with --g-min and --g-max")
    return f"allowed: {'; '.join(texts) or 'values that a cell can have'}"


def _siemens(strip: Strip, raw: np.ndarray, unit: str, options: ImportOptions, notes: Notes) -> np.ndarray:
    where = f"{strip.sheet.where}: column {strip.value.column}"
    if unit in NORMALISED:
        if options.g_min is None or options.g_max is None:
            raise InputError(f"{where}: {unit} values need a range: --g-min and --g-max, S")
        share = raw if unit == "normalised" else (raw + 1) / 2
        return np.asarray(options.g_min + share * (options.g_max - options.g_min))
    dimension = parse_unit(unit)[1]
    values = _in_si(raw, unit, dimension)
    if dimension == "S":
        return values
    if dimension == "Ohm":
        return 1 / np.where(values == 0, np.nan, values)
    return _from_currents(strip, values, where, options, notes)


def _from_currents(strip: Strip, amperes: np.ndarray, where: str, options: ImportOptions, notes: Notes) -> np.ndarray:
    beside = strip.beside.get("read-voltage")
    if beside:
        volts = in_unit(strip.sheet, beside, "V", "V", notes)
    elif options.read_voltage is not None:
        volts = np.full(len(amperes), options.read_voltage)
    else:
        also = [h.column for r, h in strip.beside.items() if r == "voltage"]
        hint = f"; if {also[0]} is it, --column {also[0]}=read-voltage" if also else ""
        raise InputError(f"{where}: a current; give the voltage it was read at, --read-voltage V{hint}")
    if np.nanmedian(amperes * volts) < 0:
        notes.guess(where, "currents of the other sign than the read voltage: their magnitude counts")
        amperes = -amperes
    return np.asarray(amperes / np.where(volts == 0, np.nan, volts))


def _check(strip: Strip, raw: np.ndarray, g: np.ndarray, largest: float) -> None:
    """Raise where conductances are not those of a cell."""
    column, where = strip.value.column, strip.sheet.where
    if (g[np.isfinite(g)] < 0).all():
        raise InputError(f"{where}: column {column}: all values are negative; allowed: conductances of at least 0 "
                         "(read at a negative voltage, currents are of its sign: --read-voltage with it)")  # fmt: skip
    if not LEAST_SIEMENS <= largest <= MOST_SIEMENS:
        unit = likely_unit(largest, "S", Span(LEAST_SIEMENS, MOST_SIEMENS)) if strip.value.role == "conductance" else ""
        hint = f"; in {unit}? then name the column conductance_{unit}" if unit and unit != "S" else ""
        raise InputError(f"{where}: column {column}: got up to {largest:g} S; plausible: up to "
                         f"{LEAST_SIEMENS:g} to {MOST_SIEMENS:g} S{hint}")  # fmt: skip
    wrong = g < -BELOW_ZERO * largest
    if wrong.any():
        row = int(wrong.argmax())
        cell = strip.sheet.cells[column][row]
        meant = "" if raw[row] == g[row] else f", which is {readable(float(g[row]), 'S')}"
        raise InputError(f"{where}: row {strip.sheet.lines[row]}, column {column}: got {cell!r}{meant}; "
                         "allowed: a finite number of at least 0, less noise about it")  # fmt: skip

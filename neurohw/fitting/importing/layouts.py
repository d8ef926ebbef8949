"""How values stand in tables: which columns hold them, and which device, cycle and polarity each column is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from neurohw.errors import InputError
from neurohw.fitting.importing.exports import NEUROSIM
from neurohw.fitting.importing.headings import (
    VALUES,
    Heading,
    device_and_cycle,
    headings,
    polarity_of,
    without_polarity,
    words_of,
)
from neurohw.fitting.importing.options import LAYOUTS, ImportOptions, Notes
from neurohw.fitting.importing.sheets import Sheet, is_number, transposed

_RAMP = re.compile(r"rmp\s?\d+", re.IGNORECASE)  # CrossSim's set.csv and reset.csv
CROSSSIM, AIHWKIT = "CrossSim", "aihwkit"


@dataclass(frozen=True)
class Strip:
    """A column of values and what goes with it.

    Args:
        sheet: where it stands.
        value: the column.
        beside: columns that say more of each value, by role.
        device, cycle: their names, "" where a column of `beside` has them or nothing does.
        up: whether all its pulses potentiate; None where something else says it.
    """

    sheet: Sheet
    value: Heading
    beside: dict[str, Heading]
    device: str
    cycle: str
    up: bool | None


def pulse_strips(sheets: Sequence[Sheet], options: ImportOptions, notes: Notes) -> list[Strip]:
    """Return the columns of values of pulse trains.

    Raises:
        InputError: there are none, or what they are is not clear; the message says which options make it so.
    """
    strips = []
    sheets = [transposed(sheet) for sheet in sheets] if options.layout == "rows" else sheets
    for sheet in sheets:
        columns = headings(sheet, options)
        columns = columns if sheet.headed else _headerless(sheet, columns, options, notes)
        _refuse_retention(sheet, columns)
        _warn_of_mixture(sheet, columns, notes)
        strips += _strips(sheet, columns, options, notes)
    return _named(strips, sheets, options, notes)


def value_strips(sheet: Sheet, columns: list[Heading], options: ImportOptions, notes: Notes) -> list[Strip]:
    """Return the columns of values of a sheet, each by itself."""
    values = _values(sheet, columns, notes)
    beside = {h.role: h for h in reversed(columns) if h.role and h not in values}
    spare = [h for h in columns if h.role not in ("", "ignore") and h not in values and beside[h.role] is not h]
    if any(h.up is None for h in spare):
        notes.guess(sheet.where, f"not used: {_names(spare)}, as other columns say the same")
    return [Strip(sheet, h, beside, *device_and_cycle(_label(h)), h.up) for h in values]


def _strips(sheet: Sheet, columns: list[Heading], options: ImportOptions, notes: Notes) -> list[Strip]:
    """Return the columns of values of a sheet with the polarity that their headers or its name say."""
    strips = value_strips(sheet, columns, options, notes)
    marked = [strip.up is not None for strip in strips]
    layout = options.layout or ("up-down" if all(marked) else "long" if len(strips) == 1 else "wide")
    if layout == "long" and len(strips) > 1:
        raise InputError(f"{sheet.where}: layout long with {len(strips)} columns of values "
                         f"({_names([s.value for s in strips])}); allowed: one; name it with --column NAME=conductance "
                         "(or resistance, current)")  # fmt: skip
    if layout == "up-down" and not all(marked):
        strips = _first_up(sheet, strips)
    if layout != "long" and not options.layout:
        notes.guess(sheet.where, f"layout {layout}: {LAYOUTS[layout]} ({_names([s.value for s in strips])})")
    if layout == "up-down":
        strips = [replace(s, beside=_of_polarity(columns, s)) for s in strips]
    of_sheet = polarity_of(words_of(sheet.name))
    of_rows = {"polarity", "voltage", "write-voltage"}
    return [s if s.up is not None or of_rows.intersection(s.beside) else replace(s, up=of_sheet) for s in strips]


def _first_up(sheet: Sheet, strips: list[Strip]) -> list[Strip]:
    if len(strips) != 2:
        raise InputError(f"{sheet.where}: layout up-down with columns {_names([s.value for s in strips])}; allowed: "
                         "two, or names with up and down, LTP and LTD, set and reset")  # fmt: skip
    return [replace(strip, up=up) for strip, up in zip(strips, (True, False), strict=True)]


def _of_polarity(columns: list[Heading], strip: Strip) -> dict[str, Heading]:
    """Return the columns that go with one polarity: "Pulse_LTD" with "G_LTD", unmarked ones with both."""
    shared = {h.role: h for h in columns if h.role and h.up is None and h.role not in VALUES}
    return shared | {h.role: h for h in columns if h.role and h.up == strip.up and h.role not in VALUES}


def _values(sheet: Sheet, columns: list[Heading], notes: Notes) -> list[Heading]:
    """Return the columns that hold values: conductances before resistances before currents, else what has no role."""
    known = [h for h in columns if h.role in VALUES]
    single = {h.role for h in known if not h.label and h.up is None}
    if len(known) > 1 and len(single) == len(known):
        chosen = min(known, key=lambda h: VALUES.index(h.role))
        notes.guess(sheet.where, f"values from column {chosen.column}; not used: "
                    f"{_names([h for h in known if h != chosen])}")  # fmt: skip
        known = [chosen]
    unknown = [h for h in columns if not h.role and _numeric(sheet, h)]
    if not known:
        known, unknown = unknown, []
    if not known:
        if all(h.up is not None for h in columns) and columns:
            raise InputError(f"{sheet.where}: columns {_names(columns)}, as in {AIHWKIT}'s selfdefine.csv: steps for "
                             "each segment of the range, no measured conductances; allowed: conductances after "
                             "each pulse, as in its gong_et_al.csv")  # fmt: skip
        raise InputError(f"{sheet.where}: no column of conductance, resistance or current; got: {_names(columns)}; "
                         "name one with --column NAME=conductance (or resistance, current)")  # fmt: skip
    aside = [h for h in columns if not h.role and h not in known]
    if aside:
        notes.guess(sheet.where, f"not used: {_names(aside)}")
    return known


def _numeric(sheet: Sheet, heading: Heading) -> bool:
    full = [cell for cell in sheet.cells[heading.column] if cell]
    return 2 * sum(map(is_number, full)) > len(full)


def _headerless(sheet: Sheet, columns: list[Heading], options: ImportOptions, notes: Notes) -> list[Heading]:
    """Return the columns of a table without headers: a first one that counts is the pulse."""
    if any(h.role for h in columns):
        return columns
    first = [cell for cell in sheet.cells[columns[0].column] if is_number(cell)]
    numbers = [float(cell) for cell in first]
    if len(columns) > 1 and all(b - a == numbers[1] - numbers[0] >= 1 for a, b in pairwise(numbers)):
        notes.guess(sheet.where, "no header; column 1 counts pulses")
        return [replace(columns[0], role="pulse"), *columns[1:]]
    if len(columns) == 2 and options.layout in (None, "up-down"):
        second = [float(cell) for cell in sheet.cells[columns[1].column] if is_number(cell)]
        if options.layout or (_rises(numbers) and not _rises(second)):
            notes.guess(sheet.where, f"no header; column 1 rises: after potentiating pulses, column 2 falls: after "
                        f"depressing ones, as in {AIHWKIT}'s gong_et_al.csv")  # fmt: skip
            return [replace(h, up=up) for h, up in zip(columns, (True, False), strict=True)]
    if len(columns) > 1 and not options.layout:
        raise InputError(f"{sheet.where}: {len(columns)} columns without names; allowed: a header, or a first column "
                         "that counts pulses, or --layout wide (a column for each device or cycle), up-down (the "
                         "first after potentiating, the second after depressing pulses)")  # fmt: skip
    return columns


def _rises(numbers: list[float]) -> bool:
    half = len(numbers) // 2
    return sum(numbers[half:]) / max(len(numbers) - half, 1) > sum(numbers[:half]) / max(half, 1)


def _refuse_retention(sheet: Sheet, columns: list[Heading]) -> None:
    roles = {h.role for h in columns}
    time = next((h.column for h in columns if h.role == "time"), None)
    pulsed = roles & {"pulse", "polarity", "write-voltage", "voltage"} or any(h.up is not None for h in columns)
    if time and not pulsed and polarity_of(words_of(sheet.name)) is None:
        raise InputError(
            f"{sheet.where}: a column of times ({time}) and none of pulses, polarity or voltage: retention is "
            "imported with --retention; name a column that counts pulses with --column NAME=pulse"
        )


def _warn_of_mixture(sheet: Sheet, columns: list[Heading], notes: Notes) -> None:
    for heading in columns:
        if heading.role in ("temperature", "level") and len(values := set(sheet.cells[heading.column])) > 1:
            notes.caution(sheet.where, f"column {heading.column} has {len(values)} values: pulses at all of them are "
                          "taken for those of one device model")  # fmt: skip


def _named(strips: list[Strip], sheets: Sequence[Sheet], options: ImportOptions, notes: Notes) -> list[Strip]:
    """Return the strips with devices and cycles: from columns, headers, names of sheets and files, options."""
    named = []
    for sheet in sheets:
        mine = [s for s in strips if s.sheet is sheet]
        device, cycle = _of_sheet(sheet, sheets, options, notes)
        peers = [s for s in mine if s.up == mine[0].up]
        for strip in mine:
            if len(peers) > 1 and not (strip.device or strip.cycle):
                kind = options.each or _kind(sheet, mine)
                label = without_polarity(_label(strip.value)) or strip.value.column
                strip = replace(strip, device=label) if kind == "device" else replace(strip, cycle=label)
            own = "" if "device" in strip.beside else strip.device or device or "1"
            turn = "" if "cycle" in strip.beside else strip.cycle or cycle or "1"
            named.append(replace(strip, device=own, cycle=turn))
    return named


def of_crosssim(strips: Sequence[Strip], notes: Notes) -> bool:
    """Return whether the columns are ramps of CrossSim's set.csv and reset.csv, where a zero is an empty cell."""
    theirs = all(_RAMP.fullmatch(strip.value.column) for strip in strips)
    if theirs:
        notes.guess("", f"columns {strips[0].value.column}, ...: ramps of one device, as in {CROSSSIM}'s set.csv and "
                    "reset.csv; zeros are empty cells")  # fmt: skip
    return theirs


def _kind(sheet: Sheet, strips: list[Strip]) -> str:
    if len(strips) > 2 * len(sheet.lines):
        raise InputError(f"{sheet.where}: {len(sheet.lines)} rows of {len(strips)} values: if a row is a train, "
                         "--layout rows")  # fmt: skip
    raise InputError(f"{sheet.where}: columns {_names([s.value for s in strips])}: devices or cycles? "
                     "--each device: a device each, their differences are from device to device; --each cycle: "
                     "trains of one device, their differences are from cycle to cycle")  # fmt: skip


def _of_sheet(sheet: Sheet, sheets: Sequence[Sheet], options: ImportOptions, notes: Notes) -> tuple[str, str]:
    """Return the device and the cycle that a sheet's or file's name stands for, among several."""
    rest = {id(s): without_polarity(s.name) for s in sheets}
    mine = rest[id(sheet)]
    if len(set(rest.values())) == 1:
        return "", ""
    device, cycle = device_and_cycle(mine)
    if device or cycle:
        return device, cycle
    if sheet.export == NEUROSIM:
        return mine, ""
    kind = options.each or "device"
    if not options.each:
        notes.guess(sheet.where, "a device of its own, by its name (--each cycle: a cycle of one device)")
    return (mine or sheet.name, "") if kind == "device" else ("", mine or sheet.name)


def _label(heading: Heading) -> str:
    return heading.label or ("" if heading.role else heading.column)


def _names(columns: Sequence[Heading]) -> str:
    shown = [h.column for h in columns[:4]]
    return ", ".join(shown) + (f", ... ({len(columns)})" if len(columns) > 4 else "")

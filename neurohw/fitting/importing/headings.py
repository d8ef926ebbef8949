"""What a column is, from its header: a role, a unit, whether its pulses potentiate, and a name of its own.

"G_uS dev 3", "Conductance [uS] LTP", "R1 (kOhm)", "pulse width (ns)": the unit is taken off, words of polarity, then
the longest synonym of a role; what is left names the device or the cycle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from neurohw.errors import InputError
from neurohw.fitting.importing.options import NORMALISED, ImportOptions
from neurohw.fitting.importing.sheets import Sheet
from neurohw.units import parse_unit

SYNONYMS = {
    "device": ("device", "dev", "cell", "sample", "device id", "cell id", "sample id", "dut", "id"),
    "cycle": ("cycle", "cyc", "loop", "run", "ramp", "repeat", "repetition", "sweep", "iteration"),
    "pulse": ("pulse", "pulses", "puls", "pulse index", "pulse count", "n", "index", "count", "step", "p"),
    "polarity": ("polarity", "direction", "sign", "type", "pulse type", "operation", "op", "mode"),
    "conductance": ("conductance", "g", "cond", "g meas", "g read", "weight", "weights", "w"),
    "resistance": ("resistance", "r", "res", "r meas", "r read"),
    "current": ("current", "i", "read current", "i read", "iread", "imeas", "i meas", "drain current", "i d", "ids",
                "i ds"),
    "write-voltage": ("write voltage", "v write", "vwrite", "vw", "pulse voltage", "v pulse", "vpulse", "amplitude",
                      "pulse amplitude", "pulse height", "v p", "gate voltage", "v gate"),
    "read-voltage": ("read voltage", "v read", "vread"),
    "voltage": ("voltage", "v", "bias", "applied voltage"),
    "width": ("width", "pulse width", "pw", "pulse duration", "duration", "pulse time", "t pulse", "tpulse"),
    "time": ("time", "t", "elapsed", "elapsed time", "time since write", "time since programming", "seconds",
             "read time", "timestamp"),
    "temperature": ("temperature", "temp", "bake temperature"),
    "level": ("level", "state", "target", "target level", "target conductance"),
}  # fmt: skip
VALUES = ("conductance", "resistance", "current")
_ALONE = ("device", "cycle", "pulse", "polarity", "level")  # more words make them the name of something
_FILLERS = {"number", "no", "nr", "num", "name", "value", "values", "measured", "meas"}
_NORMALISED = {"normalised", "normalized", "norm"}
_UP = {"up", "set", "ltp", "pot", "potentiation", "potentiating", "increasing", "increase"}
_DOWN = {"down", "reset", "ltd", "dep", "depression", "depressing", "decreasing", "decrease"}
POLARITIES = {"+1": True, "1": True, "up": True, "potentiation": True,
              "-1": False, "down": False, "depression": False}  # fmt: skip
POLARITIES |= dict.fromkeys((*sorted(_UP), "+", "p"), True) | dict.fromkeys((*sorted(_DOWN), "-", "d"), False)
_DIMENSION_ROLES = {"S": "conductance", "Ohm": "resistance", "A": "current"}
_ALLOWED = {"conductance": ("S", "1"), "resistance": ("Ohm",), "current": ("A",), "write-voltage": ("V",),
            "read-voltage": ("V",), "voltage": ("V",), "width": ("s",), "time": ("s",),
            "temperature": ("K",), "level": ("S", "Ohm", "A", "1"), "pulse": ("1",)}  # fmt: skip
_BRACKET = re.compile(r"[\[(]\s*([^\])]+?)\s*[\])]")
_SPELLED = {"ohms": "Ohm", "sec": "s", "secs": "s", "seconds": "s", "hours": "h", "hr": "h", "hrs": "h", "days": "day",
            "minutes": "min", "mins": "min", "siemens": "S", "a.u.": "", "au": "", "a. u.": "", "-": ""}  # fmt: skip
_CELSIUS = ("c", "°c", "degc", "deg c", "celsius", "oc")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_POLARITY = re.compile(rf"(?<![^\W\d_])({'|'.join(sorted(_UP | _DOWN))})(?![^\W\d_])", re.IGNORECASE)
_DEVICE = re.compile(r"\b(?:device|dev|cell|sample|dut|d)\s+(\w+)", re.IGNORECASE)
_CYCLE = re.compile(r"\b(?:cycle|cyc|run|ramp|rmp|loop|sweep|repeat|repetition|c)\s+(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Heading:
    """A column.

    Args:
        column: its header as written.
        role: a key of SYNONYMS; "" where it is not recognised.
        unit: as `parse_unit` reads it, "C" for degrees Celsius, a key of NORMALISED; "" where none is named.
        up: whether its pulses potentiate; None where the header does not say.
        label: what else the header says.
    """

    column: str
    role: str
    unit: str
    up: bool | None
    label: str


def headings(sheet: Sheet, options: ImportOptions) -> list[Heading]:
    """Return what each column of a sheet is.

    Raises:
        InputError: a role is given to a column that is not there; a unit does not fit what the column is.
    """
    if not sheet.headed:
        return [Heading(column, options.columns.get(column, ""), "", None, column) for column in sheet.cells]
    return [_heading(column, sheet, options) for column in sheet.cells]


def words_of(text: str) -> list[str]:
    """Return the words of a name in lower case, numbers apart from letters."""
    return [word.lower() for word in _WORD.findall(text)]


def polarity_of(words: list[str]) -> bool | None:
    """Return whether words name potentiation (True) or depression (False); None: neither or both."""
    up, down = bool(_UP.intersection(words)), bool(_DOWN.intersection(words))
    return up if up != down else None


def without_polarity(text: str) -> str:
    """Return a name without the words that name a polarity."""
    return _POLARITY.sub("", text).strip(" _-.,")


def device_and_cycle(label: str) -> tuple[str, str]:
    """Return the device and the cycle that a label names, "" for what it does not."""
    text = " ".join(_WORD.findall(label))
    device, cycle = _DEVICE.search(text), _CYCLE.search(text)
    return (device[1] if device else ""), (cycle[1] if cycle else "")


def _heading(column: str, sheet: Sheet, options: ImportOptions) -> Heading:
    name, unit = _split(column)
    words = _WORD.findall(name)
    up = polarity_of(words_of(name))
    words = [word for word in words if word.lower() not in _UP | _DOWN] if up is not None else words
    given = options.columns.get(column)
    role, label = (given, "") if given else _role(words, column, unit, sheet)
    if up is not None and role == "" and not words:
        role = "polarity" if _holds_polarities(sheet.cells[column]) else ""
    if role == "time" and _dimension(unit) == "K":
        role = "temperature"  # T (K)
    if role in _ALLOWED and unit not in NORMALISED and _dimension(unit) not in ("", *_ALLOWED[role]):
        raise InputError(f"{sheet.where}: column {column}: a {role} in {unit!r}; "
                         f"allowed: a unit of {' or '.join(_ALLOWED[role])}")  # fmt: skip
    if role == "conductance" and unit in ("", "1"):
        unit = "normalised" if _NORMALISED.intersection(words_of(name)) else ""
    return Heading(column, role, "" if unit == "1" else unit, up, label)


def _role(words: list[str], column: str, unit: str, sheet: Sheet) -> tuple[str, str]:
    """Return a column's role and what is left of its name: the longest synonym at its begin or end decides."""
    if column.strip() == "Id" and sheet.export:
        return "current", ""
    if column.strip() == "#":
        return "pulse", ""
    plain = [word for word in words if word.lower() not in _FILLERS | _NORMALISED]
    lower = [word.lower() for word in plain]
    matches = []
    for role, synonyms in SYNONYMS.items():
        for synonym in map(str.split, synonyms):
            n = len(synonym)
            if lower[:n] == synonym:
                matches.append((len("".join(synonym)), role, plain[n:]))
            elif lower[-n:] == synonym:
                matches.append((len("".join(synonym)), role, plain[:-n]))
    for _, role, rest in sorted(matches, reverse=True):
        if not rest or role not in _ALONE:
            return role, " ".join(rest)
    return _DIMENSION_ROLES.get(_dimension(unit), ""), " ".join(words)


def _dimension(unit: str) -> str:
    """Return the dimension of a header's unit, "" where it has none."""
    if unit in ("", *NORMALISED):
        return ""
    return "K" if unit == "C" else parse_unit(unit)[1]


def unknown_unit(column: str) -> str:
    """Return what a header has in brackets, which `headings` found to be no unit; "" without brackets."""
    bracket = _BRACKET.search(column)
    return bracket[1].strip() if bracket else ""


def _holds_polarities(cells: list[str]) -> bool:
    return all(cell.strip().lower() in POLARITIES for cell in cells if cell.strip())


def _split(column: str) -> tuple[str, str]:
    """Return a header without its unit, and the unit."""
    if bracket := _BRACKET.search(column):
        unit = _unit(bracket[1])
        if unit is not None:
            return column.replace(bracket[0], " "), unit
    for separator in ("/", "_", " in ", ",", " "):
        name, separated, tail = column.rpartition(separator)
        unit = _unit(tail) if separated and len(tail) > 0 else None
        if unit and name.strip() and _convincing(name, tail.strip(), unit):
            return name, unit
    return column, ""


def _convincing(name: str, tail: str, unit: str) -> bool:
    """Return whether the last word of a header without brackets is a unit: "cell A" and "dev 1" have none."""
    if unit == "C" or parse_unit(unit)[1] not in {d for ds in _ALLOWED.values() for d in ds} or tail.isdigit():
        return unit == "C" and words_of(name)[-1:] == ["temperature"]
    return len(unit) > 1 or any(" ".join(words_of(name)) in SYNONYMS[role] for role in _ALLOWED)


def _unit(text: str) -> str | None:
    """Return a unit as `parse_unit` reads it, "" for one that says nothing, None if it is none."""
    stripped = text.strip().replace("Ω", "Ohm").replace("Ω", "Ohm")
    lower = stripped.lower()
    if lower in _CELSIUS:
        return "C"
    if lower in _SPELLED:
        return _SPELLED[lower]
    if lower in ("normalised", "normalized", "norm", "norm."):
        return "normalised"
    stripped = re.sub(r"^(K|k)(ohm|Ohm|OHM)s?$", "kOhm", stripped)
    stripped = re.sub(r"ohms$", "Ohm", stripped, flags=re.IGNORECASE)
    try:
        parse_unit(stripped)
    except InputError:
        return None
    return stripped

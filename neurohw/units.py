"""Values with units, to SI and back: a unit is an optional SI prefix and a symbol, and it has one dimension.

Dimensions are named by their SI unit: "S", "Ohm", "V", "A", "s", "J", "W", "F", "C", "m", "m2", "Hz", "K", "1",
"1/sqrt(s)" for diffusion, "V m" for the matching of transistors, "eV" for activation energies.
"""

from __future__ import annotations

import functools
import math

from neurohw.errors import InputError

PREFIXES = {
    "f": 1e-15,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
}
_PREFIXED = ("S", "Ohm", "V", "A", "s", "J", "W", "F", "C", "m", "Hz", "K")
_LENGTHS = {**PREFIXES, "c": 1e-2}
_OTHERS = {  # symbol: (factor, dimension)
    "1": (1.0, "1"),
    "%": (0.01, "1"),
    "min": (60.0, "s"),
    "h": (3600.0, "s"),
    "day": (86400.0, "s"),
    "1/sqrt(s)": (1.0, "1/sqrt(s)"),
    "V m": (1.0, "V m"),
    "mV um": (1e-9, "V m"),
    "eV": (1.0, "eV"),
    "meV": (1e-3, "eV"),
}
_SPELLINGS = str.maketrans({"µ": "u", "μ": "u", "²": "2"})


@functools.cache
def _units() -> dict[str, tuple[float, str]]:
    """Return every unit: what it is in SI, and its dimension."""
    known = {prefix + symbol: (factor, symbol) for symbol in _PREFIXED for prefix, factor in PREFIXES.items()}
    known |= {prefix + "ohm": (factor, "Ohm") for prefix, factor in PREFIXES.items()}
    known |= {prefix + "m": (factor, "m") for prefix, factor in _LENGTHS.items()}
    known |= {prefix + "m2": (factor**2, "m2") for prefix, factor in _LENGTHS.items()}
    return known | _OTHERS


def parse_unit(unit: str) -> tuple[float, str]:
    """Return what one of `unit` is in SI, and its dimension.

    Raises:
        InputError: there is no such unit; the message says how units are written.
    """
    try:
        return _units()[unit.strip().translate(_SPELLINGS)]
    except KeyError:
        scales = ", ".join(filter(None, _LENGTHS))
        raise InputError(
            f"unknown unit {unit!r}; allowed: {', '.join(_PREFIXED)} and m2, with or without a prefix ({scales}), "
            f"and {', '.join(_OTHERS)}"
        ) from None


def allowed_units(dimension: str) -> str:
    """Return the units of a dimension in words, for messages."""
    others = [symbol for symbol, (_, known) in _OTHERS.items() if known == dimension and symbol != dimension]
    prefixed = dimension in (*_PREFIXED, "m2")
    examples = {"m2": "um2", "s": "ns", "S": "uS", "Ohm": "kOhm", "J": "fJ"}
    stem = f"{dimension} with or without a prefix, as in {examples.get(dimension, 'm' + dimension)}"
    return ", ".join([stem if prefixed else dimension, *others])


def to_si(value: float, unit: str, dimension: str) -> float:
    """Return a value in SI.

    Args:
        value: a number, in `unit`.
        unit: a prefix and a symbol, as in "uS", "kOhm", "nm2"; or "1", "%", "min", "h", "day".
        dimension: what is wanted, named by its SI unit.

    Raises:
        InputError: an unknown unit, or one of another dimension; the allowed ones are listed.
    """
    factor, actual = parse_unit(unit)
    if actual != dimension:
        raise InputError(f"unit {unit!r} is of dimension {actual!r}; allowed: {allowed_units(dimension)}")
    if factor < 1 and (inverse := round(1 / factor)) and math.isclose(factor * inverse, 1, rel_tol=1e-12):
        return value / inverse  # 50 / 1e6 is the nearest number to 50 millionths; 50 * 1e-6 is not
    return value * factor


def with_unit(value: float, unit: str) -> str:
    """Return a value as it was written, as in "50 uS"; a plain number alone."""
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def readable(value: float, dimension: str, digits: int = 4) -> str:
    """Return an SI value with the prefix that leaves 1 to 999 before the point, as in "16.9 uS"."""
    if dimension == "1":
        return f"{value:.{digits}g}"
    power = 2 if dimension == "m2" else 1
    digits = max(digits, 6) if power == 2 else digits
    prefix = fitting_prefix(value, dimension)
    return f"{value / PREFIXES[prefix] ** power:.{digits}g} {prefix}{dimension}"


def fitting_prefix(value: float, dimension: str) -> str:
    """Return the SI prefix that leaves 1 to 999 before the point of an SI value; "" of a unit that takes none."""
    if dimension not in (*_PREFIXED, "m2") or value == 0 or not math.isfinite(value):
        return ""
    power = 2 if dimension == "m2" else 1
    fits = [p for p, factor in PREFIXES.items() if abs(value) >= 0.99999 * factor**power]
    return fits[-1] if fits else "f"


def duration_text(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"

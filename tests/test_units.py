"""Values with units: SI and back, dimensions checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurohw.errors import InputError
from neurohw.units import parse_unit, readable, to_si


@pytest.mark.parametrize(
    ("value", "unit", "dimension", "si"),
    [
        (50, "uS", "S", 50e-6),
        (50, "µS", "S", 50e-6),
        (16.9, "kOhm", "Ohm", 16.9e3),
        (16.9, "kohm", "Ohm", 16.9e3),
        (75, "ns", "s", 75e-9),
        (5, "min", "s", 300.0),
        (2, "h", "s", 7200.0),
        (30, "day", "s", 30 * 86400.0),
        (1.2, "pJ", "J", 1.2e-12),
        (35, "uW", "W", 35e-6),
        (3, "fF", "F", 3e-15),
        (0.05, "um2", "m2", 0.05e-12),
        (1600, "nm²", "m2", 1.6e-15),
        (3, "cm2", "m2", 3e-4),
        (40, "nm", "m", 40e-9),
        (1, "MHz", "Hz", 1e6),
        (300, "K", "K", 300.0),
        (-2, "V", "V", -2.0),
        (150, "uA", "A", 150e-6),
        (3.5, "%", "1", 0.035),
        (0.3, "1", "1", 0.3),
        (1e-4, "1/sqrt(s)", "1/sqrt(s)", 1e-4),
    ],
)
def test_a_value_in_si(value: float, unit: str, dimension: str, si: float) -> None:
    assert to_si(value, unit, dimension) == pytest.approx(si, rel=1e-15, abs=0)


def test_minutes_and_metres_are_told_from_milli() -> None:
    assert parse_unit("min") == (60.0, "s")
    assert parse_unit("m") == (1.0, "m")
    assert parse_unit("mm") == (1e-3, "m")
    assert parse_unit("ms") == (1e-3, "s")
    assert parse_unit("Ms") == (1e6, "s")


@pytest.mark.parametrize(
    ("unit", "dimension", "said"),
    [
        ("kOhm", "S", "'kOhm' is of dimension 'Ohm'; allowed: S with or without a prefix, as in uS"),
        ("V", "s", "allowed: s with or without a prefix, as in ns, min, h, day"),
        ("s", "1", "allowed: 1, %"),
        ("um", "m2", "dimension 'm'; allowed: m2 with or without a prefix, as in um2"),
    ],
)
def test_a_wrong_dimension_says_what_is_allowed(unit: str, dimension: str, said: str) -> None:
    with pytest.raises(InputError) as failed:
        to_si(1, unit, dimension)
    assert said in str(failed.value)


@pytest.mark.parametrize("unit", ["", "siemens", "us2", "k", "m%", "uday", "S/m"])
def test_an_unknown_unit_lists_the_known_ones(unit: str) -> None:
    with pytest.raises(InputError, match=r"unknown unit.*S, Ohm, V.*min, h, day"):
        parse_unit(unit)


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (16.9e-6, "S", "16.9 uS"),
        (1e-6, "S", "1 uS"),
        (999.9e-9, "S", "999.9 nS"),
        (3e5, "Ohm", "300 kOhm"),
        (-1.5, "V", "-1.5 V"),
        (0.0, "S", "0 S"),
        (0.05e-12, "m2", "50000 nm2"),
        (1e-18, "s", "0.001 fs"),
        (0.049, "1", "0.049"),
        (1e-4, "1/sqrt(s)", "0.0001 1/sqrt(s)"),
    ],
)
def test_readable(value: float, dimension: str, text: str) -> None:
    assert readable(value, dimension) == text


PREFIXED = ("S", "Ohm", "V", "A", "s", "J", "W", "F", "C", "m", "Hz", "K")


@given(st.floats(1e-14, 1e12), st.sampled_from(PREFIXED))
def test_readable_is_read_back(value: float, dimension: str) -> None:
    number, unit = readable(value, dimension, digits=17).split()
    assert to_si(float(number), unit, dimension) == pytest.approx(value, rel=1e-12)
    assert 0.999 <= float(number) < 1001 or unit.removesuffix(dimension) in ("f", "T")

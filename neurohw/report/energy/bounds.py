"""Low, nominal and high of a figure in a report, their means, and how they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from neurohw import units
from neurohw.energy.ranges import Range
from neurohw.report.table import NOTHING


def mean_bounds(values: Sequence[Range]) -> Range:
    """Return the mean, bound by bound."""
    return Range(fmean(v.low for v in values), fmean(v.nominal for v in values), fmean(v.high for v in values))


def mean_known(values: Iterable[Range | None]) -> Range | None:
    """Return the mean of what is known; None of nothing."""
    known = [value for value in values if value is not None]
    return mean_bounds(known) if known else None


def bounds_text(bounds: Range | None, unit: str) -> str:
    """Return nominal, low and high with one prefix, as in "7 nJ (5.3 to 13)"; the unit "1" is not written."""
    if bounds is None:
        return NOTHING
    scaled = "" if unit == "1" else _prefixed(bounds.nominal, unit)
    factor = units.parse_unit(scaled)[0] if scaled else 1.0
    nominal, low, high = (digits(value / factor) for value in (bounds.nominal, bounds.low, bounds.high))
    return f"{nominal}{' ' if scaled else ''}{scaled} ({low} to {high})"


def nominal_text(bounds: Range | None, unit: str) -> str:
    """Return the nominal figure alone, as in "7 nJ"."""
    return NOTHING if bounds is None else units.readable(bounds.nominal, unit, 3)


def ratio_of(one: Range, other: Range) -> Range | None:
    """Return the ratio of two accounts: of the nominal figures, and with all figures of both at low or at high.

    Both sides share their figures, so the two ends are not the lowest over the highest; None where nothing divides.
    """
    if not (other.low and other.nominal and other.high):
        return None
    ends = (one.low / other.low, one.nominal / other.nominal, one.high / other.high)
    return Range(min(ends), ends[1], max(ends))


def digits(value: float) -> str:
    """Return a number with three digits that count, as in "1,230" or "0.0123"."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def _prefixed(value: float, unit: str) -> str:
    """Return the unit with the prefix that suits a value; areas above 0.01 mm2 are in mm2."""
    return "mm2" if unit == "m2" and 1e-8 <= value < 1e-5 else units.readable(value, unit, 3).partition(" ")[2]


def share_text(share: float) -> str:
    """Return a share in percent."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"

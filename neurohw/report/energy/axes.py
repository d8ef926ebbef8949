"""Axes of joules, and texts beside markers."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from neurohw import units
from neurohw.energy.ranges import Range
from neurohw.report.drawing import INK

_OFFSETS = ((7, 4), (7, -11), (-7, 4), (-7, -11), (0, 9), (0, -16), (16, 12), (16, -20), (-16, 12), (-16, -20))


def joules(ax: Axes, values: Sequence[float]) -> None:
    """Make the x axis one of joules: logarithmic, three ticks or more, if all values (with their whiskers) allow it."""
    if values and min(values) > 0:
        ax.set_xscale("log")
        span = log10(max(values) / min(values))
        ax.set_xlim(min(values) / 10 ** (0.04 * span + 0.03), max(values) * 10 ** (0.04 * span + 0.03))
        subs = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if span < 0.7 else (1.0, 2.0, 5.0) if span < 2.2 else (1.0, 3.0)
        ax.xaxis.set_major_locator(LogLocator(subs=subs if span < 4.5 else (1.0,), numticks=12))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: units.readable(value, "J", 3)))
    ax.grid(True, axis="x")


def ends(bounds: Sequence[Range]) -> list[float]:
    """Return everything that whiskers reach."""
    return [value for b in bounds for value in (b.low, b.nominal, b.high)]


def whisker(bounds: Range) -> list[list[float]]:
    """Return the lengths of a whisker from low to high."""
    return [[bounds.nominal - bounds.low], [bounds.high - bounds.nominal]]


def write_beside(ax: Axes, texts: Sequence[tuple[float, float, str]]) -> None:
    """Write (x, y, text) beside its marker, each where it covers least of the other markers and texts."""
    places = [ax.transData.transform((x, y)) for x, y, _ in texts]
    taken = [_box(left, bottom, "", (0, 0)) for left, bottom in places]
    for x, y, text in texts:
        if not text:
            continue
        left, bottom = ax.transData.transform((x, y))
        boxes = [_box(left, bottom, text, offset) for offset in _OFFSETS]
        covered = [sum(_overlap(box, other) for other in taken) for box in boxes]
        chosen = _OFFSETS[covered.index(min(covered))]
        taken.append(boxes[covered.index(min(covered))])
        side = "left" if chosen[0] > 0 else "right" if chosen[0] < 0 else "center"
        ax.annotate(text, (x, y), chosen, textcoords="offset points", ha=side, fontsize=7.5, color=INK)


_Box = tuple[float, float, float, float]


def _box(x: float, y: float, text: str, offset: tuple[float, float]) -> _Box:
    """Return left, bottom, right, top of a text in pixels at 100 per inch; of a marker, without one."""
    if not text:
        return x - 6, y - 6, x + 6, y + 6
    width, height = 5.4 * len(text), 11.0
    left = x + offset[0] * 1.4 - (width if offset[0] < 0 else width / 2 if offset[0] == 0 else 0)
    return left, y + offset[1] * 1.4, left + width, y + offset[1] * 1.4 + height


def _overlap(one: _Box, two: _Box) -> float:
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    return width * height if width > 0 and height > 0 else 0.0

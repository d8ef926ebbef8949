"""Axes of joules, and texts beside markers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox, BboxBase

from neurohw import units
from neurohw.energy.ranges import Range
from neurohw.report.drawing import INK


@dataclass(frozen=True)
class Marked:
    """A marker, its whiskers and what is written beside it, in the axes' units.

    Args:
        x, y: of the marker.
        reach: from where to where its whisker goes along x, or the line that joins it to another marker.
        deviation: how far its whisker goes along y, to either side.
        text: beside it.
    """

    x: float
    y: float
    reach: tuple[float, float]
    deviation: float = 0.0
    text: str = ""


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


def write_beside(ax: Axes, marks: Sequence[Marked]) -> None:
    """Write each text beside its marker or line, where it covers least of all marks and texts."""
    figure = ax.get_figure(root=True)
    if figure is None:
        return
    figure.draw_without_rendering()  # until then axes are not where they will be
    point = figure.dpi / 72
    taken = [box for mark in marks for box in _boxes(ax, mark, point)]
    for mark in marks:
        if not mark.text:
            continue
        text = ax.annotate(mark.text, (mark.x, mark.y), (0, 0), textcoords="offset points", ha="center", va="center",
                           fontsize=7.5, color=INK, in_layout=False)  # fmt: skip
        own = text.get_window_extent()
        shifts = _shifts(ax, mark, own, point)
        places = [own.translated(*shift) for shift in shifts]
        covered = [sum(_shared(place, box) for box in taken) + 10 * _outside(place, ax.bbox) for place in places]
        best = covered.index(min(covered))
        taken.append(places[best].padded(2 * point))
        text.set_position((shifts[best][0] / point, shifts[best][1] / point))


def _boxes(ax: Axes, mark: Marked, point: float) -> list[Bbox]:
    """Return what a marker and its whiskers cover, in pixels."""
    corners = ((mark.x, mark.y, mark.x, mark.y), (mark.reach[0], mark.y, mark.reach[1], mark.y),
               (mark.x, mark.y - mark.deviation, mark.x, mark.y + mark.deviation))  # fmt: skip
    bare = (Bbox.from_extents(*ax.transData.transform([(x0, y0), (x1, y1)]).ravel()) for x0, y0, x1, y1 in corners)
    return [box.padded(half * point) for box, half in zip(bare, (4.5, 3.0, 3.0), strict=True)]


def _shifts(ax: Axes, mark: Marked, text: Bbox, point: float) -> list[tuple[float, float]]:
    """Return how far from its marker the middle of a text may be, in pixels, the best place first.

    Beside the marker, above or below it, at the ends of its whisker or line, a little farther, and along that.
    """
    wide, high = text.width / 2 + 7 * point, text.height / 2
    near, far = ([s * (high + gap * point) for gap in gaps for s in (1, -1)] for gaps in ((-3, 1, 5, 9), (14, 20)))
    left, middle, right = ax.transData.transform([(x, mark.y) for x in (mark.reach[0], mark.x, mark.reach[1])])[:, 0]
    beside = [(side * wide, y) for y in (0.0, *near) for side in (1, -1)] + [(0.0, y) for y in near[4:]]
    at_ends = [(right - middle + wide, 0.0), (left - middle - wide, 0.0)]
    farther = [(side * wide, y) for y in far for side in (1, -1)]
    along = [left - middle + share * (right - left) for share in (0.5, 0.3, 0.7, 0.1, 0.9)]
    return beside + at_ends + farther + [(x, sign * (high + 3.5 * point)) for x in along for sign in (1, -1)]


def _shared(one: Bbox, other: Bbox) -> float:
    """Return the area that both cover."""
    both = Bbox.intersection(one, other)
    return float(both.width * both.height) if both else 0.0


def _outside(box: Bbox, room: BboxBase) -> float:
    """Return the area of a box that is not in the room."""
    return float(box.width * box.height) - _shared(box, Bbox(room.get_points()))

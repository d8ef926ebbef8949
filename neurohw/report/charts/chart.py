"""What every interactive figure shares: its frame, looks, and how a point is chosen in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Any

import altair as alt

from neurohw.report.drawing import COLOURS
from neurohw.report.points import Point

INK, GRID, QUIET = "var(--ink)", "var(--grid)", "var(--quiet)"  # the page's own, light or dark
PALETTE = (*COLOURS, "#b8a500", "#8c564b")  # a yellow that white paper shows
SHAPES = ("circle", "triangle-up", "square", "diamond", "triangle-down", "cross")
ROW = 20  # px of a point in a list of them
MOST_DASHES = 4  # kinds of lines, or of marks, that a legend tells apart
_ENOUGH = 3  # ticks of an axis, if a finer kind gives more
FAINT = 0.12  # what is not chosen

Rows = list[dict[str, Any]]
Drawn = alt.Chart | alt.LayerChart | alt.FacetChart


@dataclass(frozen=True)
class Chart:
    """An interactive figure.

    Args:
        name: of the file that it is saved as.
        title: above it.
        caption: below it.
        spec: in Vega-Lite, complete with its numbers.
    """

    name: str
    title: str
    caption: str
    spec: Mapping[str, Any]

    @property
    def json(self) -> str:
        """The specification as text that may stand in a script element."""
        return json.dumps(self.spec, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def chart(
    name: str, title: str, caption: str, drawn: alt.Chart | alt.LayerChart | alt.FacetChart, height: int = 260
) -> Chart:
    """Return a figure as wide as its place on the page."""
    framed = drawn.properties(width="container", height=height)
    spec = framed.to_dict()
    del spec["$schema"], spec["config"]  # the page's script has the looks
    return Chart(name, title, caption, spec)


def values(rows: Rows) -> alt.InlineData:
    """Return rows as a chart's data; what is no number is missing, others have six digits."""
    return alt.InlineData(values=[{key: _plain(value) for key, value in row.items()} for row in rows])


def log_ticks(numbers: Iterable[float]) -> list[float]:
    """Return round places on a logarithmic axis, evenly far apart: tens, or 1, 3 and 10, or 1, 2, 5 and 10.

    None where fewer than two lie among the numbers. Left to itself the library labels those that happen to have room,
    such as 30, 200 and 1000.
    """
    known = [number for number in numbers if isfinite(number) and number > 0]
    low, high = min(known, default=1.0), max(known, default=1.0)
    tens = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [number for ten in tens for step in steps if low <= (number := float(f"{step}e{ten}")) <= high]
        if len(ticks) >= _ENOUGH:
            break
    return ticks if len(ticks) > 1 else []


def brief(points: Sequence[Point]) -> dict[str, str]:
    """Return what points are called on an axis: rule and hardware, or more where that tells too few apart."""
    short = {p.anchor: " · ".join(filter(None, (p.name.group.partition(" · ")[0], p.variant))) for p in points}
    return short if len(set(short.values())) == len(short) else {p.anchor: p.label for p in points}


def task(group: str, many: bool) -> str:
    """Return what is learnt and how; where there are many of them, the rule alone."""
    return (group.partition(" · ")[0] if many else group) or "all"


def colours(points: Iterable[Point]) -> alt.Scale:
    """Return a colour for each kind of hardware, the same in all figures; ideal hardware is in ink."""
    known = {point.variant: point.ideal for point in points}
    return palette(
        {name: INK for name, ideal in known.items() if ideal}, [n for n, ideal in known.items() if not ideal]
    )


def palette(fixed: Mapping[str, str], names: Sequence[str]) -> alt.Scale:
    """Return colours by name: those that are fixed, and the palette's in turn."""
    turn = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(dict.fromkeys(names))}
    every = {**fixed, **turn}
    return alt.Scale(domain=list(every), range=list(every.values()))


def chosen(field: str, name: str = "chosen") -> alt.Parameter:
    """Return what a click in the legend chooses."""
    return alt.selection_point(name=name, fields=[field], bind="legend")


def menu(name: str, field: str, options: Sequence[str], label: str) -> alt.Parameter:
    """Return a menu that shows the rows of one value at a time."""
    bound = alt.binding_select(options=list(options), name=f"{label} ")
    return alt.selection_point(name=name, fields=[field], bind=bound, value=options[0])


def faded(parameter: alt.Parameter, opacity: float = 1.0) -> Any:
    """Return the opacity of what is chosen, and of what is not."""
    return alt.when(parameter).then(alt.value(opacity)).otherwise(alt.value(FAINT * opacity))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if isfinite(value) else None
    return value

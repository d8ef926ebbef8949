"""Drawing accuracies, and what every figure of them shares: looks, where an axis starts; no number is made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurohw.metrics import Metric
from neurohw.report.accuracy.data import Accuracies, Accuracy
from neurohw.report.drawing import COLOURS, INK, MARKERS, PAPER, layout
from neurohw.report.points import Point
from neurohw.report.table import mean_text


@dataclass(frozen=True)
class Look:
    """Colour, marker and line of one kind of hardware, the same in every figure; stopped runs are hollow and dashed."""

    colour: str
    marker: str
    line: str
    face: str


def looks(points: Iterable[Point]) -> dict[str, Look]:
    """Return a look for each variant; ideal hardware is drawn in ink."""
    points = list(points)
    kinds = list(dict.fromkeys(point.name.variant for point in points if not point.ideal))
    return {point.variant: _look(point, kinds) for point in points}


def _look(point: Point, kinds: Sequence[str]) -> Look:
    i = -1 if point.ideal else kinds.index(point.name.variant)
    colour, marker = (INK, "D") if point.ideal else (COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
    return Look(colour, marker, "--" if point.stopped else "-", PAPER if point.stopped else colour)


def draw_accuracy(ax: Axes, data: Accuracies, by_variant: dict[str, Look]) -> None:
    """Draw a row per point: mean, sample standard deviation, every seed; ideal above constrained, group by group."""
    heights, headings = _rows(data.rows)
    for row, y in zip(data.rows, heights, strict=True):
        _draw_point(ax, row, y, by_variant[row.point.variant], data.metric)
    _draw_references(ax, data.rows, heights, data.metric.scale)
    ticks = sorted([*headings.items(), *zip(heights, (row.point.variant for row in data.rows), strict=True)])
    ax.set_yticks([y for y, _ in ticks], [text for _, text in ticks])
    for label, (y, _) in zip(ax.get_yticklabels(), ticks, strict=True):
        label.set_fontweight("bold" if y in headings else "normal")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(heights) + 0.8, -0.6)
    ax.set_title(data.metric.title)
    low = 0
    if data.metric.share:
        low = axis_floor(100 * value for row in data.rows for value in row.spread.values)
        ax.set_xlim(low, 100)
    ax.set_xlabel(titled(data.metric, low))
    ax.grid(True, axis="x")
    for chance in sorted({data.metric.guessed(row.point.records[0].chance) or 0.0 for row in data.rows} - {0.0}):
        _draw_chance(ax, data.metric.scale * chance, low)


def accuracy_figure(data: Sequence[Accuracies], by_variant: dict[str, Look]) -> Figure:
    """Return one panel per metric, below each other."""
    sizes = [max(_rows(a.rows)[0]) + 3.2 for a in data]
    figure = Figure(figsize=(9, 0.29 * sum(sizes)), layout=layout())
    panels = figure.subplots(len(data), squeeze=False, height_ratios=sizes)
    for ax, accuracies in zip(panels.flat, data, strict=True):
        draw_accuracy(ax, accuracies, by_variant)
    return figure


def axis_floor(values: Iterable[float]) -> int:
    """Return where a percent axis starts: five to fifteen points below the lowest value, at zero if that is low."""
    low = 10 * floor((min(values) - 5) / 10)
    return low if low >= 30 else 0


def titled(metric: Metric, low: int) -> str:
    """Return an axis title that says where the axis starts, unless it is zero."""
    return metric.label + (f" (axis starts at {low} %)" if low else "")


def _rows(rows: Sequence[Accuracy]) -> tuple[list[float], dict[float, str]]:
    """Return the height of each row, and height -> heading of each group."""
    heights: list[float] = []
    headings: dict[float, str] = {}
    y, group = -1.3, None
    for row in rows:
        if row.point.name.group != group:
            group = row.point.name.group
            y += 1.3 if group else 0.3
            if group:
                headings[y] = group
        y += 1
        heights.append(y)
    return heights, headings


def _draw_point(ax: Axes, row: Accuracy, y: float, look: Look, metric: Metric) -> None:
    mean, std = metric.scale * row.spread.mean, metric.scale * row.spread.std
    error = std if row.spread.n > 1 else None
    ax.errorbar(
        mean,
        y,
        xerr=error,
        fmt=look.marker,
        color=look.colour,
        mfc=look.face,
        markersize=6,
        capsize=3.5,
        elinewidth=1.6,
    )
    values = [metric.scale * value for value in row.spread.values]
    ax.plot(values, [y + 0.3] * len(values), "o", color=look.colour, markersize=2.6, alpha=0.75, linewidth=0)
    text = f"{mean_text(row.spread, metric)}  (n = {row.spread.n})"
    ax.text(1.015, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)


def _draw_references(ax: Axes, rows: Sequence[Accuracy], heights: Sequence[float], scale: float) -> None:
    """Draw a dotted line from each ideal mean down to the last row of its group."""
    for row, y in zip(rows, heights, strict=True):
        if row.point.ideal:
            group = [h for r, h in zip(rows, heights, strict=True) if r.point.name.group == row.point.name.group]
            ax.plot([scale * row.spread.mean] * 2, [y, max(group) + 0.4], ":", color=INK, linewidth=1.1, zorder=0)


def _draw_chance(ax: Axes, chance: float, low: float) -> None:
    """Draw what guessing gives, where the axis shows it."""
    if chance >= low:
        ax.axvline(chance, color=INK, linestyle="--", linewidth=1)
        ax.annotate("chance", (chance, -0.15), (3, 0), textcoords="offset points", fontsize=8.5, va="center")

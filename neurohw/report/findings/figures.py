"""The figure of a finding: its numbers as dots, and the lines along which a point is lost; no number is made here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from math import ceil, isnan
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from neurohw.metrics import Metric
from neurohw.report.ageing.data import Ageing
from neurohw.report.ageing.figures import draw_ageing
from neurohw.report.drawing import COLOURS, INK, layout
from neurohw.report.findings.file import Finding, metric_of
from neurohw.report.findings.values import Found
from neurohw.report.sensitivity.data import Line, Sensitivity
from neurohw.report.sensitivity.figures import draw_sensitivity

Draw = Callable[[Axes], None]

_WIDE, _ROW = 9.0, 0.3  # inches


def finding_figure(finding: Finding, found: Iterable[Found]) -> Figure:
    """Return a panel for each metric, each swept key and each chip that ages, two beside each other."""
    values = list(found)
    draws = [*_dots(finding, values), *_swept(values), *_aged(values)]
    columns = min(2, len(draws))
    rows = ceil(len(draws) / columns)
    least = 0.9 + _ROW * sum(value.lost is None for value in values)
    lines = any(value.lost is not None for value in values)
    figure = Figure(figsize=(_WIDE, max(least, 3.6 if lines else 1.6) * rows), layout=layout())
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, draw in zip(axes, draws, strict=False):
        draw(ax)
    for ax in axes[len(draws) :]:
        ax.remove()
    return figure


def _dots(finding: Finding, values: Sequence[Found]) -> list[Draw]:
    """Return a panel for each metric."""
    by_metric: dict[Metric, list[Found]] = {}
    for value in values:
        if value.lost is None:
            by_metric.setdefault(metric_of(value.wanted.of), []).append(value)
    return [partial(_draw_dots, values=own, scale=finding.axis) for own in by_metric.values()]


def _draw_dots(ax: Axes, values: Sequence[Found], scale: str) -> None:
    """Draw mean and sample standard deviation, and every seed; one row each, the first on top."""
    metric = metric_of(values[0].wanted.of).fitted(value.mean for value in values)
    for row, value in enumerate(values):
        spread, colour = value.spread, INK if value.points[0].ideal else COLOURS[0]
        ax.plot(
            [metric.scale * v for v in spread.values], [row] * spread.n, "o", color=colour, alpha=0.25, markersize=4
        )
        std = 0.0 if isnan(spread.std) else metric.scale * spread.std
        ax.errorbar(metric.scale * spread.mean, row, xerr=std, fmt="o", color=colour, capsize=3, markersize=6)
    ax.set_yticks(range(len(values)), [fill(value.wanted.label, 52) for value in values])
    ax.set_ylim(len(values) - 0.5, -0.5)
    if scale == "log" and not metric.share:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(metric.label)
    ax.grid(axis="x")


def _swept(values: Sequence[Found]) -> list[Draw]:
    """Return a panel for each swept key, with the lines that are meant."""
    panels: dict[str, tuple[Sensitivity, dict[str, Line]]] = {}
    for value in values:
        if value.panel is not None and value.line is not None:
            key = f"{value.wanted.report} {value.panel.key}"
            line = replace(value.line, label=value.wanted.label)
            panels.setdefault(key, (value.panel, {}))[1][value.wanted.label] = line
    drawn = [replace(panel, lines=tuple(lines.values())) for panel, lines in panels.values()]
    return [partial(draw_sensitivity, data=panel, kinds=[line.kind for line in panel.lines]) for panel in drawn]


def _aged(values: Sequence[Found]) -> list[Draw]:
    """Return a panel for each chip that ages, with all ways to meet drift."""
    ageings: dict[str, tuple[Ageing, str]] = {}
    for value in values:
        if value.ageing is not None:
            ageings.setdefault(value.ageing.point.anchor, (value.ageing, value.wanted.label))
    return [partial(_draw_aged, data=ageing, label=label) for ageing, label in ageings.values()]


def _draw_aged(ax: Axes, data: Ageing, label: str) -> None:
    draw_ageing(ax, data)
    ax.set_title(fill(label, 44))
    ax.legend(fontsize=8.5)

"""Drawing sensitivities: accuracy against each swept parameter, a panel each; no number is made here."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, isnan
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from neurohw.metrics import Metric
from neurohw.report.drawing import COLOURS, MARKERS, PAPER, layout
from neurohw.report.sensitivity.data import Line, Sensitivity
from neurohw.report.sensitivity.loss import POINT, Lost
from neurohw.report.sensitivity.tables import value_text
from neurohw.report.spread import Spread

_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))


def draw_sensitivity(ax: Axes, data: Sensitivity, kinds: Sequence[str]) -> None:
    """Draw every line of one parameter: mean and sample standard deviation, the baseline, where one point is lost.

    Args:
        ax: empty axes.
        data: the panel.
        kinds: what the colours stand for, the same in every panel.
    """
    ax.set_xscale("log" if data.logarithmic else "linear")
    drawn: dict[str, int] = {}
    for line in data.lines:
        i, nth = kinds.index(line.kind), drawn.setdefault(line.kind, 0)
        drawn[line.kind] += 1
        _draw_line(
            ax, line, data.metric, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], _DASHES[nth % len(_DASHES)]
        )
    ax.set_title(fill(data.title, 44))
    ax.set_xlabel(".".join(data.key.split(".")[-2:]))
    ax.set_ylabel(data.metric.label)
    ax.xaxis.set_major_locator(_locator(data))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: value_text(value, data.key)))
    ax.grid(True)
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.18), fontsize=8.5, handlelength=3)


def sensitivity_figure(data: Sequence[Sensitivity]) -> Figure:
    """Return a panel per parameter, two beside each other."""
    kinds = list(dict.fromkeys(line.kind for panel in data for line in panel.lines))
    columns, rows = min(2, len(data)), ceil(len(data) / 2)
    figure = Figure(figsize=(9, 3.9 * rows), layout=layout())
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, panel in zip(axes, data, strict=False):
        draw_sensitivity(ax, panel, kinds)
    for ax in axes[len(data) :]:
        ax.remove()
    return figure


def _draw_line(ax: Axes, line: Line, metric: Metric, colour: str, marker: str, dashes: object) -> None:
    scale, sign = metric.scale, 1 if metric.better == "higher" else -1
    if line.baseline is not None:
        base, std = scale * line.baseline.spread.mean, scale * line.baseline.spread.std
        ax.axhline(base, color=colour, linewidth=0.9, linestyle=dashes, alpha=0.8, zorder=1)
        if not isnan(std):
            ax.axhspan(base - std, base + std, color=colour, alpha=0.12, linewidth=0, zorder=0)
        for lost in line.lost:
            _mark(ax, lost, base - sign * scale * POINT, colour)
    places = sorted(_places(line), key=lambda place: place[0])
    ax.errorbar(
        [value for value, _ in places],
        [scale * spread.mean for _, spread in places],
        yerr=[0.0 if isnan(spread.std) else scale * spread.std for _, spread in places],
        color=colour,
        marker=marker,
        markersize=4,
        linestyle=dashes,
        linewidth=1.5,
        capsize=2.5,
        elinewidth=1.2,
        label=line.label,
    )


def _places(line: Line) -> list[tuple[float, Spread]]:
    """Return what is drawn at each value, the baseline included where it has a place of its own."""
    places = list(zip(line.values, line.spreads, strict=True))
    if line.baseline is not None and line.baseline.off and line.baseline.value is not None:
        places.append((line.baseline.value, line.baseline.spread))
    return places


def _mark(ax: Axes, lost: Lost, accuracy: float, colour: str) -> None:
    """Draw a hollow diamond where one point is lost."""
    if lost.value is not None and isfinite(lost.value):
        ax.plot(
            lost.value, accuracy, "D", color=colour, markerfacecolor=PAPER, markersize=7, markeredgewidth=1.6, zorder=5
        )


def _locator(data: Sensitivity) -> LogLocator | MaxNLocator:
    if not data.logarithmic:
        return MaxNLocator(8, integer=all(value.is_integer() for line in data.lines for value in line.values))
    values = [value for line in data.lines for value in line.values]
    return LogLocator(subs=(1.0,) if max(values) / min(values) >= 50 else (1.0, 3.0))

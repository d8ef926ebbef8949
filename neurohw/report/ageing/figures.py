"""Drawing ageing: accuracy against the age of the chip, a panel for each point; no number is made here."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isnan
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from neurohw.report.ageing.axis import ticks_between
from neurohw.report.ageing.data import Ageing
from neurohw.report.ageing.loss import age_lost
from neurohw.report.drawing import COLOURS, INK, MARKERS, PAPER, layout
from neurohw.report.sensitivity.loss import POINT

_OF_TRAINED = "at the end of training"


def draw_ageing(ax: Axes, data: Ageing) -> None:
    """Draw each way to meet drift: mean and sample standard deviation; dashed: as training left it.

    A hollow diamond is where one point is lost.
    """
    scale = data.metric.scale
    mean, std = scale * data.trained.mean, scale * data.trained.std
    ax.axhline(mean, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label=_OF_TRAINED)
    if not isnan(std):
        ax.axhspan(mean - std, mean + std, color=INK, alpha=0.07, linewidth=0)
    ax.set_xscale("log")
    kinds = list(dict.fromkeys(way.compensation for way in data.lines))
    for way, spreads in data.lines.items():
        i = kinds.index(way.compensation)
        drawn = [(age, spread) for age, spread in zip(data.ages, spreads, strict=True) if age > 0 and spread.n]
        ax.errorbar(
            [age for age, _ in drawn],
            [scale * spread.mean for _, spread in drawn],
            yerr=[0.0 if isnan(spread.std) else scale * spread.std for _, spread in drawn],
            color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], linestyle="--" if way.retrained else "-",
            markersize=4.5, linewidth=1.6, capsize=2.5, elinewidth=1.0, label=way.label,
        )  # fmt: skip
        if (lost := age_lost(data, way)) and lost.value is not None:
            sign = 1 if data.metric.better == "higher" else -1
            ax.plot(lost.value, mean - sign * scale * POINT, "D", color=COLOURS[i % len(COLOURS)],
                    markerfacecolor=PAPER, markersize=7, markeredgewidth=1.6, zorder=5)  # fmt: skip
    ticks = ticks_between([age for age in data.ages if age > 0])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(list(ticks), list(ticks.values()), rotation=30, ha="right", rotation_mode="anchor")
    ax.set_title(fill(f"{data.point.label}: {data.metric.title.lower()}", 48))
    ax.set_xlabel("Time since training")
    ax.set_ylabel(data.metric.label)
    ax.grid(True)


def ageing_figure(data: Sequence[Ageing]) -> Figure:
    """Return a panel per point and metric, two beside each other, with one legend."""
    columns, rows = min(2, len(data)), ceil(len(data) / 2)
    figure = Figure(figsize=(9 if columns > 1 else 6, 3.4 * rows + 0.5), layout=layout())
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, panel in zip(axes, data, strict=False):
        draw_ageing(ax, panel)
    for ax in axes[len(data) :]:
        ax.remove()
    handles = {label: handle for ax in axes[: len(data)] for handle, label in zip(*ax.get_legend_handles_labels(),
                                                                                  strict=True)}  # fmt: skip
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    return figure

"""Drawing learning curves: a panel per metric and group, with published values beside them; no number is made here."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from neurohw.kinds import METRICS, standing_metrics
from neurohw.metrics import Metric
from neurohw.report.accuracy.figures import Look, axis_floor, titled
from neurohw.report.accuracy.published import Beside
from neurohw.report.drawing import INK, layout

_FAR = 50  # between the highest values of two lines: from there on the axis is logarithmic


def over_epochs() -> list[str]:
    """Return the metrics that are drawn: those beside another one only where they have axes of their own."""
    axes = {metric.label for metric in standing_metrics()}
    return [metric.name for metric in METRICS.values() if not metric.secondary or metric.label not in axes]


def draw_curves(ax: Axes, data: pd.DataFrame, by_variant: dict[str, Look], published: Sequence[Beside] = ()) -> None:
    """Draw a metric's mean per epoch with a band of one sample standard deviation; one panel of `curve_data`."""
    metric = _metric(data, published)
    scale = metric.scale
    if _far_apart(data, metric, published):
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for variant, curve in data.groupby("variant", sort=False):
        look = by_variant[str(variant)]
        epoch, mean, std = curve["epoch"], scale * curve["mean"], scale * curve["std"].fillna(0)
        width = 2.2 if look.colour == INK else 1.6
        ax.fill_between(epoch, mean - std, mean + std, color=look.colour, alpha=0.18, linewidth=0)
        ax.plot(
            epoch,
            mean,
            look.line,
            color=look.colour,
            marker=look.marker,
            mfc=look.face,
            markevery=max(1, len(curve) // 15),
            ms=4.5,
            lw=width,
            label=str(variant),
        )
    _draw_published(ax, _of_the_panel(data, published), by_variant, metric)
    group = data["group"].iloc[0]
    ax.set_title(fill(f"{group}: {metric.title.lower()}" if group else metric.title, 48))
    ax.set_xlabel("Epoch")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(True)


def curves_figure(data: pd.DataFrame, by_variant: dict[str, Look], published: Sequence[Beside] = ()) -> Figure:
    """Return one panel per group and metric, two beside each other, with one legend."""
    panels = [panel for _, panel in data.groupby(["metric", "group"], sort=False)]
    columns, rows = min(2, len(panels)), ceil(len(panels) / 2)
    figure = Figure(figsize=(9, 3.2 * rows + 0.7), layout=layout())
    shown = [_metric(panel, published) for panel in panels]
    together = all(metric.share and metric.label == shown[0].label for metric in shown)
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=together).flat)
    low = _floor(panels, published)
    for i, (ax, panel, metric) in enumerate(zip(axes, panels, shown, strict=False)):
        draw_curves(ax, panel, by_variant, published)
        if metric.share:
            ax.set_ylim(low, 100)
        if not together or i % columns == 0:
            ax.set_ylabel(titled(metric, low if metric.share else 0))
    for ax in axes[len(panels) :]:
        ax.remove()
    handles = {str(h.get_label()): h for ax in axes[: len(panels)] for h in ax.lines}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=3)
    return figure


def _of_the_panel(data: pd.DataFrame, published: Sequence[Beside]) -> list[Beside]:
    """Return the published values of its metric and its points, the largest first."""
    metric, variants = data["metric"].iloc[0], set(data["variant"])
    there = [b for b in published if b.value.metric == metric and b.point.variant in variants]
    return sorted(there, key=lambda beside: -beside.value.value)


def _metric(data: pd.DataFrame, published: Sequence[Beside]) -> Metric:
    """Return what a panel shows, with the SI prefix that suits it."""
    values = [*data["mean"], *(beside.value.value for beside in _of_the_panel(data, published))]
    return METRICS[str(data["metric"].iloc[0])].fitted(values)


def _far_apart(data: pd.DataFrame, metric: Metric, published: Sequence[Beside]) -> bool:
    """Return whether no linear axis would show the lower lines."""
    peaks = [*data.groupby("variant")["mean"].max(), *(b.value.value for b in _of_the_panel(data, published))]
    return not metric.share and min(data["mean"]) > 0 and max(peaks) >= _FAR * min(peaks)


def _floor(panels: Sequence[pd.DataFrame], published: Sequence[Beside]) -> int:
    """Return where the axes of shares start."""
    shares = [panel for panel in panels if METRICS[str(panel["metric"].iloc[0])].share]
    lows = [low for panel in shares for low in 100 * (panel["mean"] - panel["std"].fillna(0))]
    lows += [100 * beside.value.value for panel in shares for beside in _of_the_panel(panel, published)]
    return axis_floor(lows) if lows else 0


def _draw_published(ax: Axes, published: Sequence[Beside], by_variant: dict[str, Look], metric: Metric) -> None:
    """Draw a dotted line at each value, and the number beside the axes: the first above its line, others below."""
    for i, beside in enumerate(published):
        value, colour = metric.scale * beside.value.value, by_variant[beside.point.variant].colour
        ax.axhline(value, color=colour, linestyle=":", linewidth=1.6, label=beside.value.name)
        ax.annotate(
            metric.number(beside.value.value), (1.01, value), xycoords=ax.get_yaxis_transform(),
            va="top" if i else "bottom", fontsize=8.5, color=colour,
        )  # fmt: skip
    ax.margins(y=0.1 if published else None)

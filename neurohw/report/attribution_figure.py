"""Drawing what each cause costs; no number is made here."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from neurohw.report.drawing import COLOURS, INK, layout


def attribution_figure(causes: pd.DataFrame, title: str) -> Figure:
    """Return bars of costs with 95 % intervals, the largest on top; beside them what is lost alone and regained.

    Args:
        causes: columns cause, cost, alone, regained and their intervals, in points.
        title: of the figure.
    """
    rows = causes.iloc[::-1].reset_index(drop=True)
    figure = Figure(figsize=(7.5, 1.6 + 0.5 * len(rows)), layout=layout())
    ax = figure.subplots()
    series = (("cost", "cost, of all orders", 0.0), ("alone", "lost if it is the only cause", 0.24),
              ("regained", "regained if only it is taken away", -0.24))  # fmt: skip
    for (column, label, shift), colour in zip(series, COLOURS, strict=False):
        bars = column == "cost"
        if bars:
            ax.barh(rows.index, rows[column], height=0.72, color=colour, alpha=0.35, label=label)
        ax.errorbar(
            rows[column], rows.index + shift, xerr=rows[f"{column}_interval"], fmt="o", ms=4, color=colour, lw=1.3,
            label=None if bars else label,
        )  # fmt: skip
    ax.axvline(0, color=INK, lw=0.8)
    ax.set_yticks(rows.index, rows["cause"])
    ax.set_xlabel("Points of accuracy, 95 % interval")
    ax.set_title(title)
    ax.grid(True, axis="x")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8.5)
    return figure

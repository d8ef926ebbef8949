"""Drawing embeddings: a panel per run, a colour per class; no number is made here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurohw.report.drawing import layout

_COLUMNS, _PANEL = 3, 3.1  # panels in a row, and the side of one in inches


@dataclass(frozen=True)
class Panel:
    """Places [N, 2] of images, their classes [N], and what stands above and below them."""

    title: str
    places: NDArray[np.floating[Any]]
    classes: NDArray[np.integer[Any]]
    note: str


def embedding_figure(panels: Sequence[Panel], title: str) -> Figure:
    """Return the panels side by side with one legend; axes have no unit, only nearness means something."""
    columns, rows = min(_COLUMNS, len(panels)), ceil(len(panels) / _COLUMNS)
    figure = Figure(figsize=(max(4.5, _PANEL * columns), (_PANEL + 0.8) * rows + 1.0), layout=layout())
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    groups = sorted({int(c) for panel in panels for c in panel.classes})
    colours = matplotlib.colormaps["tab10" if len(groups) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    for ax, panel in zip(axes, panels, strict=False):
        for i, group in enumerate(groups):
            there = panel.places[panel.classes == group]
            ax.scatter(*there.T, s=4, linewidths=0, color=colours[i % len(colours)], label=str(group), rasterized=True)
        ax.set_title(fill(panel.title, 34))
        ax.set_xlabel(panel.note, fontsize=8)
        ax.set_xticks([])
        ax.set_yticks([])
    for ax in axes[len(panels) :]:
        ax.remove()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(5 * columns, 10), title="class",
                  markerscale=3, handletextpad=0.1, columnspacing=1.0)  # fmt: skip
    return figure

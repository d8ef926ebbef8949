"""Drawing learning curves with joules on the x axis; no number is made here."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurohw.report.drawing import PAPER, layout
from neurohw.report.energy.axes import joules
from neurohw.report.energy.bars_figure import write_basis
from neurohw.report.energy.learning import Learning
from neurohw.report.energy.looks import Looks


def learning_figure(data: Sequence[Learning], basis: str) -> Figure:
    """Return accuracy against the energy so far, all points in one panel."""
    figure = Figure(figsize=(9, max(5.0, 0.3 * len(data) + 1.4)), layout=layout())
    draw_learning(figure.subplots(), data)
    write_basis(figure, basis)
    return figure


def draw_learning(ax: Axes, data: Sequence[Learning]) -> None:
    """Draw mean accuracy against mean nominal energy of training so far, with a band of one standard deviation."""
    looks = Looks.of(learning.point for learning in data)
    reach = []
    for learning in data:
        steps = learning.mean()
        energy = [bounds.nominal for _, _, bounds in steps]
        mean = [100 * spread.mean for _, spread, _ in steps]
        std = [0.0 if isnan(spread.std) else 100 * spread.std for _, spread, _ in steps]
        colour = looks.colour(learning.point)
        low, high = ([m + sign * s for m, s in zip(mean, std, strict=True)] for sign in (-1, 1))
        ax.fill_between(energy, low, high, color=colour, alpha=0.12, linewidth=0)
        marker = "s" if learning.digital else looks.marker(learning.point)
        ax.plot(energy, mean, linestyle=looks.line(learning.point), color=colour, marker=marker, ms=5, lw=1.6,
                mfc=PAPER if learning.digital else colour, label=fill(learning.name, 34))  # fmt: skip
        reach += energy
    joules(ax, reach)
    ax.set_xlabel("Energy of training so far: nominal, mean over seeds")
    ax.set_ylabel("Accuracy, %")
    ax.set_title("Accuracy against the energy spent on training so far")
    ax.grid(True)
    ax.legend(loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize=8.5)

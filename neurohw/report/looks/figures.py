"""Drawing how chips look: weights as images, and conductances before and after training; no number is made here."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurohw import units
from neurohw.report.drawing import COLOURS, INK, layout
from neurohw.report.looks.data import Conductances, Mosaic

_WHEN = (("before", INK, "before training"), ("now", COLOURS[0], "at the end"))


def weights_figure(mosaics: Sequence[tuple[str, Mosaic]]) -> Figure:
    """Return the images of each point under its title, two points beside each other; red is positive."""
    columns, rows = min(2, len(mosaics)), ceil(len(mosaics) / 2)
    figure = Figure(figsize=(4.5 * columns, 2.8 * rows), layout=layout())
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, (title, drawn) in zip(axes, mosaics, strict=False):
        ax.imshow(drawn.weights, cmap="RdBu_r", vmin=-drawn.scale, vmax=drawn.scale, interpolation="nearest")
        ax.set_title(f"{fill(title, 44)}\n± {drawn.scale:.2g}", fontsize=9)
    for ax in axes:
        ax.set_axis_off()
    return figure


def draw_conductances(ax: Axes, data: Conductances) -> None:
    """Draw the shares of devices by conductance, before training and at its end."""
    siemens = units.fitting_prefix(float(data.edges[-1]), "S") + "S"
    edges = data.edges / units.parse_unit(siemens)[0]
    for when, colour, label in _WHEN:
        filled = when == "now"
        ax.stairs(data.shares(when), edges, color=colour, fill=filled, alpha=0.45 if filled else 1.0, label=label)
    ax.set_title(fill(f"{data.point.label}: {data.label}", 46))
    ax.set_xlabel(f"Conductance, {siemens}")
    ax.set_ylabel("Devices, %")
    ax.grid(True)


def conductances_figure(data: Sequence[Conductances]) -> Figure:
    """Return a panel per point, array and kind of devices, two beside each other, with one legend."""
    columns, rows = min(2, len(data)), ceil(len(data) / 2)
    figure = Figure(figsize=(4.5 * columns, 2.6 * rows + 0.4), layout=layout())
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, panel in zip(axes, data, strict=False):
        draw_conductances(ax, panel)
    for ax in axes[len(data) :]:
        ax.remove()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure

"""Drawing measured and simulated trains over each other, onto given axes; no number is made here."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from neurohw.devices.draw import DOWN, INK, UP, siemens_unit
from neurohw.fitting.overlay import Group, Overlay
from neurohw.fitting.verdict import Verdict

_SHOWN = 3  # groups of trains, at most
_WIDTH = 110  # characters of a line of the title


def overlay_figure(data: Overlay, verdict: Verdict, title: str) -> Figure:
    """Return the figure: for each kind of train its means and bands, and a few single trains."""
    shown = data.groups[:_SHOWN]
    figure = Figure(figsize=(12, 4.2 * len(shown) + 0.6), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    panels = figure.subplots(len(shown), 2, squeeze=False, sharey="row")
    for (left, right), group in zip(panels, shown, strict=True):
        draw_means(left, group)
        draw_examples(right, group)
    more = len(data.groups) - len(shown)
    kinds = f"; {more} more kinds of trains" if more else ""
    text = str(verdict) if len(str(verdict)) < _WIDTH else str(verdict)[: _WIDTH - 3] + "..."
    figure.suptitle(f"{title}{kinds}\n{text}\n{verdict.figures()}", fontsize=11)
    return figure


def draw_means(ax: Axes, group: Group) -> None:
    """Draw means and bands of one standard deviation, measured and simulated, over pulses."""
    scale, unit = _unit(group)
    pulses = np.arange(1, len(group.up) + 1)
    sides = (
        ("measured", INK, "o", group.mean, group.std),
        ("simulated", DOWN, None, group.simulated_mean, group.simulated_std),
    )
    for name, colour, marker, mean, std in sides:
        known = np.isfinite(mean)
        band = np.where(np.isfinite(std), std, 0.0)[known]
        at, middle = pulses[known], mean[known]
        if band.any():
            ax.fill_between(at, (middle - band) * scale, (middle + band) * scale, color=colour, alpha=0.18, lw=0)
        few = len(at) <= 60
        style = {"marker": marker, "ms": 3.5, "lw": 0} if marker and few else {"lw": 1.8}
        ax.plot(at, middle * scale, color=colour, label=f"{name}, mean and ± 1 standard deviation", **style)
    trains = f"{group.trains} {'trains' if group.trains > 1 else 'train'}"
    devices = f"{group.devices} {'devices' if group.devices > 1 else 'device'}"
    _finish(ax, group, f"Same pulses: {trains} of {devices}", unit)


def draw_examples(ax: Axes, group: Group) -> None:
    """Draw a few single trains, measured and simulated, over pulses."""
    scale, unit = _unit(group)
    pulses = np.arange(1, len(group.up) + 1)
    for name, colour, trains in (("measured", INK, group.examples), ("simulated", DOWN, group.simulated_examples)):
        for i, train in enumerate(trains):
            known = np.isfinite(train)
            label = f"{name}, single trains" if i == 0 else None
            ax.plot(pulses[known], train[known] * scale, color=colour, lw=0.9, alpha=0.75, label=label)
    _finish(ax, group, "Single trains", unit)


def _unit(group: Group) -> tuple[float, str]:
    return siemens_unit(float(np.nanmax(np.concatenate([group.mean, group.simulated_mean]))))


def _finish(ax: Axes, group: Group, title: str, unit: str) -> None:
    for edge in np.flatnonzero(np.diff(group.up[1:].astype(int))) + 2:
        ax.axvline(edge + 0.5, color=UP, lw=0.8, ls=":")
    ax.set_title(title)
    ax.set_xlabel("Pulse")
    ax.set_ylabel(f"Conductance, {unit}")
    ax.grid(True)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, fontsize=8.5, frameon=False)

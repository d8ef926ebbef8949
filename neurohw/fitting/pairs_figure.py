"""Drawing which values of pairs of parameters the measurement allows; draws are made by the fit."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from neurohw.devices.draw import INK, UP, siemens_unit
from neurohw.fitting.trains import Fit

_MOST = 8  # parameters
_FIRST = ("step", "asymmetry", "step_ctoc", "g_min", "g_max", "read_noise")


def pairs_figure(fit: Fit, title: str) -> Figure:
    """Return the figure: on the diagonal how each parameter is distributed, below it its pairs with the others."""
    names = pair_names(fit)
    columns = [_column(fit, name) for name in names]
    size = 1.7 * len(names) + 1
    figure = Figure(figsize=(size, size), layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02))
    panels = figure.subplots(len(names), len(names), squeeze=False)
    for row, (values, name) in enumerate(columns):
        for col, (others, other) in enumerate(columns):
            ax = panels[row, col]
            if col > row:
                ax.set_visible(False)
                continue
            (draw_one(ax, values) if row == col else draw_pair(ax, others, values))
            _label(ax, name if col == 0 and row else "", other if row == len(columns) - 1 else "")
    figure.suptitle(f"{title}\nwhat the measurement allows: draws, and 68 and 95 % of them", fontsize=11)
    return figure


def pair_names(fit: Fit) -> list[str]:
    """Return the parameters that are drawn: those that were fitted, the common ones and the law's own first."""
    moving = [
        name for name, values in fit.samples.items() if values.ndim == 1 and np.ptp(values) > 1e-9 * abs(values).max()
    ]
    first = [name for name in _FIRST if name in moving]
    own = [name for name in moving if name not in first and not name.endswith("_dtod")]
    return (first + own)[:_MOST]


def draw_one(ax: Axes, values: np.ndarray) -> None:
    """Draw how a parameter is distributed."""
    ax.hist(values, bins=40, color=UP, alpha=0.45)
    for bound in np.quantile(values, [0.025, 0.975]):
        ax.axvline(bound, color=INK, lw=0.8, ls=":")
    ax.set_yticks([])


def draw_pair(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw a pair of parameters: draws, and the ellipses that hold 68 and 95 % of a Gaussian like them."""
    ax.plot(x[:600], y[:600], ".", color=UP, ms=1.5, alpha=0.4)
    values, vectors = np.linalg.eigh(np.cov(x / np.std(x), y / np.std(y)))
    angle = np.linspace(0, 2 * np.pi, 100)
    circle = vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * np.stack([np.cos(angle), np.sin(angle)]))
    for share in (0.68, 0.95):
        radius = np.sqrt(-2 * np.log(1 - share))
        around = radius * circle * np.array([[np.std(x)], [np.std(y)]]) + np.array([[np.mean(x)], [np.mean(y)]])
        ax.plot(around[0], around[1], color=INK, lw=0.9)


def _column(fit: Fit, name: str) -> tuple[np.ndarray, str]:
    """Return a parameter's draws, without the last few of a long tail, in a readable unit, and its label."""
    values = fit.samples[name]
    values = np.clip(values, *np.quantile(values, [0.002, 0.998]))
    if not name.startswith("g_m"):
        return values, name
    scale, unit = siemens_unit(float(abs(values).max()))
    return values * scale, f"{name}, {unit}"


def _label(ax: Axes, left: str, below: str) -> None:
    ax.tick_params(labelsize=6.5)
    ax.locator_params(nbins=3)
    ax.set_ylabel(left, fontsize=8)
    ax.set_xlabel(below, fontsize=8)
    if not left:
        ax.set_yticklabels([])
    if not below:
        ax.set_xticklabels([])

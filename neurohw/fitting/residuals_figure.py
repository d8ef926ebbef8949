"""Drawing what a fit leaves unexplained, onto given axes; no number is made here."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from neurohw.devices.draw import DOWN, INK, UP, legend, siemens_unit
from neurohw.fitting.residuals import Residuals


def residuals_figure(data: Residuals, title: str) -> Figure:
    """Return the figure of a fit: mean changes and what is left."""
    figure = Figure(figsize=(11, 7), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    panels = figure.subplots(2, 2)
    draw_changes(panels[0, 0], data)
    draw_errors(panels[0, 1], data)
    draw_histogram(panels[1, 0], data)
    draw_autocorrelation(panels[1, 1], data)
    figure.suptitle(title, fontsize=12)
    return figure


def draw_changes(ax: Axes, data: Residuals) -> None:
    """Draw the mean change of a pulse against the conductance, measured and fitted."""
    scale, unit = siemens_unit(np.nanmax(abs(data.measured), initial=0.0))
    range_scale, range_unit = siemens_unit(data.conductance.max())
    for side, colour, name in ((0, UP, "up"), (1, DOWN, "down")):
        g = data.conductance[side] * range_scale
        ax.plot(g, data.measured[side] * scale, "o", color=colour, ms=4, label=f"{name}, mean of all devices")
        ax.plot(g, data.fitted[side] * scale, color=colour, lw=1.8, label=f"{name}, fitted mean cell")
    ax.axhline(0, color=INK, lw=0.8)
    ax.set_title("Change by one pulse")
    ax.set_xlabel(f"Conductance before the pulse (filtered), {range_unit}")
    ax.set_ylabel(f"Change, {unit}")
    ax.grid(True)
    legend(ax)


def draw_errors(ax: Axes, data: Residuals) -> None:
    """Draw mean and standard deviation of the standardised errors against the conductance."""
    scale, unit = siemens_unit(data.conductance.max())
    for side, colour, name in ((0, UP, "up"), (1, DOWN, "down")):
        g = data.conductance[side] * scale
        ax.plot(g, data.mean[side], "o-", color=colour, ms=3.5, lw=1.2, label=f"{name}, mean")
        ax.plot(g, data.std[side], "s--", color=colour, ms=3.5, lw=1.2, label=f"{name}, standard deviation")
    for level in (0, 1):
        ax.axhline(level, color=INK, lw=0.8, ls=":")
    ax.set_title("One-pulse prediction errors (ideal: 0 and 1)")
    ax.set_xlabel(f"Conductance before the pulse (filtered), {unit}")
    ax.set_ylabel("In predicted standard deviations")
    ax.grid(True)
    legend(ax)


def draw_histogram(ax: Axes, data: Residuals) -> None:
    """Draw the distribution of the standardised errors against the Gaussian one."""
    x = np.linspace(-5, 5, 201)
    ax.hist(np.clip(data.standardised, -5, 5), bins=81, density=True, color=UP, alpha=0.35, label="errors")
    ax.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=INK, lw=1.4, label="Gaussian")
    ax.set_title("Distribution of the errors")
    ax.set_xlabel("In predicted standard deviations")
    ax.set_ylabel("Density")
    legend(ax)


def draw_autocorrelation(ax: Axes, data: Residuals) -> None:
    """Draw the autocorrelation of the errors along the trains."""
    lags = np.arange(1, len(data.autocorrelation) + 1)
    ax.axhspan(-data.chance, data.chance, color=INK, alpha=0.12, lw=0, label="95 % of white noise")
    ax.vlines(lags, 0, data.autocorrelation, color=UP, lw=2)
    ax.plot(lags, data.autocorrelation, "o", color=UP, ms=4)
    ax.axhline(0, color=INK, lw=0.8)
    reach = max(0.05, 1.2 * float(abs(data.autocorrelation).max()))
    ax.set_ylim(-reach, reach)
    ax.set_title("Autocorrelation of the errors")
    ax.set_xlabel("Lag, pulses")
    ax.set_ylabel("Correlation")
    legend(ax)

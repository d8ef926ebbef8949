"""Measured retention and the device fitted to it, overlaid: computed, then drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from neurohw.devices.characterise import DriftCurves, drift_curves
from neurohw.devices.draw import INK, siemens_unit, time_axis
from neurohw.devices.model import DeviceModel
from neurohw.devices.retention_laws import RETENTION_LAWS
from neurohw.fitting.retention import RetentionFit
from neurohw.units import readable

DEVICES = 300  # simulated, per level
DRAWN = 25  # measured curves, per level
_LEVELS = 4  # that starts without gaps are divided into
_GAP = 0.1  # of the range of starts, that parts two levels
_ONE = 0.3  # range of starts over the largest, below which they are one level
_POINTS = 80  # of a simulated curve


@dataclass(frozen=True)
class Level:
    """Curves that start from about the same conductance, at one temperature.

    Args:
        number: of the level, the lowest 0; start: its median over all temperatures, S.
        seconds, conductance: of each measured curve, s and S.
        simulated: of the fitted device, from the median start.
    """

    number: int
    start: float
    seconds: tuple[np.ndarray, ...]
    conductance: tuple[np.ndarray, ...]
    simulated: DriftCurves


@dataclass(frozen=True)
class Panel:
    """What was measured at one temperature (K; None: not known)."""

    kelvin: float | None
    levels: tuple[Level, ...]


def retention_panels(fit: RetentionFit, device: DeviceModel, generator: torch.Generator) -> tuple[Panel, ...]:
    """Return measured curves and those of simulated devices, by temperature and level.

    Args:
        fit: what was measured, and the starts.
        device: as it was written to its file; simulated as `device plot` does.
        generator: of the simulated devices.
    """
    curves, level = fit.curves, levels_of(fit.start)
    kelvin = curves.kelvin or (None,) * len(curves.seconds)
    panels = []
    for temperature in sorted(set(kelvin), key=lambda t: t or 0.0):
        at = device
        if temperature is not None and device.retention.activation_energy is not None:
            at = device.with_parameters({"retention.temperature": temperature})
        here = np.array([t == temperature for t in kelvin])
        levels = tuple(_level(fit, at, level == number, here, number, generator) for number in np.unique(level[here]))
        panels.append(Panel(temperature, levels))
    return tuple(panels)


def _level(
    fit: RetentionFit, device: DeviceModel, same: np.ndarray, here: np.ndarray, number: int, generator: torch.Generator
) -> Level:
    members = np.flatnonzero(here & same)
    seconds = tuple(fit.curves.seconds[i] for i in members)
    times = np.geomspace(min(t[0] for t in seconds), max(t[-1] for t in seconds), _POINTS)
    retention = device.retention_parameters()
    simulated = drift_curves(
        retention, np.median(fit.start[members], keepdims=True), times, DEVICES, generator, device.g_min,
        device.g_max, 0.0, device.conductance(retention.rest),
    )  # fmt: skip
    start = float(np.median(fit.start[same]))
    return Level(int(number), start, seconds, tuple(fit.curves.conductance[i] for i in members), simulated)


def levels_of(start: np.ndarray) -> np.ndarray:
    """Return the number of each curve's level, [curves]: parted at gaps between starts, or into four without gaps."""
    ordered, span = np.sort(start), float(np.ptp(start))
    if span < _ONE * ordered[-1]:
        return np.zeros(len(start), int)
    cuts = ordered[1:][np.diff(ordered) > _GAP * span]
    if not 0 < len(cuts) < 2 * _LEVELS:
        cuts = np.linspace(ordered[0], ordered[-1], _LEVELS + 1)[1:-1]
    return np.searchsorted(cuts, start, side="right")


def retention_figure(panels: tuple[Panel, ...], fit: RetentionFit, name: str) -> Figure:
    """Return the figure: a panel per temperature, a colour per level."""
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(max(4.3 * columns, 6.5), 1 + 3.8 * rows), layout=layout)
    axes = np.atleast_1d(figure.subplots(rows, columns, sharey=True)).ravel()
    names: dict[str, Artist] = {}
    for ax, panel in zip(axes, panels, strict=False):
        draw_panel(ax, panel, int(levels_of(fit.start).max()) + 1)
        names |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(
        names.values(), names.keys(), loc="outside lower center", ncols=len(names), fontsize=8.5, frameon=False
    )
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    energy = fit.estimates.get("activation_energy")
    facts = [f"{fit.law} law: {RETENTION_LAWS[fit.law].equation}", f"R² = {fit.chosen.r_squared:.3f}"]
    facts += [f"activation energy {energy.value:.3g} eV"] if energy else []
    facts += ["not told apart from other laws"] if fit.undecided else []
    figure.suptitle(f"{name}: retention, fit of {fit.curves.source}\n{'; '.join(facts)}", fontsize=11)
    return figure


def draw_panel(ax: Axes, panel: Panel, levels: int) -> None:
    """Draw measured curves as points, simulated devices as their mean and one standard deviation about it.

    Args:
        ax: where to; panel: what.
        levels: how many there are in all panels.
    """
    largest = max(float(g.max()) for level in panel.levels for g in level.conductance)
    scale, unit = siemens_unit(largest)
    colours = colormaps["viridis"](np.linspace(0, 0.85, levels))
    for level in panel.levels:
        colour = colours[level.number]
        drawn = np.unique(np.linspace(0, len(level.seconds) - 1, DRAWN).astype(int))
        for i in drawn:
            ax.plot(level.seconds[i], level.conductance[i] * scale, "o", color=colour, ms=3, alpha=0.35, mew=0)
        curve = level.simulated
        mean, spread = curve.mean[0] * scale, curve.std[0] * scale
        ax.fill_between(curve.seconds, mean - spread, mean + spread, color=colour, alpha=0.18, lw=0)
        name = readable(level.start, "S", 3).replace("u", "µ")
        ax.plot(curve.seconds, mean, color=colour, lw=2, label=f"from {name}")
    ax.plot([], [], "o", color=INK, ms=3, label="measured")
    ax.plot([], [], color=INK, lw=2, label="fitted device, ± 1 std")
    time_axis(ax)
    ax.set_ylim(bottom=0)
    kelvin, number = panel.kelvin, sum(len(level.seconds) for level in panel.levels)
    at = "Temperature not given" if kelvin is None else f"{kelvin:g} K ({kelvin - 273.15:.0f} °C)"
    ax.set_title(f"{at}, {number} curves")
    ax.set_ylabel(f"Conductance, {unit}")
    ax.grid(True)

"""Drawing: what `characterise` computed, onto given axes; no number is made here."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from neurohw.devices.characterise import Characteristics
from neurohw.devices.retention_laws import laws_of
from neurohw.units import readable

UP, DOWN, INK = "#0072b2", "#d55e00", "#24292f"  # Okabe and Ito 2008
_STATES = ("#cc79a7", "#e69f00", "#009e73", "#0072b2")
_SINGLE = 3  # devices drawn one by one


def draw_staircase(ax: Axes, data: Characteristics) -> None:
    """Draw conductance against pulses: mean, one standard deviation between devices, a few devices."""
    scale, unit = siemens_unit(data.device.g_max)
    stairs, per = data.staircase, data.device.siemens
    pulses = np.arange(len(stairs.polarity) + 1)
    mean = data.device.conductance(stairs.mean) * scale
    spread = stairs.device_to_device * per * scale
    ax.fill_between(pulses, mean - spread, mean + spread, color=UP, alpha=0.2, lw=0, label="± 1 std device to device")
    for i, weights in enumerate(stairs.weights[:_SINGLE, -1]):
        ax.plot(
            pulses,
            data.device.conductance(weights) * scale,
            color=INK,
            lw=0.7,
            alpha=0.6,
            label="single devices, last cycle" if i == 0 else None,
        )
    ax.plot(pulses, mean, color=UP, lw=2, label="mean")
    ups = int((stairs.polarity > 0).sum())
    if ups < len(stairs.polarity):
        ax.axvline(ups, color=INK, lw=0.8, ls=":")
    directions = "potentiation, then depression" if ups < len(stairs.polarity) else "potentiation"
    devices, cycles = stairs.weights.shape[:2]
    ax.set_title(f"Staircase: {directions} ({devices} devices, {cycles} {'cycles' if cycles > 1 else 'cycle'})")
    ax.set_xlabel("Pulse")
    ax.set_ylabel(f"Conductance, {unit}")
    ax.set_xlim(0, pulses[-1])
    legend(ax)


def draw_steps(ax: Axes, data: Characteristics) -> None:
    """Draw the mean step up and down against the conductance, and where they are equal."""
    steps, per = data.steps, data.device.siemens
    scale, unit = siemens_unit(per * max(steps.up.max(), steps.down.max()))
    range_scale, range_unit = siemens_unit(data.device.g_max)
    g = data.device.conductance(steps.w) * range_scale
    sides = (("up", UP, "up"), ("down", DOWN, "down")) if data.device.sided == 2 else (("up", UP, "up"),)
    for side, colour, label in sides:
        mean, std = (getattr(steps, side + kind) * per * scale for kind in ("", "_std"))
        ax.fill_between(g, np.maximum(mean - std, 0), mean + std, color=colour, alpha=0.18, lw=0)
        ax.plot(g, mean, color=colour, lw=2, ls="-" if side == "up" else "--", label=label)
    if steps.symmetry_point is not None:
        at = data.device.conductance(steps.symmetry_point) * range_scale
        ax.axvline(at, color=INK, lw=0.9, ls=":", label=f"symmetry point, {at:.3g} {range_unit}")
    ax.set_title("Step size (band: device to device)")
    ax.set_xlabel(f"Conductance, {range_unit}")
    ax.set_ylabel(f"Mean step of a pulse, {unit}")
    _legend_above_data(ax)


def draw_cycle_noise(ax: Axes, data: Characteristics) -> None:
    """Draw the cycle-to-cycle standard deviation along the staircase, the device-to-device one beside it."""
    stairs, per = data.staircase, data.device.siemens
    both = np.concatenate([stairs.cycle_to_cycle, stairs.device_to_device]) * per
    scale, unit = siemens_unit(both.max())
    pulses = np.arange(len(stairs.polarity) + 1)
    ax.plot(pulses, stairs.device_to_device * per * scale, color=INK, lw=1.4, ls="--", label="device to device")
    if stairs.weights.shape[1] > 1:
        ax.plot(pulses, stairs.cycle_to_cycle * per * scale, color=UP, lw=2, label="cycle to cycle")
    ax.set_title("Spread along the staircase")
    ax.set_xlabel("Pulse")
    ax.set_ylabel(f"Standard deviation, {unit}")
    ax.set_xlim(0, pulses[-1])
    _legend_above_data(ax)


def draw_drift(ax: Axes, data: Characteristics) -> None:
    """Draw conductances over the logarithm of time by the law of retention, with the spread between devices."""
    drift = data.drift
    scale, unit = siemens_unit(data.device.g_max)
    for start, mean, std, colour in zip(drift.start, drift.mean, drift.std, _STATES, strict=True):
        ax.fill_between(drift.seconds, (mean - std) * scale, (mean + std) * scale, color=colour, alpha=0.2, lw=0)
        ax.plot(drift.seconds, mean * scale, color=colour, lw=1.8, label=f"from {_said(start)}")
    retention = data.device.retention_parameters()
    time_axis(ax)
    ax.set_ylim(0, 1.1 * drift.start.max() * scale)
    laws = [f"{law.name}, {law.summary()}" for law in laws_of(retention)]
    ax.set_title("Retention: " + ("\n".join(laws) or "no change in this model"))
    ax.set_ylabel(f"Conductance, {unit}")
    ax.grid(True)


def time_axis(ax: Axes) -> None:
    """Make the horizontal axis one of the time since the write, logarithmic."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(numticks=6))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: readable(seconds, "s", 3)))
    ax.set_xlabel("Time since the write")


def draw_read_noise(ax: Axes, data: Characteristics) -> None:
    """Draw the distribution of a cell's reads about their mean."""
    noise = data.read_noise
    if noise.sigma == 0:
        ax.text(0.5, 0.5, "no read noise in this model", ha="center", va="center", transform=ax.transAxes)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title("Read noise")
        return
    scale, unit = siemens_unit(3 * noise.sigma)
    ax.hist(noise.reads * scale, bins=40, density=True, color=UP, alpha=0.35)
    x = np.linspace(-4, 4, 200)
    bell = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) / (noise.sigma * scale)
    ax.plot(x * noise.sigma * scale, bell, color=UP, lw=1.8)
    where = " at g_max" if data.device.read_noise_scale else ""
    ax.set_title(f"Read noise{where}, σ = {_said(noise.sigma)}")
    ax.set_xlabel(f"Read less mean, {unit}")
    ax.set_ylabel(f"Density, 1/{unit}")
    ax.set_ylim(bottom=0)


def characteristics_figure(data: Characteristics) -> Figure:
    """Return the figure of a device: staircase, steps, spreads, retention, read noise."""
    figure = Figure(figsize=(12, 7.2), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    grid = figure.add_gridspec(2, 3)
    draw_staircase(figure.add_subplot(grid[0, :2]), data)
    draw_steps(figure.add_subplot(grid[0, 2]), data)
    draw_cycle_noise(figure.add_subplot(grid[1, 0]), data)
    draw_drift(figure.add_subplot(grid[1, 1]), data)
    draw_read_noise(figure.add_subplot(grid[1, 2]), data)
    for ax in figure.axes[:3]:
        ax.grid(True)
    law = data.device.response()
    device = data.device
    span = " to ".join(_said(g) for g in (device.g_min, device.g_max))
    figure.suptitle(f"{device.name}: {device.technology} ({law.name}; {span})", fontsize=12)
    return figure


def _said(siemens: float) -> str:
    return readable(float(siemens), "S", 3).replace("u", "µ")


def siemens_unit(largest: float) -> tuple[float, str]:
    """Return the factor and the unit in which conductances up to `largest` S are read best."""
    text = readable(float(largest), "S") if largest > 0 else "1 S"
    unit = text.split()[1]
    factors = {"fS": 1e15, "pS": 1e12, "nS": 1e9, "uS": 1e6, "mS": 1e3, "S": 1.0, "kS": 1e-3}
    return factors.get(unit, 1.0), unit.replace("u", "µ")


def _legend_above_data(ax: Axes) -> None:
    """Add a legend over the data, on an axis that starts at zero."""
    entries = len(ax.get_legend_handles_labels()[0])
    ax.set_ylim(0, ax.get_ylim()[1] * (1.02 + 0.08 * entries))
    ax.legend(loc="upper center", fontsize=8.5)


def legend(ax: Axes) -> None:
    """Add a legend where it hides least."""
    ax.legend(loc="best", fontsize=8.5, frameon=True, framealpha=0.85, edgecolor="none")

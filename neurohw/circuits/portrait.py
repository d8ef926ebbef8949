"""Drawing: what a target circuit tells apart and how soon, its thresholds over time, who wins how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from neurohw.circuits.characteristics import DecisionTimes, Numbers, Transfer
from neurohw.circuits.competition import Competition
from neurohw.circuits.resolution import Resolution
from neurohw.units import readable

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008
_INK, _MARKERS = "#24292f", "osv^D"
DIFFERENCES: Numbers = np.geomspace(1e-3, 1, 200)


@dataclass(frozen=True)
class Portrait:
    """What is drawn of a circuit.

    Args:
        title: of the figure.
        resolution: the law.
        current: of the k-th input, A.
        required: separation that a decision needs, V.
        k: winners.
        competitors: curves of the decision time.
        seconds: time given to a decision, s; None: as long as it takes.
        competitions: the same with homeostasis and without; None where only the law is drawn.
        transfers, times: measured points, where there are any.
    """

    title: str
    resolution: Resolution
    current: float
    required: float
    k: int
    competitors: tuple[int, ...]
    seconds: float | None
    competitions: tuple[Competition, Competition] | None = None
    transfers: tuple[Transfer, ...] = ()
    times: tuple[DecisionTimes, ...] = ()


def draw_transfer(ax: Axes, data: Portrait) -> None:
    """Draw the separation of winner and runner-up at rest, and within the time of a decision."""
    ax.plot(
        100 * DIFFERENCES, 1e3 * _finite(data.resolution.separation(DIFFERENCES)), color=_INK, lw=2, label="at rest"
    )
    if data.seconds is not None:
        for n, colour in zip(data.competitors, _COLOURS, strict=False):
            within = data.resolution.separation(DIFFERENCES, data.current, data.seconds, n, data.k)
            label = f"after {readable(data.seconds, 's')}, {n} inputs"
            ax.plot(100 * DIFFERENCES, 1e3 * _finite(within), color=colour, lw=1.6, label=label)
    for transfer, colour, marker in zip(data.transfers, _COLOURS, _MARKERS, strict=False):
        label = f"measured: {transfer.n} inputs, {readable(transfer.current, 'A')}"
        law = data.resolution.at(transfer.current).separation(DIFFERENCES)
        ax.plot(100 * DIFFERENCES, 1e3 * _finite(law), color=colour, lw=0.9)
        ax.plot(
            100 * transfer.difference, 1e3 * transfer.separation, marker, ms=5, mfc="none", color=colour, label=label
        )
    if data.required:
        ax.axhline(1e3 * data.required, color=_INK, lw=0.9, ls=":")
        ax.text(0.105, 1.08e3 * data.required, "needed", fontsize=8.5, va="bottom")
    ax.set(xscale="log", yscale="log", xlabel="Input difference, %", ylabel="Separation, mV", title="Transfer")
    ax.set_xlim(0.1, 100)
    _finish(ax)


def draw_decision_time(ax: Axes, data: Portrait) -> None:
    """Draw the time of a decision against the input difference."""
    lines: list[tuple[int, float, DecisionTimes | None]] = [(times.n, times.current, times) for times in data.times]
    lines = lines or [(n, data.current, None) for n in data.competitors]
    for (n, current, times), colour, marker in zip(lines, _COLOURS, _MARKERS, strict=False):
        law = data.resolution.at(current) if times else data.resolution
        seconds = law.decision_time(DIFFERENCES, current, data.required, n, data.k)
        label = f"{n} inputs" + (f", {readable(current, 'A')}" if times else "")
        ax.plot(100 * DIFFERENCES, 1e6 * _finite(seconds), color=colour, lw=1.8, label=label)
        if times is not None:
            ax.plot(100 * times.difference, 1e6 * _finite(times.seconds), marker, ms=5, mfc="none", color=colour)
    if data.seconds is not None:
        ax.axhline(1e6 * data.seconds, color=_INK, lw=0.9, ls=":")
        ax.text(0.105, 1.08e6 * data.seconds, "given", fontsize=8.5, va="bottom")
    title = f"Decision time for {1e3 * data.required:.3g} mV" + (
        "" if data.times else f" at {readable(data.current, 'A')}"
    )
    ax.set(xscale="log", yscale="log", xlabel="Input difference, %", ylabel="Time, µs", title=title)
    ax.set_xlim(0.1, 100)
    _finish(ax)


def draw_thresholds(ax: Axes, data: Competition) -> None:
    """Draw H over time: every tenth neuron, and the range of all."""
    seconds, threshold = data.seconds.cpu().numpy(), data.threshold.cpu().numpy()
    ax.fill_between(seconds, threshold.min(1), threshold.max(1), color=_COLOURS[0], alpha=0.15, lw=0, label="all")
    for i, colour in zip(range(0, threshold.shape[1], max(1, threshold.shape[1] // 6)), _COLOURS, strict=False):
        ax.plot(seconds, threshold[:, i], color=colour, lw=1.1)
    ax.set(xlabel="Simulated time, s", ylabel="Threshold H, outputs", title="Thresholds over time (six neurons)")
    _finish(ax)


def draw_frequencies(ax: Axes, data: Competition, without: Competition) -> None:
    """Draw how often each neuron wins, the most frequent first, with homeostasis and without."""
    for competition, colour, label in ((without, _COLOURS[1], "without"), (data, _COLOURS[0], "with homeostasis")):
        frequency = np.sort(competition.frequency.cpu().numpy())[::-1]
        ax.plot(np.arange(1, len(frequency) + 1), 100 * frequency, color=colour, lw=1.8, label=label)
    ax.axhline(100 * data.wanted, color=_INK, lw=0.9, ls=":", label=f"wanted, {100 * data.wanted:.3g} %")
    ax.set(xlabel="Neuron, the most frequent winner first", ylabel="Decisions won, %", title="Winning frequency")
    ax.set_ylim(bottom=0)
    _finish(ax)


def portrait_figure(data: Portrait) -> Figure:
    """Return the panels that there is something for: the law's two, and the competition's two."""
    rows = 1 if data.competitions is None else 2
    figure = Figure(figsize=(10, 3.9 * rows + 0.4), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    axes = list(figure.subplots(rows, 2, squeeze=False).flat)
    draw_transfer(axes[0], data)
    draw_decision_time(axes[1], data)
    if data.competitions is not None:
        draw_thresholds(axes[2], data.competitions[0])
        draw_frequencies(axes[3], *data.competitions)
    figure.suptitle(data.title)
    return figure


def _finite(values: Numbers) -> Numbers:
    return np.where(np.isfinite(values), values, np.nan)


def _finish(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
            axis.set_major_locator(LogLocator(subs=(1, 3)))
    ax.grid(True, lw=0.5)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8.5)

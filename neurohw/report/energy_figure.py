"""Drawing energies: what the run costs and where it goes, and accuracy against energy; no number is made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from neurohw import units
from neurohw.report.energy import Bounds, Parts, PointEnergy, drawable, pareto_front
from neurohw.report.energy_table import marked_total
from neurohw.report.figures import COLOURS, INK, MARKERS, PAPER, layout, looks

MOST_POINTS = 80  # in one figure
_PALETTE = (*COLOURS, "#f0e442", "#8c564b")
_REST, _OTHER = "other", "#9aa0a6"
_NARROW = 0.06  # of a bar: a share below it is not written


def draw_totals(ax: Axes, data: Sequence[PointEnergy]) -> None:
    """Draw the run's energy per point: nominal, with a whisker from low to high; hollow where some is missing."""
    for y, e in enumerate(data):
        face = PAPER if e.uncounted else INK
        ax.errorbar(e.total.nominal, y, xerr=_whisker(e.total), fmt="o", color=INK, mfc=face, ms=6, capsize=3.5)
        ax.text(1.015, y, marked_total(e), transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.set_title("Energy of the whole run: nominal, low to high")
    _joules(ax, data)
    _name_rows(ax, data)


def draw_shares(ax: Axes, data: Sequence[PointEnergy], parts: Sequence[Parts], title: str) -> None:
    """Draw a stacked bar per point: the shares of the nominal energy by part, small parts taken together."""
    names = _largest(parts)
    lefts = [0.0] * len(data)
    for name in (*names, _REST):
        shares = [_share(of, name, names) for of in parts]
        if name == _REST and max(shares) < 5e-4:
            continue
        colour = _OTHER if name == _REST else _PALETTE[names.index(name)]
        ax.barh(range(len(data)), [100 * s for s in shares], 0.72, [100 * left for left in lefts],
                color=colour, edgecolor=PAPER, linewidth=0.6, label=name)  # fmt: skip
        for y, share in enumerate(shares):
            if share >= _NARROW:
                x = 100 * (lefts[y] + share / 2)
                ax.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color="#000000")
        lefts = [left + share for left, share in zip(lefts, shares, strict=True)]
    ax.set_xlim(0, 100)
    ax.set_xlabel("Share of the run's nominal energy, %")
    ax.set_title(title)
    ax.legend(loc="upper left", bbox_to_anchor=(1.005, 1.04), fontsize=8.5, handlelength=1.2)
    _name_rows(ax, data)


def draw_pareto(ax: Axes, data: Sequence[PointEnergy]) -> None:
    """Draw accuracy against the energy of training, and the steps of the points that no other beats in both."""
    data = drawable(data)
    by_variant = looks(e.point for e in data)
    groups = list(dict.fromkeys(e.point.name.group for e in data))
    for e in data:
        if e.training is None:
            continue
        look, marker = by_variant[e.point.variant], MARKERS[groups.index(e.point.name.group) % len(MARKERS)]
        std = e.accuracy.std
        ax.errorbar(
            e.training.nominal, 100 * e.accuracy.mean, xerr=_whisker(e.training), yerr=0 if isnan(std) else 100 * std,
            fmt=marker, color=look.colour, mfc=PAPER if e.uncounted else look.colour, ms=7, capsize=2.5, elinewidth=1,
        )  # fmt: skip
    front = [(e.training.nominal, 100 * e.accuracy.mean) for e in pareto_front(data) if e.training]
    if len(front) > 1:
        ax.step(*zip(*front, strict=True), ":", color=INK, linewidth=1.3, where="post", zorder=0)
    _joules(ax, data)
    ax.set_xlabel("Energy of training; whiskers: low to high, ± standard deviation of accuracy")
    ax.set_ylabel("Accuracy, %")
    ax.set_title("Accuracy against the energy of training")
    ax.grid(True)
    handles = [*_of_groups(groups), *_of_variants(data), *_of_rest(data, len(front) > 1)]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize=8.5)


def energy_figures(data: Sequence[PointEnergy]) -> Iterator[tuple[str, Figure]]:
    """Yield the names and figures of these points; there is none of no points, or of far too many."""
    if 0 < len(data) <= MOST_POINTS:
        yield "energy", energy_figure(data)
        if drawable(data):
            yield "pareto", pareto_figure(data)


def energy_figure(data: Sequence[PointEnergy]) -> Figure:
    """Return three panels below each other: the total, its shares by component, its shares by phase."""
    height = 0.3 * len(data)
    sizes = (height + 1.0, max(height + 0.9, 2.2), max(height + 0.9, 2.2))
    figure = Figure(figsize=(9, sum(sizes)), layout=layout())
    totals, components, phases = figure.subplots(3, height_ratios=sizes)
    draw_totals(totals, data)
    draw_shares(components, data, [e.components for e in data], "Where it goes: by component")
    draw_shares(phases, data, [e.phases for e in data], "When it goes: by phase")
    return figure


def pareto_figure(data: Sequence[PointEnergy]) -> Figure:
    """Return accuracy against energy in one panel."""
    entries = len({e.point.name.group for e in data}) + len({e.point.variant for e in data})
    figure = Figure(figsize=(9, max(4.6, 0.24 * (entries + 5))), layout=layout())
    draw_pareto(figure.subplots(), data)
    return figure


def _largest(parts: Sequence[Parts]) -> list[str]:
    """Return the names drawn on their own: those whose share is largest somewhere, in the order of their sums."""
    shares: dict[str, list[float]] = {}
    for of in parts:
        total = sum(of.values()) or 1.0
        for name, energy in of.items():
            shares.setdefault(name, []).append(energy / total)
    notable = sorted(shares, key=lambda name: -max(shares[name]))[: len(_PALETTE)]
    return sorted((n for n in notable if max(shares[n]) >= 0.005), key=lambda name: -sum(shares[name]))


def _share(of: Parts, name: str, names: Sequence[str]) -> float:
    total = sum(of.values()) or 1.0
    found = sum(energy for part, energy in of.items() if part not in names) if name == _REST else of.get(name, 0.0)
    return found / total


def _whisker(bounds: Bounds) -> list[list[float]]:
    return [[bounds.nominal - bounds.low], [bounds.high - bounds.nominal]]


def _joules(ax: Axes, data: Sequence[PointEnergy]) -> None:
    if all(e.total.nominal > 0 for e in data):
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=9))
        ax.xaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: units.readable(value, "J", 3)))
    ax.grid(True, axis="x")


def _name_rows(ax: Axes, data: Sequence[PointEnergy]) -> None:
    ax.set_yticks(range(len(data)), [fill(e.point.label, 42) for e in data])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(data) - 0.4, -0.6)


def _of_groups(groups: Sequence[str]) -> Iterator[Line2D]:
    for i, group in enumerate(groups):
        yield Line2D([], [], marker=MARKERS[i % len(MARKERS)], color=INK, linestyle="", label=fill(group, 30))


def _of_variants(data: Sequence[PointEnergy]) -> Iterator[Line2D]:
    for variant, look in looks(e.point for e in data).items():
        yield Line2D([], [], color=look.colour, linewidth=5, label=fill(variant, 30))


def _of_rest(data: Sequence[PointEnergy], front: bool) -> Iterator[Line2D]:
    if any(e.uncounted for e in data):
        yield Line2D([], [], marker="o", color=INK, mfc=PAPER, linestyle="", label="hollow: some was not counted")
    if front:
        yield Line2D([], [], color=INK, linestyle=":", label="no other has more\naccuracy for less energy")

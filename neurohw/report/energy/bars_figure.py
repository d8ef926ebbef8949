"""Drawing what a run costs, and where and when it goes; no number is made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neurohw.report.drawing import COLOURS, INK, PAPER, layout
from neurohw.report.energy.account import Parts, PointEnergy
from neurohw.report.energy.axes import ends, joules, whisker
from neurohw.report.energy.bounds import bounds_text
from neurohw.report.energy.tables import marked

PALETTE = (*COLOURS, "#f0e442", "#8c564b")
PHASES = {  # in the order of a batch; what is no training is grey
    "forward": "#0072b2", "free": "#0072b2", "backward": "#56b4e9", "nudged": "#56b4e9", "target": "#d55e00",
    "homeostasis": "#e69f00", "update": "#009e73", "training": "#cc79a7", "inference": "#7d848c",
    "association": "#b9bec5",
}  # fmt: skip
_REST, _OTHER = "other", "#9aa0a6"
_NARROW = 0.06  # of a bar: a share below it is not written


def bars_figure(data: Sequence[PointEnergy], basis: str) -> Figure:
    """Return three panels below each other: the total, its shares by component, its shares by phase."""
    height = 0.3 * len(data)
    sizes = (height + 1.0, max(height + 0.9, 2.2), max(height + 0.9, 2.2))
    figure = Figure(figsize=(9, sum(sizes) + 0.4), layout=layout())
    totals, components, phases = figure.subplots(3, height_ratios=sizes)
    draw_totals(totals, data)
    draw_shares(components, data, [e.components for e in data], "Where it goes: by component")
    draw_shares(phases, data, [e.phases for e in data], "When it goes: by phase (greys: evaluation)", PHASES)
    write_basis(figure, basis)
    return figure


def draw_totals(ax: Axes, data: Sequence[PointEnergy]) -> None:
    """Draw the run's energy per point: nominal, with a whisker from low to high; hollow where some is missing."""
    for y, e in enumerate(data):
        face = PAPER if e.uncounted else INK
        ax.errorbar(e.total.nominal, y, xerr=whisker(e.total), fmt="o", color=INK, mfc=face, ms=6, capsize=3.5)
        text = marked(e, bounds_text(e.total, "J"))
        ax.text(1.015, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.set_title("Energy of the whole run: nominal, low to high")
    joules(ax, ends([e.total for e in data]))
    _name_rows(ax, data)


def draw_shares(
    ax: Axes,
    data: Sequence[PointEnergy],
    parts: Sequence[Parts],
    title: str,
    colours: Mapping[str, str] | None = None,
) -> None:
    """Draw a stacked bar per point: the shares of the nominal energy by part.

    Args:
        ax: where.
        data: one bar each.
        parts: of each.
        title: above.
        colours: of all parts, in their order; None: the largest parts come first, small ones are taken together.
    """
    names = [*colours] if colours else _largest(parts)
    shown = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)} | {_REST: _OTHER} | dict(colours or {})
    lefts = [0.0] * len(data)
    for name in (*names, _REST):
        shares = [_share(each, name, names) for each in parts]
        if max(shares) < 5e-4:
            continue
        ax.barh(range(len(data)), [100 * s for s in shares], 0.72, [100 * left for left in lefts],
                color=shown[name], edgecolor=PAPER, linewidth=0.6, label=name)  # fmt: skip
        for y, share in enumerate(shares):
            if share >= _NARROW:
                x = 100 * (lefts[y] + share / 2)
                ax.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=8, color="#000000")
        lefts = [left + share for left, share in zip(lefts, shares, strict=True)]
    ax.set_xlim(0, 100)
    ax.set_xlabel("Share of the run's nominal energy, %")
    ax.set_title(title)
    _say_colours(ax)
    _name_rows(ax, data)


def _say_colours(ax: Axes) -> None:
    """Draw the legend; parts of one colour share a line of it."""
    by_colour: dict[str, tuple[Patch, list[str]]] = {}
    for bars in ax.containers:
        bar = bars.get_children()[0]
        if isinstance(bar, Patch):
            by_colour.setdefault(to_hex(bar.get_facecolor()), (bar, []))[1].append(str(bars.get_label()))
    handles = [handle for handle, _ in by_colour.values()]
    labels = [" / ".join(names) for _, names in by_colour.values()]
    ax.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.005, 1.04), fontsize=8.5, handlelength=1.2)


def write_basis(figure: Figure, basis: str) -> None:
    """Write what stands behind a figure below it, small."""
    figure.supxlabel(fill(basis, 150), fontsize=7.5, x=0.01, ha="left")


def _largest(parts: Sequence[Parts]) -> list[str]:
    """Return the names drawn on their own: those whose share is largest somewhere, in the order of their sums."""
    shares: dict[str, list[float]] = {}
    for each in parts:
        total = sum(each.values()) or 1.0
        for name, energy in each.items():
            shares.setdefault(name, []).append(energy / total)
    notable = sorted(shares, key=lambda name: -max(shares[name]))[: len(PALETTE)]
    return sorted((n for n in notable if max(shares[n]) >= 0.005), key=lambda name: -sum(shares[name]))


def _share(parts: Parts, name: str, names: Sequence[str]) -> float:
    total = sum(parts.values()) or 1.0
    rest = sum(energy for part, energy in parts.items() if part not in names)
    return (rest if name == _REST else parts.get(name, 0.0)) / total


def _name_rows(ax: Axes, data: Sequence[PointEnergy]) -> None:
    ax.set_yticks(range(len(data)), [fill(e.point.label, 42) for e in data])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(data) - 0.4, -0.6)

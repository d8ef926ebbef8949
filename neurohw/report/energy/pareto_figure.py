"""Drawing final accuracy against the energy of training; no number is made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurohw.report.drawing import INK, PAPER, layout
from neurohw.report.energy.account import PointEnergy
from neurohw.report.energy.axes import Marked, joules, whisker, write_beside
from neurohw.report.energy.bars_figure import PALETTE, write_basis
from neurohw.report.energy.compare import drawable, pareto_front
from neurohw.report.energy.digital import CHEAPEST, DEAREST, PointDigital, kind_name
from neurohw.report.energy.looks import MARKERS, Looks, settings_of

_FAINT = 0.3  # of points at chance
MOST_WRITTEN = 14  # settings beside markers; of more points, those on the front only


def pareto_figure(data: Sequence[PointEnergy], ideals: Sequence[PointDigital], basis: str) -> Figure:
    """Return accuracy against energy in one panel."""
    figure = Figure(figsize=(9, 5), layout=layout())
    ax = figure.subplots()
    marks = draw_pareto(ax, data, ideals)
    legend = ax.get_legend()
    entries = [text.get_text().count("\n") + 1 for text in legend.get_texts()] if legend else []
    figure.set_figheight(max(5.0, 1.6 + 0.15 * sum(entries) + 0.06 * len(entries)))
    write_basis(figure, basis)
    write_beside(ax, marks)
    return figure


def draw_pareto(ax: Axes, data: Sequence[PointEnergy], ideals: Sequence[PointDigital] = ()) -> list[Marked]:
    """Draw accuracy against the energy of training, the chips that no other beats in both, and the digital side.

    Returns:
        What was marked, and what is to be written beside it.
    """
    data = drawable(data)
    looks = Looks.of([*(e.point for e in data), *(ideal.point for ideal in ideals)])
    front = pareto_front(data)
    written = data if len(data) <= MOST_WRITTEN else front
    marks = []
    for e in data:
        if e.training is None:
            continue
        y, deviation = 100 * e.accuracy.mean, _deviation(e.accuracy.std)
        colour = to_rgba(looks.colour(e.point), _FAINT if e.at_chance else 1.0)
        ax.errorbar(
            e.training.nominal, y, xerr=whisker(e.training), yerr=deviation,
            fmt=looks.marker(e.point), color=colour, mfc=PAPER if e.uncounted else colour, ms=7, capsize=2.5,
            elinewidth=0.9, ecolor=to_rgba(colour, 0.55 * colour[3]),
        )  # fmt: skip
        text = settings_of(e.point) if e in written else ""
        marks.append(Marked(e.training.nominal, y, (e.training.low, e.training.high), deviation, text))
    steps = [(e.training.nominal, 100 * e.accuracy.mean) for e in front if e.training]
    if len(steps) > 1:
        ax.step(*zip(*steps, strict=True), ":", color=INK, linewidth=1.4, where="post", zorder=0)
    marks += _draw_ideals(ax, ideals)
    joules(ax, [joule for mark in marks for joule in (*mark.reach, mark.x)])
    ax.set_xlabel("Energy of training, whole run: nominal, low to high")
    ax.set_ylabel("Accuracy at the end, %")
    ax.set_title("Accuracy against the energy of training")
    ax.grid(True)
    handles = [*_of_groups(looks), *_of_devices(looks), *_of_rest(data, ideals, len(steps) > 1)]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize=8.5)
    return marks


def _draw_ideals(ax: Axes, ideals: Sequence[PointDigital]) -> list[Marked]:
    """Draw full-precision points between the cheapest and the dearest digital accelerator; return what was marked."""
    groups = [ideal.point.name.group.split(" · ") for ideal in ideals]
    common = {part for part in groups[0] if all(part in group for group in groups)} if len(groups) > 1 else set()
    marks = []
    for ideal, group in zip(ideals, groups, strict=True):
        costs = [cost for kind in (CHEAPEST, DEAREST) if (cost := ideal.cost(kind)) and cost.training.nominal > 0]
        if not costs or not ideal.accuracy.n:
            continue
        spent = [cost.training.nominal for cost in costs]
        y, deviation = 100 * ideal.accuracy.mean, _deviation(ideal.accuracy.std)
        ax.plot(spent, [y] * len(spent), "-", color=INK, linewidth=0.8, zorder=1)
        ax.errorbar(spent, [y] * len(spent), yerr=deviation, fmt="s", color=INK, mfc=PAPER, ms=7, capsize=2.5,
                    elinewidth=0.9)  # fmt: skip
        text = f"{' · '.join(part for part in group if part not in common) or group[0]},\nfull precision"
        marks += [Marked(x, y, (spent[0], spent[-1]), deviation, text if x == spent[0] else "") for x in spent]
    return marks


def _deviation(std: float) -> float:
    return 0.0 if isnan(std) else 100 * std


def _of_groups(looks: Looks) -> Iterator[Line2D]:
    for i, group in enumerate(looks.groups):
        yield Line2D([], [], marker=MARKERS[i % len(MARKERS)], color=INK, linestyle="", label=fill(group, 30))


def _of_devices(looks: Looks) -> Iterator[Line2D]:
    for i, device in enumerate(looks.devices):
        yield Line2D([], [], color=PALETTE[i % len(PALETTE)], linewidth=5, label=fill(device, 30))


def _of_rest(data: Sequence[PointEnergy], ideals: Sequence[PointDigital], front: bool) -> Iterator[Line2D]:
    if any(e.uncounted for e in data):
        yield Line2D(
            [], [], marker="o", color=INK, mfc=PAPER, linestyle="", label="hollow: not all counted,\nenergy too low"
        )
    if any(e.at_chance for e in data):
        yield Line2D(
            [], [], marker="o", color=to_rgba(INK, _FAINT), linestyle="", label="faint: no better than guessing"
        )
    if front:
        yield Line2D([], [], color=INK, linestyle=":", label="no other chip has more\naccuracy for less energy")
    if ideals:
        text = "no chip: full precision at the\nenergy of a digital accelerator,\n"
        text += f"{kind_name(CHEAPEST)} (left) to\n{kind_name(DEAREST)} (right)"
        yield Line2D([], [], marker="s", color=INK, mfc=PAPER, linestyle="-", linewidth=0.8, label=text)

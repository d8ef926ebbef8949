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
from neurohw.report.energy.axes import ends, joules, whisker, write_beside
from neurohw.report.energy.bars_figure import PALETTE, write_basis
from neurohw.report.energy.compare import drawable, pareto_front
from neurohw.report.energy.digital import CHEAPEST, DEAREST, PointDigital, kind_name
from neurohw.report.energy.looks import MARKERS, Looks, settings_of

MOST_WRITTEN = 14  # settings beside markers; of more points, those on the front only


def pareto_figure(data: Sequence[PointEnergy], ideals: Sequence[PointDigital], basis: str) -> Figure:
    """Return accuracy against energy in one panel."""
    looks = Looks.of([*(e.point for e in data), *(of.point for of in ideals)])
    figure = Figure(figsize=(9, max(5.0, 0.25 * (len(looks.devices) + len(looks.groups) + 8))), layout=layout())
    ax = figure.subplots()
    draw_pareto(ax, data, ideals)
    write_basis(figure, basis)
    return figure


def draw_pareto(ax: Axes, data: Sequence[PointEnergy], ideals: Sequence[PointDigital] = ()) -> None:
    """Draw accuracy against the energy of training, the chips that no other beats in both, and the digital side."""
    data = drawable(data)
    looks = Looks.of([*(e.point for e in data), *(of.point for of in ideals)])
    for e in data:
        if e.training is None:
            continue
        colour = looks.colour(e.point)
        ax.errorbar(
            e.training.nominal, 100 * e.accuracy.mean, xerr=whisker(e.training), yerr=_deviation(e.accuracy.std),
            fmt=looks.marker(e.point), color=colour, mfc=PAPER if e.uncounted else colour, ms=7, capsize=2.5,
            elinewidth=0.9, ecolor=to_rgba(colour, 0.55),
        )  # fmt: skip
    front = pareto_front(data)
    steps = [(e.training.nominal, 100 * e.accuracy.mean) for e in front if e.training]
    if len(steps) > 1:
        ax.step(*zip(*steps, strict=True), ":", color=INK, linewidth=1.4, where="post", zorder=0)
    reach = ends([e.training for e in data if e.training]) + _draw_ideals(ax, ideals, looks)
    joules(ax, reach)
    ax.set_xlabel("Energy of training, whole run: nominal, low to high")
    ax.set_ylabel("Accuracy at the end, %")
    ax.set_title("Accuracy against the energy of training")
    ax.grid(True)
    written = data if len(data) <= MOST_WRITTEN else front
    write_beside(ax, [(e.training.nominal, 100 * e.accuracy.mean, settings_of(e.point) if e in written else "")
                      for e in data if e.training])  # fmt: skip
    handles = [*_of_groups(looks), *_of_devices(looks), *_of_rest(data, ideals, len(steps) > 1)]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.005, 1.02), fontsize=8.5)


def _draw_ideals(ax: Axes, ideals: Sequence[PointDigital], looks: Looks) -> list[float]:
    """Draw full-precision points between the cheapest and the dearest digital accelerator; return their energies."""
    reach = []
    for of in ideals:
        costs = [cost for kind in (CHEAPEST, DEAREST) if (cost := of.cost(kind)) and cost.training.nominal > 0]
        if not costs or not of.accuracy.n:
            continue
        joules_there = [cost.training.nominal for cost in costs]
        level = [100 * of.accuracy.mean] * len(costs)
        ax.plot(joules_there, level, "-", color=INK, linewidth=0.8, zorder=1)
        ax.errorbar(joules_there, level, yerr=_deviation(of.accuracy.std), fmt="s", color=INK, mfc=PAPER, ms=7,
                    capsize=2.5, elinewidth=0.9)  # fmt: skip
        ax.annotate(f"{of.point.name.group}, full precision", (joules_there[0], level[0]), (-8, -3),
                    textcoords="offset points", fontsize=7.5, ha="right")  # fmt: skip
        reach += joules_there
    return reach


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
    if front:
        yield Line2D([], [], color=INK, linestyle=":", label="no other chip has more\naccuracy for less energy")
    if ideals:
        text = "no chip: full precision at the\nenergy of a digital accelerator,\n"
        text += f"{kind_name(CHEAPEST)} (left) to\n{kind_name(DEAREST)} (right)"
        yield Line2D([], [], marker="s", color=INK, mfc=PAPER, linestyle="-", linewidth=0.8, label=text)

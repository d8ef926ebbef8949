"""Which figures of energies there are, and of which points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from neurohw.report.energy import notes
from neurohw.report.energy.bars_figure import bars_figure
from neurohw.report.energy.compare import drawable, foremost
from neurohw.report.energy.learning import best_settings
from neurohw.report.energy.learning_figure import learning_figure
from neurohw.report.energy.pareto_figure import pareto_figure
from neurohw.report.energy.sections import Energies

NAMES = ("energy", "pareto", "energy_curves")
MOST_BARS, MOST_MARKERS, MOST_LINES = 24, 80, 12


@dataclass(frozen=True)
class Drawn:
    """A figure with what is said below it; `alt` says what it shows to who cannot see it."""

    name: str
    figure: Figure
    alt: str
    caption: str


def energy_figures(data: Energies) -> Iterator[Drawn]:
    """Yield what can be drawn of these points; of too many, those that matter most, and the captions say which."""
    accounts = data.accounts
    if len(drawable(accounts)):
        shown = foremost(accounts, MOST_MARKERS)
        remark = notes.drawn_of(len(shown), len(accounts), "those no other beats, then those of highest accuracy")
        figure = pareto_figure(shown, data.ideals, data.basis)
        yield Drawn("pareto", figure, "Accuracy against the energy of training", notes.PARETO + remark)
    learnings = [learning for learning in data.learnings if len(learning.mean()) > 1]
    if any(not learning.digital for learning in learnings):
        chosen = best_settings(learnings, MOST_LINES)
        which = "of each rule and device the setting that ends at the highest accuracy"
        remark = notes.drawn_of(len(chosen), len(learnings), which)
        figure = learning_figure(chosen, data.basis)
        alt = "Accuracy against the energy spent on training so far"
        yield Drawn("energy_curves", figure, alt, notes.LEARNING + remark)
    if accounts:
        bars = foremost(accounts, MOST_BARS)
        remark = notes.drawn_of(len(bars), len(accounts), "those no other beats, then those of highest accuracy")
        alt = "Energy of the run, and its shares by component and by phase"
        yield Drawn("energy", bars_figure(bars, data.basis), alt, notes.BARS + remark)

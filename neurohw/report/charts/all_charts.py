"""Which interactive figures a report has, and where they stand: beside the answer, or in the fold of their section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from neurohw.report.accuracy.curves_figure import over_epochs
from neurohw.report.accuracy.data import Accuracies
from neurohw.report.accuracy.published import Beside
from neurohw.report.ageing.data import Ageing
from neurohw.report.charts.accuracy import accuracy_chart, curves_chart
from neurohw.report.charts.ageing import ageing_chart
from neurohw.report.charts.chart import Chart
from neurohw.report.charts.conductances import conductances_chart
from neurohw.report.charts.energy import energy_charts
from neurohw.report.charts.sensitivity import sensitivity_chart
from neurohw.report.charts.sweep import sweep_chart
from neurohw.report.energy.sections import Energies
from neurohw.report.looks.data import Conductances
from neurohw.report.points import Point
from neurohw.report.sensitivity.data import Sensitivity

MOST_LINES = 12  # of a swept parameter
MOST_PANELS = 16
MOST_SHOWN = 4  # panels beside the answer


@dataclass(frozen=True)
class Charts:
    """The figures of a page.

    Args:
        first: beside the answer.
        sensitivity: more swept parameters.
        energy: in the fold of energy.
        looks: in the fold of weights and conductances.
    """

    first: tuple[Chart, ...] = ()
    sensitivity: tuple[Chart, ...] = ()
    energy: tuple[Chart, ...] = ()
    looks: tuple[Chart, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.first or self.sensitivity or self.energy or self.looks)


def charts_of(
    points: Sequence[Point],
    accuracies: Sequence[Accuracies],
    curves: pd.DataFrame,
    published: Sequence[Beside],
    sensitivities: Sequence[Sensitivity],
    energies: Energies,
    ageings: Sequence[Ageing] = (),
    conductances: Sequence[Conductances] = (),
) -> Charts:
    """Return the figures of what there is."""
    panels = [sensitivity_chart(panel) for panel in sensitivities if len(panel.lines) <= MOST_LINES][:MOST_PANELS]
    aged = ageing_chart(ageings)
    first = [*([aged] if aged else []), *panels[:MOST_SHOWN]]
    if accuracies:
        first.append(accuracy_chart(accuracies, points))
        sweep = None if panels else sweep_chart(max(accuracies, key=lambda a: len(a.rows)))
        first += [sweep] if sweep else []
    of_energy = list(energy_charts(energies))
    pareto = [chart for chart in of_energy if chart.name == "pareto"]
    return Charts(
        (*first, *pareto, *_learning(curves, points, published)),
        tuple(panels[MOST_SHOWN:]),
        tuple(chart for chart in of_energy if chart.name != "pareto"),
        tuple(filter(None, [conductances_chart(conductances)])),
    )


def _learning(curves: pd.DataFrame, points: Sequence[Point], published: Sequence[Beside]) -> list[Chart]:
    """Return the learning curves, where some point was evaluated more than once."""
    drawn = curves[curves["metric"].isin(over_epochs())]
    if drawn.empty:
        return []
    drawn = drawn.groupby(["metric", "group"]).filter(lambda panel: panel["epoch"].nunique() > 1)
    return [] if drawn.empty else [curves_chart(drawn, points, published)]

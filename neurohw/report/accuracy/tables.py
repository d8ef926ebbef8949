"""Tables of a report: text in cells, for Markdown and HTML alike, and frames of plain numbers for CSV."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from neurohw.metrics import Metric
from neurohw.report.accuracy.data import Accuracies, Accuracy, Breakdown, Cost, Gap, images_presented, in_order
from neurohw.report.naming import on_hardware
from neurohw.report.points import Point
from neurohw.report.spread import Spread
from neurohw.report.table import NOTHING, Table, mean_text, table_of


def comparison_table(accuracies: Accuracies) -> Table:
    """Return ideal against constrained: accuracy, gap, seeds, length and status of each point."""
    metric = accuracies.metric
    unit = "points" if metric.share else metric.shown_unit
    gap = f"Gap to ideal, {unit}" if unit else "Gap to ideal"
    gaps = (gap,) if any(on_hardware(row.point.config) for row in accuracies.rows) else ()
    columns = ("Point", metric.label, *gaps, "Seeds", "Epochs", "Images", "Status", "Hash")
    references = {row.gap.reference.anchor for row in accuracies.rows if row.gap}
    references |= {row.point.anchor for row in accuracies.rows if row.point.ideal}
    rows = [(row.point, _accuracy_cells(row, metric, references if gaps else None)) for row in accuracies.rows]
    return table_of(columns, rows)


def breakdown_table(breakdown: Breakdown, spelled: dict[str, str]) -> Table:
    """Return one metric at several levels; spelled: level -> column title."""
    titles = [spelled[level] for level in breakdown.levels]
    rows: list[tuple[Point, tuple[str, ...]]] = []
    for point, _, spreads in breakdown.rows:
        cells = (mean_text(spread, breakdown.metric) for spread in spreads)
        rows.append((point, (*cells, str(max(spread.n for spread in spreads)))))
    return table_of(("Point", *titles, "Seeds"), rows)


def cost_table(costs: Sequence[Cost]) -> Table:
    """Return what simulating each point took."""
    columns = ("Point", "Images per second", "Training time, s", "Images", "Peak memory, MiB", "Seeds")
    rows = [(cost.point, _cost_cells(cost)) for cost in costs]
    return table_of(columns, rows)


def measured(metrics: dict[str, Any]) -> str:
    """Return one run's metrics in words."""
    known = (metric for metric in in_order() if metric.name in metrics)
    return ", ".join(f"{metric.title} {metric.text(metrics[metric.name])}" for metric in known)


def signed(gap: Gap, metric: Metric) -> str:
    """Return a gap ± its standard error, as the metric is shown; a dagger marks runs of unlike length."""
    error = "" if isnan(gap.error) else f" ± {metric.number(gap.error / metric.scale, digits=3)}"
    points = metric.number(gap.points / metric.scale, signed=True)
    return f"{points}{error}".replace("-", "−") + ("" if gap.same_length else " †")


def fraction_titles(levels: Sequence[str]) -> dict[str, str]:
    """Return label fractions in words."""
    return {level: f"{100 * float(level):g} % of labels" for level in levels}


def _accuracy_cells(row: Accuracy, metric: Metric, references: set[str] | None) -> tuple[str, ...]:
    point = row.point
    gap = "reference" if point.anchor in (references or ()) else signed(row.gap, metric) if row.gap else NOTHING
    images = f"{images_presented(point.records[0].timing):,}"
    length = f"{point.epochs} of {point.scheduled}"
    status = "stopped" if point.stopped else "finished"
    gaps = () if references is None else (gap,)
    return (mean_text(row.spread, metric), *gaps, str(row.spread.n), length, images, status, point.config_hash)


def _cost_cells(cost: Cost) -> tuple[str, ...]:
    return (
        _rounded(cost.images_per_second),
        _rounded(cost.train_seconds),
        f"{cost.images:,}",
        f"{cost.peak_memory_bytes / 2**20:,.0f}",
        str(cost.images_per_second.n),
    )


def _rounded(spread: Spread) -> str:
    """Return mean ± sample standard deviation, with decimals for small numbers only."""
    decimals = 0 if spread.mean >= 100 else 1
    spelled = f"{spread.mean:,.{decimals}f}"
    return spelled if isnan(spread.std) else f"{spelled} ± {spread.std:,.{decimals}f}"

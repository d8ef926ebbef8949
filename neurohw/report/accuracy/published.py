"""Published values beside the points that they are of: as lines of a figure, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neurohw.kinds import METRICS
from neurohw.report.points import Point
from neurohw.report.spread import spread_of
from neurohw.report.table import Table, mean_text, table_of
from neurohw.studies.published import Published, published

PUBLISHED_NOTE = (
    "Dotted lines of the learning curves, at all epochs. Measured in other settings, which the source names: they say "
    "where a curve may lead, and are no expectation of these runs."
)


@dataclass(frozen=True)
class Beside:
    """A published value and the point that it stands beside."""

    value: Published
    point: Point


def published_beside(points: Sequence[Point]) -> list[Beside]:
    """Return the published values of the points' experiments, each with the closest point whose settings it is of."""
    names = dict.fromkeys(record.name for point in points for record in point.records)
    pairs = []
    for name in names:
        own = [point for point in points if point.records[0].name == name]
        for value in published(name):
            like = [point for point in own if not _differing(point, value.where)]
            pairs += [Beside(value, point) for point in sorted(like, key=lambda p: _differing(p, value.closest))[:1]]
    return pairs


def published_table(values: Sequence[Beside]) -> Table:
    """Return published values, and what the points gave after their last epoch."""
    columns = ("Point", "Quantity", "Published", "After epoch", "Here", "After epochs", "Seeds", "Source")
    return table_of(columns, [(beside.point, _cells(beside)) for beside in values])


def _differing(point: Point, settings: dict[str, Any]) -> int:
    return sum(point.config.get(key) != value for key, value in settings.items())


def _cells(beside: Beside) -> tuple[str, ...]:
    value, here = beside.value, spread_of(beside.point, beside.value.metric)
    metric = METRICS[value.metric].fitted((value.value, *here.values))
    quantity = f"{metric.title}, {metric.shown_unit}".removesuffix(", ")
    measured = (mean_text(here, metric), str(beside.point.epochs), str(here.n))
    return quantity, metric.number(value.value), str(value.epoch), *measured, value.source

"""What the same network and schedule cost in digital arithmetic: beside every chip, and in place of ideal arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurohw.energy.ranges import Range
from neurohw.energy.recorded import AcceleratorCost
from neurohw.report.energy.account import accuracy_of
from neurohw.report.energy.bounds import mean_bounds, mean_known
from neurohw.report.points import Point
from neurohw.report.spread import Spread
from neurohw.runs.record import RunRecord

CHEAPEST, DEAREST = ("int8", False), ("fp16", True)  # precision, DRAM: the two that are drawn


@dataclass(frozen=True)
class DigitalCost:
    """A run on a digital accelerator; means over seeds.

    Args:
        precision: of its arithmetic, and of the weights.
        dram: weights come from DRAM; otherwise all stay on the chip.
        node: nm.
        total, training: of the run, J; per_training_image: J.
    """

    precision: str
    dram: bool
    node: float
    total: Range
    training: Range
    per_training_image: Range | None

    @property
    def kind(self) -> tuple[str, bool]:
        """Precision, and whether there is DRAM."""
        return self.precision, self.dram

    @property
    def name(self) -> str:
        """In words, as in "int8, on chip"."""
        return kind_name(self.kind)


@dataclass(frozen=True)
class PointDigital:
    """A point on digital accelerators; its accuracy is the one simulated, whatever the precision here."""

    point: Point
    seeds: tuple[int, ...]
    accuracy: Spread
    costs: tuple[DigitalCost, ...]

    def cost(self, kind: tuple[str, bool]) -> DigitalCost | None:
        """Return the cost on one of them."""
        return next((cost for cost in self.costs if cost.kind == kind), None)


def kind_name(kind: tuple[str, bool]) -> str:
    """Return a kind of accelerator in words."""
    return f"{kind[0]}, {'DRAM' if kind[1] else 'on chip'}"


def digital_data(points: Iterable[Point]) -> list[PointDigital]:
    """Return the digital side of every point whose records carry one."""
    return [_point_digital(point) for point in points if any(costs_of(record) for record in point.records)]


def costs_of(record: RunRecord) -> tuple[AcceleratorCost, ...]:
    """Return what a record's run costs on digital accelerators; none where it was not accounted."""
    return record.energy.digital if record.energy else ()


def _point_digital(point: Point) -> PointDigital:
    records = [record for record in point.records if costs_of(record)]
    by_kind: dict[tuple[str, bool], list[AcceleratorCost]] = {}
    for record in records:
        for cost in costs_of(record):
            by_kind.setdefault(cost.kind, []).append(cost)
    costs = tuple(_cost(kind, costs) for kind, costs in by_kind.items())
    return PointDigital(point, tuple(r.seed for r in records), accuracy_of(point, records)[1], costs)


def _cost(kind: tuple[str, bool], costs: Sequence[AcceleratorCost]) -> DigitalCost:
    total, training = mean_bounds([cost.total for cost in costs]), mean_bounds([cost.training for cost in costs])
    return DigitalCost(*kind, costs[0].node, total, training, mean_known(cost.per_training_image for cost in costs))

"""Energy of points, from the accounts that records carry: means over seeds of low, nominal and high."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from neurohw.energy.ranges import Range
from neurohw.kinds import standing_metrics
from neurohw.metrics import Metric
from neurohw.report.energy.bounds import mean_of
from neurohw.report.energy.wear import Wear, wear_of
from neurohw.report.points import Point
from neurohw.report.spread import Spread, at_chance, spread_of
from neurohw.runs.record import RunRecord

Parts = dict[str, float]  # nominal energy by component, or by phase, J


@dataclass(frozen=True)
class PhaseCost:
    """What a phase of training (pre-training, labelled, unlabelled) took in the run: J, and images learnt from."""

    name: str
    energy: Range
    images: float


@dataclass(frozen=True)
class PointEnergy:
    """The account of a point; means over its seeds.

    Args:
        point: what it is about.
        seeds: of the records that have an account.
        metric, accuracy: of the same records: the first share of right answers that they have.
        components, phases: nominal energy of the run, J, by either; the largest first.
        total, latency: of the run, J and s.
        training_latency: of its training, s; inference_latency: of an image, s.
        average_power, tops_per_watt, useful_tops_per_watt, area: W, 1e12 operations per joule (twice), m2.
        utilisation: share of the run's time in which each array worked; cells_used: share of the built cells.
        per_inference, per_training_image, per_epoch: J; None where nothing was inferred or trained.
        training: all phases of training, J; epochs: how many.
        training_phases: of it, where the schedule has several.
        provenance: shares of the nominal energy by its figures' provenance.
        assumed: share of the nominal energy that each assumed figure is a factor of.
        widest: the component that dominates the spread.
        uncounted: what the runs could not count; its energy is missing.
        wear: of each array.
        table, device: what it was accounted with.
        schedule: what was taken for granted.
    """

    point: Point
    seeds: tuple[int, ...]
    metric: Metric | None
    accuracy: Spread
    components: Parts
    phases: Parts
    total: Range
    latency: Range
    training_latency: Range
    inference_latency: Range | None
    average_power: Range | None
    tops_per_watt: Range | None
    useful_tops_per_watt: Range | None
    area: Range
    utilisation: dict[str, float]
    cells_used: float
    per_inference: Range | None
    per_training_image: Range | None
    per_epoch: Range | None
    training: Range | None
    epochs: float
    training_phases: tuple[PhaseCost, ...]
    provenance: dict[str, float]
    assumed: dict[str, float]
    widest: str | None
    uncounted: tuple[str, ...]
    wear: tuple[Wear, ...]
    table: str
    device: str
    schedule: Mapping[str, Any]

    @property
    def per_accuracy_point(self) -> Range | None:
        """Energy of training per percentage point of accuracy above guessing, J; None of a network near chance."""
        if not self.training or self.metric is None or self.at_chance:
            return None
        chance = self.metric.guessed(self.point.records[0].chance)
        return None if chance is None else self.training * (0.01 / (self.accuracy.mean - chance))

    @property
    def at_chance(self) -> bool:
        """Whether it is no better than guessing."""
        return self.metric is not None and at_chance(self.point, self.accuracy, self.metric)

    @property
    def relaxes(self) -> bool:
        """Whether it is an EP network."""
        return "nudged" in self.phases or "free" in self.phases


def energy_data(points: Iterable[Point]) -> list[PointEnergy]:
    """Return the account of every point whose records carry one."""
    return [_point_energy(point) for point in points if any("total" in record.energy for record in point.records)]


def accuracy_of(point: Point, records: Sequence[RunRecord]) -> tuple[Metric | None, Spread]:
    """Return the metric that stands for the accuracy of these records, and its values."""
    accounted = Point(point.name, point.config, tuple(records))
    accuracies = (metric for metric in standing_metrics() if metric.accuracy)
    spreads = ((metric, spread_of(accounted, metric.name)) for metric in accuracies)
    return next(((metric, spread) for metric, spread in spreads if spread.n), (None, Spread(())))


def _point_energy(point: Point) -> PointEnergy:
    records = tuple(record for record in point.records if "total" in record.energy)
    summaries = [record.energy for record in records]
    nothing = Range.of(0.0)
    means = {key: mean_of([summary.get(key) for summary in summaries]) for key in (
        "per_inference", "per_training_image", "per_epoch", "total", "latency", "average_power", "tops_per_watt",
        "area", "useful_tops_per_watt", "training_latency", "inference_latency",
    )}  # fmt: skip
    first = summaries[0]
    epochs = first["images"]["epochs"]
    return PointEnergy(
        point,
        tuple(record.seed for record in records),
        *accuracy_of(point, records),
        _parts([summary["by_component_and_phase"] for summary in summaries]),
        _parts([_turned(summary["by_component_and_phase"]) for summary in summaries]),
        total=means["total"] or nothing,
        latency=means["latency"] or nothing,
        training_latency=means["training_latency"] or nothing,
        inference_latency=means["inference_latency"],
        average_power=means["average_power"],
        tops_per_watt=means["tops_per_watt"],
        useful_tops_per_watt=means["useful_tops_per_watt"],
        area=means["area"] or nothing,
        utilisation=_shares([summary["utilisation"] for summary in summaries]),
        cells_used=first["cells_used"],
        per_inference=means["per_inference"],
        per_training_image=means["per_training_image"],
        per_epoch=means["per_epoch"],
        training=mean_of([summary["training_by_epoch"][-1] for summary in summaries if summary["training_by_epoch"]]),
        epochs=epochs,
        training_phases=_training_phases([summary.get("by_training_phase") or {} for summary in summaries]),
        provenance=_shares([summary["provenance"] for summary in summaries]),
        assumed=_shares([summary["assumed"] for summary in summaries]),
        widest=first["widest"],
        uncounted=tuple(dict.fromkeys(what for summary in summaries for what in summary["uncounted"])),
        wear=wear_of(summaries),
        table=first["table"],
        device=first["device"],
        schedule=first["schedule"],
    )


def _training_phases(found: Sequence[Mapping[str, Mapping[str, float]]]) -> tuple[PhaseCost, ...]:
    names = [name for name in found[0] if all(name in phases for phases in found)]
    costs = ((name, mean_of([phases[name] for phases in found])) for name in names)
    return tuple(PhaseCost(name, cost, found[0][name]["images"]) for name, cost in costs if cost)


def _parts(nested: Sequence[Mapping[str, Mapping[str, Mapping[str, float]]]]) -> Parts:
    sums = [{name: sum(part["nominal"] for part in parts.values()) for name, parts in of.items()} for of in nested]
    return _shares(sums)


def _shares(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return means over tables, the largest first; what a table lacks is zero there."""
    names = dict.fromkeys(name for table in tables for name in table)
    means = {name: fmean(table.get(name, 0.0) for table in tables) for name in names}
    return dict(sorted(means.items(), key=lambda pair: -pair[1]))


def _turned(nested: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return phase -> component -> bounds of component -> phase -> bounds."""
    found: dict[str, dict[str, Any]] = {}
    for component, by_phase in nested.items():
        for phase, bounds in by_phase.items():
            found.setdefault(phase, {})[component] = bounds
    return found

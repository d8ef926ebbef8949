"""Energy of points, from the accounts that records carry: means over seeds of low, nominal and high."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from neurohw.report.data import Spread, spread_of
from neurohw.report.figures import CHANCE
from neurohw.report.points import Point

_ACCURACIES = ("test_accuracy", "direct_accuracy", "linear_accuracy")  # the first that a point has
_INCLUDED = ("per_inference", "per_training_image", "per_epoch", "total", "latency")

Parts = dict[str, float]  # nominal energy by component, or by phase, J


@dataclass(frozen=True)
class Bounds:
    """Low, nominal and high, in SI."""

    low: float
    nominal: float
    high: float

    def __mul__(self, factor: float) -> Bounds:
        return Bounds(self.low * factor, self.nominal * factor, self.high * factor)


@dataclass(frozen=True)
class Wear:
    """Pulses per cell of one array in a run, and the training images that it lives for; None: not known.

    Args:
        array: its name.
        mean, p999, max: over the cells.
        endurance: pulses that a cell lives for.
        images: until the cell at the 99.9th percentile has had that many; the least of the seeds.
        trained: images of the run.
    """

    array: str
    mean: float
    p999: float
    max: float
    endurance: float | None
    images: float | None
    trained: float


@dataclass(frozen=True)
class PointEnergy:
    """The account of a point; means over its seeds.

    Args:
        point: what it is about.
        seeds: how many records have an account.
        accuracy: of the same records.
        components, phases: nominal energy of the run, J, by either; the largest first.
        total, latency: of the run, J and s.
        per_inference, per_training_image, per_epoch: J; None where nothing was inferred or trained.
        training: all phases of training, J.
        assumed_share: of the nominal energy, that in which an assumed figure is a factor.
        assumed: share of the nominal energy that each assumed figure is a factor of.
        widest: the component that dominates the spread.
        uncounted: what the runs could not count; its energy is missing.
        wear: of each array.
        table, device: what it was accounted with.
        schedule: what was taken for granted.
    """

    point: Point
    seeds: int
    accuracy: Spread
    components: Parts
    phases: Parts
    total: Bounds
    latency: Bounds
    per_inference: Bounds | None
    per_training_image: Bounds | None
    per_epoch: Bounds | None
    training: Bounds | None
    assumed_share: float
    assumed: dict[str, float]
    widest: str | None
    uncounted: tuple[str, ...]
    wear: tuple[Wear, ...]
    table: str
    device: str
    schedule: Mapping[str, Any]

    @property
    def per_accuracy_point(self) -> Bounds | None:
        """Energy of training per percentage point of accuracy above chance, J; None at chance or below."""
        gained = 100 * self.accuracy.mean - CHANCE if self.accuracy.n else 0.0
        return self.training * (1 / gained) if self.training and gained > 0 else None


def energy_data(points: Iterable[Point]) -> list[PointEnergy]:
    """Return the account of every point whose records carry one."""
    return [_point_energy(point) for point in points if any("total" in record.energy for record in point.records)]


def pareto_front(data: Iterable[PointEnergy]) -> list[PointEnergy]:
    """Return the points that no other beats in both accuracy and nominal training energy, the cheapest first.

    Points of which something was not counted are left out: their energy is too low.
    """
    front: list[PointEnergy] = []
    known = [found for found in drawable(data) if not found.uncounted]
    for found in sorted(known, key=lambda e: (_nominal(e.training), -e.accuracy.mean)):
        if not front or found.accuracy.mean > front[-1].accuracy.mean:
            front.append(found)
    return front


def drawable(data: Iterable[PointEnergy]) -> list[PointEnergy]:
    """Return the points that have both an accuracy and an energy of training."""
    return [found for found in data if found.accuracy.n and _nominal(found.training) > 0]


def rule_pairs(data: Sequence[PointEnergy]) -> list[tuple[PointEnergy, PointEnergy]]:
    """Return (BP, EP) of what is called the same but for the rule."""
    by_rule: dict[str, dict[tuple[str, str], PointEnergy]] = {"BP": {}, "EP": {}}
    for found in data:
        rule, _, rest = found.point.name.group.partition(" · ")
        if rule in by_rule:
            by_rule[rule][rest, found.point.variant] = found
    return [(bp, by_rule["EP"][key]) for key, bp in by_rule["BP"].items() if key in by_rule["EP"]]


def _point_energy(point: Point) -> PointEnergy:
    records = tuple(record for record in point.records if "total" in record.energy)
    summaries = [record.energy for record in records]
    accounted = Point(point.name, point.config, records)
    spreads = (spread_of(accounted, metric) for metric in _ACCURACIES)
    means = {key: _mean([summary.get(key) for summary in summaries]) for key in _INCLUDED}
    first = summaries[0]
    return PointEnergy(
        point,
        len(records),
        next((spread for spread in spreads if spread.n), Spread(())),
        _parts([summary["by_component_and_phase"] for summary in summaries]),
        _parts([_turned(summary["by_component_and_phase"]) for summary in summaries]),
        total=means["total"] or Bounds(0.0, 0.0, 0.0),
        latency=means["latency"] or Bounds(0.0, 0.0, 0.0),
        per_inference=means["per_inference"],
        per_training_image=means["per_training_image"],
        per_epoch=means["per_epoch"],
        training=means["per_epoch"] * first["images"]["epochs"] if means["per_epoch"] else None,
        assumed_share=fmean(summary["provenance"]["assumed"] for summary in summaries),
        assumed=_shares([summary["assumed"] for summary in summaries]),
        widest=first["widest"],
        uncounted=tuple(dict.fromkeys(what for summary in summaries for what in summary["uncounted"])),
        wear=_wear(summaries),
        table=first["table"],
        device=first["device"],
        schedule=first["schedule"],
    )


def _mean(values: Sequence[Mapping[str, float] | None]) -> Bounds | None:
    known = [value for value in values if value]
    return Bounds(*(fmean(v[key] for v in known) for key in ("low", "nominal", "high"))) if known else None


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


def _wear(summaries: Sequence[Mapping[str, Any]]) -> tuple[Wear, ...]:
    trained = fmean(summary["images"]["trained"] for summary in summaries)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for summary in summaries:
        for wear in summary["lifetime"]:
            found.setdefault(wear["array"], []).append(wear)
    return tuple(
        Wear(
            array,
            mean=fmean(wear["mean"] for wear in wears),
            p999=fmean(wear["p999"] for wear in wears),
            max=fmean(wear["max"] for wear in wears),
            endurance=wears[0]["endurance"],
            images=min((wear["images"] for wear in wears if wear["images"] is not None), default=None),
            trained=trained,
        )
        for array, wears in found.items()
    )


def _nominal(bounds: Bounds | None) -> float:
    return bounds.nominal if bounds else 0.0

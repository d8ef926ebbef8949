"""Energy of points, from the accounts that records carry: means over seeds of low, nominal and high."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from neurohw.energy.ranges import Range
from neurohw.energy.recorded import ChipAccount, PhaseEnergy
from neurohw.energy.schedule import Schedule
from neurohw.kinds import standing_metrics
from neurohw.metrics import Metric
from neurohw.report.energy.bounds import mean_bounds, mean_known
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
    schedule: Schedule

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
        return self.point.at_chance or (self.metric is not None and at_chance(self.point, self.accuracy, self.metric))

    @property
    def relaxes(self) -> bool:
        """Whether it is an EP network."""
        return "nudged" in self.phases or "free" in self.phases


def energy_data(points: Iterable[Point]) -> list[PointEnergy]:
    """Return the account of every point whose records carry one."""
    return [_point_energy(point) for point in points if any(chip_of(record) for record in point.records)]


def chip_of(record: RunRecord) -> ChipAccount | None:
    """Return the account of a record's chip; None where it has none."""
    return record.energy if isinstance(record.energy, ChipAccount) else None


def accuracy_of(point: Point, records: Sequence[RunRecord]) -> tuple[Metric | None, Spread]:
    """Return the metric that stands for the accuracy of these records, and its values."""
    accounted = Point(point.name, point.config, tuple(records))
    accuracies = (metric for metric in standing_metrics() if metric.accuracy)
    spreads = ((metric, spread_of(accounted, metric.name)) for metric in accuracies)
    return next(((metric, spread) for metric, spread in spreads if spread.n), (None, Spread(())))


def _point_energy(point: Point) -> PointEnergy:
    records = [record for record in point.records if chip_of(record)]
    accounts = [account for record in records if (account := chip_of(record))]
    first = accounts[0]
    nested = [account.by_component_and_phase for account in accounts]
    return PointEnergy(
        point,
        tuple(record.seed for record in records),
        *accuracy_of(point, records),
        _parts(nested),
        _parts([_turned(by_component) for by_component in nested]),
        total=mean_bounds([account.total for account in accounts]),
        latency=mean_bounds([account.latency for account in accounts]),
        training_latency=mean_known(account.training_latency for account in accounts) or Range.of(0.0),
        inference_latency=mean_known(account.inference_latency for account in accounts),
        average_power=mean_known(account.average_power for account in accounts),
        tops_per_watt=mean_known(account.tops_per_watt for account in accounts),
        useful_tops_per_watt=mean_known(account.useful_tops_per_watt for account in accounts),
        area=mean_bounds([account.area for account in accounts]),
        utilisation=_shares([account.utilisation for account in accounts]),
        cells_used=first.cells_used,
        per_inference=mean_known(account.per_inference for account in accounts),
        per_training_image=mean_known(account.per_training_image for account in accounts),
        per_epoch=mean_known(account.per_epoch for account in accounts),
        training=mean_known(account.training_by_epoch[-1] for account in accounts if account.training_by_epoch),
        epochs=first.images.epochs,
        training_phases=_training_phases([account.by_training_phase or {} for account in accounts]),
        provenance=_shares([account.provenance for account in accounts]),
        assumed=_shares([account.assumed for account in accounts]),
        widest=first.widest,
        uncounted=tuple(dict.fromkeys(what for account in accounts for what in account.uncounted)),
        wear=wear_of(accounts),
        table=first.table,
        device=first.device,
        schedule=first.schedule,
    )


def _training_phases(accounts: Sequence[Mapping[str, PhaseEnergy]]) -> tuple[PhaseCost, ...]:
    names = [name for name in accounts[0] if all(name in phases for phases in accounts)]
    costs = ((name, mean_bounds([phases[name].energy for phases in accounts])) for name in names)
    return tuple(PhaseCost(name, cost, fmean(each[name].images for each in accounts)) for name, cost in costs)


def _parts(nested: Sequence[Mapping[str, Mapping[str, Range]]]) -> Parts:
    return _shares([{name: sum(r.nominal for r in parts.values()) for name, parts in sums.items()} for sums in nested])


def _shares(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return means over tables, the largest first; what a table lacks is zero there."""
    names = dict.fromkeys(name for table in tables for name in table)
    means = {name: fmean(table.get(name, 0.0) for table in tables) for name in names}
    return dict(sorted(means.items(), key=lambda pair: -pair[1]))


def _turned(nested: Mapping[str, Mapping[str, Range]]) -> dict[str, dict[str, Range]]:
    """Return phase -> component -> energy of component -> phase -> energy."""
    turned: dict[str, dict[str, Range]] = {}
    for component, by_phase in nested.items():
        for phase, energy in by_phase.items():
            turned.setdefault(phase, {})[component] = energy
    return turned

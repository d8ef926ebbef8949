"""Points: the runs of one configuration and one length, which differ by their seed only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from neurohw.kinds import KINDS, ONCHIP
from neurohw.report.chance import guesses
from neurohw.report.naming import (
    Flat,
    Name,
    flatten,
    ideal_arrays,
    ideal_circuit,
    name_points,
    natural_order,
    on_hardware,
)
from neurohw.runs.record import RunRecord

AT_CHANCE = "(at chance)"


@dataclass(frozen=True)
class Point:
    """Runs that may be averaged: same configuration hash, same length, each seed once.

    Args:
        name: for humans.
        config: dotted keys.
        records: one per seed, in the order of the seeds.
    """

    name: Name
    config: Flat
    records: tuple[RunRecord, ...]

    @property
    def label(self) -> str:
        """The name, with a mark on runs that were stopped early, and on those at chance."""
        return self.name.label + self._mark

    @property
    def variant(self) -> str:
        """The hardware's name, with the same marks."""
        return self.name.variant + self._mark

    @property
    def _mark(self) -> str:
        stopped = f" (stopped {self.epochs}/{self.scheduled})" if self.stopped else ""
        return stopped + (f" {AT_CHANCE}" if self.at_chance else "")

    @property
    def config_hash(self) -> str:
        """The hash that its records share."""
        return self.records[0].config_hash

    @property
    def anchor(self) -> str:
        """A name that is unique in a report and fit for a link."""
        return f"{self.config_hash}-stopped-{self.epochs}" if self.stopped else self.config_hash

    @cached_property
    def ideal(self) -> bool:
        """Whether it was trained on arrays at full precision, with a target circuit that has no errors."""
        return on_hardware(self.config) and self.full_precision

    @cached_property
    def full_precision(self) -> bool:
        """Whether nothing that learns has errors, be it arrays or not."""
        return ideal_arrays(self.config) and ideal_circuit(self.config)

    @property
    def stopped(self) -> bool:
        """Whether its runs ended before their schedule did."""
        return self.records[0].status == "stopped"

    @cached_property
    def at_chance(self) -> bool:
        """Whether its networks guess: in no comparison are they cheap or robust."""
        return guesses(self.records)

    @property
    def epochs(self) -> int:
        """Epochs done (rounds, if semi-supervised)."""
        return epochs_done(self.records[0])

    @property
    def scheduled(self) -> int:
        """Epochs that the configuration asks for."""
        return int(epochs_scheduled(self.config) or self.epochs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, ascending."""
        return tuple(record.seed for record in self.records)


def group_records(records: Iterable[RunRecord]) -> list[Point]:
    """Return the points of all records that are results, grouped by what is learnt, ideal hardware first.

    Stopped runs are points of their own, one per length. Of runs that repeat a seed the first counts.
    """
    groups: dict[tuple[str, str, int], dict[int, RunRecord]] = {}
    for record in records:
        if record.has_result:
            groups.setdefault((record.config_hash, record.status, epochs_done(record)), {}).setdefault(
                record.seed, record
            )
    by_seed = [tuple(group[seed] for seed in sorted(group)) for group in groups.values()]
    names = _names([group[0] for group in by_seed])
    points = [Point(names[group[0].config_hash], flatten(group[0].config), group) for group in by_seed]
    return sorted(points, key=_order)


def repeated_seeds(records: Iterable[RunRecord], points: Iterable[Point]) -> int:
    """Return how many records were left out because they repeat a seed."""
    return sum(record.has_result for record in records) - sum(len(point.records) for point in points)


def epochs_done(record: RunRecord) -> int:
    """Return the epochs that a run has done."""
    return int(record.timing.get("epochs", 0))


def epochs_scheduled(config: Flat) -> Any:
    """Return the epochs that a configuration asks for; None where it does not say so."""
    return config.get(KINDS.get(str(config.get("kind")), ONCHIP).epochs)


def _names(records: list[RunRecord]) -> dict[str, Name]:
    """Return hash -> name; equal names (the data or a device file changed) get the hash added."""
    configs = {record.config_hash: flatten(record.config) for record in records}
    names = name_points(list(configs.values()))
    return {
        digest: Name(name.group, f"{name.variant}, {digest}") if names.count(name) > 1 else name
        for digest, name in zip(configs, names, strict=True)
    }


def _order(point: Point) -> tuple[Any, ...]:
    group = natural_order(_numbers_apart(point.name.group))
    circuit = sorted((k, natural_order([v])) for k, v in point.config.items() if k.startswith("target.parameters."))
    variant = natural_order(_numbers_apart(point.name.variant))
    return group, not point.ideal, circuit, variant, point.stopped, point.epochs


def _numbers_apart(text: str) -> list[Any]:
    words = text.replace("=", " ").replace("-", " ").split()
    return [float(word) if word.replace(".", "", 1).isdigit() else word for word in words]

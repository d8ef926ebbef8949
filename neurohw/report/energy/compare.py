"""Points against each other: which no other beats, and which differ by the learning rule only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neurohw.energy.ranges import Range
from neurohw.report.energy.account import PointEnergy


def pareto_front(data: Iterable[PointEnergy]) -> list[PointEnergy]:
    """Return the points that no other beats in both accuracy and nominal training energy, the cheapest first.

    Points of which something was not counted are left out (their energy is too low), and those at chance: not to learn
    is cheap.
    """
    front: list[PointEnergy] = []
    known = [e for e in drawable(data) if not (e.uncounted or e.at_chance)]
    for e in sorted(known, key=lambda e: (_nominal(e.training), -e.accuracy.mean)):
        if not front or e.accuracy.mean > front[-1].accuracy.mean:
            front.append(e)
    return front


def drawable(data: Iterable[PointEnergy]) -> list[PointEnergy]:
    """Return the points that have both an accuracy and an energy of training."""
    return [e for e in data if e.accuracy.n and _nominal(e.training) > 0]


def rule_pairs(data: Sequence[PointEnergy]) -> list[tuple[PointEnergy, PointEnergy]]:
    """Return (BP, EP) of what is called the same but for the rule."""
    by_rule: dict[str, dict[tuple[str, str, int], PointEnergy]] = {"BP": {}, "EP": {}}
    for e in data:
        rule, _, rest = e.point.name.group.partition(" · ")
        if rule in by_rule:
            by_rule[rule][rest, e.point.name.variant, e.point.epochs if e.point.stopped else 0] = e
    return [(bp, by_rule["EP"][key]) for key, bp in by_rule["BP"].items() if key in by_rule["EP"]]


def foremost(data: Sequence[PointEnergy], most: int) -> list[PointEnergy]:
    """Return at most so many points, in their order: those on the front, then those of the highest accuracy."""
    if len(data) <= most:
        return list(data)
    front = {id(e) for e in pareto_front(data)}
    ranked = sorted(data, key=lambda e: (id(e) not in front, -e.accuracy.mean if e.accuracy.n else 0.0))
    chosen = {id(e) for e in ranked[:most]}
    return [e for e in data if id(e) in chosen]


def _nominal(bounds: Range | None) -> float:
    return bounds.nominal if bounds else 0.0

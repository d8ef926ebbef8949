"""Points against each other: which no other beats, and which differ by the learning rule only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from neurohw.energy.ranges import Range
from neurohw.report.energy.account import PointEnergy

_OF_A_RULE = ("name", "network.rule", "ep.", "target.smoothing", "target.gamma")  # each has its own
_RATES = ("learning_rate", "schedule")  # likewise, of any section
_OUTSIDE = ("evaluation.",)  # of what training takes


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


def unlike(pairs: Iterable[tuple[PointEnergy, PointEnergy]]) -> list[str]:
    """Return the settings in which some pair differs beside what each rule has of its own: no part of their names."""
    keys: dict[str, None] = {}
    for one, other in pairs:
        a, b = one.point.config, other.point.config
        keys |= dict.fromkeys(key for key in a | b if a.get(key) != b.get(key))
    return [key for key in keys if not key.startswith((*_OF_A_RULE, *_OUTSIDE))
            and not any(part.endswith(_RATES) for part in key.split("."))]  # fmt: skip


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

"""Settings that changed nothing: what was swept, and gave the same numbers to the last digit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from neurohw.report.naming import differing_keys, given, plain
from neurohw.report.points import Point
from neurohw.runs.record import RunRecord


def inert_settings(points: Sequence[Point]) -> list[str]:
    """Return a sentence for each key whose values gave the same numbers: nothing read them, or they have no effect.

    Points are compared that differ in this key only, seed by seed: metrics, curves, events counted and energy. Those at
    chance are left out: networks that guess one class are alike whatever they were told.
    """
    sentences = []
    for key in differing_keys([point.config for point in points]):
        if key == "name":
            continue
        if same := [alike for group in _differing_only_in(key, points) for alike in _alike(key, group)]:
            sentences.append(_sentence(key, same))
    return sentences


def _differing_only_in(key: str, points: Sequence[Point]) -> list[list[Point]]:
    groups: dict[str, list[Point]] = {}
    for point in points:
        if point.at_chance:
            continue
        rest = {k: v for k, v in point.config.items() if k not in (key, "name")}
        groups.setdefault(json.dumps([rest, point.stopped, point.epochs], sort_keys=True), []).append(point)
    return [group for group in groups.values() if len(group) > 1]


def _alike(key: str, points: Sequence[Point]) -> list[list[Point]]:
    """Return the sets of points that have the same numbers with two or more values of the key."""
    sets: dict[str, list[Point]] = {}
    for point in points:
        sets.setdefault(json.dumps([_numbers(record) for record in point.records], sort_keys=True), []).append(point)
    return [alike for alike in sets.values() if len({plain(point.config.get(key)) for point in alike}) > 1]


def _numbers(record: RunRecord) -> dict[str, Any]:
    curve = [{name: value for name, value in row.items() if not name.endswith("seconds")} for row in record.curve]
    energy = record.energy.as_recorded() if record.energy else {}
    counts = record.ledger.get("counts")
    return {"seed": record.seed, "metrics": record.metrics, "curve": curve, "counts": counts, "energy": energy}


def _sentence(key: str, same: Sequence[Sequence[Point]]) -> str:
    values = dict.fromkeys(given(key, point.config.get(key)) for alike in same for point in alike)
    where = f"{len(same)} times, first on {same[0][0].label}" if len(same) > 1 else f"on {same[0][0].label}"
    return (f"{key}: {', '.join(values)} gave the same numbers to the last digit, {where}: nothing reads the key "
            "there, or it changes nothing.")  # fmt: skip

"""Which points make a line: those that differ in one numeric key only, and the point where that key is off.

The baseline of a line is the point where its key is off, all else being equal; parameters that only matter together
with the swept one (a text, or a number that is the same all along the line) may be absent from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from neurohw.circuits.kinds import CIRCUITS
from neurohw.report.naming import SPARSE, Flat, differing_keys, follows, plain
from neurohw.report.points import Point
from neurohw.report.spread import Spread
from neurohw.report.wording import AXES, axis_of

LEAST_VALUES = 3  # on a line, its baseline counted

Setting = dict[str, Any]


@dataclass(frozen=True)
class Baseline:
    """What a line's losses are counted from.

    Args:
        point: where the parameter is off; else the line's own point at its mildest value.
        spread: its accuracy.
        off: which of the two.
        value: its place on the axis; None for "off" where more is better, or 0 has no place.
    """

    point: Point
    spread: Spread
    off: bool
    value: float | None = None


@dataclass(frozen=True)
class Candidate:
    """A line before it has a name: what its points share, and point and spread at each value."""

    shared: Setting
    tried: dict[float, tuple[Point, Spread]]
    baseline: Baseline | None


def settings_of(configs: Sequence[Flat]) -> list[Setting]:
    """Return of each configuration what differs; what is off or without errors is absent."""
    followed = follows(configs)
    keys = [key for key in differing_keys(configs) if key not in ("name", followed)] if configs else []
    return [{key: _hashable(config[key]) for key in keys if _is_given(key, config.get(key))} for config in configs]


def _is_given(key: str, value: Any) -> bool:
    if key == "target.circuit":
        return value is not None and not CIRCUITS[value].exact
    return value is not None and not (key.startswith("target.parameters.") and value == 0)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else plain(value)


def numeric_keys(settings: Iterable[Setting]) -> list[str]:
    """Return the keys that have numbers, those that have words first."""
    items = [item for setting in settings for item in setting.items()]
    keys = list(dict.fromkeys(k for k, v in items if isinstance(v, int | float) and not isinstance(v, bool)))
    return [key for key in AXES if key in keys] + [key for key in keys if key not in AXES]


def _is_off(key: str, value: Any) -> bool:
    return value is None or value == axis_of(key).off


def candidates_for(key: str, known: Sequence[tuple[Point, Setting, Spread]]) -> list[Candidate]:
    """Return the lines along a key with enough values on them."""
    lines: dict[frozenset[tuple[str, Any]], dict[float, tuple[Point, Spread]]] = {}
    off: list[tuple[Point, Setting, Spread]] = []
    for point, setting, spread in known:
        value, shared = setting.get(key), {k: v for k, v in setting.items() if k != key}
        if _is_off(key, value):
            off.append((point, shared, spread))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            lines.setdefault(frozenset(shared.items()), {}).setdefault(float(value), (point, spread))
    candidates = []
    for items, tried in lines.items():
        if len(tried) >= LEAST_VALUES - 1:
            baseline = _baseline(dict(items), off)
            if len(tried) + (baseline is not None) >= LEAST_VALUES:
                candidates.append(Candidate(dict(items), dict(sorted(tried.items())), baseline))
    return candidates


def _baseline(shared: Setting, off: Iterable[tuple[Point, Setting, Spread]]) -> Baseline | None:
    """Return the point where the swept key is off that lacks the fewest of the line's other settings."""
    fitting = [(point, spread, len(shared) - len(other)) for point, other, spread in off if _fits(shared, other)]
    if not fitting:
        return None
    point, spread, _ = min(fitting, key=lambda candidate: candidate[2])
    return Baseline(point, spread, off=True)


def _fits(shared: Setting, other: Setting) -> bool:
    """Return whether all is equal but for parameters that the other has not been given."""
    lacking = shared.keys() - other.keys()
    given = all(key in shared and shared[key] == value for key, value in other.items())
    return given and all(key.startswith(SPARSE) or key == "target.model" for key in lacking)

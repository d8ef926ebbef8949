"""Pareto fronts: what nothing else is better than in all respects."""

from __future__ import annotations

from collections.abc import Sequence


def front_of(values: Sequence[Sequence[float]], higher: Sequence[bool]) -> list[int]:
    """Return the indices of the points that no other dominates, in order.

    A point dominates another if it is at least as good by every objective, and better by one.

    Args:
        values: a point's figures, one for each objective.
        higher: of each objective, whether higher is better.
    """
    signed = [tuple(value if up else -value for value, up in zip(point, higher, strict=True)) for point in values]
    return [i for i, point in enumerate(signed) if not any(_dominates(other, point) for other in signed)]


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))

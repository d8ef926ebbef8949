"""Which points of a sweep are trained as one: those that differ in their seed only, where that pays."""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.runs.job import evenly, job_class
from neurohw.studies.sweep import Point


def in_groups(points: Sequence[Point], places: int = 1) -> list[Point]:
    """Return the first point of each group, the others its `companions`; where nothing can be won a group is a point.

    Args:
        points: of a sweep.
        places: where groups run at the same time: each gets one, as far as there are points.
    """
    alike: dict[tuple[str, int | None], list[Point]] = {}
    for point in points:
        alike.setdefault((point.digest, point.stop_after), []).append(point)
    share = -(-len(points) // places)
    groups: list[Sequence[Point]] = []
    for runs in alike.values():
        experiment = runs[0].experiment
        groups += list(evenly(runs, min(job_class(experiment).at_once(experiment), share)))
    return [group[0].joined_by(group[1:]) for group in groups]

"""The best trials, and the starting point beside them, with seeds of their own."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurohw.errors import NeurohwError
from neurohw.runs.record import CHECKPOINT, RunRecord
from neurohw.studies.execution.base import Settled
from neurohw.studies.execution.local import local
from neurohw.studies.execution.loop import run_points
from neurohw.studies.groups import in_groups
from neurohw.studies.search.file import Search
from neurohw.studies.search.front import front_of
from neurohw.studies.sweep import Point, point_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

USUAL = 3  # finalists of one objective
GUESSES = "guesses"  # told to the journal of a trial whose network does, whatever it is scored by


@dataclass(frozen=True)
class Scored:
    """Settings with their figures on the validation split.

    Args:
        trial: its number; None: the starting point.
        values: of the keys that are searched.
        figures: for each objective, one a seed.
    """

    trial: int | None
    values: Mapping[str, Any] = field(hash=False)
    figures: tuple[tuple[float, ...], ...]

    @property
    def what(self) -> str:
        """Which it is, in words."""
        return "starting point" if self.trial is None else f"trial {self.trial}"

    @property
    def means(self) -> tuple[float, ...]:
        """Over the seeds, for each objective."""
        return tuple(statistics.fmean(figures) for figures in self.figures)

    def text(self, search: Search, i: int = 0) -> str:
        """Return an objective's mean and spread (sample standard deviation) as text."""
        metric = search.objectives[i].metric.fitted(self.figures[i])
        text = metric.number(self.means[i], digits=4)
        if len(self.figures[i]) > 1:
            text += f" ± {metric.number(statistics.stdev(self.figures[i]), digits=2)}"
        return f"{text} {metric.shown_unit}".rstrip()


def finalists(search: Search, trials: Sequence[FrozenTrial], chance: float) -> list[FrozenTrial]:
    """Return the best whole trials, best first; of several objectives those of the Pareto front.

    Networks that guess are not among them, cheap as they may be.

    Args:
        search: that made them.
        trials: all of them.
        chance: accuracy of guessing.
    """
    whole = [t for t in trials if t.state.name == "COMPLETE" and GUESSES not in t.user_attrs]
    learnt = [trial for trial in whole if not any(
        objective.guesses(value, chance) for objective, value in zip(search.objectives, trial.values, strict=True))
    ]  # fmt: skip
    number = search.file.finalists.number
    first = search.objectives[0]
    best_first = sorted(learnt, key=lambda trial: first.metric.loss(0.0, trial.values[0]))
    if len(search.objectives) == 1:
        return best_first[: number or USUAL]
    front = front_of([trial.values for trial in best_first], [o.metric.better == "higher" for o in search.objectives])
    return [best_first[i] for i in _spread(front, number or len(front))]


def scored(
    search: Search,
    chosen: Sequence[FrozenTrial],
    folder: Path,
    jobs: int,
    begun: Callable[[Sequence[Point]], None],
    epoch: Callable[[Point, dict[str, Any]], None],
    settled: Callable[[Settled], None],
) -> tuple[list[Scored], list[NeurohwError]]:
    """Run the chosen trials and the starting point with every seed, and return those of which all seeds have figures.

    Args:
        search: that made them.
        chosen: see `finalists`.
        folder: of the runs.
        jobs: local processes.
        begun: told of the runs, before the first.
        epoch, settled: told of every epoch, and of every run that is over.

    Returns:
        The starting point first; and why the others have none.
    """
    given: list[tuple[int | None, dict[str, Any]]] = [(None, {})]
    given += [(trial.number, trial.user_attrs["values"]) for trial in chosen]
    seeds = search.file.finalists.seeds
    made = [[point_of(search.experiment(values), seed, folder, search.file.stop_after) for seed in seeds]
            for _, values in given]  # fmt: skip
    points = {point.folder: point for runs in made for point in runs}
    begun([*points.values()])
    records: dict[Path, RunRecord] = {}
    wrong: list[NeurohwError] = []
    for each in run_points(in_groups([*points.values()], jobs), local(jobs, epoch)):
        settled(each)
        (each.point.folder / CHECKPOINT).unlink(missing_ok=True)
        if isinstance(each.outcome, RunRecord):
            records[each.point.folder] = each.outcome
        else:
            wrong.append(each.outcome)
    found = []
    for (number, values), runs in zip(given, made, strict=True):
        if all(point.folder in records for point in runs):
            figures = (
                tuple(objective.value(records[point.folder]) for point in runs) for objective in search.objectives
            )
            found.append(Scored(number, values, tuple(figures)))
    return found, wrong


def best_of(search: Search, found: Sequence[Scored]) -> list[Scored]:
    """Return the best of the finalists by their means; of several objectives all that no other dominates."""
    of_trials = [each for each in found if each.trial is not None]
    order = sorted(of_trials, key=lambda each: search.objectives[0].metric.loss(0.0, each.means[0]))
    if len(search.objectives) == 1:
        return order[:1]
    front = front_of([each.means for each in order], [o.metric.better == "higher" for o in search.objectives])
    return [order[i] for i in front]


def _spread(front: Sequence[int], number: int) -> list[int]:
    """Return at most so many of a front, its ends and evenly between them."""
    if number >= len(front):
        return list(front)
    if number == 1:
        return [front[0]]
    return [front[round(i * (len(front) - 1) / (number - 1))] for i in range(number)]

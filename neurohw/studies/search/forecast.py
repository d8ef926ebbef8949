"""How long a search will take: a few of the points that it may draw are timed."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from neurohw.config import Experiment
from neurohw.errors import InputError
from neurohw.studies.estimate import Estimate, estimate
from neurohw.studies.forecast import forecast
from neurohw.studies.journal import open_study, require_optuna
from neurohw.studies.search.file import Search
from neurohw.studies.search.finalists import USUAL
from neurohw.studies.search.run_search import JOURNAL
from neurohw.studies.search.sampling import draws
from neurohw.studies.search.space import distributions, values_of
from neurohw.studies.sweep import Point, point_of

_TIMED, _DRAWN = 6, 200


@dataclass(frozen=True)
class Expected:
    """What a search will take.

    Args:
        done: trials that are over.
        finalists: that are run again, as far as is known.
        shortest, longest: seconds of a trial.
        seconds: of all trials and finalists that are left, one after the other, if none is given up.
    """

    done: int
    finalists: int
    shortest: float
    longest: float
    seconds: float


def forecast_search(
    search: Search, folder: Path, measure: Callable[[Experiment, int | None, int], Estimate] = estimate
) -> Expected:
    """Return what a search takes; runs that are alike but for real numbers are timed once.

    Args:
        search: what would be searched.
        folder: where its journal would be.
        measure: times one run.
    """
    require_optuna("search")
    import optuna

    table, done = search.file.search, 0
    if (folder / JOURNAL).is_file():
        study = open_study(folder / JOURNAL, search.digest(), [o.direction for o in search.objectives], shared=True)
        done = sum(trial.state.is_finished() for trial in study.trials)
    places = draws(optuna.create_study(), distributions(table.keys), "random", table.seed)
    points: list[Point] = []
    for drawn in islice(places, _DRAWN):
        values = values_of(table.keys, drawn)
        if len(points) < _TIMED and search.broken(values) is None:
            try:
                points.append(point_of(search.experiment(values), 0, folder, search.file.stop_after))
            except InputError:
                continue
    if not points:
        raise InputError(f"{search.path}: none of {_DRAWN} points drawn from [search.keys] fits the experiment and "
                         "the constraints")  # fmt: skip
    rows = [row.each.seconds for row in forecast(points, measure) if row.each is not None] or [0.0]
    finalists = search.file.finalists.number or USUAL
    runs = max(0, table.trials - done) + (1 + finalists) * len(search.file.finalists.seeds)
    return Expected(done, finalists, min(rows), max(rows), runs * statistics.fmean(rows))

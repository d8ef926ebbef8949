"""The trials of a search: drawn, run on an executor, given up where others did better, and told to the journal."""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurohw.errors import Diverged, GivenUp, InputError, NeurohwError
from neurohw.kinds import standing_metrics
from neurohw.runs.record import CHECKPOINT, METRICS, RunRecord, read_curve
from neurohw.studies.execution.base import Settled
from neurohw.studies.execution.local import local
from neurohw.studies.execution.loop import run_points
from neurohw.studies.search.file import Search
from neurohw.studies.search.finalists import GUESSES
from neurohw.studies.search.sampling import draws
from neurohw.studies.search.space import distributions, values_of
from neurohw.studies.standing import epochs_of
from neurohw.studies.sweep import Point, point_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

TRIAL_SEED = 0
_MOST_DRAWS = 500  # of which none is new, fulfils the constraints and fits the experiment
_MOST_FAILURES = 5  # in a row


class Trials:
    """Trials of one search, in one folder.

    Args:
        search: what is searched.
        study: its journal.
        folder: of the runs.
        jobs: processes.
        ends: no trial begins when what comes after the last would end later, seconds since the epoch.
        reserve: runs that come after the last trial.
        epoch: told of every epoch.
    """

    def __init__(
        self,
        search: Search,
        study: Study,
        folder: Path,
        jobs: int,
        ends: float,
        reserve: int,
        epoch: Callable[[Point, dict[str, Any]], None],
    ) -> None:
        self.search, self.study, self.folder, self.jobs = search, study, folder, jobs
        self.ends, self.reserve, self._told = ends, reserve, epoch
        self.space = distributions(search.file.search.keys)
        self.numbers = {trial.user_attrs["digest"]: trial.number for trial in study.get_trials(deepcopy=False)}
        self.exhausted = ""  # why nothing is drawn any more, if so
        self._failures: list[NeurohwError] = []  # in a row
        self._took: list[float] = []  # seconds
        self._began: dict[Path, float] = {}

    def all_settled(self, settled: Callable[[Settled], None]) -> None:
        """Run what is under way, and further trials while there are to be any.

        Args:
            settled: told of each trial that is over, the journal knows already.

        Raises:
            NeurohwError: several in a row failed, or nothing could be drawn.
        """
        under_way = self._under_way()
        executor = local(self.jobs, self._watch)
        with contextlib.closing(run_points(under_way, executor, more=self._next)) as going:
            for each in going:
                self._settle(each)
                settled(each)
                if len(self._failures) >= _MOST_FAILURES:
                    raise NeurohwError(f"{len(self._failures)} trials in a row failed; the first: {self._failures[0]}")
        if self.exhausted and not self.numbers:
            raise InputError(f"{self.search.path}: none of {_MOST_DRAWS} points could be run: {self.exhausted}")

    def point(self, trial: FrozenTrial) -> Point:
        """Return the run of a trial."""
        experiment = self.search.experiment(trial.user_attrs["values"])
        return point_of(experiment, TRIAL_SEED, self.folder, self.search.file.stop_after)

    def _under_way(self) -> list[Point]:
        """Return the trials that a former call left, unless their last epochs give them up; clear up after others."""
        from optuna.trial import TrialState

        points = []
        for trial in self.study.get_trials(deepcopy=False):
            point = self.point(trial)
            if trial.state != TrialState.RUNNING:
                (point.folder / CHECKPOINT).unlink(missing_ok=True)
                continue
            self._began[point.folder] = time.monotonic()
            with contextlib.suppress(GivenUp):
                self._follow(point, trial, again=True)
                points.append(point)
        return points

    def _next(self) -> Point | None:
        """Return a new trial, which the journal knows; None where there is to be none."""
        from optuna.trial import TrialState, create_trial

        trials = self.study.get_trials(deepcopy=False)
        table = self.search.file.search
        if len(trials) >= table.trials or self.exhausted or self._is_late():
            return None
        for attempt, drawn in enumerate(draws(self.study, self.space, table.sampler, table.seed)):
            if attempt == _MOST_DRAWS:
                return None
            values = values_of(table.keys, drawn)
            point = self._point_of(values)
            if point is None:
                continue
            self.exhausted = ""
            attributes = {"values": values, "digest": point.digest, "sampler": table.sampler}
            trial = create_trial(
                state=TrialState.RUNNING, params=drawn, distributions=dict(self.space), user_attrs=attributes
            )
            self.study.add_trial(trial)
            self.numbers[point.digest] = len(trials)
            self._began[point.folder] = time.monotonic()
            return point
        return None

    def _point_of(self, values: dict[str, Any]) -> Point | None:
        """Return the run of some values; None where they do not fit, or are those of another trial."""
        if broken := self.search.broken(values):
            self.exhausted = f"constraints: {broken!r} does not hold"
            return None
        try:
            point = point_of(self.search.experiment(values), TRIAL_SEED, self.folder, self.search.file.stop_after)
        except InputError as error:
            self.exhausted = str(error)
            return None
        if point.digest in self.numbers:
            self.exhausted = f"all are drawn already, as trial {self.numbers[point.digest]}"
            return None
        return point

    def _is_late(self) -> bool:
        reserved = self.reserve * statistics.mean(self._took) / self.jobs if self._took else 0.0
        return time.time() + reserved >= self.ends

    def _trial(self, point: Point) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[self.numbers[point.digest]]

    def _watch(self, point: Point, row: dict[str, Any]) -> None:
        self._told(point, row)
        trial = self._trial(point)
        if not trial.state.is_finished():
            self._follow(point, trial)

    def _follow(self, point: Point, trial: FrozenTrial, again: bool = False) -> None:
        """Tell the journal of epochs that it does not know yet, one after the other.

        Args:
            point: that does them.
            trial: the point's.
            again: ask about the last one that it knows, too.

        Raises:
            GivenUp: others did better; the trial is over.
        """
        from optuna.trial import TrialState

        if self.search.file.pruning.kind == "none" or not (point.folder / METRICS).is_file():
            return
        name, last, handle = self.search.objectives[0].name, epochs_of(point), _handle(self.study, trial)
        known = max(trial.intermediate_values, default=-1)
        for row in read_curve(point.folder):
            epoch, value = int(row["epoch"]), row.get(name, math.nan)
            if epoch >= last or math.isnan(value) or epoch < known or (epoch == known and not again):
                continue
            if epoch > known:
                handle.report(value, epoch)
                known = epoch
            if handle.should_prune():
                self.study.tell(trial.number, state=TrialState.PRUNED)
                raise GivenUp("given up: others did better after as many epochs")

    def _settle(self, settled: Settled) -> None:
        """Tell the journal what became of a trial."""
        from optuna.trial import TrialState

        point, outcome = settled.point, settled.outcome
        trial = self._trial(point)
        (point.folder / CHECKPOINT).unlink(missing_ok=True)
        if isinstance(outcome, RunRecord) and settled.attempts:
            self._took.append(time.monotonic() - self._began[point.folder])
        if isinstance(outcome, RunRecord | Diverged | GivenUp):
            self._failures = []
        if isinstance(outcome, RunRecord) and not trial.state.is_finished():
            with contextlib.suppress(GivenUp):  # epochs before a kill, of which its checkpoint knew and the journal not
                self._follow(point, trial)
            trial = self._trial(point)
        if trial.state.is_finished():  # it was given up, even where it came to its end meanwhile
            return
        if isinstance(outcome, RunRecord):
            if _guesses(outcome):
                _handle(self.study, trial).set_user_attr(GUESSES, True)
            self.study.tell(trial.number, [objective.value(outcome) for objective in self.search.objectives])
        elif isinstance(outcome, Diverged):
            _handle(self.study, trial).set_user_attr("failed", str(outcome))
            self.study.tell(trial.number, state=TrialState.PRUNED)
        else:
            self._failures.append(outcome)
            _handle(self.study, trial).set_user_attr("failed", str(outcome))
            self.study.tell(trial.number, state=TrialState.FAIL)


def _guesses(record: RunRecord) -> bool:
    """Return whether a network guesses, by the first share of right answers that its record has."""
    names = (metric.name for metric in standing_metrics() if metric.accuracy and metric.name in record.metrics)
    main = next(names, None)
    return any(symptom.kind == "near chance" and symptom.where == main for symptom in record.symptoms)


def _handle(study: Study, trial: FrozenTrial) -> Any:
    """Return what tells the journal of a trial that is under way."""
    from optuna.trial import Trial

    return Trial(study, trial._trial_id)

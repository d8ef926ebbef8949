"""The search of `tune`: Optuna's TPE over short runs, in one process or several that share a journal of trials.

A trial that is among the worst third of the others after the same epoch is given up; curves of one seed are noisy.
"""

from __future__ import annotations

import shutil
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neurohw.errors import Diverged, InputError
from neurohw.runs.progress import Silent
from neurohw.runs.run import run
from neurohw.studies.execution.child import Child
from neurohw.studies.journal import open_study
from neurohw.studies.tune_space import Space
from neurohw.studies.tuning import Tuning

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

JOURNAL, TRIALS = "trials.log", "trials"
_BEFORE_PRUNING = 3  # a trial is given up after a third of its epochs at the earliest
_KEPT = 67.0  # percent
_STARTUP = 8  # trials before the sampler takes sides


@dataclass(frozen=True)
class DeviceSearch:
    """A search.

    Args:
        tuning: what is tuned.
        ends: when all must be done, seconds since the epoch.
        reserve: runs that come after the search.
        ideal: accuracy of ideal arrays, which is shown.
    """

    tuning: Tuning
    ends: float
    reserve: int
    ideal: float

    def go(self, tell: Callable[[str], None]) -> list[FrozenTrial]:
        """Search with all processes, going on from what the journal has; return the finished trials, best first.

        Args:
            tell: gets a line after each trial.
        """
        shutil.rmtree(self.tuning.folder / TRIALS, ignore_errors=True)  # of a tune that was killed
        study = _study(self.tuning, 0)
        _begin(study, self.tuning.space())
        threads = torch.get_num_threads()
        helpers = [Child(threads) for _ in range(1, self.tuning.jobs)]
        try:
            for number, helper in enumerate(helpers, 1):
                helper.ask(_help, self, number)
            self.work(study, tell)
            for helper in helpers:
                helper.answer()
        finally:
            for helper in helpers:
                helper.close()
        return sorted(_finished(study), key=_accuracy, reverse=True)

    def work(self, study: Study, tell: Callable[[str], None]) -> None:
        """Do one trial after the other while there is time."""

        def after(study: Study, trial: FrozenTrial) -> None:
            tell(self._standing(study))
            if not self._goes_on(study):
                study.stop()

        if self._goes_on(study):
            study.optimize(Objective(self.tuning), callbacks=[after])

    def _goes_on(self, study: Study) -> bool:
        trials = _finished(study)
        enough = self.tuning.trials is not None and len(trials) >= self.tuning.trials
        return not enough and self._seconds_left(trials) > 0

    def _seconds_left(self, trials: list[FrozenTrial]) -> float:
        """Return how long there is for further trials, less what the runs after them take."""
        whole = [t.duration.total_seconds() for t in trials
                 if t.state.name == "COMPLETE" and "failed" not in t.user_attrs and t.duration is not None]  # fmt: skip
        reserved = self.reserve * statistics.mean(whole) / self.tuning.jobs if whole else 0.0
        return self.ends - time.time() - reserved

    def _standing(self, study: Study) -> str:
        """Return how far the search is, in one line."""
        trials = _finished(study)
        given_up = sum(trial.state.name == "PRUNED" for trial in trials)
        best = max(trials, key=_accuracy, default=None)
        what = "" if best is None else f", best {_accuracy(best):.1%} ({best.params.get('remedy', 'as given')})"
        of_all = "" if self.tuning.trials is None else f" of {self.tuning.trials}"
        seconds = max(0, round(self._seconds_left(trials)))
        return (f"{self.tuning.rule}: {len(trials)}{of_all} trials, {given_up} given up early{what}, "
                f"ideal {self.ideal:.1%}, {seconds // 60}:{seconds % 60:02} left")  # fmt: skip


class Objective:
    """One trial: a run with suggested values; the accuracy after its last epoch."""

    def __init__(self, tuning: Tuning) -> None:
        self.tuning, self.space, self.metric = tuning, tuning.space(), tuning.metric

    def __call__(self, trial: Trial) -> float:
        """Return the accuracy; 0 where learning diverged, or where the values fit neither device nor experiment."""
        values = self.space.suggest(trial)
        trial.set_user_attr("values", values)
        folder = self.tuning.folder / TRIALS / str(trial.number)
        try:
            experiment = self.tuning.given(values)
            watched = _Watched(trial, self.metric, experiment.training.epochs)
            return float(run(experiment, 0, folder, report=watched).metrics[self.metric])
        except (Diverged, InputError) as error:
            trial.set_user_attr("failed", str(error))
            return 0.0
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class _Watched(Silent):
    """Tells the trial of every epoch's accuracy, and ends it where others did better."""

    def __init__(self, trial: Trial, metric: str, epochs: int) -> None:
        self.trial, self.metric, self.epochs = trial, metric, epochs

    def end(self, row: dict[str, Any]) -> None:
        from optuna import TrialPruned

        if self.metric not in row or row["epoch"] >= self.epochs:
            return
        self.trial.report(row[self.metric], row["epoch"])
        if row["epoch"] > self.epochs // _BEFORE_PRUNING and self.trial.should_prune():
            raise TrialPruned


def _study(tuning: Tuning, worker: int) -> Study:
    """Return the study in the journal, with a sampler of this process."""
    import optuna

    pruner = optuna.pruners.PercentilePruner(_KEPT, n_startup_trials=_STARTUP // 2)
    study = open_study(tuning.folder / JOURNAL, tuning.name(), ["maximize"], pruner, shared=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        seed = tuning.seed + len(study.trials) + 100_000 * worker
        study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=_STARTUP)
    return study


def _begin(study: Study, space: Space) -> None:
    """Put the first trials that were not begun in the queue; trials that a killed tune left are over."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    alive = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.FAIL]
    begun = [trial.system_attrs.get("fixed_params") for trial in alive]
    for parameters in space.first_trials():
        if parameters not in begun:
            study.enqueue_trial(parameters)


def _help(search: DeviceSearch, number: int) -> None:
    """Search beside the process that began it."""
    search.work(_study(search.tuning, number), lambda line: None)


def _finished(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _accuracy(trial: FrozenTrial) -> float:
    """Return a trial's accuracy; 0 where it was given up."""
    return trial.value or 0.0 if trial.state.name == "COMPLETE" else 0.0

"""A search from its file to what it found; the same call goes on where it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurohw.errors import NeurohwError
from neurohw.runs.files import locked, writable_folder, write_text
from neurohw.runs.record import read_record
from neurohw.studies.execution.base import Settled
from neurohw.studies.execution.local import local
from neurohw.studies.journal import open_study, require_optuna
from neurohw.studies.run_sweep import Watcher
from neurohw.studies.search.file import Search
from neurohw.studies.search.finalists import USUAL, best_of, finalists, scored
from neurohw.studies.search.found import TABLE, Found, remove_files, trials_table, write_files
from neurohw.studies.search.sampling import pruner
from neurohw.studies.search.trials import Trials
from neurohw.studies.standing import Count, StandingFile
from neurohw.studies.sweep import Point

if TYPE_CHECKING:
    from optuna import Study

JOURNAL, LAST = "journal.log", "searched.txt"  # LAST: whose files stand beside it


def run_search(search: Search, folder: Path, watcher: Watcher, jobs: int = 1, minutes: float | None = None) -> Found:
    """Run the trials that there are to be, then the finalists with their seeds, and write what was found.

    Args:
        search: what is searched.
        folder: of its journal, runs and files; it is locked.
        watcher: shown how it goes.
        jobs: local processes; 1: this one.
        minutes: for all of it, as far as can be foreseen; no trial begins that would leave no time for the finalists.

    Raises:
        InputError: something does not fit, Optuna is not installed, or somebody else is in the folder.
        NeurohwError: no trial learnt, or several in a row failed.
    """
    require_optuna("search")
    search.check()
    ends = math.inf if minutes is None else time.time() + 60 * minutes
    with locked(writable_folder(folder)):
        study = open_study(folder / JOURNAL, search.digest(), [o.direction for o in search.objectives],
                           pruner(search.file.pruning))  # fmt: skip
        shown = _Shown(search, study, folder, watcher, str(local(jobs)) if jobs > 1 else "this process")
        reserve = len(search.file.finalists.seeds) * (1 + (search.file.finalists.number or USUAL))
        trials = Trials(search, study, folder, jobs, ends, reserve, shown.epoch)
        shown.begin(search.file.search.trials, known=sum(t.state.is_finished() for t in study.trials))
        if _taken_over(folder, search.digest(), bool(study.trials)):
            watcher.note(f"runs of another search stay in {folder}, which `neurohw report` shows as well")
        trials.all_settled(shown.trial)
        shown.end()
        write_text(folder / TABLE, trials_table(search, study.trials).to_csv(index=False))
        chosen = finalists(search, study.trials, _chance(trials))
        if not chosen:
            raise NeurohwError(_nothing(study))
        found, wrong = scored(search, chosen, folder, jobs, shown.finalists, shown.epoch, shown.settled)
        shown.end()
        if not (best := best_of(search, found)):
            raise NeurohwError(
                f"search: none of {len(chosen)} finalists has figures of all seeds; the first: {wrong[0]}"
            )
        files = write_files(search, best, folder)
        return Found(search, folder, tuple(study.trials), tuple(found), tuple(best), tuple(wrong), files)


def _taken_over(folder: Path, digest: str, known: bool) -> bool:
    """Remove the table and the experiment files of the search that was here last, if it was another; its runs stay.

    Args:
        folder: of the searches.
        digest: of the one that begins, or goes on.
        known: whether it has trials here; folders from before searches left their names are then its own.
    """
    last = folder / LAST
    if (last.read_text() == digest) if last.is_file() else known:
        write_text(last, digest)
        return False
    there = (folder / TABLE).is_file()
    remove_files(folder)
    (folder / TABLE).unlink(missing_ok=True)
    write_text(last, digest)
    return there


def _chance(trials: Trials) -> float:
    """Return what guessing gives on the validation split."""
    whole = next((trial for trial in trials.study.trials if trial.state.name == "COMPLETE"), None)
    return 0.0 if whole is None else read_record(trials.point(whole).folder).chance


def _nothing(study: Study) -> str:
    """Return that no trial is of use, and why."""
    failed = next((trial.user_attrs["failed"] for trial in study.trials if "failed" in trial.user_attrs), "")
    whole = sum(trial.state.name == "COMPLETE" for trial in study.trials)
    why = f"all {whole} whole trials are near chance" if whole else "no trial was trained to its end"
    return f"search: {why} ({len(study.trials)} trials): nothing is written; other ranges, or more --trials or " + (
        f"--minutes, may help. {failed}".rstrip()
    )


class _Shown:
    """Shows how a search goes: its trials, then its finalists."""

    def __init__(self, search: Search, study: Study, folder: Path, watcher: Watcher, where: str) -> None:
        self._search, self._study, self._folder, self._watcher, self._where = search, study, folder, watcher, where

    def begin(self, trials: int, known: int) -> None:
        """The trials begin."""
        if known:
            self._watcher.note(f"{known} trials are done already in {self._folder}")
        self._count_of(max(0, trials - known))

    def finalists(self, points: Sequence[Point]) -> None:
        """The finalists begin."""
        seeds = ", ".join(map(str, self._search.file.finalists.seeds))
        self._watcher.note(f"the best trials and the starting point again, seeds {seeds}: {len(points)} runs")
        self._count_of(len(points))

    def _count_of(self, total: int) -> None:
        self._count = Count(total, self._where)
        self._count.best = self._best()
        self._file = StandingFile(self._folder, self._count)
        if total:
            self._watcher.changed(self._count.now, None)

    def epoch(self, point: Point, row: dict[str, Any]) -> None:
        """An epoch is done."""
        self._count.epoch(point, row)
        self._watcher.changed(self._count.now, None)
        self._file.if_older()

    def trial(self, settled: Settled) -> None:
        """A trial is over."""
        self._count.best = self._best()
        self.settled(settled)

    def settled(self, settled: Settled) -> None:
        """A run is over."""
        self._watcher.changed(self._count.now, self._count.settled(settled))
        self._file.if_older()

    def end(self) -> None:
        """All of them are over."""
        self._file.if_older(0.0)

    def _best(self) -> str:
        """Return what is best so far, in words."""
        whole = [trial for trial in self._study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
        if not whole:
            return ""
        if len(self._search.objectives) > 1:
            return f"{len(self._study.best_trials)} on the Pareto front"
        metric, best = self._search.objectives[0].metric, self._study.best_trial
        return f"best {metric.text(best.values[0])} (trial {best.number})"

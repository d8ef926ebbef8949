"""Tuning: what an experiment should set for a device, found by a search and confirmed with seeds of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from neurohw import __version__
from neurohw.config import OnChipExperiment
from neurohw.config.hardware import has_devices
from neurohw.devices.recommended import SETTINGS, with_recommendation
from neurohw.errors import Diverged, NeurohwError
from neurohw.kinds import METRICS
from neurohw.runs.files import locked, writable_folder
from neurohw.studies.execution.local import local
from neurohw.studies.execution.loop import run_points
from neurohw.studies.execution.processes import threads_of
from neurohw.studies.journal import require_optuna
from neurohw.studies.sweep import point_of
from neurohw.studies.tune_search import DeviceSearch
from neurohw.studies.tune_space import REMEDIES
from neurohw.studies.tuning import Tuning
from neurohw.threads import threads

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

FINALISTS = 2  # remedies whose best trial is run again
SEEDS = (1, 2, 3)  # of finalists and of ideal arrays; trials have seed 0
_POINT = 0.01  # that a simpler remedy may lose


@dataclass(frozen=True)
class Score:
    """Accuracy on the validation split.

    Args:
        what: the remedy, or "ideal".
        values: that were set, by dotted keys.
        accuracies: one per seed.
        chance: what guessing gives.
    """

    what: str
    values: dict[str, Any]
    accuracies: tuple[float, ...]
    chance: float = 0.0

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.mean(self.accuracies)

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds."""
        return statistics.stdev(self.accuracies)

    def __str__(self) -> str:
        """Return it in percent."""
        return f"{100 * self.mean:.1f} ± {100 * self.spread:.1f} %"


@dataclass(frozen=True)
class Tuned:
    """What was found.

    Args:
        best: see `simplest`.
        finalists: all of them, highest first.
        ideal: ideal arrays on the same split, with the same seeds.
        evidence: what the device's file says of it.
    """

    best: Score
    finalists: tuple[Score, ...]
    ideal: Score
    evidence: dict[str, Any]

    def written_into(self, text: str, rule: str) -> str:
        """Return a device's file with what was found."""
        return with_recommendation(text, rule, self.best.values, self.evidence)


def tune(tuning: Tuning, tell: Callable[[str], None]) -> Tuned:
    """Run ideal arrays, search, run the best trial of each remedy with other seeds, and return what was found.

    Args:
        tuning: what is tuned.
        tell: gets a line whenever something is done.

    Raises:
        InputError: something does not fit, or Optuna is not installed.
        NeurohwError: nothing learnt in the time there was.
    """
    require_optuna("tune")
    ends = time.time() + 60 * tuning.minutes
    share = min(torch.get_num_threads(), threads_of(tuning.jobs))
    with locked(writable_folder(tuning.folder)), threads(share):
        ideal = _scores(tuning, [("ideal", {}, tuning.ideal())])[0]
        tell(f"{tuning.rule}: ideal arrays reach {ideal} on the validation split")
        trials = DeviceSearch(tuning, ends, FINALISTS * len(SEEDS), ideal.mean).go(tell)
        chosen = _best_of_each_remedy(trials)
        if not chosen:
            failed = next((t.user_attrs["failed"] for t in trials if "failed" in t.user_attrs), "")
            raise NeurohwError(f"tune: none of {len(trials)} trials learnt in {tuning.minutes:g} minutes; "
                               f"more --minutes may help. {failed}".rstrip())  # fmt: skip
        tell(f"{tuning.rule}: {', '.join(what for what, _ in chosen)} again, seeds {', '.join(map(str, SEEDS))}")
        held = {key: value for key, value in tuning.fixed.items() if key in SETTINGS.values()}
        scores = _scores(tuning, [(what, {**held, **values}, tuning.given(values)) for what, values in chosen])
    best = simplest(scores, ideal.mean)
    if METRICS[tuning.metric].near_chance(best.mean, best.chance):
        raise NeurohwError(f"tune: the best of {len(trials)} trials, {best.what} with {best}, is near chance "
                           f"({best.chance:.1%}): nothing is recommended; more --minutes search further, and a device "
                           "that ages learns in short batches (--set hardware.step_seconds=1e-5)")  # fmt: skip
    finalists = tuple(sorted(scores, key=lambda score: -score.mean))
    return Tuned(best, finalists, ideal, _evidence(tuning, best, ideal, len(trials)))


def simplest(scores: Sequence[Score], ideal: float) -> Score:
    """Return the first of `REMEDIES` that is as good as ideal arrays, or less than a point below the highest score."""
    enough = min(max(score.mean for score in scores) - _POINT, ideal)
    order = list(REMEDIES)
    return min((s for s in scores if s.mean >= enough), key=lambda s: order.index(s.what) if s.what in order else 0)


def _best_of_each_remedy(trials: Sequence[FrozenTrial]) -> list[tuple[str, dict[str, Any]]]:
    """Return remedy and values of the best trials, which come first, one of each remedy."""
    best: dict[str, dict[str, Any]] = {}
    for trial in trials:
        if trial.state.name == "COMPLETE" and trial.value:
            best.setdefault(trial.params.get("remedy", "as given"), trial.user_attrs["values"])
    return list(best.items())[:FINALISTS]


def _scores(tuning: Tuning, runs: Sequence[tuple[str, dict[str, Any], OnChipExperiment]]) -> list[Score]:
    """Run each experiment with every seed; those of an earlier call are only read. A device that diverges scores 0."""
    metric, accuracies, chance = tuning.metric, {}, 0.0
    points = [point_of(experiment, seed, tuning.folder) for _, _, experiment in runs for seed in SEEDS]
    executor = local(tuning.jobs)
    for point, outcome, _ in run_points(points, executor):
        if isinstance(outcome, Diverged) and has_devices(point.experiment.hardware.backend):  # type: ignore[attr-defined]
            accuracies[point.folder] = 0.0
            continue
        if isinstance(outcome, Exception):
            raise outcome
        accuracies[point.folder], chance = float(outcome.metrics[metric]), outcome.chance
    return [
        Score(
            what, values, tuple(accuracies[point_of(experiment, seed, tuning.folder).folder] for seed in SEEDS), chance
        )
        for what, values, experiment in runs
    ]


def _evidence(tuning: Tuning, best: Score, ideal: Score, trials: int) -> dict[str, Any]:
    experiment = tuning.ideal()
    data = experiment.data
    others = {key: value for key, value in tuning.fixed.items() if key not in SETTINGS.values()}
    return {
        "accuracy": round(best.mean, 4), "spread": round(best.spread, 4),
        "ideal": round(ideal.mean, 4), "ideal_spread": round(ideal.spread, 4), "seeds": len(SEEDS), "trials": trials,
        "experiment": experiment.name, "dataset": data.dataset, "layers": list(experiment.network.layers),
        **({"set": others} if others else {}),
        "split": f"{data.validation_fraction:.0%} of the training images, for validation", "neurohw": __version__,
    }  # fmt: skip

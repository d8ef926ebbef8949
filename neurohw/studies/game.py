"""The runs of an attribution: an experiment with some of its causes left in, by seed; each is run once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from neurohw.config import OnChipExperiment
from neurohw.errors import Diverged, NeurohwError
from neurohw.runs.record import read_record
from neurohw.studies.causes import Cause, causes_of, without
from neurohw.studies.execution.base import Executor
from neurohw.studies.execution.loop import run_points
from neurohw.studies.sweep import point_of

Subset = frozenset[str]  # names of the causes that are left in


@dataclass
class Game:
    """Accuracies of an experiment with some causes left in, by seed; whoever gives the executor closes it."""

    experiment: OnChipExperiment
    causes: tuple[Cause, ...]
    metric: str
    folder: Path
    executor: Executor
    tell: Callable[[str], None]
    accuracy: dict[tuple[Subset, int], float] = field(default_factory=dict)

    @staticmethod
    def of(
        experiment: OnChipExperiment, metric: str | None, folder: Path, executor: Executor, tell: Callable[[str], None]
    ) -> Game:
        """Return the game of an experiment, nothing played yet."""
        own = "direct_accuracy" if experiment.training.mode == "unsupervised" else "test_accuracy"
        return Game(experiment, causes_of(experiment), metric or own, folder, executor, tell)

    @property
    def all(self) -> Subset:
        """The names of all causes."""
        return frozenset(cause.name for cause in self.causes)

    def left_in(self, subset: Subset) -> OnChipExperiment:
        """Return the experiment with some causes left in and all others taken away."""
        return without(self.experiment, [cause for cause in self.causes if cause.name not in subset])

    def play(self, wanted: Iterable[tuple[Subset, int]], what: str) -> None:
        """Run what is wanted and has not run."""
        missing = sorted({key for key in wanted if key not in self.accuracy}, key=_by_seed)
        made = {subset: self.left_in(subset) for subset, _ in missing}
        found = self._run([(made[subset], seed) for subset, seed in missing], what)
        self.accuracy |= dict(zip(missing, found, strict=True))

    def played(self, experiment: OnChipExperiment, seeds: Iterable[int], what: str) -> list[float]:
        """Return the accuracies of another experiment."""
        return self._run([(experiment, seed) for seed in seeds], what)

    def _run(self, runs: Sequence[tuple[OnChipExperiment, int]], what: str) -> list[float]:
        """Run and return accuracies in order; one that diverges guesses."""
        points = [point_of(experiment, seed, self.folder) for experiment, seed in runs]
        accuracies: dict[Path, float] = {}
        unique = list({point.folder: point for point in points}.values())
        settled = run_points(unique, self.executor, keep_open=True)
        for done, (point, outcome, _) in enumerate(settled, 1):
            if isinstance(outcome, Diverged):
                accuracies[point.folder] = read_record(point.folder).chance
            elif isinstance(outcome, Exception):
                raise outcome
            elif self.metric not in outcome.metrics:
                raise NeurohwError(f"{point.folder.name}: has no {self.metric}; it has {', '.join(outcome.metrics)}")
            else:
                accuracies[point.folder] = float(outcome.metrics[self.metric])
            self.tell(f"{what}: {done} of {len(unique)} runs")
        return [accuracies[point.folder] for point in points]


def _by_seed(key: tuple[Subset, int]) -> tuple[int, int, list[str]]:
    return key[1], len(key[0]), sorted(key[0])

"""What a search found: its words, its experiment files, and the table of its trials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import tomlkit

from neurohw.errors import NeurohwError
from neurohw.loading import load_experiment
from neurohw.runs.files import write_text
from neurohw.studies.attribution import Estimate
from neurohw.studies.search.file import SCORED_ON, Search
from neurohw.studies.search.finalists import Scored
from neurohw.toml_files import document

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

TABLE, BEST = "trials.csv", "best.toml"


@dataclass(frozen=True)
class Found:
    """What a search found.

    Args:
        search: which.
        folder: of its runs and files.
        trials: all of them.
        scored: the starting point, where it has figures, and the finalists.
        best: of the finalists; of several objectives their Pareto front.
        wrong: why finalists, or the starting point, have no figures.
        files: an experiment file for each of the best.
    """

    search: Search
    folder: Path
    trials: tuple[FrozenTrial, ...]
    scored: tuple[Scored, ...]
    best: tuple[Scored, ...]
    wrong: tuple[NeurohwError, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def start(self) -> Scored | None:
        """The starting point."""
        return next((each for each in self.scored if each.trial is None), None)

    def sentences(self) -> Iterator[str]:
        """Yield what was found, in sentences."""
        states = [trial.state.name for trial in self.trials]
        failed = sum("failed" in trial.user_attrs for trial in self.trials)
        early = states.count("PRUNED") - sum("failed" in t.user_attrs for t in self.trials if t.state.name == "PRUNED")
        parts = [f"{early} given up early"] * (early > 0) + [f"{failed} failed or diverged"] * (failed > 0)
        parts = [f" ({', '.join(parts)})"] if parts else []
        seeds = self.search.file.finalists.seeds
        on = f"on the validation split, mean of seeds {', '.join(map(str, seeds))}"
        if len(self.search.objectives) > 1:
            again = sum(each.trial is not None for each in self.scored)
            yield (f"of {len(self.trials)} trials{''.join(parts)}, {again} on the Pareto front were run again; "
                   f"{len(self.best)} of these are on it still, {on}")  # fmt: skip
            return
        best, title = self.best[0], self.search.objectives[0].title.lower()
        yield (f"best of {len(self.trials)} trials{''.join(parts)}: {best.what} with {title} "
               f"{best.text(self.search)} {on}")  # fmt: skip
        if self.start is not None:
            yield self._beside(best, self.start)

    def _beside(self, best: Scored, start: Scored) -> str:
        metric = self.search.objectives[0].metric
        sign = 1 if metric.better == "higher" else -1
        gain = Estimate.of([sign * (b - s) for b, s in zip(best.figures[0], start.figures[0], strict=True)])
        unit = "points" if metric.share else metric.unit
        amount = f"{metric.number(abs(gain.mean), digits=3)} {unit}".rstrip()
        words = f"{'better' if gain.mean >= 0 else 'worse'} than the starting point's {start.text(self.search)}"
        if gain.half != gain.half:
            return f"{amount} {words}; one seed tells no interval"
        sure = "" if gain.clear else ": no difference that these seeds could tell"
        return f"{amount} {words} (95 % interval ± {metric.number(gain.half, digits=3)}){sure}"


def remove_files(folder: Path) -> None:
    """Remove the experiment files of an earlier call, or of another search."""
    for path in (*folder.glob("front_*.toml"), folder / BEST):
        path.unlink(missing_ok=True)


def write_files(search: Search, best: Sequence[Scored], folder: Path) -> tuple[Path, ...]:
    """Write an experiment file for each of the best, to be evaluated on the test set, and return their paths.

    Those of a former call are replaced.

    Raises:
        NeurohwError: a file does not say what was run.
    """
    several = len(search.objectives) > 1
    remove_files(folder)
    paths = []
    for number, each in enumerate(best, 1):
        path = folder / (f"front_{number}.toml" if several else BEST)
        figures = ", ".join(f"{objective.title.lower()} {each.text(search, i)}"
                            for i, objective in enumerate(search.objectives))  # fmt: skip
        after = f" after {search.file.stop_after} epochs" if search.file.stop_after else ""
        head = (f"# Found by a search ({search.name}, {each.what}): {figures}{after},\n"
                f"# on a validation split of {search.start.data.validation_fraction:.0%} of the training images "  # type: ignore[attr-defined]
                f"(seeds {', '.join(map(str, search.file.finalists.seeds))}).\n"
                f"# `neurohw run {path}` trains on all of them and evaluates on the test set.\n")  # fmt: skip
        write_text(path, head + tomlkit.dumps(document(search.tables(each.values))))
        again = load_experiment(path, {SCORED_ON: "validation"})
        if again.canonical() != search.experiment(each.values).canonical():
            raise NeurohwError(f"{path}: does not say what {each.what} was; this is a fault of neurohw's")
        paths.append(path)
    return tuple(paths)


def trials_table(search: Search, trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return a row a trial: its number, state, objectives, values, and the hash in its folder's name."""
    rows = []
    for trial in trials:
        state = "failed" if "failed" in trial.user_attrs else _STATES[trial.state.name]
        figures = trial.values if trial.state.name == "COMPLETE" else [None] * len(search.objectives)
        rows.append({
            "trial": trial.number, "state": state, "sampler": trial.user_attrs["sampler"],
            **dict(zip([objective.name for objective in search.objectives], figures, strict=True)),
            **{key: str(value) if isinstance(value, list | dict) else value
               for key, value in trial.user_attrs["values"].items()},
            "hash": trial.user_attrs["digest"], "why": trial.user_attrs.get("failed", ""),
        })  # fmt: skip
    return pd.DataFrame(rows)


_STATES = {"COMPLETE": "whole", "PRUNED": "given up", "FAIL": "failed", "RUNNING": "under way"}

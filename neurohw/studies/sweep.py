"""Sweeps: a grid of dotted keys and seeds over one experiment, as data."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from neurohw.config import Experiment, config_hash
from neurohw.kinds import KINDS
from neurohw.loading import experiment_path, load_experiment, load_with_advice
from neurohw.recommended import Applied
from neurohw.runs.folder import default_folder
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.validation import refused
from neurohw.values import LARGEST_SEED


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds:
        raise ValueError("got none; allowed: at least one")
    if repeated := sorted(seed for seed, times in Counter(seeds).items() if times > 1):
        raise ValueError(f"got {', '.join(map(str, repeated))} more than once; allowed: each seed once")
    return seeds


Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]


class SweepFile(BaseModel):
    """What a sweep.toml holds.

    Args:
        experiment: a shipped experiment's name, or a path relative to the sweep file.
        seeds: seeds of every point, each once; 0 to the experiment's `runs` - 1 unless given.
        set: dotted keys that hold for every point.
        axes: dotted key -> values; a table as a value is laid over that section.
        stop_after: end each run after so many epochs, the schedule unchanged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str = "experiment.toml"
    seeds: Annotated[tuple[Seed, ...], AfterValidator(_each_once)] | None = None
    set: dict[str, Any] = {}
    axes: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = {}
    stop_after: Annotated[int, Field(strict=True, ge=1)] | None = None


@dataclass(frozen=True)
class Point:
    """One run: what, with which seed, where, until when, its place on the axes as text, what its device gave to it."""

    experiment: Experiment
    seed: int
    folder: Path
    stop_after: int | None
    place: str = ""
    advice: tuple[Applied, ...] = field(default=(), compare=False)

    @property
    def digest(self) -> str:
        """Hash of configuration and files, as the folder's name has it."""
        return self.folder.name.split("-")[-2]


@dataclass(frozen=True)
class Sweep:
    """A sweep file with its path.

    Args:
        path: of the sweep.toml.
        file: its content.
    """

    path: Path
    file: SweepFile

    @property
    def name(self) -> str:
        """The sweep's name: its folder's, or the file's."""
        path = self.path.resolve()  # "../sweep.toml" stands in a folder that has a name
        return path.parent.name if path.name == "sweep.toml" else path.stem

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Yield the overrides of each point of the grid, the last axis running fastest."""
        keys = list(self.file.axes)
        for values in itertools.product(*self.file.axes.values()):
            yield {**self.file.set, **dict(zip(keys, values, strict=True))}

    def size(self) -> int:
        """Return the number of runs; where the file names no seeds, of the most `runs` that it or the base gives."""
        if self.file.seeds is not None:
            seeds = len(self.file.seeds)
        else:
            given = [self.file.set.get("runs"), *self.file.axes.get("runs", ())]
            seeds = max([load_experiment(self.base()).runs, *(runs for runs in given if isinstance(runs, int))])
        return seeds * math.prod(len(values) for values in self.file.axes.values())

    def points(self, out: Path) -> Iterator[Point]:
        """Yield every run, its folder below `out`: all points for the first seed, then for the next.

        Raises:
            InputError: a point is no valid experiment.
        """
        base = experiment_path(self.base())
        combinations = list(self.combinations())
        loaded = [load_with_advice(base, overrides, str(self.path)) for overrides in combinations]
        experiments = [experiment for experiment, _ in loaded]
        jobs = [KINDS[experiment.kind].load_job() for experiment in experiments]  # not before: it loads torch
        for job, experiment in zip(jobs, experiments, strict=True):
            job.check(experiment, "cpu")
        digests = [config_hash(e, job.checksums(e)) for job, e in zip(jobs, experiments, strict=True)]
        places = [_as_text({key: overrides[key] for key in self.file.axes}) for overrides in combinations]
        once = dict(zip(digests, zip(loaded, places, strict=True), strict=True))  # points that are the same run
        longest = max(experiment.runs for experiment in experiments)
        for seed in self.file.seeds or range(longest):
            for digest, ((experiment, advice), place) in once.items():
                if self.file.seeds is not None or seed < experiment.runs:
                    folder = out / default_folder(experiment, digest, seed).name
                    yield Point(experiment, seed, folder, self.file.stop_after, place, advice)

    def base(self) -> Path | str:
        """Return the experiment every point starts from: a path beside the sweep file, or a shipped name."""
        beside = self.path.parent / self.file.experiment
        return beside if beside.exists() else self.file.experiment


def _as_text(values: Mapping[str, Any]) -> str:
    """Return dotted keys and their values in one line; a table's keys by their last part."""
    texts = (", ".join(f"{k} = {v}" for k, v in value.items()) if isinstance(value, Mapping) else f"{key} = {value}"
            for key, value in values.items())  # fmt: skip
    return ", ".join(texts)


def load_sweep(path_or_name: str | Path) -> Sweep:
    """Return the sweep of a path (file or folder) or of a shipped experiment's name.

    Raises:
        InputError: there is none, or it is not valid.
    """
    path = find_file("sweep", path_or_name, shipped_files("experiments", "*/sweep.toml"), "sweep.toml")
    try:
        return Sweep(path, SweepFile.model_validate(read_toml(path)))
    except ValidationError as error:
        raise refused(error, str(path), SweepFile) from None

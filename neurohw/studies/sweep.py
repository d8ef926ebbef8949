"""Sweeps: variants, a grid and a design of dotted keys, and seeds, over one experiment, as data."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, KeysView, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from neurohw.config import Experiment, config_hash
from neurohw.config.section import dotted
from neurohw.errors import InputError
from neurohw.kinds import KINDS
from neurohw.loading import Overrides, experiment_path, load_experiment, load_with_advice, nested
from neurohw.recommended import Applied
from neurohw.runs.folder import default_folder
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.studies.constraints import Constraint
from neurohw.studies.design import Design
from neurohw.studies.ranges import each_value_once, with_remedy
from neurohw.validation import Wrong, refused
from neurohw.values import LARGEST_SEED


def _each_once(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if not seeds:
        raise ValueError("got none; allowed: at least one")
    if repeated := sorted(seed for seed, times in Counter(seeds).items() if times > 1):
        raise ValueError(f"got {', '.join(map(str, repeated))} more than once; allowed: each seed once")
    return seeds


Seed = Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)]
Seeds = Annotated[tuple[Seed, ...], AfterValidator(_each_once)]
Axis = Annotated[tuple[Any, ...], Field(min_length=1), AfterValidator(each_value_once)]
Comparison = Annotated[str, Field(strict=True), AfterValidator(lambda text: Constraint.of(text).text)]


class SweepFile(BaseModel):
    """What a sweep.toml holds: every variant is run at every point of the grid, with every point of the design.

    Args:
        experiment: a shipped experiment's name, or a path relative to the sweep file.
        seeds: seeds of every point, each once; 0 to the experiment's `runs` - 1 unless given.
        set: dotted keys that hold for every point; a variant may set others.
        variants: name -> dotted keys.
        axes: dotted key -> values; a table as a value is laid over that section.
        design: ranges of keys, filled with points.
        constraints: comparisons that every point must fulfil; others are left out.
        stop_after: end each run after so many epochs, the schedule unchanged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    experiment: str = "experiment.toml"
    seeds: Seeds | None = None
    set: dict[str, Any] = {}
    variants: dict[str, dict[str, Any]] = {}
    axes: dict[str, Axis] = {}
    design: Design | None = None
    constraints: tuple[Comparison, ...] = ()
    stop_after: Annotated[int, Field(strict=True, ge=1)] | None = None

    @model_validator(mode="after")
    def _each_key_once(self) -> SweepFile:
        """Refuse a key that two parts would set; of those that a point sets, which would hold?"""
        places = {"set": self.set.keys(), "axes": self.axes.keys(), "design.keys": self.swept_by_design}
        places |= {f"variants.{name}": keys.keys() for name, keys in self.variants.items()}
        for (one, keys), (other, others) in itertools.combinations(places.items(), 2):
            may = other.startswith("variants.") and one not in ("axes", "design.keys")
            if not may and (both := sorted(keys & others)):
                raise Wrong(f"{other}.{both[0]}", f"stands in [{one}] as well; allowed: in one of them")
        return self

    @property
    def fractional(self) -> list[str]:
        """The keys of the design that get other than whole numbers."""
        return [key for key, known in (self.design.keys if self.design else {}).items() if not known.integer]

    @property
    def swept_by_design(self) -> KeysView[str]:
        """The keys of the design."""
        return (self.design.keys if self.design else {}).keys()


@dataclass(frozen=True)
class Point:
    """One run: what, with which seed, where, until when, its place on the axes as text, what its device gave to it.

    Its companions differ from it in their seed only, and are run together with it.
    """

    experiment: Experiment
    seed: int
    folder: Path
    stop_after: int | None
    place: str = ""
    advice: tuple[Applied, ...] = field(default=(), compare=False)
    companions: tuple[Point, ...] = field(default=(), compare=False)

    @property
    def digest(self) -> str:
        """Hash of configuration and files, as the folder's name has it."""
        return self.folder.name.split("-")[-2]

    def joined_by(self, others: Sequence[Point]) -> Point:
        """Return the point with others as its companions."""
        return replace(self, companions=tuple(others))

    @property
    def members(self) -> tuple[Point, ...]:
        """The point and its companions, each by itself."""
        return self.joined_by(()), *self.companions


@dataclass(frozen=True)
class Combination:
    """What one point sets.

    Args:
        overrides: every dotted key and its value.
        swept: of them, those of axes and design.
        variant: its name; none: there are no variants.
    """

    overrides: dict[str, Any]
    swept: dict[str, Any]
    variant: str = ""

    def place(self, names: Mapping[str, str]) -> str:
        """Return the variant, and the swept keys by their short names with their values, in one line."""
        texts = (", ".join(f"{k} = {v}" for k, v in value.items()) if isinstance(value, Mapping) and value
                 else f"{names[key]} = {value}" for key, value in self.swept.items())  # fmt: skip
        return ", ".join([self.variant] * bool(self.variant) + list(texts))


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

    def combinations(self) -> Iterator[Combination]:
        """Yield the points that fulfil the constraints: variants slowest, the design fastest, the last axis before it.

        Raises:
            InputError: a constraint names what a point does not set, or no point fulfils all.
        """
        file, none = self.file, True
        constraints = [Constraint.of(text) for text in file.constraints]
        samples = file.design.samples() if file.design else [{}]
        variants = file.variants or {"": {}}
        for name, *values, sample in itertools.product(variants, *file.axes.values(), samples):
            swept = dict(zip(file.axes, values, strict=True)) | sample
            combination = Combination(file.set | variants[name] | swept, swept, name)
            if constraints and not self._holds(constraints, combination):
                continue
            none = False
            yield combination
        if none:
            raise InputError(f"{self.path}: constraints: no point fulfils {' and '.join(map(repr, file.constraints))}")

    def _holds(self, constraints: Sequence[Constraint], combination: Combination) -> bool:
        flat = dotted(nested(combination.overrides))
        try:
            return all(constraint.holds(flat) for constraint in constraints)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None

    def size(self) -> int:
        """Return the number of runs before constraints leave some out.

        Where the file names no seeds, there are as many as the most `runs` that it or the base gives.
        """
        file = self.file
        if file.seeds is not None:
            seeds = len(file.seeds)
        else:
            given = [file.set.get("runs"), *file.axes.get("runs", ()), *(v.get("runs") for v in file.variants.values())]
            seeds = max([load_experiment(self.base()).runs, *(runs for runs in given if isinstance(runs, int))])
        design = file.design.points if file.design else 1
        grid = math.prod(len(values) for values in file.axes.values())
        return seeds * (len(file.variants) or 1) * grid * design

    def points(self, out: Path) -> Iterator[Point]:
        """Yield every run, its folder below `out`: all points for the first seed, then for the next.

        Raises:
            InputError: a point is no valid experiment.
        """
        base, names = experiment_path(self.base()), short_names([*self.file.axes, *self.file.swept_by_design])
        once: dict[str, tuple[Any, tuple[Applied, ...], str]] = {}  # points that are the same run
        for combination in self.combinations():
            try:
                experiment, advice = load_with_advice(base, combination.overrides, str(self.path))
            except InputError as error:
                raise with_remedy(error, self.file.fractional) from None
            try:
                digest = checked_hash(experiment)
            except InputError as error:
                raise Overrides(tuple(combination.overrides), str(self.path)).blame(
                    error, experiment, str(base)
                ) from None
            once[digest] = experiment, advice, combination.place(names)
        longest = max(experiment.runs for experiment, _, _ in once.values())
        for seed in self.file.seeds or range(longest):
            for digest, (experiment, advice, place) in once.items():
                if self.file.seeds is not None or seed < experiment.runs:
                    folder = out / default_folder(experiment, digest, seed).name
                    yield Point(experiment, seed, folder, self.file.stop_after, place, advice)

    def base(self) -> Path | str:
        """Return the experiment every point starts from: a path beside the sweep file, or a shipped name."""
        beside = self.path.parent / self.file.experiment
        return beside if beside.exists() else self.file.experiment


def checked_hash(experiment: Experiment) -> str:
    """Return the hash of an experiment that can run here; an InputError says why it cannot."""
    job = KINDS[experiment.kind].load_job()  # not before: it loads torch
    job.check(experiment, "cpu")
    return config_hash(experiment, job.checksums(experiment))


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Return each key's shortest tail that no other key ends with."""
    tails = {key: [".".join(key.split(".")[-n:]) for n in range(1, key.count(".") + 2)] for key in keys}
    return {key: next(tail for tail in own if sum(tail in other for other in tails.values()) == 1)
            for key, own in tails.items()}  # fmt: skip


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


def point_of(experiment: Experiment, seed: int, folder: Path, stop_after: int | None = None) -> Point:
    """Return a run of its own in the folder of its name below `folder`."""
    name = default_folder(experiment, checked_hash(experiment), seed).name
    return Point(experiment, seed, folder / name, stop_after)

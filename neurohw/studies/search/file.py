"""Search files: ranges of an experiment's keys, objectives, sampler, pruning and finalists, as data."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from neurohw.config import Experiment
from neurohw.config.section import dotted
from neurohw.errors import InputError
from neurohw.kinds import KINDS
from neurohw.loading import experiment_tables, load_experiment, nested
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.studies.constraints import Constraint
from neurohw.studies.ranges import Choice, with_remedy
from neurohw.studies.search.objectives import Objective, objectives_of
from neurohw.studies.search.space import Keys, Searched, extremes
from neurohw.studies.sweep import Comparison, Seed, checked_hash
from neurohw.validation import Wrong, dotted_keys, refused
from neurohw.values import LARGEST_SEED

SCORED_ON = "data.evaluate_on"
SamplerName = Literal["random", "tpe"]
_Count = Annotated[int, Field(strict=True, ge=1)]


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"got {repeated[0]!r} more than once; allowed: each objective once")
    return names


def _not_of_trials(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if 0 in seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"got {list(seeds)}; allowed: seeds of 1 and above, each once (0 is that of the trials)")
    return seeds


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SearchTable(_Table):
    """What is drawn, how, and how often.

    Args:
        sampler: "random", or "tpe", which draws where trials did well (tree-structured Parzen estimator).
        trials: how many, those that are given up early included.
        seed: of the sampler.
        keys: dotted key -> a range as in the design of a sweep; { values = [...] }, a choice; or a list of ranges, one
            for each item of a list.
    """

    sampler: SamplerName = "tpe"
    trials: _Count = 50
    seed: Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)] = 0
    keys: Keys


class Pruning(_Table):
    """When a trial is given up early, by the objective after each epoch.

    Args:
        kind: "median": below the median of whole trials after the same epoch; "percentile": not among their best
            `percentile`; "successive-halving": not among the best third of the trials that came as far, after 1, 3, 9
            and so on epochs; or "none".
        percentile: percent.
        startup_trials: so many are trained whole first.
        warmup_epochs: none is given up before.
    """

    kind: Literal["none", "median", "percentile", "successive-halving"] = "none"
    percentile: Annotated[float, Field(gt=0, lt=100)] = 50.0
    startup_trials: Annotated[int, Field(strict=True, ge=0)] = 5
    warmup_epochs: Annotated[int, Field(strict=True, ge=0)] = 0


class Finalists(_Table):
    """The best trials, which are run again, and the starting point beside them.

    Args:
        number: of them, at most; of several objectives those of the Pareto front, all unless given.
        seeds: of each.
    """

    number: _Count | None = None
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_not_of_trials)] = (1, 2, 3)


class SearchFile(_Table):
    """What a search.toml holds.

    Args:
        experiment: a shipped experiment's name, or a path relative to the search file: the starting point.
        objectives: metrics of the experiment, or figures of its chip's account; of several the Pareto front is found.
        set: dotted keys that hold for every trial, and for the starting point.
        constraints: comparisons of keys that every trial must fulfil, as in sweeps.
        stop_after: end each run after so many epochs, the schedule unchanged.
        search, pruning, finalists: see there.
    """

    experiment: str = "experiment.toml"
    objectives: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_each_once)]
    set: dict[str, Any] = {}
    constraints: tuple[Comparison, ...] = ()
    stop_after: _Count | None = None
    search: SearchTable
    pruning: Pruning = Pruning()
    finalists: Finalists = Finalists()

    @model_validator(mode="after")
    def _fits_together(self) -> SearchFile:
        if both := sorted(self.search.keys.keys() & self.set):
            raise Wrong(f"search.keys.{both[0]}", "stands in [set] as well; allowed: in one of them")
        if self.pruning.kind != "none" and len(self.objectives) > 1:
            raise Wrong("pruning.kind", f"got {self.pruning.kind!r} with {len(self.objectives)} objectives; allowed: "
                                        '"none", or a single objective')  # fmt: skip
        return self


@dataclass(frozen=True)
class Search:
    """A search file with its path.

    Args:
        path: of the search.toml.
        file: its content.
        given: dotted keys that the caller sets, over the file's.
    """

    path: Path
    file: SearchFile
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The search's name: its folder's, and the file's unless that is search.toml."""
        path = self.path.resolve()
        return path.parent.name if path.name == "search.toml" else f"{path.parent.name}_{path.stem}"

    @property
    def base(self) -> Path | str:
        """The experiment that is the starting point: a path beside the search file, or a shipped name."""
        beside = self.path.parent / self.file.experiment
        return beside if beside.exists() else self.file.experiment

    @cached_property
    def held(self) -> dict[str, Any]:
        """Dotted keys that hold for every trial."""
        return {**self.file.set, **self.given}

    @cached_property
    def start(self) -> Experiment:
        """The starting point, scored on the validation split."""
        return self.experiment({})

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        """What trials are scored by."""
        try:
            return objectives_of(self.file.objectives, self.start)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None

    def experiment(self, values: Mapping[str, Any]) -> Experiment:
        """Return the experiment with some values, scored on the validation split.

        Raises:
            InputError: it is no valid experiment, or would be scored on the test set.
        """
        by = f"{self.path}{' and --set' if self.given else ''}"
        made: Experiment = load_experiment(self.base, {**self.held, **values, SCORED_ON: "validation"}, by)
        if made.data.evaluate_on != "validation":  # type: ignore[attr-defined]
            raise InputError(
                f"{self.path}: {SCORED_ON}: would be the test set; a search is scored on a validation split"
            )
        return made

    def tables(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the experiment file with some values, to be evaluated on the test set."""
        tables = experiment_tables(self.base, {**self.held, **values}, str(self.path))
        data = {key: value for key, value in tables.get("data", {}).items() if key != "evaluate_on"}
        return tables | {"data": data} | {"name": self.start.name}

    def broken(self, values: Mapping[str, Any]) -> str | None:
        """Return the first constraint that values do not fulfil."""
        flat = dotted(nested({**self.held, **values}))
        try:
            return next((text for text in self.file.constraints if not Constraint.of(text).holds(flat)), None)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None

    def check(self) -> None:
        """Refuse what could not be run: the starting point with each key at each end of its range is tried.

        Raises:
            InputError: says what does not fit.
        """
        for key in [*self.file.search.keys, *self.held]:
            if key == SCORED_ON or (key == "data" and "evaluate_on" in dict(self.held.get(key) or {})):
                raise InputError(f"{self.path}: {SCORED_ON}: is set; a search is scored on a validation split of the "
                                 "training images, never on the test set; allowed: leave it out, and set "
                                 "data.validation_fraction")  # fmt: skip
        if both := sorted(self.file.search.keys.keys() & self.given):
            raise InputError(
                f"--set {both[0]}: is searched; allowed: keys that are not in [search.keys] of {self.path}"
            )
        plain = load_experiment(self.base, self.held, str(self.path))
        if SCORED_ON not in dotted_keys(KINDS[plain.kind].experiment):
            raise InputError(f"{self.path}: experiments of kind {plain.kind!r} have no validation split ({SCORED_ON}), "
                             "on which a search is scored")  # fmt: skip
        if self.file.pruning.kind != "none" and not self.objectives[0].as_it_goes:
            raise InputError(f"{self.path}: pruning.kind: got {self.file.pruning.kind!r} with the objective "
                             f"{self.objectives[0].name!r}, which is known at the end only; allowed: none")  # fmt: skip
        checked_hash(self.start)
        for key, searched in self.file.search.keys.items():
            for value in extremes(searched):
                checked_hash(self.experiment({key: value}))
            self._require_fractions(key, searched)
        self.broken({key: extremes(searched)[0] for key, searched in self.file.search.keys.items()})

    def _require_fractions(self, key: str, searched: Searched) -> None:
        """Refuse a range of fractions of a key that takes whole numbers only, whose ends may both be whole."""
        if isinstance(searched, Choice):
            return
        inside = [item.at(1 / 2 if item.integer else 1 / math.pi) for item in
                  (searched if isinstance(searched, tuple) else (searched,))]  # fmt: skip
        try:
            self.experiment({key: inside if isinstance(searched, tuple) else inside[0]})
        except InputError as error:
            if (said := with_remedy(error, [key])).args != error.args:
                raise said from None

    def digest(self) -> str:
        """Return the hash of what decides what a trial is: the starting point, ranges, objectives, constraints."""
        file = self.file.model_dump(mode="json", include={"objectives", "constraints", "stop_after"})
        keys = self.file.search.model_dump(mode="json")["keys"]
        text = json.dumps([checked_hash(self.start), file, keys], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def changed(self, given: Mapping[str, Any], **search: Any) -> Search:
        """Return the search with keys that the caller sets, and with what is not None of sampler, trials and seed."""
        table = self.file.search.model_copy(update={key: value for key, value in search.items() if value is not None})
        return replace(self, file=self.file.model_copy(update={"search": table}), given=dict(given))


def load_search(path_or_name: str | Path) -> Search:
    """Return the search of a path (file or folder) or of a shipped experiment's name.

    Raises:
        InputError: there is none, or it is not valid.
    """
    path = find_file("search", path_or_name, shipped_files("experiments", "*/search.toml"), "search.toml")
    tables = read_toml(path)
    if "search" not in tables and tables.keys() & {"data", "network", "training"}:
        raise InputError(f"{path}: this is an experiment; allowed: a file with [search.keys], the ranges of its keys "
                         "(search.toml beside it, which names it)")  # fmt: skip
    try:
        return Search(path, SearchFile.model_validate(tables))
    except ValidationError as error:
        raise refused(error, str(path), SearchFile) from None

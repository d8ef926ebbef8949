"""Experiment files: found by path or name, read from TOML, conditions applied, keys overridden, errors explained."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from neurohw.archive import ARCHIVE, configuration
from neurohw.config import Experiment, OnChipExperiment, merged
from neurohw.errors import DataError, InputError
from neurohw.kinds import kind_of
from neurohw.recommended import Applied, asked_by_device
from neurohw.shipping import DEEPEST, find_file, parsed_toml, read_toml, shipped_files, stamped
from neurohw.validation import explained, unknown_at

DEFAULT = "default"  # as a value: the key is set back to what it is where nobody sets it
_ABSENT = object()


def experiment_path(path_or_name: str | Path) -> Path:
    """Return the experiment.toml of a path (file or folder) or of a shipped experiment's name.

    Raises:
        InputError: there is neither; the shipped names are listed.
    """
    if (path := Path(path_or_name)).is_file():  # the shipped names need not be listed
        return path
    return find_file("experiment", path_or_name, shipped_files("experiments", "*/experiment.toml"), "experiment.toml")


def load_experiment(
    path_or_name: str | Path, overrides: Mapping[str, Any] | None = None, overridden_by: str = "overrides"
) -> Any:
    """Return the experiment of a file or a shipped name, a model of its kind, `overrides` laid on top.

    Where all of them are silent, its device is asked, unless `hardware.recommended` is false (`neurohw.recommended`).
    The value "default" sets a key back to what it is where neither file nor overrides give it.

    Args:
        path_or_name: of the experiment; `FILE:HASH` is a configuration that a report's `records.jsonl.xz` (or the
            folder of one) holds.
        overrides: dotted key -> value.
        overridden_by: what says so, named in errors of these keys: an option, or the file of a sweep.

    Raises:
        InputError: naming the file, the key, the value received and what is allowed.
    """
    return load_with_advice(path_or_name, overrides, overridden_by)[0]


def load_with_advice(
    path_or_name: str | Path, overrides: Mapping[str, Any] | None = None, overridden_by: str = "overrides"
) -> tuple[Any, tuple[Applied, ...]]:
    """Return what `load_experiment` does, and what its device gave to it."""
    laid_over = Overrides(tuple(overrides or {}), overridden_by)
    over = nested(overrides or {})
    if recorded := re.fullmatch(r"(.+):([0-9a-f]{12})", str(path_or_name)):
        file = Path(recorded[1])
        config = configuration(file / ARCHIVE if file.is_dir() else file, recorded[2])
        return validated(merged(nested(config), over), str(path_or_name), laid_over), ()
    tables = experiment_tables(path_or_name, overrides or {}, overridden_by)
    origin = str(experiment_path(path_or_name))
    return _advised(validated(tables, origin, laid_over), tables, laid_over)


def experiment_tables(
    path_or_name: str | Path, overrides: Mapping[str, Any], overridden_by: str = "overrides"
) -> dict[str, Any]:
    """Return the tables of an experiment's file, `overrides` laid on top, its conditions applied, not validated yet.

    They are an experiment file by themselves.
    """
    laid_over, over = Overrides(tuple(overrides), overridden_by), nested(overrides)
    path = experiment_path(path_or_name)
    tables = dict(_read(*stamped(path)))
    conditions = tables.pop("when", [])
    tables = merged(_conditioned(tables, over, conditions, path, laid_over), over)
    tables = _without_defaults(tables, str(path), laid_over)
    tables.setdefault("name", path.resolve().parent.name if path.name == "experiment.toml" else path.stem)
    return tables


@lru_cache(maxsize=8)
def _read(path: Path, changed: int, size: int) -> dict[str, Any]:
    """Return the tables of an experiment's file, which a sweep asks for at every point; nobody may change them."""
    tables = read_toml(path)
    conditions = {"when": tables.pop("when")} if "when" in tables else {}
    return nested(tables) | conditions


def _advised(experiment: Any, tables: dict[str, Any], overrides: Overrides) -> tuple[Any, tuple[Applied, ...]]:
    """Return the experiment with what its device asks for where the tables are silent, and what that was.

    A device that cannot be read is the run's matter, which says so.
    """
    if not isinstance(experiment, OnChipExperiment):
        return experiment, ()
    applied = asked_by_device(experiment, tables)
    if experiment.hardware.recommended and not any(each.values for each in applied):
        return experiment, applied
    for each in applied:
        tables = merged(tables, nested(each.values))
    origin = " and ".join(each.origin for each in applied if each.values)
    asked = merged(tables, {"hardware": {"recommended": True}})  # which is done, and stands in no configuration
    return validated(asked, origin, overrides), applied


@dataclass(frozen=True)
class Overrides:
    """Dotted keys that were overridden, and what by."""

    keys: tuple[str, ...] = ()
    by: str = ""

    def blame(self, error: InputError, experiment: Experiment, origin: str) -> InputError:
        """Return the error with what set the keys that its lines complain about; lines about others stay as they are.

        Args:
            error: of a run of the experiment, each line as `key: ...`.
            experiment: what was run.
            origin: where its other keys are from.
        """
        keys, kind = type(experiment).model_fields, DataError if isinstance(error, DataError) else InputError
        lines = str(error).splitlines()
        return kind("\n".join(self.blamed(origin, line, alone=True) if _begins_with_a_key(line, keys) else line
                              for line in lines))  # fmt: skip

    def blamed(self, origin: str, complaint: str, alone: bool) -> str:
        """Return the complaint (`key: ...`) after where it comes from: what overrode its key, else the origin.

        Args:
            origin: the file.
            complaint: what is wrong.
            alone: whether the value is wrong by itself; else any key that was overridden may be why it does not fit.
        """
        where = complaint.partition(":")[0]
        if any(f"{where}.".startswith(f"{key}.") or key.startswith(f"{where}.") for key in self.keys):
            return f"{self.by}: {complaint}"
        beside = f" with {self.by} of {', '.join(self.keys)}" if self.keys and not alone else ""
        return f"{origin}{beside}: {complaint}"


def _begins_with_a_key(line: str, keys: Iterable[str]) -> bool:
    dotted = re.match(r"(\w+)(\.\w+)*: ", line)
    return dotted is not None and dotted[1] in keys


def validated(tables: dict[str, Any], origin: str, overrides: Overrides = Overrides()) -> Any:
    """Return the experiment of plain tables; `origin` is named in errors, or what overrode the key."""
    model = _model(tables, origin, overrides)
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        complaints = [overrides.blamed(origin, complaint, alone=bool(e["loc"]))
                      for e in error.errors() for complaint in explained(e, model).split("\n  ")]  # fmt: skip
        raise InputError("\n".join(complaints)) from None


def _model(tables: dict[str, Any], origin: str, overrides: Overrides) -> type[Experiment]:
    try:
        return kind_of(tables).experiment
    except InputError as error:
        raise InputError(overrides.blamed(origin, str(error), alone=True)) from None


def _without_defaults(tables: dict[str, Any], origin: str, overrides: Overrides) -> dict[str, Any]:
    """Return the tables without the keys that are set back to their defaults; there must be such keys."""
    back = list(_set_back(tables))
    for place in back:
        if complaint := unknown_at(_model(tables, origin, overrides), place):
            raise InputError(overrides.blamed(origin, complaint, alone=True))
    return _pruned(tables) if back else tables


def _set_back(tables: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tables.items():
        if isinstance(value, dict):
            yield from _set_back(value, (*place, key))
        elif value == DEFAULT:
            yield (*place, key)


def _pruned(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _pruned(value) if isinstance(value, dict) else value for key, value in tables.items()
            if value != DEFAULT}  # fmt: skip


def parse_override(text: str) -> tuple[str, Any]:
    """Return the dotted key and the value of `key=value`; the value is TOML, or else a plain string ("default", say).

    Raises:
        InputError: there is no `=`.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {text!r}: allowed: key=value, as in --set training.epochs=5")
    try:
        parsed = parsed_toml(f"value = {value}", f"--set {key}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return key.strip(), parsed


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Return tables from dotted keys, those in tables too; a table given as a value is laid over what was there.

    Raises:
        InputError: a key of more parts than tables may be nested.
    """
    result: dict[str, Any] = {}
    for key, value in dotted.items():
        if key.count(".") >= DEEPEST:
            raise InputError(f"{key:.60}...: got a key of {key.count('.') + 1} parts; allowed: {DEEPEST}")
        value = nested(value) if isinstance(value, dict) else value
        for part in reversed(key.split(".")):
            value = {part: value}
        result = merged(result, value)
    return result


def _conditioned(
    tables: dict[str, Any], over: dict[str, Any], conditions: list[Any], path: Path, overrides: Overrides
) -> dict[str, Any]:
    for number, condition in enumerate(conditions if isinstance(conditions, list) else [conditions], 1):
        tables_in = condition.values() if isinstance(condition, dict) else ()
        if not tables_in or set(condition) != {"match", "set"} or not all(isinstance(t, dict) for t in tables_in):
            raise InputError(f"{path}: when[{number}]: allowed: exactly the tables `match` and `set`")
        seen = merged(tables, over)
        model = _model(seen, str(path), overrides)
        seen = model.seen(_without_defaults(seen, str(path), overrides))
        if all(_matches(_looked_up(seen, key, model), wanted) for key, wanted in condition["match"].items()):
            tables = merged(tables, nested(condition["set"]))
    return tables


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, list) and not isinstance(value, list) else value == wanted


def _looked_up(tables: dict[str, Any], dotted: str, kind: type[Experiment]) -> Any:
    """Return a key's value, or its default where the tables do not give it."""
    value: Any = tables
    for part in dotted.split("."):
        value = value.get(part, _ABSENT) if isinstance(value, dict) else _ABSENT
    if value is not _ABSENT:
        return value
    model: Any = kind.model_construct()
    for part in dotted.split("."):
        model = getattr(model, part, None)
    return model

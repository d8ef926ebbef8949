"""Experiment files: found by path or name, read from TOML, conditions applied, keys overridden, errors explained."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from neurohw.archive import ARCHIVE, configuration
from neurohw.config import Experiment, OnChipExperiment, merged
from neurohw.errors import InputError
from neurohw.kinds import kind_of
from neurohw.recommended import Applied, asked_by_device
from neurohw.shipping import DEEPEST, find_file, parsed_toml, read_toml, shipped_files
from neurohw.validation import explained

_ABSENT = object()


def experiment_path(path_or_name: str | Path) -> Path:
    """Return the experiment.toml of a path (file or folder) or of a shipped experiment's name.

    Raises:
        InputError: there is neither; the shipped names are listed.
    """
    return find_file("experiment", path_or_name, shipped_files("experiments", "*/experiment.toml"), "experiment.toml")


def load_experiment(
    path_or_name: str | Path, overrides: Mapping[str, Any] | None = None, overridden_by: str = "overrides"
) -> Any:
    """Return the experiment of a file or a shipped name, a model of its kind, `overrides` laid on top.

    Where all of them are silent, its device is asked, unless `hardware.recommended` is false (`neurohw.recommended`).

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
    laid_over = _Overrides(tuple(overrides or {}), overridden_by)
    over = nested(overrides or {})
    if recorded := re.fullmatch(r"(.+):([0-9a-f]{12})", str(path_or_name)):
        file = Path(recorded[1])
        config = configuration(file / ARCHIVE if file.is_dir() else file, recorded[2])
        return validated(merged(config, over), str(path_or_name), laid_over), ()
    path = experiment_path(path_or_name)
    tables = read_toml(path)
    conditions = tables.pop("when", [])
    tables = merged(_conditioned(tables, over, conditions, path, laid_over), over)
    tables.setdefault("name", path.resolve().parent.name if path.name == "experiment.toml" else path.stem)
    return _advised(validated(tables, str(path), laid_over), tables, laid_over)


def _advised(experiment: Any, tables: dict[str, Any], overrides: _Overrides) -> tuple[Any, tuple[Applied, ...]]:
    """Return the experiment with what its device asks for where the tables are silent, and what that was.

    A device that cannot be read is the run's matter, which says so.
    """
    if not isinstance(experiment, OnChipExperiment):
        return experiment, ()
    applied = asked_by_device(experiment, tables)
    for each in applied:
        tables = merged(tables, nested(each.values))
    origin = " and ".join(each.origin for each in applied if each.values)
    asked = merged(tables, {"hardware": {"recommended": True}})  # which is done, and stands in no configuration
    return validated(asked, origin, overrides), applied


@dataclass(frozen=True)
class _Overrides:
    """Dotted keys that were overridden, and what by."""

    keys: tuple[str, ...] = ()
    by: str = ""

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


def validated(tables: dict[str, Any], origin: str, overrides: _Overrides = _Overrides()) -> Any:
    """Return the experiment of plain tables; `origin` is named in errors, or what overrode the key."""
    model = _model(tables, origin, overrides)
    try:
        return model.model_validate(tables)
    except ValidationError as error:
        complaints = [overrides.blamed(origin, complaint, alone=bool(e["loc"]))
                      for e in error.errors() for complaint in explained(e, model).split("\n  ")]  # fmt: skip
        raise InputError("\n".join(complaints)) from None


def _model(tables: dict[str, Any], origin: str, overrides: _Overrides) -> type[Experiment]:
    try:
        return kind_of(tables).experiment
    except InputError as error:
        raise InputError(overrides.blamed(origin, str(error), alone=True)) from None


def parse_override(text: str) -> tuple[str, Any]:
    """Return the dotted key and the value of `key=value`; the value is TOML, or else a plain string.

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
    """Return tables from dotted keys; a table given as a value is laid over what was there.

    Raises:
        InputError: a key of more parts than tables may be nested.
    """
    result: dict[str, Any] = {}
    for key, value in dotted.items():
        if key.count(".") >= DEEPEST:
            raise InputError(f"{key:.60}...: got a key of {key.count('.') + 1} parts; allowed: {DEEPEST}")
        for part in reversed(key.split(".")):
            value = {part: value}
        result = merged(result, value)
    return result


def _conditioned(
    tables: dict[str, Any], over: dict[str, Any], conditions: list[Any], path: Path, overrides: _Overrides
) -> dict[str, Any]:
    for number, condition in enumerate(conditions if isinstance(conditions, list) else [conditions], 1):
        tables_in = condition.values() if isinstance(condition, dict) else ()
        if not tables_in or set(condition) != {"match", "set"} or not all(isinstance(t, dict) for t in tables_in):
            raise InputError(f"{path}: when[{number}]: allowed: exactly the tables `match` and `set`")
        seen = merged(tables, over)
        model = _model(seen, str(path), overrides)
        seen = model.seen(seen)
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

"""How to get a point again: a command, from the shipped experiment if there is one, else from the report's records."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from neurohw import loading
from neurohw.archive import ARCHIVE
from neurohw.config import Experiment
from neurohw.errors import InputError
from neurohw.report.naming import flatten
from neurohw.report.points import Point
from neurohw.shipping import shipped


def command(point: Point, by_records: bool = False) -> str | None:
    """Return a shell line that runs every seed of the point again; None where its configuration cannot be read.

    Args:
        point: which.
        by_records: whether to name the report's records without looking for a shipped experiment, which takes longer.
    """
    arguments = _arguments(point, by_records)
    if arguments is None:
        return None
    if point.stopped:
        arguments += ["--stop-after", str(point.epochs)]
    line = shlex.join(["neurohw", "run", *arguments])
    if len(point.seeds) == 1:
        return f"{line} --seed {point.seeds[0]}"
    return f"for seed in {' '.join(map(str, point.seeds))}; do {line} --seed $seed; done"


def _arguments(point: Point, by_records: bool) -> list[str] | None:
    wanted = _experiment(point)
    if wanted is None:
        return None
    path = shipped("experiments") / wanted.name / "experiment.toml"
    overrides = _overrides(path, wanted) if path.is_file() and not by_records else None
    if overrides is None:
        return [f"{ARCHIVE}:{point.config_hash}"]
    return [wanted.name, *(part for key, value in overrides.items() for part in ("--set", f"{key}={_spelled(value)}"))]


def _experiment(point: Point) -> Experiment | None:
    try:
        experiment: Experiment = loading.validated(point.records[0].config, point.label)
    except InputError:
        return None
    return experiment


def _overrides(path: Path, wanted: Experiment) -> dict[str, Any] | None:
    """Return the fewest keys to set on a file to get the wanted configuration; None if setting keys cannot do it."""
    goal = _comparable(wanted)
    with_advice = _fewest(path, goal, {})
    return with_advice if with_advice is not None else _fewest(path, goal, {"hardware.recommended": False})


def _fewest(path: Path, goal: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any] | None:
    """Return what has to be set besides `overrides`, less what of both is not needed."""
    for _ in range(4):  # setting a key may switch a condition of the file on, which changes others
        given = _loaded(path, overrides)
        if given is None or given == goal:
            break
        overrides |= {key: value for key, value in goal.items() if value is not None and given.get(key) != value}
    if _loaded(path, overrides) != goal:
        return None
    for key in list(overrides):
        fewer = {k: v for k, v in overrides.items() if k != key}
        overrides = fewer if _loaded(path, fewer) == goal else overrides
    return overrides


def _loaded(path: Path, overrides: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return _comparable(loading.load_experiment(path, overrides))
    except InputError:
        return None


def _comparable(experiment: Experiment) -> dict[str, Any]:
    return flatten(experiment.canonical())


def _spelled(value: Any) -> str:
    """Return a value as `--set` reads it back: bare text where that is not mistaken for anything else."""
    if isinstance(value, str) and loading.parse_override(f"key={value}")[1] == value:
        return value
    return _toml(value)


def _toml(value: Any) -> str:
    """Return a value of a configuration in TOML, which has no null: a table's key that is none is left out."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(part)}' for key, part in value.items() if part is not None)}}}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)

"""Every key of experiment files, from the configuration's own models: unit, default, what is allowed, what it means.

Meanings are those of docstrings (`Args:`), units those of `Axis` and of devices' and circuits' parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pkgutil import resolve_name
from typing import Any

from pydantic import BaseModel

from neurohw.circuits.kinds import CIRCUITS
from neurohw.circuits.parameters import Parameters
from neurohw.config.section import Axis
from neurohw.crossbar.remedies import CELLS, MEANINGS, WRITINGS, names
from neurohw.devices.faults import FaultRates
from neurohw.devices.knobs import KNOBS
from neurohw.devices.laws import LAWS
from neurohw.devices.library import load_device
from neurohw.devices.retention import Retention
from neurohw.devices.tables import TABLES, override_names
from neurohw.errors import InputError
from neurohw.key_texts import allowed_values, documented
from neurohw.kinds import KINDS
from neurohw.networks.rules import LEARNING_RULES
from neurohw.validation import did_you_mean, dotted_keys, models_in

_DEVICE, _TARGET = "hardware.device_parameters.", "target.parameters."
_CLASSES: dict[str, type] = {"retention": Retention, "faults": FaultRates}  # what says more than the tables of files


@dataclass(frozen=True)
class Key:
    """A key of an experiment file.

    Args:
        key: dotted.
        default: as TOML has it; "" where it is another's matter: the device's, or the circuit's.
        allowed: in words.
        meaning: of it.
        unit: SI; "1" for plain numbers, texts and flags.
        of: kinds of experiments that have it, or the laws, cells, ways to write, circuits or rules.
        follows: the default follows from other keys (rule, mode, variant, device).
    """

    key: str
    default: str
    allowed: str
    meaning: str
    unit: str = "1"
    of: str = ""
    follows: bool = False


def find_keys(pattern: str = "", device: str | None = None) -> list[Key]:
    """Return the keys that a pattern names: a part of a key, or with `*` or `?` all of it; else a part of a meaning.

    Args:
        pattern: in any case; none: all keys.
        device: name or file: numbers of devices are those of its law, with its own values.

    Raises:
        InputError: there is none; the nearest are named.
    """
    keys, wanted = all_keys(device), pattern.lower()
    by_name = [key for key in keys if _matches(key.key.lower(), wanted)]
    if found := by_name or [key for key in keys if wanted in key.meaning.lower()]:
        return found
    near = did_you_mean(pattern, [key.key for key in keys])
    near = near or did_you_mean(pattern.rpartition(".")[2], [key.key.rpartition(".")[2] for key in keys])
    raise InputError(f"no key has {pattern!r} in it{near}; `neurohw keys` lists all")


def _matches(key: str, wanted: str) -> bool:
    return fnmatchcase(key, wanted) if any(sign in wanted for sign in "*?") else wanted in key


def all_keys(device: str | None = None) -> list[Key]:
    """Return all keys, those of the kinds of experiments first, each once; see `find_keys`."""
    keys: dict[tuple[str, ...], Key] = {}
    for kind in KINDS.values():
        for key in _of_model(kind.experiment):
            same = (key.key, key.default, key.allowed)
            both = f"{keys[same].of}, {kind.name}" if same in keys else kind.name
            keys[same] = replace(key, of=both)
    everywhere = ", ".join(KINDS)
    own = [replace(key, of="") if key.of == everywhere else key for key in keys.values()]
    return [*own, *_of_remedies(), *_of_devices(device), *_of_circuits(), *_of_rules()]


def _of_model(model: type[BaseModel]) -> Iterator[Key]:
    default: Any = model()
    implied = set(_flat(model.implied({}))) if hasattr(model, "implied") else set()
    for dotted_key in dotted_keys(model):
        *path, name = dotted_key.split(".")
        kind, table = _table(default, path)
        meaning = documented(kind).get(name, "")
        if name in kind.model_fields:
            field = kind.model_fields[name]
            value = field.default if table is None else getattr(table, name)
            axis = next((item for item in field.metadata if isinstance(item, Axis)), None)
            allowed = allowed_values(kind, name)
            meaning = meaning or (axis.title if axis else "")
            as_toml = "" if field.is_required() else _toml(value)
            yield Key(dotted_key, as_toml, allowed, meaning, axis.unit if axis else "1", follows=dotted_key in implied)
        else:
            allowed = ", ".join(names()) if name == "remedy" else "table"
            yield Key(dotted_key, '"none"' if name == "remedy" else "{}", allowed, meaning)


def _table(default: Any, path: Sequence[str]) -> tuple[Any, Any]:
    """Return the model of a table and the table as it is by default; None of a list's, which there is none of then."""
    table, kind = default, type(default)
    for part in path:
        if part == "*":
            table = None
        else:
            inner = kind.model_fields[part].annotation
            table = getattr(table, part)
            kind = next(models_in(inner)) if isinstance(table, tuple) else type(table)
    return kind, table


def _flat(tables: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for name, value in tables.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{name}.")
        yield f"{place}{name}"


def _of_remedies() -> Iterator[Key]:
    for what, kinds in (("cell", CELLS), ("writing", WRITINGS)):
        parameters = {name: value for kind in kinds.values() for name, value in kind.parameters.items()}
        for name, value in parameters.items():
            of = [kind.name for kind in kinds.values() if name in kind.parameters]
            defaults = dict.fromkeys(_toml(kinds[kind].parameters[name]) for kind in of)
            allowed = f"integers >= {min(value, 1)}" if isinstance(value, int) else "numbers >= 0"
            yield Key(f"hardware.{what}_parameters.{name}", " or ".join(defaults), allowed, MEANINGS[name],
                      of=f"{what} {', '.join(of)}")  # fmt: skip


def _of_devices(device: str | None) -> Iterator[Key]:
    """Yield the numbers of devices, law by law where no device is named."""
    model = None if device is None else load_device(device)
    laws = list(LAWS) if model is None else [model.pulse.law]
    values = {} if model is None else {key: _toml(q.value) + ("" if q.unit == "1" else f" {q.unit}")
                                       for key, q in model.numbers()}  # fmt: skip
    for name, meaning in KNOBS.items():
        allowed = {"symmetric": "true, false", "up_down_ratio": "numbers > 0"}.get(
            name, "numbers; which ones, the law says"
        )
        yield Key(_DEVICE + name, "", allowed, meaning)
    units = {key: unit for law in laws for key, unit in override_names(law).items()}
    for key in sorted(units, key=lambda key: not key.startswith("pulse.")):
        table, _, name = key.partition(".")
        known = [law for law in laws if key in override_names(law)]
        if table == "pulse":
            parameter, meaning = LAWS[known[0]].parameters()[name], documented(LAWS[known[0]]).get(name, "")
            allowed = {bool: "true, false", tuple: "list of numbers"}.get(type(parameter.default), "numbers")
        else:
            meaning = documented(_CLASSES.get(table, TABLES[table])).get(name, "")
            meaning = meaning or documented(TABLES[table]).get(name, "")
            allowed = "numbers"
        of = f"law {', '.join(known)}" if table == "pulse" and set(known) != set(LAWS) and model is None else ""
        yield Key(_DEVICE + (name if table == "pulse" else key), values.get(key, ""), allowed, meaning, units[key], of)


def _of_circuits() -> Iterator[Key]:
    for circuit, kind in CIRCUITS.items():
        ideal = kind.ideal()
        if isinstance(ideal, Parameters):
            units, values = ideal.units(), dict(ideal.flat())
            for key, unit in units.items():
                *path, name = key.split(".")
                part = type(getattr(ideal, path[0])) if path else type(ideal)
                yield Key(_TARGET + key, _toml(values[key]), allowed_values(part, name), documented(part).get(name, ""),
                          unit, f"circuit {circuit}")  # fmt: skip
        elif ideal is not None:
            kind_of_parameters = type(ideal)
            for name, value in vars(ideal).items():
                yield Key(_TARGET + name, _toml(value), allowed_values(kind_of_parameters, name),
                          documented(kind_of_parameters).get(name, ""), of=f"circuit {circuit}")  # fmt: skip


def _of_rules() -> Iterator[Key]:
    for rule, known in LEARNING_RULES.items():
        texts = documented(resolve_name(known.network)) if known.parameters else {}
        for name, value in known.parameters.items():
            yield Key(
                f"network.parameters.{name}",
                _toml(value),
                known.allowed.get(name, ""),
                texts.get(name, ""),
                of=f"rule {rule}",
            )


def _toml(value: Any) -> str:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    return "none" if value is None else json.dumps(value, default=list)

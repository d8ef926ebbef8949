"""What pydantic says of a wrong file, in the words of these files: the key, the value received, what is allowed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from neurohw.errors import InputError

_LONGEST = 200  # characters of a value that a message repeats


class Wrong(ValueError):
    """A value below `key` of the table that is being read."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the allowed name that is nearest, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(allowed), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def unknown_key(name: str, allowed: Iterable[str]) -> str:
    """Return that there is no such key, the nearest one, and which there are."""
    keys = list(allowed)
    return f"unknown key{did_you_mean(name, keys)}" + (f"; allowed: {', '.join(keys)}" if keys else "")


@dataclass(frozen=True)
class Place:
    """Where what was read stands in the user's file, and what belongs there.

    Args:
        key: of the table that was read; none: it is the file.
        unseen: a level of the model that the file does not have.
        allowed: says what belongs at a place, from the parts of its key, where it is missing or no table.
    """

    key: str = ""
    unseen: str = ""
    allowed: Callable[[list[str]], str] | None = None


def refused(
    error: ValidationError, origin: str, model: type[BaseModel] | None = None, place: Place = Place()
) -> InputError:
    """Return the error that names the origin and everything that is wrong, a line each; see `explained`."""
    errors = error.errors()
    wrong = [e for e in errors if e["type"] != "too_short"  # pydantic counts a list's wrong items as missing
             or not any(other["loc"][: len(e["loc"])] == e["loc"] != other["loc"] for other in errors)]  # fmt: skip
    return InputError("\n".join(f"{origin}: {explained(e, model, place)}" for e in wrong))


def explained(error: Any, model: type[BaseModel] | None = None, place: Place = Place()) -> str:
    """Return `key: what is wrong` of one of a ValidationError's errors.

    Args:
        error: as pydantic lists it.
        model: what was read; says which keys are allowed where one is unknown.
        place: where.
    """
    location = [place.key] * bool(place.key) + [str(part) for part in error["loc"] if part != place.unseen]
    inner = error.get("ctx", {}).get("error")
    if isinstance(inner, Wrong):
        location.append(inner.key)
    key, kind = ".".join(location), error["type"]
    belongs = [f"allowed: {place.allowed(location)}"] if place.allowed else []
    if kind == "tuple_type" and keys_at(model, [*map(str, error["loc"]), "0"]):
        tables = f"allowed: tables, each under a heading [[{key}]], of which {key}.0.KEY is the first's"
        return f"{key}: got {shown(error['input'])}; {tables}"
    if kind == "value_error":
        return f"{key}: {inner}" if key else str(inner)
    if kind == "missing":
        return "; ".join([f"{key}: missing", *belongs])
    if kind == "extra_forbidden":
        return f"{key}: {_unknown(model, [str(part) for part in error['loc']])}"
    words = belongs if belongs and kind in ("model_type", "model_attributes_type", "dict_type") else [in_words(error)]
    return "; ".join([f"{key or 'all of it'}: got {shown(error['input'])}", *words])


def unknown_at(model: type[BaseModel], place: Sequence[str]) -> str | None:
    """Return `key: unknown key ...` where a place is not in a model; None where it is, or in a table of any keys."""
    for depth in range(len(place)):
        keys = keys_at(model, place[:depth])
        if keys and place[depth] not in keys:
            return f"{'.'.join(place[: depth + 1])}: {_unknown(model, place[: depth + 1])}"
    return None


def _unknown(model: type[BaseModel] | None, place: Sequence[str]) -> str:
    """Return that there is no such key, with the nearest one beside it, or the same one in other tables."""
    keys = keys_at(model, place[:-1])
    elsewhere = [key for key in dotted_keys(model) if key.rpartition(".")[2] == place[-1]] if model else []
    if elsewhere and not did_you_mean(place[-1], keys):
        return f"unknown key (did you mean {' or '.join(elsewhere)}?)" + f"; allowed: {', '.join(keys)}" * bool(keys)
    return unknown_key(place[-1], keys)


def dotted_keys(model: type[BaseModel], table: str = "") -> Iterator[str]:
    """Yield the dotted keys of a model and of the models in it; "*" stands for the number of a table in a list."""
    for name in _names(model):
        field = model.model_fields.get(name)
        kind = get_origin(field.annotation) if field else None
        inner = next(models_in(field.annotation), None) if field and kind is not dict else None
        if inner is None:
            yield f"{table}{name}"
        else:
            yield from dotted_keys(inner, f"{table}{name}.*." if kind is tuple else f"{table}{name}.")


def first_fault(error: ValidationError) -> str:
    """Return the first thing that is wrong, as `explained` does."""
    return explained(error.errors()[0])


def in_words(error: Any) -> str:
    """Return what is allowed instead of a value, in the words of TOML."""
    if error["type"] == "tuple_type":
        return f"allowed: a list, as in [{json.dumps(error['input'], default=str)}]"
    if error["type"] == "too_short":
        return f"allowed: at least {error['ctx']['min_length']} of them"
    words = error["msg"].replace("Input should be", "allowed:")
    words = f"{words[0].lower()}{words[1:]}"
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        words += did_you_mean(error["input"], re.findall("'([^']+)'", error["ctx"]["expected"]))
    return words


def shown(value: Any) -> str:
    """Return a value as Python writes it, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def keys_at(model: type[BaseModel] | None, location: Sequence[str | int]) -> list[str]:
    """Return the keys of the table at a place of a model; none where the place is not in it."""
    parts = iter(location)
    for part in parts:
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()} if model else {}
        kind = fields.get(str(part))
        if get_origin(kind) in (dict, tuple):  # whose tables have names, or numbers
            next(parts, None)
        model = next(models_in(kind), None)
    return _names(model) if model else []


def _names(model: type[BaseModel]) -> list[str]:
    """Return the keys of a table, and those that stand for several of them (`also`)."""
    own = [field.alias or name for name, field in model.model_fields.items()]
    return own + [name for name in getattr(model, "also", ()) if name not in own]


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, as in `dict[str, Model]` and `Model | None`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from models_in(inner)

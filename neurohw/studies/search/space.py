"""What is searched: ranges and choices of dotted keys, as a search file writes them and as Optuna draws from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from neurohw.studies.ranges import Choice, KeyRange
from neurohw.validation import Wrong, explained

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


def _searched(given: Any) -> Any:
    """Return the range, the choice, or the ranges of a list's items, of what a file gives for a key."""
    if isinstance(given, list | tuple):
        if not given or not all(isinstance(item, dict | KeyRange) for item in given):
            raise ValueError("got a list; allowed: a range for each item of a list, as [{ low = 0.1, high = 1.0 }], "
                             "or a choice, as { values = [8, 16, 32] }")  # fmt: skip
        return tuple(_read(KeyRange, item) for item in given)
    return _read(Choice if isinstance(given, dict) and "values" in given else KeyRange, given)


def _read(model: type[KeyRange] | type[Choice], given: Any) -> Any:
    if not isinstance(given, dict | model):
        raise ValueError(f"got {given!r}; allowed: a range, as {{ low = 0.1, high = 1.0, log = true }}, or a choice, "
                         "as { values = [8, 16, 32] }")  # fmt: skip
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        said = explained(first, model)
        if not first["loc"] and not isinstance(first.get("ctx", {}).get("error"), Wrong):
            raise ValueError(said) from None
        raise Wrong(*said.split(": ", 1)) from None


Searched = Annotated[KeyRange | Choice | tuple[KeyRange, ...], BeforeValidator(_searched)]
Keys = Annotated[dict[str, Searched], Field(min_length=1)]


def distributions(keys: Mapping[str, Searched]) -> dict[str, BaseDistribution]:
    """Return what Optuna draws from: a distribution a key, or a list's item ("training.learning_rate[0]")."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, place in _places(keys):
        if isinstance(place, Choice):
            found[name] = CategoricalDistribution([json.dumps(value) for value in place.values])
        elif place.integer:
            found[name] = IntDistribution(int(place.low), int(place.high), log=place.log)
        else:
            found[name] = FloatDistribution(float(place.low), float(place.high), log=place.log)
    return found


def values_of(keys: Mapping[str, Searched], drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys' values of what Optuna drew."""
    values = {name: _value(place, drawn[name]) for name, place in _places(keys)}
    return {key: [values[f"{key}[{i}]"] for i in range(len(searched))] if isinstance(searched, tuple) else values[key]
            for key, searched in keys.items()}  # fmt: skip


def extremes(searched: Searched) -> list[Any]:
    """Return the values at both ends of a range, or all of a choice."""
    if isinstance(searched, Choice):
        return list(searched.values)
    if isinstance(searched, tuple):
        return [[item.low for item in searched], [item.high for item in searched]]
    return [searched.low, searched.high]


def in_words(searched: Searched) -> str:
    """Return where the values lie: "0.1 to 1, log"."""
    if isinstance(searched, Choice):
        return ", ".join(json.dumps(value) for value in searched.values)
    if isinstance(searched, tuple):
        return "; ".join(in_words(item) for item in searched)
    how = ", log" * searched.log + ", integer" * searched.integer
    return f"{searched.low:g} to {searched.high:g}{how}"


def _value(place: KeyRange | Choice, drawn: Any) -> Any:
    if isinstance(place, Choice):
        return json.loads(drawn)
    return drawn if place.integer else place.rounded(drawn)


def _places(keys: Mapping[str, Searched]) -> Iterator[tuple[str, KeyRange | Choice]]:
    """Yield every range and choice under a name of its own."""
    for key, searched in keys.items():
        if isinstance(searched, tuple):
            yield from ((f"{key}[{i}]", item) for i, item in enumerate(searched))
        else:
            yield key, searched

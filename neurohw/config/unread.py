"""Keys that not every experiment reads: what is set, and nobody reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from neurohw.validation import shown

if TYPE_CHECKING:
    from neurohw.config.experiment import Experiment

Weight = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Read:
    """Who reads keys.

    Args:
        keys: dotted; a table's name stands for all of its keys.
        by: what of an experiment does, in words.
        when: whether an experiment does.
        unread: what an experiment is that sets them and does not read them: an error; or, since files that sweeps share
            may carry them, a warning of its run; or a note that `neurohw run` prints, where files that compare rules or
            choose on a validation set usually carry them.
    """

    keys: tuple[str, ...]
    by: str
    when: Callable[[Any], bool]
    unread: Weight = "warning"


def unread(experiment: Experiment, weight: Weight) -> list[str]:
    """Return what is set to other than its default and not read, each as `key: got value, which only ... reads`.

    Args:
        experiment: complete configuration; `readers` are those of its kind.
        weight: of what is returned.
    """
    wanted = [read for read in experiment.readers if read.unread == weight and not read.when(experiment)]
    if not wanted:
        return []
    implied = experiment.implied(experiment.canonical())
    found: dict[str, str] = {}  # by key, the first who would read it
    for read in wanted:
        for key in read.keys:
            section, *path = key.split(".")
            table = getattr(experiment, section)
            value, usual = table, type(table).model_validate(implied.get(section, {}))
            for part in path:
                value, usual = getattr(value, part), getattr(usual, part)
            for place, got in _changed(key, value, usual):
                found.setdefault(place, f"{place}: got {shown(got)}, which only {read.by} reads")
    return list(found.values())


def _changed(key: str, value: Any, usual: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys of a value that are not as usual, and what they are."""
    if value == usual:
        return
    if not isinstance(value, BaseModel):
        yield key, list(value) if isinstance(value, tuple) else value
        return
    for name in type(value).model_fields:
        yield from _changed(f"{key}.{name}", getattr(value, name), getattr(usual, name))

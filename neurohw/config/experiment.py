"""The experiment of any kind: a frozen, validated configuration, read from TOML, overridden by dotted keys, hashed.

Sections mirror the parts; unknown keys are errors. A file may hold `[[when]]` tables: `match` names keys and values,
`set` names the keys that then change, so that one file can carry settings per label count, per device or per variant.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Self

from pydantic import model_validator

from neurohw.config.section import Count, Section
from neurohw.config.unread import Read, unread
from neurohw.names import Name
from neurohw.shown import as_html


class Experiment(Section):
    """What experiments have; the model of a kind names it (`kind: Literal["..."] = "..."`) and adds its sections.

    Args:
        name: of folders, reports and records; that of the file's folder unless given.
        kind: what the experiment does.
        runs: how many seeds a sweep has that names none.

    `readers` says who reads keys that not all experiments of the kind read.
    """

    readers: ClassVar[tuple[Read, ...]] = ()

    name: Name = "experiment"
    kind: str
    runs: Count = 3

    @classmethod
    def implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return the defaults that follow from what is given, of a (partial) configuration before validation."""
        return {}

    @classmethod
    def seen(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return a (partial) configuration as conditions see it, before validation: with what it implies."""
        return merged(cls.implied(given), given)

    def complaints(self) -> list[str]:
        """Return what does not fit together, or would not be read, each as `key: got value; allowed: ...`."""
        return []

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if complaints := self.complaints() + unread(self, "error"):
            raise ValueError("\n  ".join(complaints))
        return self

    @model_validator(mode="before")
    @classmethod
    def _fill_in_what_is_implied(cls, given: Any) -> Any:
        return merged(cls.implied(given), given) if isinstance(given, dict) else given

    def canonical(self) -> dict[str, Any]:
        """Return the configuration as plain data, every default written out."""
        return self.model_dump(mode="json")

    def __repr__(self) -> str:
        """Return kind and name; the configuration is `canonical()`."""
        return f"{type(self).__name__}({self.name!r})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return every setting as a table, for notebooks."""
        import pandas as pd  # not before it is needed: commands begin faster without

        settings = pd.json_normalize(self.canonical()).iloc[0]
        return as_html(repr(self), ("key", "value"), settings.items())

    def __hash__(self) -> int:
        """Hash the plain data: tables of parameters are dictionaries, which have no hash of their own."""
        return hash(json.dumps(self.canonical(), sort_keys=True))


def config_hash(experiment: Experiment, contents: dict[str, str]) -> str:
    """Return the hash of what decides the numbers: the configuration and the checksums of the files it names.

    The number of runs is left out: it changes how often, not what.

    Args:
        experiment: complete configuration.
        contents: name -> checksum of data and device files.
    """
    config = {key: value for key, value in experiment.canonical().items() if key != "runs"}
    text = json.dumps({"config": config, "contents": contents}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `over` laid on top, table by table, those of a list by their numbers: {"0": ...}."""
    result = dict(base)
    for key, value in over.items():
        under = result.get(key)
        places = {str(i): each for i, each in enumerate(under)} if isinstance(under, list) else {}
        if isinstance(value, dict) and value and value.keys() <= places.keys():
            result[key] = [*merged(places, value).values()]
        else:
            result[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return result

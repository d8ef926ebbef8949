"""What stands in the tables of a record and of its learning curve: validated where a file is read.

The data stay plain dictionaries; keys that no shape names are let through where their values are plain, since records
of other versions have keys of their own.
"""

from __future__ import annotations

import math
import sys
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict  # of typing, pydantic takes only that of Python 3.12

from neurohw.errors import InputError
from neurohw.kinds import KINDS, METRICS, ONCHIP
from neurohw.validation import first_fault
from neurohw.values import LONGEST, MOST, Amount, Text

_OPEN = ConfigDict(extra="allow")


class Shaped:
    """For `Annotated[dict, Shaped(shape)]`: validated as the shape is, and kept as it came."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def kept(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Any:
            validate(value)
            return value

        return core_schema.no_info_wrap_validator_function(kept, handler.generate_schema(self.shape))


def _as_level(key: str) -> str:
    try:
        known = math.isfinite(float(key)) and float(key) >= 0
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"got the key {key[:40]!r}; allowed: a number of at least 0")
    return key


def _as_share(value: float) -> float:
    if not (math.isnan(value) or 0 <= value <= 1):
        raise ValueError(f"got {value!r}; allowed: 0 to 1")
    return value


def _as_value(value: float) -> float:
    if not (math.isnan(value) or abs(value) <= MOST):
        raise ValueError(f"got {value!r}; allowed: -{MOST:g} to {MOST:g}")
    return value


def as_plain(value: Any) -> Any:
    """Refuse what nobody could show: numbers that no float holds, texts without an end."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            waiting += item
        elif isinstance(item, str):
            if len(item) > LONGEST:
                raise ValueError(f"got a text of {len(item):,} characters; allowed: at most {LONGEST:,}")
        elif isinstance(item, int | float) and abs(item) > sys.float_info.max:
            raise ValueError(f"got a number beyond {sys.float_info.max:g}; allowed: at most that")
    return value


Share = Annotated[float, Field(strict=True), AfterValidator(_as_share)]  # or not a number: not measured
Value = Annotated[float, Field(strict=True), AfterValidator(_as_value)]  # or not a number, too
Level = Annotated[str, AfterValidator(_as_level)]
Counts = dict[str, dict[str, dict[str, Amount]]]


_MEASURED: Any = {name: NotRequired[Share if metric.share else Value] for name, metric in METRICS.items()}
_LEVELS = ("by_label_fraction", "by_class", "by_age_seconds", "by_time_steps")
_BY_LEVEL: dict[str, Any] = dict.fromkeys(_LEVELS, NotRequired[dict[Level, "Metrics"]])
_BY_LEVEL |= {"by_compensation": NotRequired[dict[Text, "Metrics"]], "retrained": NotRequired["Metrics"]}  # of an age
Metrics: Any = TypedDict("Metrics", _MEASURED | _BY_LEVEL)  # type: ignore[misc]  # of an evaluation, of every kind
Row: Any = TypedDict(  # type: ignore[misc]  # of the learning curve
    "Row", {"epoch": Amount, "phase": Text, "images": NotRequired[Amount]} | _MEASURED
)
open_shape: Any
for open_shape in (Metrics, Row):
    open_shape.__pydantic_config__ = _OPEN


class Timing(TypedDict, total=False):
    """Of the simulation."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    train_seconds: Amount
    train_images_per_second: Amount
    epochs: Amount


class Facts(TypedDict, total=False):
    """Of a run, besides what was counted; each array's are checked where they are accounted."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    arrays: dict[str, dict[str, Any]]


class AgedLedger(TypedDict):
    """What was counted of a chip at an age, its drift compensated in some way."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    age_seconds: Amount
    compensation: Text
    counts: Counts
    facts: Facts


class Ledger(TypedDict, total=False):
    """What was counted, what an account needs besides, and what was counted of the chip as it had aged."""

    __pydantic_config__ = _OPEN  # type: ignore[misc]
    counts: Counts
    facts: Facts
    ledger_curve: list[Counts]
    aged: list[AgedLedger]


_CURVE = TypeAdapter(list[Row])


def as_configuration(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration; a ValueError says what is wrong with it.

    One of another version may have keys and names that are not known here, and combinations that no longer run.
    """
    try:
        KINDS.get(str(config.get("kind")), ONCHIP).experiment.model_validate(config)
    except ValidationError as error:
        for fault in error.errors():
            other_version = fault["type"] == "extra_forbidden" or not fault["loc"]
            other_version |= fault["type"] == "literal_error" and isinstance(fault["input"], str)
            if not other_version:
                key = ".".join(map(str, fault["loc"]))
                raise ValueError(f"{key}: {fault['msg'].removeprefix('Value error, ')}") from None
    return config


def checked_curve(rows: Any, origin: str) -> list[dict[str, Any]]:
    """Return the rows of a learning curve, as they are.

    Raises:
        InputError: they are none; `origin`, the row and the key are named.
    """
    try:
        as_plain(_CURVE.validate_python(rows))
    except ValidationError as error:
        raise InputError(f"{origin}: {first_fault(error)}") from None
    except ValueError as error:
        raise InputError(f"{origin}: {error}") from None
    checked: list[dict[str, Any]] = rows
    return checked

"""A number of a device: value, unit and source, of a known dimension."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from neurohw.errors import InputError
from neurohw.units import parse_unit, to_si, with_unit

ASSUMED = "assumed"
Text = Annotated[str, Field(strict=True, min_length=1)]
Value = bool | int | float | tuple[float, ...]
AS_TABLE = "a table {value, unit, source}"


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def as_value(value: Any) -> Value:
    """Return a number, a flag or a tuple of numbers; a ValueError where it is none."""
    if isinstance(value, list | tuple) and value:
        return tuple(float(_as_number(item)) for item in value)
    return value if isinstance(value, bool) else _as_number(value)


def _as_number(value: Any, allowed: str = "a finite number, true, false, or a list of finite numbers") -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"got {value!r}; allowed: {allowed}")
    return value


def _as_bound(value: Any) -> int | float:
    return _as_number(value, "a finite number")


def _known_unit(unit: str) -> str:
    try:
        parse_unit(unit)
    except InputError as error:
        raise ValueError(str(error)) from None
    return unit


class Quantity(Table):
    """A number, a flag or a table of numbers, with its unit and where it comes from.

    Args:
        value: in `unit`.
        low, high: how far the figure may be off, in `unit`; accounts use them, simulations only the value.
        unit: see `neurohw.units`; "1" for plain numbers and flags.
        source: a publication, a manual, "fitted to ..."; begins with "assumed" where nothing is published.
    """

    value: Annotated[Any, BeforeValidator(as_value)]
    low: Annotated[Any, BeforeValidator(_as_bound)] = None
    high: Annotated[Any, BeforeValidator(_as_bound)] = None
    unit: Annotated[Text, AfterValidator(_known_unit)]
    source: Text

    @model_validator(mode="after")
    def _ordered(self) -> Quantity:
        if self.low is None and self.high is None:
            return self
        if isinstance(self.value, bool | tuple):
            raise ValueError(f"got {self.value!r} with low or high; allowed: a number")
        low, value, high = self._bounds()
        if not (abs(low) <= abs(value) <= abs(high) and low * value >= 0 and high * value >= 0):
            given = ", ".join(f"{key} {with_unit(number, self.unit)}"
                              for key, number in (("low", low), ("value", value), ("high", high)))  # fmt: skip
            raise ValueError(f"got {given}; allowed: low <= value <= high in magnitude, all of one sign")
        return self

    def _bounds(self) -> tuple[float, float, float]:
        return (
            self.value if self.low is None else self.low,
            self.value,
            self.value if self.high is None else self.high,
        )

    def bounds(self, dimension: str) -> tuple[float, float, float]:
        """Return low, value and high in SI, ordered by magnitude; the value for a bound that is not given."""
        value = self.si(dimension)
        low, _, high = self._bounds()
        return to_si(low, self.unit, dimension), value, to_si(high, self.unit, dimension)

    def si(self, dimension: str) -> float:
        """Return the number in SI; an InputError where it is none, or of another dimension."""
        if isinstance(self.value, bool | tuple):
            raise InputError(f"got {self.value!r}; allowed: a number")
        return to_si(self.value, self.unit, dimension)

    def numbers(self) -> tuple[float, ...]:
        """Return a list of plain numbers; an InputError where it is none."""
        if not isinstance(self.value, tuple):
            raise InputError(f"got {self.value!r}; allowed: a list of numbers")
        return tuple(to_si(item, self.unit, "1") for item in self.value)

    def flag(self) -> bool:
        """Return true or false; an InputError where it is neither."""
        if not isinstance(self.value, bool):
            raise InputError(f"got {self.value!r}; allowed: true, false")
        return self.value


@dataclasses.dataclass(frozen=True)
class Dimension:
    """What a number of a device must be: its dimension, named by its SI unit, and its least value."""

    unit: str
    least: float = -math.inf

    def __call__(self, quantity: Quantity) -> Quantity:
        """Return the quantity; a ValueError says what is allowed."""
        try:
            value = quantity.si(self.unit)
        except InputError as error:
            raise ValueError(str(error)) from None
        if value < self.least:
            raise ValueError(
                f"got {with_unit(quantity.value, quantity.unit)}; allowed: at least {with_unit(self.least, self.unit)}"
            )
        return quantity


Siemens = Annotated[Quantity, AfterValidator(Dimension("S", 0))]
Volts = Annotated[Quantity, AfterValidator(Dimension("V"))]
Seconds = Annotated[Quantity, AfterValidator(Dimension("s", 0))]
Joules = Annotated[Quantity, AfterValidator(Dimension("J", 0))]
SquareMetres = Annotated[Quantity, AfterValidator(Dimension("m2", 0))]
Diffusion = Annotated[Quantity, AfterValidator(Dimension("1/sqrt(s)", 0))]
Signed = Annotated[Quantity, AfterValidator(Dimension("1"))]
ElectronVolts = Annotated[Quantity, AfterValidator(Dimension("eV", 0))]
Kelvin = Annotated[Quantity, AfterValidator(Dimension("K", 1))]
Plain = Annotated[Quantity, AfterValidator(Dimension("1", 0))]
Levels = Annotated[Quantity, AfterValidator(Dimension("1", 2))]

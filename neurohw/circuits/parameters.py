"""What any circuit is made of: numbers with units, in tables of a file, frozen and checked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from neurohw.errors import InputError
from neurohw.validation import explained, unknown_key


@dataclasses.dataclass(frozen=True)
class Unit:
    """The SI unit in which a parameter is held."""

    symbol: str


_NonNegative, _Positive = Field(strict=True, ge=0), Field(strict=True, gt=0)
Amps = Annotated[float, _NonNegative, Unit("A")]
SomeAmps = Annotated[float, _Positive, Unit("A")]
Seconds = Annotated[float, _NonNegative, Unit("s")]
SomeSeconds = Annotated[float, _Positive, Unit("s")]
Volts = Annotated[float, _NonNegative, Unit("V")]
SomeVolts = Annotated[float, _Positive, Unit("V")]
SomeFarads = Annotated[float, _Positive, Unit("F")]
SomeKelvin = Annotated[float, _Positive, Unit("K")]
SomeArea = Annotated[float, _Positive, Unit("m2")]
Matching = Annotated[float, _NonNegative, Unit("V m")]
Coulombs = Annotated[float, Field(strict=True), Unit("C")]
Share = Annotated[float, _NonNegative, Unit("1")]
Signed = Annotated[float, Field(strict=True), Unit("1")]
AtLeastOne = Annotated[float, Field(strict=True, ge=1), Unit("1")]
Bits = Annotated[int, Field(strict=True, ge=0, le=24), Unit("1")]
Whole = Annotated[int, Field(strict=True), Unit("1")]


class Part(BaseModel):
    """One part of the circuit: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Parameters(Part):
    """What a circuit is made of, in SI units, as numbers and tables of numbers; a file of its own may give them."""

    @classmethod
    def units(cls) -> dict[str, str]:
        """Return dotted key -> SI unit; texts and flags have "1"."""
        units: dict[str, str] = {}
        for name, field in cls.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Part):
                units |= {f"{name}.{key}": _unit(inner) for key, inner in field.annotation.model_fields.items()}
            else:
                units[name] = _unit(field)
        return units

    @classmethod
    def of_tables(cls, tables: Mapping[str, Any]) -> Self:
        """Return the parameters of plain tables in SI.

        Raises:
            InputError: naming the key, the value and what is allowed.
        """
        try:
            return cls.model_validate(dict(tables))
        except ValidationError as error:
            raise InputError("; ".join(explained(e, cls) for e in error.errors())) from None

    def flat(self) -> Iterator[tuple[str, Any]]:
        """Yield every parameter by its dotted key."""
        for name, value in self:
            if isinstance(value, Part):
                yield from ((f"{name}.{key}", inner) for key, inner in value)
            else:
                yield name, value

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """Return these parameters with some replaced.

        Args:
            values: by dotted key ("decision.seconds"), in SI.

        Raises:
            InputError: an unknown key, or a value that a circuit cannot have; the key and what is allowed are named.
        """
        tables, units = self.model_dump(), self.units()
        for key, value in values.items():
            if key not in units:
                raise InputError(f"{key}: {unknown_key(key, units)}")
            table, _, name = key.rpartition(".")
            (tables[table] if table else tables)[name] = value
        return self.of_tables(tables)

    def changed(self) -> Iterator[tuple[str, Any]]:
        """Yield the dotted key and the value of everything that is not as in the ideal circuit."""
        ideal = dict(type(self)().flat())
        yield from ((key, value) for key, value in self.flat() if value != ideal[key])

    def checksum(self) -> str:
        """Return the SHA-256 of every number."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()

    def check_changes(self, values: Mapping[str, Any]) -> None:
        """Raise an InputError where values, by dotted key, cannot replace what a file gives as a whole."""


def _unit(field: Any) -> str:
    candidates = [*field.metadata, *(m for a in getattr(field.annotation, "__args__", ()) for m in _metadata(a))]
    return next((item.symbol for item in candidates if isinstance(item, Unit)), "1")


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())

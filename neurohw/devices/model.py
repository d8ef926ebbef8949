"""A device as data: conductance range, pulse response, retention, faults, read and write, every number with a source.

A number is a table {value, unit, source}; what nobody published has the source "assumed". Weights are in the device's
own units, w_min to w_max, and stand linearly for conductances, g_min to g_max.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
import torch
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from neurohw.devices.faults import FaultRates
from neurohw.devices.laws import LAWS, Cells, PulseResponse, find_law
from neurohw.devices.retention import Retention
from neurohw.devices.units import parse_unit, to_si
from neurohw.errors import InputError

ASSUMED = "assumed"
OVERRIDE = "override"
REQUIRED = ("step", "w_max", "w_min")
SHAPE = {  # what a law cannot do without: its curve
    "linear": ("gamma_up", "gamma_down"),
    "exponential": ("A_up", "A_down", "gamma_up", "gamma_down", "a", "b"),
    "power": ("gamma",),
    "piecewise": ("table_up", "table_down"),
}
Text = Annotated[str, Field(strict=True, min_length=1)]
Value = bool | int | float | tuple[float, ...]
Numbers = TypeVar("Numbers", float, Tensor)
_AS_TABLE = "a table {value, unit, source}"


class _Wrong(ValueError):
    """A value below `key` of the table that is being read."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _as_value(value: Any) -> Value:
    if isinstance(value, list | tuple) and value:
        return tuple(float(_as_number(item)) for item in value)
    return value if isinstance(value, bool) else _as_number(value)


def _as_number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"got {value!r}; allowed: a finite number, true, false, or a list of finite numbers")
    return value


def _said(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"


def _known_unit(unit: str) -> str:
    try:
        parse_unit(unit)
    except InputError as error:
        raise ValueError(str(error)) from None
    return unit


class Quantity(_Table):
    """A number, a flag or a table of numbers, with its unit and where it comes from.

    Args:
        value: in `unit`.
        unit: see `neurohw.devices.units`; "1" for plain numbers and flags.
        source: a publication, a manual, "fitted to ..."; "assumed" where nothing is published.
    """

    value: Annotated[Any, BeforeValidator(_as_value)]
    unit: Annotated[Text, AfterValidator(_known_unit)]
    source: Text

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
                f"got {_said(quantity.value, quantity.unit)}; allowed: at least {_said(self.least, self.unit)}"
            )
        return quantity


Siemens = Annotated[Quantity, AfterValidator(Dimension("S", 0))]
Volts = Annotated[Quantity, AfterValidator(Dimension("V"))]
Seconds = Annotated[Quantity, AfterValidator(Dimension("s", 0))]
Joules = Annotated[Quantity, AfterValidator(Dimension("J", 0))]
SquareMetres = Annotated[Quantity, AfterValidator(Dimension("m2", 0))]
Diffusion = Annotated[Quantity, AfterValidator(Dimension("1/sqrt(s)", 0))]
Signed = Annotated[Quantity, AfterValidator(Dimension("1"))]
Plain = Annotated[Quantity, AfterValidator(Dimension("1", 0))]
Levels = Annotated[Quantity, AfterValidator(Dimension("1", 2))]


class Conductance(_Table):
    """[conductance]: the range of a cell, and how many conductances it can hold (none given: any)."""

    g_min: Siemens
    g_max: Siemens
    levels: Levels | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Conductance:
        low, high = self.g_min.si("S"), self.g_max.si("S")
        if not low < high:
            raise _Wrong("g_min", f"got {low:g} S; allowed: 0 up to, and less than, g_max, which is {high:g} S")
        if self.levels is not None and self.levels.si("1") % 1:
            raise _Wrong("levels", f"got {self.levels.value!r}; allowed: whole numbers of at least 2")
        return self


class Pulse(_Table):
    """[pulse]: the law, whether a cell moves both ways, and the law's parameters by the names of its dataclass.

    `step`, `w_max`, `w_min` and what shapes the law's curve must be given. Every other number that is not given is
    zero: no spread, no asymmetry, no write noise. (The defaults of aihwkit's dataclasses are not taken; flags are as
    in the dataclass.)
    """

    law: str
    sided: Literal[1, 2]
    parameters: dict[str, Quantity]

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own = {key: given[key] for key in ("law", "sided") if key in given}
        return {**own, "parameters": {key: value for key, value in given.items() if key not in own}}

    @model_validator(mode="after")
    def _of_the_law(self) -> Pulse:
        if self.law not in LAWS:
            raise _Wrong("law", f"got {self.law!r}; allowed: {', '.join(LAWS)}")
        allowed = parameter_names(self.law)
        for name in self.parameters:
            if name not in allowed:
                raise _Wrong(name, f"unknown key{_near(name, allowed)}; law {self.law!r} allows: {', '.join(allowed)}")
        for name in (*REQUIRED, *SHAPE.get(self.law, ())):
            if name not in self.parameters:
                raise _Wrong(name, f"missing; law {self.law!r} needs it, as {_AS_TABLE}")
        self.response()
        return self

    def response(self) -> PulseResponse:
        """Return the law with its parameters."""
        values = {}
        for field in dataclasses.fields(LAWS[self.law]):
            if field.name in self.parameters:
                values[field.name] = self._plain(field.name, field.default)
            elif isinstance(field.default, float):
                values[field.name] = 0.0
        try:
            return find_law(self.law)(**values)
        except InputError as error:
            raise ValueError(str(error)) from None

    def _plain(self, name: str, default: Any) -> Any:
        quantity = self.parameters[name]
        try:
            if isinstance(default, bool):
                return quantity.flag()
            return quantity.numbers() if isinstance(default, tuple) else quantity.si("1")
        except InputError as error:
            raise _Wrong(name, str(error)) from None


class RetentionTable(_Table):
    """[retention]: the fields of `neurohw.devices.retention.Retention`; absent ones mean no such effect."""

    drift_nu: Plain | None = None
    drift_nu_dtod: Plain | None = None
    drift_nu_state: Signed | None = None
    drift_t0: Seconds | None = None
    lifetime: Seconds | None = None
    lifetime_dtod: Plain | None = None
    rest: Signed | None = None
    diffusion: Diffusion | None = None
    diffusion_dtod: Plain | None = None
    relaxation: Plain | None = None
    relaxation_time: Seconds | None = None
    read_noise_1f: Plain | None = None
    read_time: Seconds | None = None


class FaultTable(_Table):
    """[faults]: the fields of `neurohw.devices.faults.FaultRates`; absent ones mean that it does not happen."""

    stuck_low: Plain | None = None
    stuck_high: Plain | None = None
    stuck_in_place: Plain | None = None
    dead_rows: Plain | None = None
    dead_columns: Plain | None = None
    endurance: Plain | None = None
    endurance_dtod: Plain | None = None


class Read(_Table):
    """[read]: voltage and duration of a read; noise: a cell's standard deviation per read over g_max - g_min."""

    voltage: Volts | None = None
    pulse_time: Seconds | None = None
    noise: Plain | None = None


class Write(_Table):
    """[write]: the pulse that moves a cell by one step, and what it costs."""

    potentiation_voltage: Volts | None = None
    depression_voltage: Volts | None = None
    pulse_time: Seconds | None = None
    potentiation_energy: Joules | None = None
    depression_energy: Joules | None = None


class Area(_Table):
    """[area]: of one cell, its access transistors included."""

    cell: SquareMetres | None = None


class DeviceModel(_Table):
    """A device, frozen and validated; unknown keys are errors.

    Args:
        name: the file's name without ".toml".
        description: one line.
        technology: material and principle, as in "HfO2 ReRAM".
        cell: "1R", "1T1R", "2T", "capacitor", ...
        reference: the publication that the device is from.
        range: the table [conductance].
        pulse, retention, faults, read, write, area: the tables of these names, see their classes.
        recommended: advice for training with it, in plain values.
        aihwkit: fields of aihwkit's dataclass that have no counterpart here (`reset_dtod`, ...), for that engine only.
    """

    name: Text
    description: Text
    technology: Text
    cell: Text
    reference: Text
    range: Conductance = Field(alias="conductance")
    pulse: Pulse
    retention: RetentionTable = RetentionTable()
    faults: FaultTable = FaultTable()
    read: Read = Read()
    write: Write = Write()
    area: Area = Area()
    recommended: dict[str, Any] = Field(default_factory=dict)
    aihwkit: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> DeviceModel:
        try:
            self.retention_parameters()
            self.fault_rates()
        except InputError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def g_min(self) -> float:
        """Lowest conductance, S."""
        return self.range.g_min.si("S")

    @property
    def g_max(self) -> float:
        """Highest conductance, S."""
        return self.range.g_max.si("S")

    @property
    def levels(self) -> int | None:
        """How many evenly spaced conductances a cell can hold, from bound to bound; None: any."""
        return None if self.range.levels is None else int(self.range.levels.si("1"))

    @property
    def sided(self) -> int:
        """2 where a cell moves both ways, 1 where it only potentiates."""
        return self.pulse.sided

    @property
    def read_noise(self) -> float:
        """Standard deviation of a cell per read, in weight units."""
        law = self.response()
        return self.read.noise.si("1") * (law.w_max - law.w_min) if self.read.noise else 0.0

    def response(self) -> PulseResponse:
        """Return the pulse-response law with its parameters."""
        return self.pulse.response()

    def retention_parameters(self) -> Retention:
        """Return how cells age."""
        dimensions = {"drift_t0": "s", "lifetime": "s", "relaxation_time": "s", "read_time": "s"}
        dimensions["diffusion"] = "1/sqrt(s)"
        return Retention(**{key: q.si(dimensions.get(key, "1")) for key, q in _given(self.retention)})

    def fault_rates(self) -> FaultRates:
        """Return which cells fail, and when."""
        return FaultRates(**{key: q.si("1") for key, q in _given(self.faults)})

    def conductance(self, w: Numbers) -> Numbers:
        """Return g = g_min + (w - w_min) / (w_max - w_min) (g_max - g_min), S."""
        law = self.response()
        return (w - law.w_min) * ((self.g_max - self.g_min) / (law.w_max - law.w_min)) + self.g_min

    def weight(self, g: Numbers) -> Numbers:
        """Return the weight that a conductance (S) stands for."""
        law = self.response()
        return (g - self.g_min) * ((law.w_max - law.w_min) / (self.g_max - self.g_min)) + law.w_min

    @property
    def states(self) -> float:
        """Return (w_max - w_min) / step, the number of mean steps between the bounds."""
        law = self.response()
        return (law.w_max - law.w_min) / law.step

    def mean_cell(self) -> Cells:
        """Return the cell without device-to-device spread, each parameter [1]."""
        law = self.response()
        spreads: dict[str, Any] = {f.name: 0.0 for f in dataclasses.fields(law) if f.name.endswith("_dtod")}
        return dataclasses.replace(law, **spreads).draw((1,), torch.Generator().manual_seed(0))

    def symmetry_point(self) -> float | None:
        """Return the weight at which the mean cell's up and down steps are equal, by bisection.

        None: a one-sided cell, or no such point between the bounds, or every weight is one.
        """
        if self.sided == 1:
            return None
        law, cell = self.response(), self.mean_cell()

        def lean(w: float) -> float:
            at = torch.tensor([w])
            return (law.steps(at, cell, True) - law.steps(at, cell, False)).item()

        low, high = cell["w_min"].item(), cell["w_max"].item()
        if not (lean(low) > 0 > lean(high)):
            return None
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if lean(middle) > 0 else (low, middle)
        return (low + high) / 2

    def numbers(self) -> Iterator[tuple[str, Quantity]]:
        """Yield every number by its dotted key, as in the file."""
        yield from (("conductance." + key, q) for key, q in _given(self.range))
        yield from (("pulse." + key, q) for key, q in self.pulse.parameters.items())
        for name in ("retention", "faults", "read", "write", "area"):
            yield from ((f"{name}.{key}", q) for key, q in _given(getattr(self, name)))

    def assumed(self) -> list[str]:
        """Return the dotted keys of the numbers that nobody published."""
        return [key for key, quantity in self.numbers() if quantity.source == ASSUMED]

    def with_parameters(self, values: Mapping[str, Any]) -> DeviceModel:
        """Return this device with some numbers replaced, their source "override".

        Args:
            values: in SI (seconds, siemens, plain numbers), by a dotted key ("retention.drift_nu") or the bare name of
                a parameter of the law ("step_ctoc").

        Raises:
            InputError: an unknown name, or a value that the device cannot have.
        """
        tables = self.tables()
        allowed = override_names(self.pulse.law)
        for name, value in values.items():
            key = f"pulse.{name}" if f"pulse.{name}" in allowed else name
            if key not in allowed:
                known = [k.removeprefix("pulse.") for k in allowed]
                raise InputError(f"device {self.name}: {name}: unknown key{_near(name, known)}; "
                                 f"allowed: {', '.join(known)}")  # fmt: skip
            table, _, field = key.partition(".")
            tables.setdefault(table, {})[field] = {"value": value, "unit": allowed[key], "source": OVERRIDE}
        return device_from_tables(tables, f"device {self.name}")

    def tables(self) -> dict[str, Any]:
        """Return the device as the tables of its file."""
        dumped = self.model_dump(by_alias=True, exclude_none=True)
        pulse = dumped["pulse"]
        dumped["pulse"] = {"law": pulse["law"], "sided": pulse["sided"], **pulse["parameters"]}
        return {key: value for key, value in dumped.items() if value != {}}

    def to_toml(self) -> str:
        """Return the device's file: one line a number; `load_device` reads it back to the same device."""
        tables = self.tables()
        plain = {name: tables.pop(name) for name in ("recommended", "aihwkit") if name in tables}
        lines = [_line(key, value) for key, value in tables.items() if not isinstance(value, dict)]
        for name, table in tables.items():
            if isinstance(table, dict):
                lines += ["", f"[{name}]", *(_line(key, value) for key, value in table.items())]
        text = "\n".join(lines) + "\n"
        return text + "\n" + tomli_w.dumps(plain) if plain else text

    def checksum(self) -> str:
        """Return the SHA-256 of everything that changes results: numbers in SI, law, cell, advice; no texts."""
        numbers = {key: _in_si(quantity) for key, quantity in sorted(self.numbers(), key=lambda pair: pair[0])}
        content = [self.pulse.law, self.pulse.sided, self.cell, numbers, self.recommended, self.aihwkit]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def parameter_names(law: str) -> tuple[str, ...]:
    """Return the names of a law's parameters.

    Raises:
        InputError: there is no such law.
    """
    return tuple(field.name for field in dataclasses.fields(find_law(law)))


def override_names(law: str) -> dict[str, str]:
    """Return the dotted keys of all numbers that a device of this law can have, and the SI unit of each."""
    names = {f"pulse.{name}": "1" for name in parameter_names(law)}
    tables: dict[str, type[_Table]] = {"conductance": Conductance, "retention": RetentionTable, "faults": FaultTable}
    tables |= {"read": Read, "write": Write, "area": Area}
    for name, table in tables.items():
        for key in table.model_fields:
            names[f"{name}.{key}"] = _dimension(table, key).unit
    return names


def device_from_tables(tables: Mapping[str, Any], origin: str) -> DeviceModel:
    """Return the device of plain tables, as they are in a file.

    Args:
        tables: from TOML.
        origin: the file; named in errors.

    Raises:
        InputError: naming the origin, the key, the value received and what is allowed.
    """
    try:
        return DeviceModel.model_validate(dict(tables))
    except ValidationError as error:
        raise InputError("\n".join(f"{origin}: {_explained(e)}" for e in error.errors())) from None


def _given(table: _Table) -> Iterator[tuple[str, Quantity]]:
    return ((key, quantity) for key, quantity in table if quantity is not None)


def _dimension(table: type[_Table], key: str) -> Dimension:
    """Return what a field of a table must be, from its annotation."""
    field = table.model_fields[key]
    kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
    metadata = [*field.metadata, *(m for kind in kinds for m in getattr(kind, "__metadata__", ()))]
    return next(m.func for m in metadata if isinstance(m, AfterValidator))  # type: ignore[return-value]


def _in_si(quantity: Quantity) -> Any:
    if isinstance(quantity.value, bool):
        return quantity.value
    if isinstance(quantity.value, tuple):
        return quantity.numbers()
    return quantity.si(parse_unit(quantity.unit)[1])


def _line(key: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(_line(name, item) for name, item in value.items())
        return f"{key} = {{ {inner} }}"
    if isinstance(value, list | tuple):
        return f"{key} = [{', '.join(_line('', item).removeprefix(' = ') for item in value)}]"
    return tomli_w.dumps({key: value}).strip() if key else " = " + tomli_w.dumps({"x": value}).strip()[4:]


def _near(name: str, allowed: tuple[str, ...] | list[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _explained(error: Any) -> str:
    location = [str(part) for part in error["loc"] if part != "parameters"]
    inner = error.get("ctx", {}).get("error")
    if isinstance(inner, _Wrong):
        location.append(inner.key)
    key, got = ".".join(location), f"got {error['input']!r}"
    if error["type"] == "value_error":
        return f"{key}: {inner}" if key else str(inner)
    if error["type"] == "missing":
        return f"{key}: missing; allowed: {_what(location)}"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; allowed: {_what(location[:-1])}"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"{key}: {got}; allowed: {_what(location)}"
    return f"{key}: {got}; {error['msg'][0].lower()}{error['msg'][1:]}"


def _what(location: list[str]) -> str:
    """Return in words what belongs at a place of the file."""
    plain = {"sided": "1, 2", "law": ", ".join(LAWS), "unit": "a unit, as in \"uS\"; \"1\" for plain numbers",
             "source": f"where the number is from, or \"{ASSUMED}\"", "value": "a number"}  # fmt: skip
    tables: dict[str, Any] = {"conductance": Conductance, "pulse": Pulse, "retention": RetentionTable}
    tables |= {"faults": FaultTable, "read": Read, "write": Write, "area": Area}
    if not location:
        return ", ".join(field.alias or name for name, field in DeviceModel.model_fields.items())
    if len(location) == 1 and location[0] in tables:
        return "a table of " + ", ".join(tables[location[0]].model_fields)
    if location[-1] in plain:
        return plain[location[-1]]
    return _AS_TABLE if len(location) == 2 else "value, unit, source" if len(location) > 2 else "a text"

"""A device as data: conductance range, pulse response, retention, faults, read and write, every number with a source.

A number is a table {value, unit, source}, with low and high where it is uncertain; the source of what nobody published
begins with "assumed". Weights are in the device's
own units, w_min to w_max, and stand linearly for conductances, g_min to g_max.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import tomlkit
from pydantic import Field, ValidationError, model_validator
from tomlkit import TOMLDocument

from neurohw.devices.faults import FaultRates
from neurohw.devices.knobs import KNOBS, asked_for
from neurohw.devices.laws import LAWS
from neurohw.devices.response import PulseResponse
from neurohw.devices.retention import Retention
from neurohw.devices.tables import (
    TABLES,
    TEMPERATURES,
    Area,
    Conductance,
    FaultTable,
    Measured,
    Pulse,
    Read,
    RetentionTable,
    Write,
    given,
    override_names,
)
from neurohw.errors import InputError
from neurohw.names import Name
from neurohw.quantity import AS_TABLE, ASSUMED, Quantity, Table, Text
from neurohw.shown import as_html
from neurohw.toml_files import document
from neurohw.units import parse_unit, readable
from neurohw.validation import Place, refused, unknown_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

OVERRIDE = "override"
_FOR_ACCOUNTS = ("write.", "area.", "read.voltage", "read.pulse_time")  # no run depends on them
Numbers = TypeVar("Numbers", float, "Tensor", "NDArray[np.float64]")


class DeviceModel(Table):
    """A device, frozen and validated; unknown keys are errors.

    Args:
        name: the file's name without ".toml"; folders and figures are called after it.
        description: one line.
        technology: material and principle, as in "HfO2 ReRAM".
        cell: "1R", "1T1R", "2T", "capacitor", ...
        reference: the publication that the device is from.
        range: the table [conductance].
        pulse, retention, faults, read, write, area: the tables of these names, see their classes.
        measured: what it was fitted to; figures draw as many pulses.
        recommended: advice for training with it, in plain values.
        aihwkit: fields of aihwkit's dataclass that have no counterpart here (`reset_dtod`, ...), for that engine only.
    """

    name: Name
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
    measured: Measured = Measured()
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

    def __repr__(self) -> str:
        """Return name, law, range and states."""
        span = f"{readable(self.g_min, 'S')} to {readable(self.g_max, 'S')}"
        return f"DeviceModel({self.name!r}, {self.pulse.law}, {span}, {self.states:,.0f} states)"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return every number with its unit and source as a table, for notebooks."""
        rows = ((key, q.value if q.unit == "1" else f"{q.value} {q.unit}", q.source) for key, q in self.numbers())
        return as_html(f"{self.name}: {self.description}", ("number", "value", "source"), rows)

    @property
    def g_min(self) -> float:
        """Lowest conductance, S."""
        return self.range.g_min.si("S")

    @property
    def g_max(self) -> float:
        """Highest conductance, S."""
        return self.range.g_max.si("S")

    @property
    def siemens(self) -> float:
        """Conductance per unit of weight, S."""
        law = self.response()
        return (self.g_max - self.g_min) / (law.w_max - law.w_min)

    @property
    def levels(self) -> int | None:
        """How many evenly spaced conductances a cell can hold, from bound to bound; None: any."""
        return None if self.range.levels is None else int(self.range.levels.si("1"))

    @property
    def sided(self) -> int:
        """2 where a cell moves both ways, 1 where it only potentiates."""
        return self.pulse.sided

    @property
    def signed(self) -> bool:
        """Whether weights are signed by themselves; otherwise they are conductances less a reference."""
        return self.pulse.signed

    @property
    def read_noise(self) -> float:
        """Standard deviation of a cell per read, in weight units; where it grows with the conductance, its limit."""
        law = self.response()
        return self.read.noise.si("1") * (law.w_max - law.w_min) if self.read.noise else 0.0

    @property
    def read_noise_scale(self) -> float:
        """The conductance at which the noise of a read has grown to 1 - 1/e of its limit, S; 0: it does not grow."""
        return self.read.noise_scale.si("S") if self.read.noise_scale else 0.0

    def response(self) -> PulseResponse:
        """Return the pulse-response law with its parameters."""
        return self.pulse.response()

    def retention_parameters(self) -> Retention:
        """Return how cells age at the temperature that they are at."""
        dimensions = {"drift_t0": "s", "lifetime": "s", "relaxation_time": "s", "read_time": "s"}
        dimensions["diffusion"] = "1/sqrt(s)"
        numbers = ((key, quantity) for key, quantity in given(self.retention) if key not in TEMPERATURES)
        retention = Retention(**{key: q.si(dimensions.get(key, "1")) for key, q in numbers})
        return retention.faster(self.retention.acceleration())

    def fault_rates(self) -> FaultRates:
        """Return which cells fail, and when."""
        return FaultRates(**{key: q.si("1") for key, q in given(self.faults)})

    def conductance(self, w: Numbers) -> Numbers:
        """Return g = g_min + (w - w_min) / (w_max - w_min) (g_max - g_min), S."""
        return (w - self.response().w_min) * self.siemens + self.g_min

    def weight(self, g: Numbers) -> Numbers:
        """Return the weight that a conductance (S) stands for."""
        law = self.response()
        return (g - self.g_min) * ((law.w_max - law.w_min) / (self.g_max - self.g_min)) + law.w_min

    @property
    def states(self) -> float:
        """Return (w_max - w_min) / step, the number of mean steps between the bounds."""
        law = self.response()
        return (law.w_max - law.w_min) / law.step

    def symmetry_point(self) -> float | None:
        """Return the weight at which the mean cell's up and down steps are equal, by bisection.

        None: a one-sided cell, or no such point between the bounds, or every weight is one.
        """
        if self.sided == 1:
            return None
        law = self.response()
        cell = law.mean_cell()

        def lean(w: float) -> float:
            at = cell["w_min"].new_tensor([w])
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
        yield from (("conductance." + key, q) for key, q in given(self.range))
        yield from (("pulse." + key, q) for key, q in self.pulse.parameters.items())
        for name in ("retention", "faults", "read", "write", "area"):
            yield from ((f"{name}.{key}", q) for key, q in given(getattr(self, name)))

    def assumed(self) -> list[str]:
        """Return the dotted keys of the numbers that nobody published."""
        return [key for key, quantity in self.numbers() if quantity.source.lower().startswith(ASSUMED)]

    def with_parameters(self, values: Mapping[str, Any]) -> DeviceModel:
        """Return this device with some numbers replaced, their source "override".

        Args:
            values: in SI (seconds, siemens, plain numbers), by a dotted key ("retention.drift_nu"), the bare name of
                a parameter of the law ("step_ctoc"), or a knob (`neurohw.devices.knobs`), which are turned last.

        Raises:
            InputError: an unknown name, or a value that the device cannot have.
        """
        tables = self.tables()
        allowed = override_names(self.pulse.law)
        for name, value in values.items():
            if name in KNOBS:
                continue
            key = f"pulse.{name}" if f"pulse.{name}" in allowed else name
            if key not in allowed:
                known = [*(k.removeprefix("pulse.") for k in allowed), *KNOBS]
                raise InputError(f"device {self.name}: {name}: {unknown_key(name, known)}")
            table, _, field = key.partition(".")
            tables.setdefault(table, {})[field] = {"value": value, "unit": allowed[key], "source": OVERRIDE}
        device = device_from_tables(tables, f"device {self.name}")
        knobs = {name: values[name] for name in KNOBS if name in values}
        if not knobs:
            return device
        try:
            parameters = asked_for(device.response(), knobs, self.sided, values.keys())
        except InputError as error:
            raise InputError(f"device {self.name}: {error}") from None
        return device.with_parameters(parameters)

    def tables(self) -> dict[str, Any]:
        """Return the device as the tables of its file."""
        dumped = self.model_dump(by_alias=True, exclude_none=True)
        pulse = dumped["pulse"]
        signed = {"signed": True} if self.signed else {}
        dumped["pulse"] = {"law": pulse["law"], "sided": pulse["sided"], **signed, **pulse["parameters"]}
        return {key: value for key, value in dumped.items() if value != {}}

    def document(self) -> TOMLDocument:
        """Return the device's file: one line a number; `load_device` reads it back to the same device."""
        return document(self.tables(), plain=("measured", "recommended", "aihwkit"))

    def to_toml(self) -> str:
        """Return the text of `document`."""
        return tomlkit.dumps(self.document())

    def checksum(self) -> str:
        """Return the SHA-256 of everything that changes a run: numbers in SI, law, cell.

        No texts, no advice, and nothing that only accounts read (energies, times, low and high): a new figure needs no
        new run.
        """
        known = sorted(self.numbers(), key=lambda pair: pair[0])
        numbers = {key: _in_si(quantity) for key, quantity in known if not key.startswith(_FOR_ACCOUNTS)}
        content = [self.pulse.law, self.pulse.sided, self.signed, self.cell, numbers, self.aihwkit]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def checksum_for_accounts(self) -> str:
        """Return the SHA-256 of everything that changes an account: all numbers in SI, with their low and high."""
        content = {key: [_in_si(quantity), quantity.low, quantity.high] for key, quantity in self.numbers()}
        return hashlib.sha256(json.dumps([self.cell, content], sort_keys=True, default=str).encode()).hexdigest()


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
        raise refused(error, origin, DeviceModel, Place(unseen="parameters", allowed=_what)) from None


def _in_si(quantity: Quantity) -> Any:
    if isinstance(quantity.value, bool):
        return quantity.value
    if isinstance(quantity.value, tuple):
        return quantity.numbers()
    return quantity.si(parse_unit(quantity.unit)[1])


def _what(location: list[str]) -> str:
    """Return in words what belongs at a place of the file."""
    plain = {"sided": "1, 2", "signed": "true, false", "law": ", ".join(LAWS),
             "unit": "a unit, as in \"uS\"; \"1\" for plain numbers",
             "source": f"where the number is from, or \"{ASSUMED}\"", "value": "a number"}  # fmt: skip
    tables: dict[str, type[Table]] = {**TABLES, "pulse": Pulse}
    if not location:
        return ", ".join(field.alias or name for name, field in DeviceModel.model_fields.items())
    if len(location) == 1 and location[0] in tables:
        return "a table of " + ", ".join(tables[location[0]].model_fields)
    if location[-1] in plain:
        return plain[location[-1]]
    return AS_TABLE if len(location) == 2 else "a text"

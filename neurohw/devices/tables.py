"""The tables of a device's file: which numbers each holds, and of which dimension."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from neurohw.devices.laws import LAWS, find_law
from neurohw.devices.response import Parameter, PulseResponse
from neurohw.devices.retention_laws import arrhenius
from neurohw.errors import InputError
from neurohw.quantity import (
    AS_TABLE,
    Diffusion,
    Dimension,
    ElectronVolts,
    Joules,
    Kelvin,
    Levels,
    Plain,
    Quantity,
    Seconds,
    Siemens,
    Signed,
    SquareMetres,
    Table,
    Text,
    Volts,
)
from neurohw.validation import Wrong, did_you_mean

Count = Annotated[int, Field(strict=True, ge=0)]
GATED = ("1T", "2T", "three-terminal", "capacitor")  # cells whose write voltage is not across the conductance


class Conductance(Table):
    """[conductance]: the range of a cell, and how many conductances it can hold (none given: any).

    Args:
        g_min, g_max: lowest and highest conductance.
        levels: how many evenly spaced conductances a cell can hold; none: any.
    """

    g_min: Siemens
    g_max: Siemens
    levels: Levels | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Conductance:
        low, high = self.g_min.si("S"), self.g_max.si("S")
        if not low < high:
            raise Wrong("g_min", f"got {low:g} S; allowed: 0 up to, and less than, g_max, which is {high:g} S")
        if self.levels is not None and self.levels.si("1") % 1:
            raise Wrong("levels", f"got {self.levels.value!r}; allowed: whole numbers of at least 2")
        return self


class Pulse(Table):
    """[pulse]: the law, whether a cell moves both ways, and the law's parameters by the names of its dataclass.

    `signed`: the law's weights are signed by themselves, as aihwkit's are: drift takes them to 0. Otherwise they are
    conductances, which drift to 0 S, and are signed by what is subtracted from them.

    `step`, `w_max`, `w_min` and what shapes the law's curve must be given (`neurohw.devices.response.Parameter`).
    Every other number that is not given is zero: no spread, no asymmetry, no write noise. (The defaults of aihwkit's
    dataclasses are not taken; flags are as in the dataclass.)
    """

    law: str
    sided: Literal[1, 2]
    signed: StrictBool = False
    parameters: dict[str, Quantity]

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own = {key: given[key] for key in ("law", "sided", "signed") if key in given}
        return {**own, "parameters": {key: value for key, value in given.items() if key not in own}}

    @model_validator(mode="after")
    def _of_the_law(self) -> Pulse:
        if self.law not in LAWS:
            raise Wrong("law", f"got {self.law!r}; allowed: {', '.join(LAWS)}")
        known = LAWS[self.law].parameters()
        for name in self.parameters:
            if name not in known:
                hint = did_you_mean(name, known)
                raise Wrong(name, f"unknown key{hint}; law {self.law!r} allows: {', '.join(known)}")
        for name, parameter in known.items():
            if parameter.required and name not in self.parameters:
                raise Wrong(name, f"missing; law {self.law!r} needs it, as {AS_TABLE}")
        self.response()
        return self

    def response(self) -> PulseResponse:
        """Return the law with its parameters."""
        law = LAWS[self.law]
        values = {
            name: self._plain(name, known) if name in self.parameters else known.absent
            for name, known in law.parameters().items()
        }
        try:
            return law(**values)
        except InputError as error:
            raise ValueError(str(error)) from None

    def _plain(self, name: str, known: Parameter) -> Any:
        quantity = self.parameters[name]
        try:
            if isinstance(known.default, bool):
                return quantity.flag()
            return quantity.numbers() if isinstance(known.default, tuple) else quantity.si(known.unit)
        except InputError as error:
            raise Wrong(name, str(error)) from None


class RetentionTable(Table):
    """[retention]: the fields of `neurohw.devices.retention.Retention`; absent ones mean no such effect.

    With an activation energy E the rates of the laws (nu, loss per decade, 1 / lifetime) are those at the reference
    temperature T_ref, and exp(-E / k_B (1 / T - 1 / T_ref)) times as large at `temperature` (T_ref unless given).

    Args:
        activation_energy: E, by which rates follow the temperature (Arrhenius).
        reference_temperature: T_ref, at which the rates are as given.
        temperature: at which the cells are.
    """

    drift_nu: Plain | None = None
    drift_nu_dtod: Plain | None = None
    drift_nu_state: Signed | None = None
    drift_nu_log: Signed | None = None
    drift_nu_least: Plain | None = None
    drift_nu_most: Plain | None = None
    drift_nu_dtod_log: Signed | None = None
    drift_nu_dtod_least: Plain | None = None
    drift_nu_dtod_most: Plain | None = None
    drift_t0: Seconds | None = None
    lifetime: Seconds | None = None
    lifetime_dtod: Plain | None = None
    lifetime_dtod_ln: Plain | None = None
    lifetime_state: Signed | None = None
    stretch: Plain | None = None
    rest: Signed | None = None
    loss_per_decade: Plain | None = None
    loss_per_decade_dtod: Plain | None = None
    loss_per_decade_state: Signed | None = None
    diffusion: Diffusion | None = None
    diffusion_dtod: Plain | None = None
    relaxation: Plain | None = None
    relaxation_time: Seconds | None = None
    read_noise_1f: Plain | None = None
    read_noise_1f_power: Signed | None = None
    read_noise_1f_most: Plain | None = None
    read_time: Seconds | None = None
    activation_energy: ElectronVolts | None = None
    reference_temperature: Kelvin | None = None
    temperature: Kelvin | None = None

    @model_validator(mode="after")
    def _temperatures(self) -> RetentionTable:
        if self.activation_energy is None:
            for key in ("reference_temperature", "temperature"):
                if getattr(self, key) is not None:
                    raise Wrong(key, "got it without activation_energy; allowed: with it, else nothing depends on it")
        elif self.reference_temperature is None:
            raise Wrong("reference_temperature", "missing; the numbers of a law with activation_energy are those at it")
        return self

    def acceleration(self) -> float:
        """Return how many times as fast cells age as at the reference temperature."""
        if self.activation_energy is None or self.reference_temperature is None or self.temperature is None:
            return 1.0
        kelvin, reference = self.temperature.si("K"), self.reference_temperature.si("K")
        return arrhenius(self.activation_energy.si("eV"), kelvin, reference)


class FaultTable(Table):
    """[faults]: the fields of `neurohw.devices.faults.FaultRates`; absent ones mean that it does not happen."""

    stuck_low: Plain | None = None
    stuck_high: Plain | None = None
    stuck_in_place: Plain | None = None
    dead_rows: Plain | None = None
    dead_columns: Plain | None = None
    endurance: Plain | None = None
    endurance_dtod: Plain | None = None


class Read(Table):
    """[read]: voltage and duration of a read; noise: a cell's standard deviation per read over g_max - g_min.

    With `noise_scale` it grows with the conductance, as noise (1 - exp(-G / noise_scale)).

    Args:
        voltage, pulse_time: of a read; only accounts need them.
        noise: standard deviation of a cell per read, over g_max - g_min.
        noise_scale: conductance with which the noise grows; none: it is the same at every conductance.
    """

    voltage: Volts | None = None
    pulse_time: Seconds | None = None
    noise: Plain | None = None
    noise_scale: Siemens | None = None


class Write(Table):
    """[write]: the pulse that moves a cell by one step, what it costs, and how many a cell lives for.

    Accounts read it; simulated cells wear out only by [faults] endurance.

    Args:
        potentiation_voltage, depression_voltage: of a pulse, for accounts.
        pulse_time: duration of a pulse, for accounts.
        potentiation_energy, depression_energy: of a pulse on one cell, for accounts.
        endurance: pulses that a cell lives for, for lifetimes.
    """

    potentiation_voltage: Volts | None = None
    depression_voltage: Volts | None = None
    pulse_time: Seconds | None = None
    potentiation_energy: Joules | None = None
    depression_energy: Joules | None = None
    endurance: Plain | None = None


class Area(Table):
    """[area]: of one cell, its access transistors included.

    Args:
        cell: area of a cell, for accounts.
    """

    cell: SquareMetres | None = None


NO_DESCRIPTION = "does not describe this data"  # how the verdict on a fit of no use begins


class Measured(Table):
    """[measured]: what a device was fitted to: pulses of a train in each direction, devices, cycles; and how well."""

    pulses_up: Count | None = None
    pulses_down: Count | None = None
    devices: Count | None = None
    cycles: Count | None = None
    verdict: Text | None = None


TEMPERATURES = ("activation_energy", "reference_temperature", "temperature")  # keys of [retention] of no cell
TABLES: dict[str, type[Table]] = {
    "conductance": Conductance, "retention": RetentionTable, "faults": FaultTable, "read": Read, "write": Write,
    "area": Area,
}  # fmt: skip


def override_names(law: str) -> dict[str, str]:
    """Return the dotted keys of all numbers that a device of this law can have, and the SI unit of each."""
    names = {f"pulse.{name}": known.unit for name, known in find_law(law).parameters().items()}
    for name, table in TABLES.items():
        for key in table.model_fields:
            names[f"{name}.{key}"] = _dimension(table, key).unit
    return names


def given(table: Table) -> Iterator[tuple[str, Quantity]]:
    return ((key, quantity) for key, quantity in table if quantity is not None)


def _dimension(table: type[Table], key: str) -> Dimension:
    """Return what a field of a table must be, from its annotation."""
    field = table.model_fields[key]
    kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
    metadata = [*field.metadata, *(m for kind in kinds for m in getattr(kind, "__metadata__", ()))]
    return next(m.func for m in metadata if isinstance(m, AfterValidator))  # type: ignore[return-value]

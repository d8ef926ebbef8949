"""Circuit files: the parameters of a target circuit with unit and source, by name from `device_models/circuits/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from neurohw.circuits.parameters import UNITS, TargetParameters, flat, parameters_from
from neurohw.errors import InputError
from neurohw.names import checked_name
from neurohw.quantity import ASSUMED, Quantity
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.units import readable
from neurohw.validation import Place, explained, unknown_key

_AT_A_TEMPERATURE = {"decision.early_voltage", "decision.ceiling", "decision.separation"}
_TEXTS = ("name", "description", "technology", "reference")


@dataclass(frozen=True)
class CircuitModel:
    """A target circuit as a file describes it.

    Args:
        name, description, technology, reference: for people.
        parameters: in SI.
        sources: where each given number is from, by dotted key; texts and flags have none.
    """

    name: str
    description: str
    technology: str
    reference: str
    parameters: TargetParameters
    sources: Mapping[str, str] = field(default_factory=dict)

    def assumed(self) -> list[str]:
        """Return the dotted keys of the numbers that nobody published."""
        return [key for key, source in self.sources.items() if source == ASSUMED]

    def given(self) -> Iterator[tuple[str, Any]]:
        """Yield the dotted key and the value of everything that has a source or is not as in the ideal circuit."""
        changed = dict(self.parameters.changed())
        yield from ((key, value) for key, value in flat(self.parameters) if key in changed or key in self.sources)

    def with_values(self, values: Mapping[str, Any]) -> TargetParameters:
        """Return the parameters with some replaced, by dotted key in SI.

        Raises:
            InputError: as `TargetParameters.with_values`; or another temperature, at which nothing says what gain,
                ceiling and needed separation are (generic_180nm: 21 % less gain at 250 K, 21 % more at 350 K).
        """
        own = self.parameters
        kelvin = values.get("temperature", own.temperature)
        if kelvin != own.temperature and own.decision.separation and not values.keys() >= _AT_A_TEMPERATURE:
            raise InputError(
                f"temperature: got {kelvin} K for a circuit characterised at {own.temperature:g} K; allowed: that, "
                f"another with {', '.join(sorted(_AT_A_TEMPERATURE))} beside it, or a circuit characterised there: "
                f"`neurohw circuit characterise --set temperature={kelvin} --out FILE`"
            )
        return own.with_values(values)

    def to_toml(self) -> str:
        """Return the circuit's file, each number with unit and source."""
        texts = {key: getattr(self, key) for key in _TEXTS}
        tables: dict[str, list[str]] = {"": []}
        for key, value in self.given():
            table, _, name = key.rpartition(".")
            tables.setdefault(table, []).append(f"{name} = {self._written(key, value)}")
        sections = ["\n".join([f"\n[{table}]" if table else "", *lines]) for table, lines in tables.items() if lines]
        return tomli_w.dumps(texts) + "\n".join(sections).lstrip("\n") + "\n"

    def _written(self, key: str, value: Any) -> str:
        if isinstance(value, str | bool):
            return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
        source = tomli_w.dumps({"x": self.sources.get(key, "override")}).removeprefix("x = ").strip()
        number, unit = _with_prefix(value, UNITS[key])
        return f'{{ value = {number}, unit = "{unit}", source = {source} }}'


def circuit_names() -> tuple[str, ...]:
    """Return the names of the shipped circuits."""
    return tuple(_files())


def load_circuit(name_or_path: str | Path) -> CircuitModel:
    """Return the circuit of a shipped name or of a TOML file.

    Raises:
        InputError: naming the file, the key, the value received and what is allowed.
    """
    path = find_file("circuit", name_or_path, _files())
    try:
        return circuit_from_tables(read_toml(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def circuit_from_tables(tables: Mapping[str, Any]) -> CircuitModel:
    """Return the circuit of plain tables, as they are in a file.

    Raises:
        InputError: naming the key, the value received and what is allowed.
    """
    for key in _TEXTS:
        if not isinstance(tables.get(key), str):
            raise InputError(f"{key}: got {tables.get(key)!r}; allowed: a text")
    checked_name(tables["name"], "name")
    numbers = {key: value for key, value in tables.items() if key not in _TEXTS}
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for table, content in numbers.items():
        if table in UNITS:
            values[table] = _read(table, content, sources)
        elif not isinstance(content, dict) or not any(key.startswith(f"{table}.") for key in UNITS):
            raise InputError(f"{table}: {unknown_key(table, [*_TEXTS, *TargetParameters.model_fields])}")
        else:
            values[table] = {key: _read(f"{table}.{key}", value, sources) for key, value in content.items()}
    texts = {key: tables[key] for key in _TEXTS}
    return CircuitModel(**texts, parameters=parameters_from(values), sources=sources)


def _files() -> dict[str, Path]:
    files = shipped_files("device_models", "circuits/*.toml")
    return {name: path for name, path in files.items() if name != "template"}


def _read(key: str, given: Any, sources: dict[str, str]) -> Any:
    """Return a value in SI, and note its source."""
    if key not in UNITS:
        raise InputError(f"{key}: {unknown_key(key, [k for k in UNITS if k.startswith(key.partition('.')[0] + '.')])}")
    default = dict(flat(TargetParameters()))[key]
    if isinstance(default, str | bool):
        return given
    if not isinstance(given, dict):
        raise InputError(f"{key}: got {given!r}; allowed: a table {{value, unit, source}}")
    try:
        quantity = Quantity.model_validate(given)
        value = quantity.si(UNITS[key])
    except ValidationError as error:
        raise InputError(explained(error.errors()[0], Quantity, Place(key))) from None
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    sources[key] = quantity.source
    if isinstance(default, int):
        if value % 1:
            raise InputError(f"{key}: got {quantity.value!r} {quantity.unit}; allowed: a whole number")
        return int(value)
    return value


def _with_prefix(value: float, unit: str) -> tuple[str, str]:
    """Return a number and its unit as a file writes them, without loss."""
    if unit in ("1", "m2", "V m") or not value:
        return f"{value!r}", unit
    shown = readable(value, unit, 17).split()
    return f"{float(shown[0]):.15g}", shown[1]

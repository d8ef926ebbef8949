"""Circuit files: the parameters of a target circuit with unit and source, by name from `device_models/circuits/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError

from neurohw.circuits.kinds import CIRCUITS
from neurohw.circuits.parameters import Parameters
from neurohw.errors import InputError
from neurohw.names import checked_name
from neurohw.quantity import ASSUMED, Quantity
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.toml_files import document, line
from neurohw.units import readable
from neurohw.validation import Place, explained, unknown_key

_USUAL = "analog"  # what a file describes that does not say it
_TEXTS = ("name", "description", "technology", "reference")


@dataclass(frozen=True)
class CircuitModel:
    """A target circuit as a file describes it.

    Args:
        name, description, technology, reference: for people.
        parameters: in SI.
        sources: where each given number is from, by dotted key; texts and flags have none.
        circuit: which kind of circuit it is, see `neurohw.circuits.kinds`.
    """

    name: str
    description: str
    technology: str
    reference: str
    parameters: Parameters
    sources: Mapping[str, str] = field(default_factory=dict)
    circuit: str = _USUAL

    def assumed(self) -> list[str]:
        """Return the dotted keys of the numbers that nobody published."""
        return [key for key, source in self.sources.items() if source == ASSUMED]

    def given(self) -> Iterator[tuple[str, Any]]:
        """Yield the dotted key and the value of everything that has a source or is not as in the ideal circuit."""
        changed = dict(self.parameters.changed())
        yield from ((key, value) for key, value in self.parameters.flat() if key in changed or key in self.sources)

    def with_values(self, values: Mapping[str, Any]) -> Parameters:
        """Return the parameters with some replaced, by dotted key in SI.

        Raises:
            InputError: as `Parameters.with_values` and `check_changes`.
        """
        self.parameters.check_changes(values)
        return self.parameters.with_values(values)

    def to_toml(self) -> str:
        """Return the circuit's file, each number with unit and source."""
        texts: dict[str, Any] = {key: getattr(self, key) for key in _TEXTS} | (
            {} if self.circuit == _USUAL else {"circuit": self.circuit}
        )
        tables: dict[str, Any] = {}
        for key, value in self.given():
            table, _, name = key.rpartition(".")
            (tables.setdefault(table, {}) if table else texts)[name] = self._written(key, value)
        return tomlkit.dumps(document(texts | tables))

    def _written(self, key: str, value: Any) -> Any:
        if isinstance(value, str | bool):
            return value
        number, unit = _with_prefix(value, self.parameters.units()[key])
        return line({"value": float(number), "unit": unit, "source": self.sources.get(key, "override")})


def circuit_names() -> tuple[str, ...]:
    """Return the names of the shipped circuits."""
    return tuple(_files())


def load_circuit(name_or_path: str | Path, wanted: str | None = None) -> CircuitModel:
    """Return the circuit of a shipped name or of a TOML file.

    Args:
        name_or_path: of the circuit.
        wanted: the kind that it must be; None: any.

    Raises:
        InputError: naming the file, the key, the value received and what is allowed.
    """
    path = find_file("circuit", name_or_path, _files())
    try:
        model = circuit_from_tables(read_toml(path))
        if wanted not in (None, model.circuit):
            raise InputError(f"circuit: got {model.circuit!r}; allowed: {wanted!r}")
        return model
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
    circuit = tables.get("circuit", _USUAL)
    from_files = [name for name, kind in CIRCUITS.items() if kind.file]
    if circuit not in from_files:
        raise InputError(f"circuit: got {circuit!r}; allowed: {', '.join(from_files)}")
    ideal: Parameters = CIRCUITS[circuit].ideal()
    known = ideal.units()
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for table, content in tables.items():
        if table in (*_TEXTS, "circuit"):
            continue
        if table in known:
            values[table] = _read(table, content, sources, ideal)
        elif not isinstance(content, dict) or not any(key.startswith(f"{table}.") for key in known):
            raise InputError(f"{table}: {unknown_key(table, [*_TEXTS, *type(ideal).model_fields])}")
        else:
            values[table] = {key: _read(f"{table}.{key}", value, sources, ideal) for key, value in content.items()}
    texts = {key: tables[key] for key in _TEXTS}
    return CircuitModel(**texts, parameters=ideal.of_tables(values), sources=sources, circuit=circuit)


def _files() -> dict[str, Path]:
    files = shipped_files("device_models", "circuits/*.toml")
    return {name: path for name, path in files.items() if name != "template"}


def _read(key: str, given: Any, sources: dict[str, str], ideal: Parameters) -> Any:
    """Return a value in SI, and note its source."""
    units = ideal.units()
    if key not in units:
        raise InputError(f"{key}: {unknown_key(key, [k for k in units if k.startswith(key.partition('.')[0] + '.')])}")
    default = dict(ideal.flat())[key]
    if isinstance(default, str | bool):
        return given
    if not isinstance(given, dict):
        raise InputError(f"{key}: got {given!r}; allowed: a table {{value, unit, source}}")
    try:
        quantity = Quantity.model_validate(given)
        value = quantity.si(units[key])
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

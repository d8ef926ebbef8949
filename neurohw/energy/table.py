"""Periphery tables: joules, seconds, watts and areas of what surrounds the cells; low, nominal, high, with a source.

A file `device_models/periphery_<node>.toml` has one line a figure:

    [adc]
    energy = { low = 0.2, nominal = 1.7, high = 2.3, unit = "pJ", source = "...", bits = 8, scaling = ["resolution"] }

How a figure is carried from its reference to where it is used (r: used over reference):
- "none": it is not;
- "bits": proportional to the resolution (bit-serial drivers; Newton's converter table);
- "resolution": of a converter: proportional up to 9 bits (at 4 bits NeuroSim's has 0.46 and the regression of Andrulis
  0.54 of what they have at 8; at 9 bits Newton's is on the line), low with the power 1.25 downwards. Beyond 9 bits a
  bit more costs low proportionally, nominal twice (Walden's figure of merit), high four times (thermal noise, which
  bounds published converters of high resolution: Jonsson, converterpassion, 2013);
- "2^bits": per conversion step (Walden's figure of merit; counting, ramp and flash converters);
- "columns": proportional to the cells along a line (wire and gate capacitance);
- "node": from the node it was published at to the table's. C V^2 shrinks as F for C, and by up to another factor of F
  for V^2, which hardly shrank after 90 nm. The exponent lies between 1 and 2: low r^1 or r^2, whichever is less,
  nominal r^1.5, high the other. So are areas.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from neurohw.energy.ranges import Figure, Range
from neurohw.energy.schema import ENTRIES, SECTIONS
from neurohw.errors import InputError
from neurohw.names import checked_name
from neurohw.quantity import Table, Text
from neurohw.shipping import find_file, read_toml, shipped_files
from neurohw.units import to_si
from neurohw.validation import Place, refused, unknown_key

Law = Literal["none", "bits", "resolution", "2^bits", "columns", "node"]
_REFERENCES = {"bits": "bits", "resolution": "bits", "2^bits": "bits", "columns": "columns", "node": "node"}
AS_ENTRY = "a table {low, nominal, high, unit, source, [bits, columns, node, scaling]}"
_PREFIX = "periphery_"
_LINEAR_UP_TO = 9  # bits
_TEXTS = ("name", "description")


def _finite(value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"got {value!r}; allowed: finite numbers of at least 0")
    return value


Amount = Annotated[float, Field(strict=True), AfterValidator(_finite)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class Entry(Table):
    """One line of a table, as it is in the file.

    Args:
        low, nominal, high: in `unit`.
        unit, source: see `neurohw.quantity`.
        bits, columns: at which resolution, or for how many cells along a line, it was published.
        node: of which technology it is, nm.
        scaling: how it is carried elsewhere.
    """

    low: Amount
    nominal: Amount
    high: Amount
    unit: Text
    source: Text
    bits: Positive | None = None
    columns: Positive | None = None
    node: Positive | None = None
    scaling: tuple[Law, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Entry:
        if not self.low <= self.nominal <= self.high:
            raise ValueError(
                f"got low {self.low:g}, nominal {self.nominal:g}, high {self.high:g}; allowed: low <= nominal <= high"
            )
        if self.high == 0:
            raise ValueError("got high 0; allowed: more than 0, what costs nothing is no entry")
        if len(set(self.scaling)) < len(self.scaling):
            raise ValueError(f"got scaling {list(self.scaling)}; allowed: each law once")
        for law in self.scaling:
            reference = _REFERENCES.get(law)
            if reference is not None and getattr(self, reference) is None:
                raise ValueError(f'scaling "{law}" needs {reference}: the one at which the figure was published')
        return self

    def figure(self, key: str, table: str, node: float) -> Figure:
        """Return the figure in SI at a node (nm); an InputError where the unit is not of the key's dimension."""
        dimension = ENTRIES[key].dimension
        bounds = Range(*(to_si(value, self.unit, dimension) for value in (self.low, self.nominal, self.high)))
        moved = "node" in self.scaling and self.node != node
        return Figure(f"{table} {key}", bounds * self._node_factor(node), self.source, scaled=moved)

    def factor(self, bits: float | None, columns: float | None) -> Range:
        """Return what the figure is multiplied by at another resolution or line length."""
        product = Range.of(1.0)
        for law in self.scaling:
            if law == "bits":
                product *= _given(bits, "bits") / _given(self.bits, "bits")
            elif law == "resolution":
                product *= _resolution(_given(bits, "bits"), _given(self.bits, "bits"))
            elif law == "2^bits":
                product *= 2 ** (_given(bits, "bits") - _given(self.bits, "bits"))
            elif law == "columns":
                product *= _given(columns, "columns") / _given(self.columns, "columns")
        return product

    def _node_factor(self, node: float) -> Range:
        if "node" not in self.scaling or self.node is None:
            return Range.of(1.0)
        ratio = node / self.node
        return Range(min(ratio, ratio**2), ratio**1.5, max(ratio, ratio**2))


def _resolution(bits: float, reference: float) -> Range:
    linear, more = bits / reference, max(bits - max(reference, _LINEAR_UP_TO), 0.0)
    to_there = (bits - more) / reference
    return Range(min(linear, linear**1.25), to_there * 2**more, to_there * 4**more)


def _given(value: float | None, what: str) -> float:
    if value is None:
        raise InputError(f"scales with {what}, and {what} is not known here")
    return value


@dataclass(frozen=True)
class EnergyTable:
    """A periphery table.

    Args:
        name, description: for people.
        node: technology, nm.
        entries: by dotted key.
        origin: the file; named in errors.
    """

    name: str
    description: str
    node: float
    entries: Mapping[str, Entry]
    origin: str

    @staticmethod
    def load(name_or_path: str | Path) -> EnergyTable:
        """Return the table of a shipped name ("32nm", "periphery_32nm") or of a TOML file.

        Raises:
            InputError: naming the file, the key, the value received and what is allowed.
        """
        path = table_path(name_or_path)
        return table_from(read_toml(path), str(path))

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Every figure at its reference, by dotted key, in SI."""
        return {key: entry.figure(key, self.name, self.node) for key, entry in self.entries.items()}

    def figure(self, key: str, *, why: str = "", bits: float | None = None, columns: float | None = None) -> Figure:
        """Return a figure, scaled to where it is used.

        Args:
            key: dotted.
            why: what was counted that needs it, for the message.
            bits: resolution of the converter.
            columns: cells along the line.

        Raises:
            InputError: the table lacks it: never a zero.
        """
        if key not in ENTRIES:
            raise ValueError(f"{key} is no entry of a periphery table")
        if key not in self.entries:
            reason = f" ({why})" if why else ""
            raise InputError(f"{self.origin}: {key}: missing{reason}; needed: {AS_ENTRY}, "
                             f"per {ENTRIES[key].per}; a figure nobody published has source = \"assumed\"")  # fmt: skip
        at = self.figures[key]
        try:
            factor = self.entries[key].factor(bits, columns)
        except InputError as error:
            raise InputError(f"{self.origin}: {key}: {error} ({why or ENTRIES[key].per})") from None
        return Figure(at.key, at.range * factor, at.source, at.scaled)

    def assumed(self) -> list[str]:
        """Return the keys of the figures that nobody published."""
        return [key for key, figure in self.figures.items() if figure.provenance == "assumed"]

    def checksum(self) -> str:
        """Return the SHA-256 of everything that changes results."""
        content = {key: [*entry.model_dump(exclude={"source"}).values()] for key, entry in sorted(self.entries.items())}
        return hashlib.sha256(json.dumps([self.node, content], sort_keys=True).encode()).hexdigest()


def table_names() -> tuple[str, ...]:
    """Return the names of the shipped tables, as in "32nm", the finest node first."""
    return tuple(_files())


def table_path(name_or_path: str | Path) -> Path:
    """Return the file of a shipped table's name, or the path itself.

    Raises:
        InputError: there is neither; the shipped names are listed.
    """
    short = str(name_or_path).removeprefix(_PREFIX)
    return find_file("periphery table", short if short in table_names() else name_or_path, _files())


def _files() -> dict[str, Path]:
    paths = shipped_files("device_models", f"{_PREFIX}*.toml").values()
    return {path.stem.removeprefix(_PREFIX): path for path in sorted(paths, key=lambda path: (len(path.stem), path))}


def table_from(tables: Mapping[str, Any], origin: str) -> EnergyTable:
    """Return the table of plain tables, as they are in a file.

    Raises:
        InputError: naming the origin, the key, the value received and what is allowed.
    """
    for key in _TEXTS:
        if not isinstance(tables.get(key), str) or not tables[key]:
            raise InputError(f"{origin}: {key}: got {tables.get(key)!r}; allowed: a text")
    checked_name(tables["name"], f"{origin}: name")
    node = tables.get("node")
    if isinstance(node, bool) or not isinstance(node, int | float) or not 0 < node < math.inf:
        raise InputError(f"{origin}: node: got {node!r}; allowed: the technology in nm, as in 32")
    entries = {}
    for section, content in tables.items():
        if section in (*_TEXTS, "node"):
            continue
        if section not in SECTIONS or not isinstance(content, Mapping):
            raise InputError(f"{origin}: {section}: {unknown_key(section, [*_TEXTS, 'node', *SECTIONS])}")
        for name, given in content.items():
            entries[f"{section}.{name}"] = _entry(f"{section}.{name}", given, origin)
    table = EnergyTable(tables["name"], tables["description"], float(node), entries, origin)
    for key, entry in entries.items():
        try:
            entry.figure(key, table.name, table.node)
        except InputError as error:
            raise InputError(f"{origin}: {key}.unit: {error}") from None
    return table


def _entry(key: str, given: Any, origin: str) -> Entry:
    if key not in ENTRIES:
        section = key.partition(".")[0]
        of_section = [known for known in ENTRIES if known.startswith(f"{section}.")]
        raise InputError(f"{origin}: {key}: {unknown_key(key, of_section)}")
    if not isinstance(given, Mapping):
        raise InputError(f"{origin}: {key}: got {given!r}; allowed: {AS_ENTRY}")
    try:
        return Entry.model_validate(dict(given))
    except ValidationError as error:
        raise refused(error, origin, Entry, Place(key, allowed=lambda _: AS_ENTRY)) from None

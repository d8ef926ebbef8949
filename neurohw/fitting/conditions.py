"""How measured cells were read and written, as somebody says it: numbers with units for a device's file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from neurohw.errors import InputError
from neurohw.units import to_si

COMMAND_LINE = "given on the command line"
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s.].*?|1)\s*$")
_KEYS = {  # field of Conditions: where it goes in a device's file, and its dimension
    "write_voltage": ("write.potentiation_voltage", "V"),
    "depression_voltage": ("write.depression_voltage", "V"),
    "pulse_width": ("write.pulse_time", "s"),
    "write_energy": ("write.potentiation_energy", "J"),
    "depression_energy": ("write.depression_energy", "J"),
    "endurance": ("write.endurance", "1"),
    "read_voltage": ("read.voltage", "V"),
    "read_time": ("read.pulse_time", "s"),
    "cell_area": ("area.cell", "m2"),
}
_SAME = {"depression_voltage": "write_voltage", "depression_energy": "write_energy"}  # unless it is given


@dataclass(frozen=True)
class Conditions:
    """What was applied to the cells; each number as a text with its unit, as in "1.6 V"; None: nobody says.

    Args:
        write_voltage: of a potentiating pulse; depression_voltage: of a depressing one, as the other unless given.
        pulse_width: of either.
        write_energy, depression_energy: of a pulse; a cell whose write voltage stands at a gate needs them.
        endurance: pulses that a cell lives for.
        read_voltage, read_time: of a read.
        cell_area: of a cell, with its transistors.
        cell: as in a device's file, "1R", "1T1R", "three-terminal"; technology: in words.
        source: who says so; sources: who else, by the names of numbers.
    """

    write_voltage: str | None = None
    depression_voltage: str | None = None
    pulse_width: str | None = None
    write_energy: str | None = None
    depression_energy: str | None = None
    endurance: str | None = None
    read_voltage: str | None = None
    read_time: str | None = None
    cell_area: str | None = None
    cell: str = "as measured"
    technology: str = "as measured"
    source: str = COMMAND_LINE
    sources: Mapping[str, str] = field(default_factory=dict)

    def completed(self, known: Mapping[str, float], source: str) -> Conditions:
        """Return the conditions with what others know where nothing is given.

        Args:
            known: numbers in SI, by the names of fields.
            source: who knows them.
        """
        more = {name: f"{value:g} {_KEYS[name][1]}" for name, value in known.items() if getattr(self, name) is None}
        return replace(self, **more, sources={**self.sources, **dict.fromkeys(more, source)})

    def mirrored(self) -> Conditions:
        """Return them for a cell whose depressing pulses are called potentiating: what these took, without its sign."""
        given = {name: text.lstrip("- ") for name, down in (("write_voltage", "depression_voltage"),
                                                             ("write_energy", "depression_energy"))
                 if (text := getattr(self, down)) is not None}  # fmt: skip
        sources = {name: self.sources[down] for down, name in _SAME.items() if name in given and down in self.sources}
        return replace(self, **given, depression_voltage=None, depression_energy=None,
                       sources={**self.sources, **sources})  # fmt: skip

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the numbers as tables of a device's file, [write], [read] and [area].

        Raises:
            InputError: a text that is no number with a unit of its dimension.
        """
        tables: dict[str, dict[str, Any]] = {}
        for name, (key, dimension) in _KEYS.items():
            stated = name if getattr(self, name) is not None else _SAME.get(name, name)
            if (given := getattr(self, stated)) is not None:
                source = self.sources.get(stated, self.source)
                if stated != name:
                    source = f"assumed: as {_KEYS[stated][0].rpartition('.')[2]}"
                table, number_name = key.split(".")
                tables.setdefault(table, {})[number_name] = {**number(given, dimension, stated), "source": source}
        return tables


def number(text: str, dimension: str, field: str) -> dict[str, Any]:
    """Return a number and its unit from a text.

    Args:
        text: as in "1.6 V", "-1.8V", "100 ns"; a plain number where the dimension is "1".
        dimension: what is wanted, named by its SI unit.
        field: for messages.

    Raises:
        InputError: naming the field, the text and what is allowed.
    """
    example = {"V": "1.6 V", "s": "100 ns", "J": "20 fJ", "m2": "0.25 um2", "S": "30 nS"}.get(dimension, "1e6")
    match = _NUMBER.match(text + (" 1" if dimension == "1" else ""))
    option = "--" + field.replace("_", "-")
    if match is None:
        raise InputError(f"{option}: got {text!r}; allowed: a number with its unit, as in {example!r}")
    try:
        to_si(float(match[1]), match[2], dimension)
    except InputError as error:
        raise InputError(f"{option}: got {text!r}: {error}") from None
    return {"value": float(match[1]), "unit": match[2]}


def merged(tables: dict[str, Any], more: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the tables of a device with more numbers in them."""
    return {**tables, **{name: {**tables.get(name, {}), **table} for name, table in more.items()}}

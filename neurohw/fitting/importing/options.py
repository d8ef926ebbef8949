"""What a file of measurements does not say about itself, and what was guessed of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from neurohw.errors import InputError
from neurohw.units import parse_unit

LAYOUTS = {
    "long": "one column of values, further columns say which device, cycle, pulse and polarity",
    "wide": "a column of values for each device, or for each cycle",
    "rows": "a row of values for each device, or for each cycle, named in its first cell",
    "up-down": "a column of values after potentiating pulses and one after depressing pulses",
}
NORMALISED = {"normalised": "shares of the range, 0 at g_min and 1 at g_max",
              "weights": "-1 at g_min and 1 at g_max"}  # fmt: skip
DIMENSIONS = ("S", "Ohm", "A")
EACH = ("device", "cycle")
ROLES = ("device", "cycle", "pulse", "polarity", "conductance", "resistance", "current", "write-voltage",
         "read-voltage", "width", "time", "temperature", "level", "ignore")  # fmt: skip
_RUN = re.compile(r"(up|down)(\d*)")
_BY_SIGN = {"positive": True, "negative": False}


@dataclass(frozen=True)
class ImportOptions:
    """What a file of measurements leaves open.

    Args:
        layout: a key of LAYOUTS; recognised unless given.
        unit: of values whose column names none, as in "uS", "kOhm", "nA"; "normalised" (0 to 1) or "weights" (-1 to 1).
        read_voltage: at which currents were read, V.
        g_min, g_max: the range of normalised values, S.
        polarity: "up", "down", "up50,down50" (repeated to the end of a train); or which sign of a column of voltages
            potentiates, "positive" or "negative".
        each: what a column of several is, "device" or "cycle".
        every: pulses between two reads, where no column counts them.
        columns: roles (a name of ROLES) by the names of columns, where those are not recognised.
        time_offset: seconds from the write to time zero of a retention file, added to its times.

    Raises:
        InputError: a value that is not allowed.
    """

    layout: str | None = None
    unit: str | None = None
    read_voltage: float | None = None
    g_min: float | None = None
    g_max: float | None = None
    polarity: str | None = None
    each: str | None = None
    every: int = 1
    columns: Mapping[str, str] = field(default_factory=dict)
    time_offset: float = 0.0

    def __post_init__(self) -> None:
        for key, value, allowed in (("layout", self.layout, LAYOUTS), ("each", self.each, EACH)):
            if value is not None and value not in allowed:
                raise InputError(f"{key}: got {value!r}; allowed: {', '.join(allowed)}")
        if self.unit is not None and self.unit not in NORMALISED and parse_unit(self.unit)[1] not in DIMENSIONS:
            raise InputError(f"unit: got {self.unit!r}; allowed: S, Ohm and A with or without a prefix, as in uS, "
                             f"{' and '.join(NORMALISED)}")  # fmt: skip
        if self.read_voltage == 0:
            raise InputError("read_voltage: got 0; allowed: the voltage that currents were read at, V")
        if (self.g_min is None) != (self.g_max is None):
            raise InputError("g_min, g_max: got one of them; allowed: both or none")
        if self.g_min is not None and self.g_max is not None and not 0 <= self.g_min < self.g_max:
            raise InputError(f"g_min, g_max: got {self.g_min:g} S and {self.g_max:g} S; allowed: 0 <= g_min < g_max")
        if self.every < 1:
            raise InputError(f"every: got {self.every}; allowed: at least 1")
        if self.polarity is not None and self.polarity not in _BY_SIGN:
            self.pattern()
        for name, role in self.columns.items():
            if role not in ROLES:
                raise InputError(f"columns: {name} is given as {role!r}; allowed: {', '.join(ROLES)}")

    @property
    def positive_potentiates(self) -> bool | None:
        """Whether a pulse of positive voltage potentiates, where that is given."""
        return _BY_SIGN.get(self.polarity or "")

    def pattern(self) -> tuple[tuple[bool, int], ...]:
        """Return the runs of a given polarity, (potentiating, pulses), 0 pulses for all; () where none is given.

        Raises:
            InputError: it is no such text.
        """
        if self.polarity is None or self.polarity in _BY_SIGN:
            return ()
        runs = [_RUN.fullmatch(part.strip()) for part in self.polarity.split(",")]
        pattern = tuple((run[1] == "up", int(run[2] or 0)) for run in runs if run)
        if len(pattern) != len(runs) or (len(pattern) > 1 and not all(count for _, count in pattern)):
            raise InputError(f"polarity: got {self.polarity!r}; allowed: up, down, or runs as in up50,down50; "
                             "positive or negative: which sign of the voltage potentiates")  # fmt: skip
        return pattern


@dataclass
class Notes:
    """What an import guessed, and what it warns of, each once."""

    guesses: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)

    def guess(self, text: str) -> None:
        """Note a guess."""
        if text not in self.guesses:
            self.guesses.append(text)

    def caution(self, text: str) -> None:
        """Note what the user must know of the data."""
        if text not in self.cautions:
            self.cautions.append(text)

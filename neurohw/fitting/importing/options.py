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


class Notes:
    """What an import guessed, and what it warns of: each once, with the places where it holds."""

    def __init__(self) -> None:
        self._places: dict[tuple[bool, str], list[str]] = {}
        self._counts: dict[str, int] = {}

    def guess(self, where: str, text: str, n: int = 0) -> None:
        """Note a guess; "{n}" in the text stands for the sum of all n."""
        places = self._places.setdefault((True, text), [])
        if where not in places:
            places.append(where)
        self._counts[text] = self._counts.get(text, 0) + n

    def caution(self, where: str, text: str) -> None:
        """Note what speaks against a fit."""
        self._places.setdefault((False, text), []).append(where)

    @property
    def guesses(self) -> tuple[str, ...]:
        """What was guessed, in the order of the guesses."""
        return self._texts(True)

    @property
    def cautions(self) -> tuple[str, ...]:
        """What was warned of."""
        return self._texts(False)

    def _texts(self, guessed: bool) -> tuple[str, ...]:
        texts = []
        for (kind, text), places in self._places.items():
            if kind == guessed:
                more = f" and {len(places) - 1} more" if len(places) > 1 else ""
                full = text.replace("{n}", str(self._counts.get(text, 0)))
                texts.append(f"{places[0]}{more}: {full}" if places[0] else full)
        return tuple(texts)

"""Figures of merit: each says what it is called, in what unit, which way is better, and what guessing gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from neurohw.units import fitting_prefix, parse_unit, readable


@dataclass(frozen=True)
class Metric:
    """A figure of merit that runs are compared by.

    Args:
        name: its column in metrics.csv and its key in a record.
        title: in words.
        unit: "%" for a fraction of 0 to 1, which is shown in percent; else the SI unit or its own, "" of a pure number.
        better: which way.
        chance: what guessing gives, as recorded; "majority": the share of the most frequent class, which the record
            has; None: there is no such level. Where there is one, certainty is 1 (0 where lower is better).
        quantity: what the axes of figures call it; the title, unless given.
        readout: what tells it from others on the same axes, as read out by a classifier; the title, unless given.
        secondary: always beside another one: in a table of its own, not drawn.
        meaning: for the glossary of a report.
        prefix: SI prefix of the unit where values stand beside each other (see `fitted`).
    """

    name: str
    title: str
    unit: str = "%"
    better: Literal["higher", "lower"] = "higher"
    chance: float | Literal["majority"] | None = None
    quantity: str = ""
    readout: str | None = None
    secondary: bool = False
    meaning: str = ""
    prefix: str = ""

    @property
    def share(self) -> bool:
        """Whether it is a fraction of 0 to 1, in percent where it is shown."""
        return self.unit == "%"

    @property
    def scale(self) -> float:
        """What a recorded value is multiplied by where it is shown."""
        if self.share:
            return 100.0
        return 1.0 / parse_unit(self.shown_unit)[0] if self.prefix else 1.0

    @property
    def shown_unit(self) -> str:
        """The unit of shown values."""
        return self.prefix + self.unit

    @property
    def accuracy(self) -> bool:
        """Whether it is a share of right answers: what energies are compared at."""
        return self.share and self.better == "higher"

    @property
    def label(self) -> str:
        """What an axis or a column is called: quantity and unit."""
        return ", ".join(filter(None, (self.quantity or self.title, self.shown_unit)))

    def fitted(self, values: Iterable[float]) -> Metric:
        """Return it with the SI prefix that suits the largest of some values, if its unit takes one."""
        return replace(self, prefix=fitting_prefix(max(map(abs, values), default=0.0), self.unit))

    def number(self, value: float, signed: bool = False, digits: int = 5) -> str:
        """Return a value as it is shown, without its unit: with two decimals in percent, else with so many digits."""
        sign = "+" if signed else ""
        return f"{self.scale * value:{sign}.2f}" if self.share else f"{self.scale * value:{sign}.{digits}g}"

    def text(self, value: float) -> str:
        """Return a value with its unit, the SI prefix that suits it before it."""
        return f"{self.number(value)} %" if self.share else readable(value, self.unit, 5).rstrip()

    def loss(self, reference: float, value: float) -> float:
        """Return by how much a value is worse than a reference."""
        return reference - value if self.better == "higher" else value - reference

    def guessed(self, majority: float) -> float | None:
        """Return what guessing gives.

        Args:
            majority: share of the most frequent class among what was evaluated.
        """
        return majority if self.chance == "majority" else self.chance

    def near_chance(self, value: float, majority: float) -> bool:
        """Return whether a value is less than a tenth of the way from guessing to certainty."""
        chance = self.guessed(majority)
        if chance is None:
            return False
        certain = 1.0 if self.better == "higher" else 0.0
        return self.loss(value, chance) < 0.1 * abs(certain - chance)

"""Figures of merit: each says what it is called, in what unit, which way is better, and what guessing gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A figure of merit that runs are compared by.

    Args:
        name: its column in metrics.csv and its key in a record.
        title: in words.
        unit: "%" for a fraction of 0 to 1, which is shown in percent; else its own, "" of a pure number.
        better: which way.
        chance: what guessing gives, as recorded; "majority": the share of the most frequent class, which the record
            has; None: there is no such level. Where there is one, certainty is 1 (0 where lower is better).
        quantity: what the axes of figures call it; the title, unless given.
        readout: what tells it from others on the same axes, as read out by a classifier; the title, unless given.
        secondary: always beside another one: in a table of its own, not drawn.
        meaning: for the glossary of a report.
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

    @property
    def share(self) -> bool:
        """Whether it is a fraction of 0 to 1, in percent where it is shown."""
        return self.unit == "%"

    @property
    def scale(self) -> float:
        """What a recorded value is multiplied by where it is shown."""
        return 100.0 if self.share else 1.0

    @property
    def accuracy(self) -> bool:
        """Whether it is a share of right answers: what energies are compared at."""
        return self.share and self.better == "higher"

    @property
    def label(self) -> str:
        """What an axis or a column is called: quantity and unit."""
        return f"{self.quantity or self.title}, {self.unit}" if self.unit else self.quantity or self.title

    def number(self, value: float, signed: bool = False, digits: int = 5) -> str:
        """Return a value as it is shown, without its unit: with two decimals in percent, else with so many digits."""
        sign = "+" if signed else ""
        return f"{self.scale * value:{sign}.2f}" if self.share else f"{value:{sign}.{digits}g}"

    def text(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{self.number(value)} {self.unit}".rstrip()

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

"""Low, nominal and high of a figure; sums and products keep all three, and remember who published them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from neurohw.quantity import ASSUMED
from neurohw.values import Number

Provenance = Literal["published", "scaled", "assumed"]
PROVENANCES: tuple[Provenance, ...] = ("published", "scaled", "assumed")


@dataclass(frozen=True)
class Range:
    """A figure's low, nominal and high, in SI.

    Sums and products go bound by bound: the worst case, as if all figures erred to the same side together.
    """

    low: Number
    nominal: Number
    high: Number

    @staticmethod
    def of(value: float) -> Range:
        """Return a figure without a spread."""
        return Range(value, value, value)

    @staticmethod
    def total(parts: Iterable[Range]) -> Range:
        """Return the sum of all parts."""
        return sum(parts, start=Range.of(0.0))

    @staticmethod
    def highest(parts: Iterable[Range]) -> Range:
        """Return the largest of the parts, bound by bound; zero for none."""
        parts = list(parts) or [Range.of(0.0)]
        return Range(max(p.low for p in parts), max(p.nominal for p in parts), max(p.high for p in parts))

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.nominal + other.nominal, self.high + other.high)

    def __mul__(self, other: Range | float) -> Range:
        by = other if isinstance(other, Range) else Range.of(other)
        return Range(self.low * by.low, self.nominal * by.nominal, self.high * by.high)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Range:
        return Range(self.low / other, self.nominal / other, self.high / other)

    def over(self, other: Range) -> Range:
        """Return the quotient, the lowest over the highest; where the divisor is zero the result is infinite."""
        pairs = ((self.low, other.high), (self.nominal, other.nominal), (self.high, other.low))
        return Range(*(a / b if b else float("inf") for a, b in pairs))

    @property
    def spread(self) -> float:
        """High less low."""
        return self.high - self.low

    def __contains__(self, value: float) -> bool:
        """Return whether a value lies between low and high."""
        return self.low <= value <= self.high

    def as_dict(self) -> dict[str, float]:
        """Return the three numbers by name."""
        return {"low": self.low, "nominal": self.nominal, "high": self.high}


@dataclass(frozen=True)
class Figure:
    """A number somebody gave: its range in SI, where it is from, and by which key it is found.

    Args:
        key: as in the file, after the file's name: "periphery_32nm adc.energy", "device taox_hfox write.pulse_time".
        range: in SI.
        source: as in the file.
        scaled: it was carried over from another technology node.
    """

    key: str
    range: Range
    source: str
    scaled: bool = False

    @property
    def provenance(self) -> Provenance:
        """Who answers for it: "assumed" and "scaled" where the source begins so, or where it was scaled."""
        first = self.source.lower()
        if first.startswith(ASSUMED):
            return "assumed"
        return "scaled" if self.scaled or first.startswith("scaled") else "published"


def weakest(figures: Iterable[Figure]) -> Provenance:
    """Return the provenance of a product of figures: that of its weakest."""
    return max((f.provenance for f in figures), key=PROVENANCES.index, default="published")

"""Designs: points that fill ranges of several keys evenly, where a grid would take too many."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from neurohw.validation import Wrong
from neurohw.values import LARGEST_SEED

_DIGITS = 6  # of a value; more would say nothing, and files and names have to hold them
_MOST_KEYS = 21_201  # dimensions of Sobol's sequence in SciPy


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"got {value!r}; allowed: a finite number")
    return value


Bound = Annotated[int | float, BeforeValidator(_number)]


class KeyRange(BaseModel):
    """Where a key's values lie.

    Args:
        low, high: both included.
        log: evenly in the logarithm instead of in the value.
        integer: whole numbers only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Bound
    high: Bound
    log: StrictBool = False
    integer: StrictBool = False

    @model_validator(mode="after")
    def _in_order(self) -> KeyRange:
        if not self.low < self.high:
            raise ValueError(f"got low = {self.low:g} and high = {self.high:g}; allowed: low below high")
        if self.log and self.low <= 0:
            raise Wrong("low", f"got {self.low:g} with log = true; allowed: numbers above 0")
        if self.integer and not (isinstance(self.low, int) and isinstance(self.high, int)):
            raise ValueError(f"got {self.low!r} to {self.high!r} with integer = true; allowed: whole numbers")
        return self

    def at(self, share: float) -> int | float:
        """Return the value at a share of the range, 0 to 1; of integers each has as much of it, by log or evenly."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.integer else (self.low, self.high)
        value = low * (high / low) ** share if self.log else low + share * (high - low)
        if self.integer:
            return min(max(round(value), int(self.low)), int(self.high))
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


class Design(BaseModel):
    """Points spread over ranges.

    Args:
        kind: "sobol", Sobol's sequence, scrambled: a power of 2 of points, and twice as many keep those that there
            were; or "latin-hypercube": any number of points, each key's range cut into as many parts, each used once.
        points: how many.
        seed: of the scrambling, or of the hypercube.
        keys: dotted key -> its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sobol", "latin-hypercube"]
    points: Annotated[int, Field(strict=True, ge=1)]
    seed: Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)] = 0
    keys: Annotated[dict[str, KeyRange], Field(min_length=1, max_length=_MOST_KEYS)]

    @model_validator(mode="after")
    def _balanced(self) -> Design:
        if self.kind == "sobol" and self.points & (self.points - 1):
            below = 1 << (self.points.bit_length() - 1)
            raise Wrong(
                "points", f"got {self.points}; allowed of a Sobol design: powers of 2, as {below} or {2 * below}"
            )
        return self

    def samples(self) -> list[dict[str, Any]]:
        """Return the values of the keys at each point."""
        from scipy.stats import qmc  # here: it takes a second

        kind = {"sobol": qmc.Sobol, "latin-hypercube": qmc.LatinHypercube}[self.kind]
        shares = kind(len(self.keys), rng=np.random.default_rng(self.seed)).random(self.points)
        return [{key: known.at(share) for (key, known), share in zip(self.keys.items(), row, strict=True)}
                for row in shares.tolist()]  # fmt: skip

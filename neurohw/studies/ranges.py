"""Ranges of keys: where values of a design or of a search lie."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from neurohw.errors import InputError
from neurohw.validation import Wrong

_DIGITS = 6  # of a value; more would say nothing, and files and names have to hold them


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
        return min(max(round(value), int(self.low)), int(self.high)) if self.integer else self.rounded(value)

    def rounded(self, value: float) -> int | float:
        """Return a value with as many digits as say something, in the range still."""
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


def with_remedy(error: InputError, fractional: Iterable[str]) -> InputError:
    """Return an error; if it says that a key takes whole numbers only, with what to write in the key's range.

    Args:
        error: of an experiment with values drawn from ranges.
        fractional: keys whose ranges give other than whole numbers.
    """
    lines = [f"{line}; add integer = true to its range"
             if "allowed: a valid integer" in line and any(key in line for key in fractional) else line
             for line in str(error).splitlines()]  # fmt: skip
    return InputError("\n".join(lines))


def each_value_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values, of which none may stand twice."""
    texts = Counter(json.dumps(value, sort_keys=True, default=repr) for value in values)
    if repeated := [text for text, times in texts.items() if times > 1]:
        raise ValueError(f"got {', '.join(repeated)} more than once; allowed: each value once")
    return values


class Choice(BaseModel):
    """Values of a key that lie in no order.

    Args:
        values: at least two, each once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    values: Annotated[tuple[Any, ...], Field(min_length=2), AfterValidator(each_value_once)]

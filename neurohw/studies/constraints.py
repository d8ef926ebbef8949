"""Constraints between the keys of a sweep: comparisons, as `hardware.adc_bits >= hardware.dac_bits`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from neurohw.errors import InputError

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_KEY = r"[A-Za-z_][\w-]*(?:\.[\w-]+)*"
_SIDE = re.compile(
    rf"\s*(?:(?:(?P<factor>{_NUMBER})\s*\*\s*)?(?P<key>{_KEY})|(?P<number>{_NUMBER})|\"(?P<text>[^\"]*)\")\s*"
)
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_ALLOWED = 'a comparison (<, <=, >, >=, ==, !=) of a key, a number times a key, a number or a "text" with another'


@dataclass(frozen=True)
class Side:
    """One side of a comparison: `factor` times the value of `key`; without a key, `constant`."""

    key: str | None = None
    factor: float = 1.0
    constant: float | str = 0.0

    def value(self, values: Mapping[str, Any]) -> Any:
        """Return it with a point's values; numbers are multiplied, others are as they are."""
        if self.key is None:
            return self.constant
        value = values[self.key]
        return value if self.factor == 1 or not _is_number(value) else self.factor * value


@dataclass(frozen=True)
class Constraint:
    """What every point must fulfil; others are left out.

    Args:
        text: as it was given.
        left, right: the sides; comparison: between them, as in Python.
    """

    text: str
    left: Side
    comparison: str
    right: Side

    @classmethod
    def of(cls, text: str) -> Constraint:
        """Return the constraint of a text; a ValueError says what is allowed."""
        parts = re.split(r"(<=|>=|==|!=|<|>)", text)
        sides = [_SIDE.fullmatch(part) for part in parts[::2]]
        if len(parts) != 3 or not all(sides) or not any(side and side["key"] for side in sides):
            raise ValueError(f"got {text!r}; allowed: {_ALLOWED}")
        return cls(text, *(_side(sides[0]), parts[1], _side(sides[1])))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Return whether a point fulfils it.

        Args:
            values: by dotted key, all that the point sets.

        Raises:
            InputError: the point does not set one of the keys, or sets what cannot be compared.
        """
        for side in (self.left, self.right):
            if side.key is not None and side.key not in values:
                raise InputError(f"constraints: {self.text!r}: {side.key} is not set by every point; allowed: keys "
                                 "that each point sets, if only in [set]")  # fmt: skip
        left, right = self.left.value(values), self.right.value(values)
        ordered = self.comparison not in ("==", "!=")
        if ordered and not (_is_number(left) and _is_number(right)):
            raise InputError(f"constraints: {self.text!r}: got {left!r} and {right!r}; allowed: numbers")
        return _OPERATORS[self.comparison](left, right)


def _side(found: re.Match[str] | None) -> Side:
    assert found is not None
    if found["key"]:
        return Side(found["key"], float(found["factor"] or 1))
    return Side(constant=found["text"] if found["number"] is None else float(found["number"]))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

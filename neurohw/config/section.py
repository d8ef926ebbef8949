"""A table of an experiment file, and the kinds of numbers that stand in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

Probability = Annotated[float, Field(strict=True, ge=0, lt=1)]
Fraction = Annotated[float, Field(strict=True, gt=0, le=1)]
Positive = Annotated[float, Field(strict=True, gt=0)]
NonNegative = Annotated[float, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=1)]
Bits = Annotated[int, Field(strict=True, ge=0, le=16)]  # 0: not quantised


Worse = Literal["larger", "smaller"]


@dataclass(frozen=True)
class Axis:
    """What a key that can be swept says of itself in reports, beside its type.

    Args:
        title: what it is.
        unit: the SI unit of its values.
        worse: in which direction the hardware gets worse; None: as the accuracies say.
        off: the value at which it does nothing; None: there is no such.
    """

    title: str
    unit: str = "1"
    worse: Worse | None = None
    off: float | None = None


class Section(BaseModel):
    """A table of an experiment file: frozen, unknown keys refused.

    `also` names keys that stand for several others.
    """

    also: ClassVar[tuple[str, ...]] = ()
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def dotted(given: Any) -> Any:
    """Take nested tables, as in [target.parameters.decision], for dotted keys."""
    if not isinstance(given, dict):
        return given
    flat: dict[str, Any] = {}
    for key, value in given.items():
        inner = dotted(value) if isinstance(value, dict) else None
        flat |= {key: value} if inner is None else {f"{key}.{name}": item for name, item in inner.items()}
    return flat

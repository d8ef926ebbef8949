"""The target circuit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, StrictBool

from neurohw.circuits.kinds import CIRCUITS
from neurohw.config.section import Count, Fraction, NonNegative, Probability, Section, dotted


class TargetSection(Section):
    """The target circuit: kWTA with homeostasis (Liu et al. 2024, Eqs. 1, 2, 9 to 13), and what it is made of."""

    circuit: Literal[tuple(CIRCUITS)] = "ideal"  # type: ignore[valid-type]
    model: str | None = None
    parameters: Annotated[dict[str, StrictBool | int | float | str], BeforeValidator(dotted)] = {}
    k: Count = 1
    gamma: NonNegative = 0.5
    average: Literal["batch", "ema"] = "batch"
    eta: Fraction = 0.1
    smoothing: Probability = 0.0
    reset: Literal["epoch", "never"] = "epoch"
    ties: Literal["lowest", "random"] = "lowest"
    activity_target: Literal["paper", "code"] = "code"
    average_of: Literal["target", "winners"] = "target"

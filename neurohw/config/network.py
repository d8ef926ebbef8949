"""Which network learns, and how Equilibrium Propagation relaxes and writes."""

from __future__ import annotations

import operator
from math import sqrt
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool

from neurohw.config.section import Count, NonNegative, Positive, Section, dotted
from neurohw.networks.rules import LEARNING_RULES


class NetworkSection(Section):
    """Which network: learning rule, neurons per layer (the input first), activation circuits, biases.

    The parameters of a rule's own are left out of the configuration where there are none.
    """

    rule: Literal[tuple(LEARNING_RULES)] = "bp"  # type: ignore[valid-type]
    parameters: Annotated[dict[str, StrictBool | int | float | str], BeforeValidator(dotted),
                          Field(exclude_if=operator.not_)] = {}  # fmt: skip
    layers: Annotated[tuple[Count, ...], Field(min_length=2)] = (64, 100)
    neurons: tuple[Literal["identity", "relu", "hardsigm", "sigmoid", "tanh"], ...] = ("hardsigm",)
    bias: Literal["digital", "line"] = "digital"
    init_gain: NonNegative = 0.5


class EPSection(Section):
    """Equilibrium Propagation: relaxation, nudging, and how the contrast is written."""

    dt: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.2
    free_steps: Count = 40
    nudged_steps: Count = 10
    beta: Positive = 0.2
    beta_sign: Literal["random", "positive"] = "random"
    estimate: Literal["one-sided", "symmetric"] = "one-sided"
    contrast: Literal["two-phase", "difference"] = "two-phase"
    pulse_order: Literal["free-first", "nudged-first"] = "free-first"
    hold_input: StrictBool = True


def xavier_bound(n_post: int, n_pre: int, gain: float) -> float:
    """Return the largest initial weight, b = gain sqrt(6 / (n_pre + n_post)) (Glorot & Bengio 2010)."""
    return gain * sqrt(6 / (n_pre + n_post))

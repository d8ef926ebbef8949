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

    Args:
        rule: Backpropagation, Equilibrium Propagation, Hebbian learning (hard winner-take-all, SoftHebb, Krotov and
            Hopfield's), or a learning rule of your own.
        parameters: what such a rule has of its own.
        layers: neurons per layer, the inputs first.
        neurons: activation of each layer but the inputs, hidden ones first; EP has one for all.
        bias: is added digitally, or a line of the crossbar that is always on.
        init: initial weights are of both signs, or positive.
        init_gain: gain g of the initial weights, uniform in +-g sqrt(6 / (n_pre + n_post)), or from 0 to that.
    """

    rule: Literal[tuple(LEARNING_RULES)] = "bp"  # type: ignore[valid-type]
    parameters: Annotated[dict[str, StrictBool | int | float | str], BeforeValidator(dotted),
                          Field(exclude_if=operator.not_)] = {}  # fmt: skip
    layers: Annotated[tuple[Count, ...], Field(min_length=2)] = (64, 100)
    neurons: tuple[Literal["identity", "relu", "hardsigm", "sigmoid", "tanh"], ...] = ("hardsigm",)
    bias: Literal["digital", "line"] = "digital"
    # younger than the first records: who does without it keeps the hash
    init: Annotated[Literal["symmetric", "positive"], Field(exclude_if=lambda it: it == "symmetric")] = "symmetric"
    init_gain: NonNegative = 0.5


class EPSection(Section):
    """Equilibrium Propagation: relaxation, nudging, and how the contrast is written.

    Args:
        dt: step of the relaxation, of its time constant.
        free_steps: steps of the free phase (T of the published code).
        nudged_steps: steps of the nudged phase (Kmax of the published code).
        beta: strength of the nudging.
        beta_sign: sign of the nudging, of each batch at random, or always positive.
        estimate: of the gradient: from the free and a nudged phase, or from two phases nudged in opposite directions.
        contrast: it is written as two outer products, of either phase, or as their difference.
        pulse_order: which of the two products is written first.
        hold_input: the inputs' product is read once and held, or read in every step.
    """

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

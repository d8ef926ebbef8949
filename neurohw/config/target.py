"""The target circuit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, StrictBool

from neurohw.circuits.kinds import CIRCUITS
from neurohw.config.section import Count, Fraction, NonNegative, Probability, Section, dotted


class TargetSection(Section):
    """The target circuit: kWTA with homeostasis (Liu et al. 2024, Eqs. 1, 2, 9 to 13), and what it is made of.

    Args:
        circuit: k winners: exact, of analog parts, or of spiking neurons; shares of a softmax; the winner, and the
            k-th strongest output, which is pushed down; or the strongest output, as if it were the label (Lee 2013).
        model: a circuit's name or file, which gives what it is made of.
        parameters: numbers of the circuit, by dotted key, over those of its file.
        k: how many outputs win.
        gamma: strength of the homeostasis, which evens out how often outputs win; 0: none.
        average: how outputs' activity is averaged: over the batch, or exponentially over images.
        eta: share of the newest image in the moving average.
        smoothing: share of the target that is spread over all outputs.
        reset: when thresholds begin anew.
        ties: which of equal outputs wins.
        activity_target: how often an output shall win, by the published text (k / n) or its code.
        average_of: what is averaged: the target as it is applied, or the winners.
    """

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

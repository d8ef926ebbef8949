"""Calls timed in turns, in one process: what slows the machine slows all of them, and their ratio stays.

A figure of speed is the median over rounds of the ratio of two calls in the same round, with its range.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Annotated, Any

import torch
from pydantic import BaseModel, Field

ROUNDS = 7
_SHORTEST = 20.0  # ms of a call in a round; shorter ones are repeated
_TICK = 1e-3  # ms, taken for a call that ended before the clock went on

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Figure(BaseModel, frozen=True):
    """A figure of speed: how many times as long one call takes as another.

    Args:
        figure: its name.
        ratio, low, high: median and range over the rounds.
        goal: what is to be reached, as "<= 1.5" or ">= 8"; "lower" or "higher" is better where there is no number.
        ms: median time of our call, or of a batch; ms_goal: at most so long.
        rounds, threads: it was measured in and on.
    """

    figure: str
    ratio: Positive
    low: Positive
    high: Positive
    goal: Annotated[str, Field(pattern=r"^([<>]= \d+(\.\d+)?|lower|higher)$")]
    ms: Positive
    ms_goal: Positive | None = None
    rounds: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]

    @property
    def higher_is_better(self) -> bool:
        """Whether the goal is a bound from below."""
        return is_higher(self.goal)


def is_higher(goal: str) -> bool:
    """Return whether more is better, by a figure's goal."""
    return goal.startswith(">=") or goal == "higher"


@dataclass(frozen=True)
class Rounds:
    """Times of calls that took turns: ms of each, round by round."""

    ms: Mapping[str, list[float]]

    def median(self, call: str) -> float:
        """Return a call's median time, ms."""
        return median(self.ms[call])

    def ratios(self, call: str, over: str) -> list[float]:
        """Return how many times as long `call` took as `over`, round by round."""
        return [above / below for above, below in zip(self.ms[call], self.ms[over], strict=True)]

    def figure(
        self, name: str, call: str, over: str, goal: str, batches: int = 1, ms_goal: float | None = None
    ) -> Figure:
        """Return the figure of `call` over `over`; ours is the call that the goal wants to be fast.

        Args:
            name: of the figure; goal, ms_goal: see `Figure`.
            call, over: names of two calls.
            batches: in a call, for the time of one.
        """
        ratios = self.ratios(call, over)
        return Figure(
            figure=name,
            ratio=median(ratios),
            low=min(ratios),
            high=max(ratios),
            goal=goal,
            ms=self.median(over if is_higher(goal) else call) / batches,
            ms_goal=ms_goal,
            rounds=len(ratios),
            threads=torch.get_num_threads(),
        )


def in_rounds(
    calls: Mapping[str, Callable[[], Any]],
    rounds: int = ROUNDS,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
) -> Rounds:
    """Time calls in rounds, whose order is reversed from one to the next.

    Args:
        calls: by name; one that is shorter than 20 ms is repeated within a round, and its median counts.
        rounds: that count, after `warm_up` others, which also tell how often short calls are repeated.
        clock: seconds; on a GPU one that waits until the device has finished.

    Returns:
        The time of a call in every round, ms.
    """
    names, repeats = list(calls), dict.fromkeys(calls, 1)
    ms: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            spent = _milliseconds(calls[name], repeats[name], clock)
            if turn < 0:
                repeats[name] = max(1, math.ceil(_SHORTEST / spent))
            else:
                ms[name].append(spent)
    return Rounds(ms)


def _milliseconds(call: Callable[[], Any], repeats: int, clock: Callable[[], float]) -> float:
    """Return the median time of so many calls."""
    times = []
    for _ in range(repeats):
        began = clock()
        call()
        times.append(1e3 * (clock() - began))
    return max(median(times), _TICK)

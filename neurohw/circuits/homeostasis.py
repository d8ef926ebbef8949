"""Where the homeostatic thresholds are kept: a capacitor or a counter per neuron, with its errors."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from neurohw.circuits.analog_parameters import BOLTZMANN, HomeostasisCell
from neurohw.circuits.target import Homeostasis, TargetRule
from neurohw.errors import InputError


class ThresholdCells:
    """One storage cell per neuron for H (Liu et al. 2024, Eq. 10), as a voltage in units of `unit_voltage`.

    H <- sat(H exp(-t / tau) + (1 + e_i) gamma (A - T) + q_i / C + sqrt(kT / C) n), rounded in a counter; what a
    capacitor holds is rounded where it is read. An update is two pulses, one that raises H by gamma A where the neuron
    won at all, and one that lowers all by gamma T; q_i is what both leave behind.

    Args:
        cell: what a cell is made of.
        rule: what is asked for; its eta where the cell has no RC.
        temperature: K.
        chip: draws the errors that are fixed per chip.
        generator: draws thermal noise and dither.
        dtype: of the thresholds.

    Raises:
        InputError: an RC without an exponential average.
    """

    def __init__(
        self,
        cell: HomeostasisCell,
        rule: TargetRule,
        temperature: float,
        chip: torch.Generator,
        generator: torch.Generator | None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.cell, self.rule = cell, rule
        self._generator = generator
        n = rule.n_out
        if cell.average_seconds is not None and rule.average != "ema":
            raise InputError(f"homeostasis.average_seconds: got {cell.average_seconds} s, which only an exponential "
                             f'average reads; allowed: target.average = "ema", got "{rule.average}"')  # fmt: skip
        self._gain = cell.step_mismatch * _normal(n, chip, dtype) + 1
        charge = cell.injection_mismatch * _normal(n, chip, dtype) + 1
        self._raised = charge * (cell.charge_injection / cell.capacitance / cell.unit_voltage)
        self._lowered = charge * (cell.decrement_injection / cell.capacitance / cell.unit_voltage)
        self._limit = math.inf if cell.range is None else cell.range / cell.unit_voltage
        self._thermal = 0.0  # standard deviation of a sampled H
        if cell.thermal_noise:
            self._thermal = math.sqrt(BOLTZMANN * temperature / cell.capacitance) / cell.unit_voltage
        self._least = 2 * self._limit / 2**cell.bits if cell.bits else 0.0  # the step of the counter

    def read(self, homeostasis: Homeostasis) -> Tensor:
        """Return H as the inputs see it, [n]: a capacitor's through its converter."""
        if self._least and self.cell.storage == "capacitor":
            return self._rounded(homeostasis.threshold)
        return homeostasis.threshold

    def rest(self, homeostasis: Homeostasis, seconds: float) -> Homeostasis:
        """Return the thresholds after `seconds` without an update: H decays towards 0."""
        leak = self.cell.leak_seconds
        if leak is None or not seconds:
            return homeostasis
        return Homeostasis(homeostasis.threshold * math.exp(-seconds / leak), homeostasis.activity)

    def next(self, homeostasis: Homeostasis, decided: Tensor, raised: Tensor, seconds: float) -> Homeostasis:
        """Return the thresholds after a batch of decisions.

        Args:
            homeostasis: the thresholds before it, rested.
            decided: what is averaged, [B, n].
            raised: who won at all, [n].
            seconds: simulated time of the batch.
        """
        activity, carried = self.rule.averaged(homeostasis, decided, self._newest(len(decided), seconds))
        step = self.rule.gamma * (activity - self.rule.frequency)  # Eq. 10
        threshold = homeostasis.threshold + self._gain * step
        if self.cell.charge_injection or self.cell.decrement_injection:
            threshold = threshold + self._raised * raised + self._lowered
        if self._thermal:
            threshold = threshold + self._thermal * self._drawn(torch.randn)
        if self._least and self.cell.storage == "counter":
            threshold = self._rounded(threshold)
        return Homeostasis(threshold.clamp(-self._limit, self._limit), carried)

    def _newest(self, batch: int, seconds: float) -> float | None:
        """Weight of the newest example: 1 - exp(-t / RC) where an RC averages."""
        constant = self.cell.average_seconds
        return None if constant is None else -math.expm1(-seconds / batch / constant)

    def _rounded(self, threshold: Tensor) -> Tensor:
        """Return the thresholds in whole steps, 2^bits of them from -range up."""
        steps = threshold / self._least
        steps = torch.floor(steps + self._drawn(torch.rand)) if self.cell.rounding == "stochastic" else steps.round()
        return (steps * self._least).clamp(-self._limit, self._limit - self._least)

    def _drawn(self, draw: Callable[..., Tensor]) -> Tensor:
        like = self._gain
        return draw(len(like), generator=self._generator, device=like.device, dtype=like.dtype)


def _normal(n: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    return torch.randn(n, generator=generator, device=generator.device, dtype=dtype)

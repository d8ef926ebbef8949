"""A law as the fit sees it: which numbers belong to a cell, which to all cells, and which parameters they make.

A cell's numbers are chosen such that they vary independently from cell to cell in `laws`: the mean and half the
difference of the up and down steps, the bounds, and what the law adds. Weights are scaled so that the mean bounds are
-1 and 1. The steps themselves are those of `laws`, evaluated on tensors with one leading axis of trial parameters.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from neurohw.devices.response import Cells, PulseResponse

Samples = dict[str, np.ndarray]  # parameter of the law -> [samples], or [samples, values] for a table
_NEAR = 0.05  # a bound stays at least this far from 0


@dataclass(frozen=True)
class Start:
    """First guesses, in scaled weights: mean steps, their slopes against w, the bounds."""

    up: float
    down: float
    slope_up: float
    slope_down: float
    w_max: float = 1.0
    w_min: float = -1.0


@dataclass(frozen=True)
class Response:
    """A population's response to one pulse, for trial parameters.

    Args:
        law, cells: with step_ctoc = 1.
        hard: whether a pulse can be cut off by the bounds.
    """

    law: PulseResponse
    cells: Cells
    hard: bool

    def steps(self, w: Tensor, up: bool) -> Tensor:
        """Return the mean |dw|."""
        return self.law.steps(w, self.cells, up)

    def noise(self, w: Tensor, steps: Tensor, up: bool) -> Tensor:
        """Return the cycle-to-cycle spread."""
        return torch.as_tensor(self.law.noise(w, steps, self.cells, up))


class FittedLaw(abc.ABC):
    """One law with its numbers per cell (`effects`) and for all cells (`shared`)."""

    name: ClassVar[str]
    effects: ClassVar[tuple[str, ...]] = ("gain", "skew", "w_max", "w_min")
    shared: ClassVar[tuple[str, ...]] = ()
    hard: ClassVar[bool] = True

    def __init__(self, additive_noise: bool = False) -> None:
        self.additive_noise = additive_noise

    def start(self, start: Start) -> tuple[np.ndarray, np.ndarray]:
        """Return first guesses of the means of the effects and of the shared numbers."""
        common = [(start.up + start.down) / 2, (start.up - start.down) / 2, start.w_max, start.w_min]
        return np.array([*common, *self._start_own(start)]), np.array(self._start_shared(start))

    def scales(self, mean: np.ndarray) -> np.ndarray:
        """Return how large each effect is, for steps of the optimiser."""
        return np.concatenate([[abs(mean[0])] * 2, np.ones(len(self.effects) - 2)])

    def response(self, effects: Tensor, shared: Tensor) -> Response:
        """Return the response.

        Args:
            effects: [trials, devices, effects].
            shared: [trials, shared].
        """
        gain, skew, w_max, w_min = effects[..., :4, None].unbind(-2)
        cells = {
            "up": (gain + skew).abs(),
            "down": (gain - skew).abs(),
            "w_max": w_max.clamp(min=_NEAR),
            "w_min": w_min.clamp(max=-_NEAR),
        }
        law = self._law(effects[..., 4:, None], shared[:, :, None, None], cells)
        return Response(law, cells, self.hard or self.additive_noise)

    def parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        """Return the law's parameters of samples of the population.

        Args:
            mean, std: [samples, effects], over devices.
            shared: [samples, shared].
        """
        gain, skew, w_max, w_min = mean.T[:4]
        up, down = gain + skew, gain - skew
        step = np.maximum(up, down)
        common = {
            "step": step,
            "step_dtod": std[:, 0] / step,
            "asymmetry": np.where(up >= down, 1 - down / step, up / step - 1),
            "asymmetry_dtod": std[:, 1] / step,
            "w_max_dtod": std[:, 2] / abs(w_max),
            "w_min_dtod": std[:, 3] / abs(w_min),
        }
        return common | self._own_parameters(mean[:, 4:], std[:, 4:], shared)

    def flags(self, parameters: dict[str, Any]) -> dict[str, bool]:
        """Return the law's flags that the fit decides or presumes."""
        return {}

    def _start_own(self, start: Start) -> list[float]:
        return []

    def _start_shared(self, start: Start) -> list[float]:
        return []

    @abc.abstractmethod
    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        """Return the law with step_ctoc = 1, its own cells added; own: [trials, devices, own, 1]."""

    def _own_parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        return {}

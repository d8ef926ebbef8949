"""A law as the fit sees it: which numbers belong to a cell, which to all cells, and which parameters they make.

A cell's numbers are chosen such that they vary independently from cell to cell in `laws`: the mean and half the
difference of the up and down steps, the bounds, and what the law adds. Weights are scaled so that the mean bounds are
-1 and 1. The steps themselves are those of `laws`, evaluated on tensors with one leading axis of trial parameters.
"""

from __future__ import annotations

import abc
import copy
import math
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
class Reach:
    """Where cells' bounds may lie, and which way pulses go.

    Args:
        low, high: least and most of w_min and of w_max, in the unit of the trains; equal where the data end before a
            bound shows: all cells' bounds are then where the data end.
        one_sided: all pulses potentiate: what belongs to depressing ones is as for potentiating ones.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    one_sided: bool = False

    def scaled(self, centre: float, half: float) -> Reach:
        """Return the same limits of (g - centre) / half."""
        low, high = (tuple((g - centre) / half for g in span) for span in (self.low, self.high))
        return Reach((low[0], low[1]), (high[0], high[1]), self.one_sided)

    @property
    def ends(self) -> dict[str, float]:
        """The bounds that are where the data end."""
        spans = {"w_max": self.high, "w_min": self.low}
        return {name: least for name, (least, most) in spans.items() if least == most}


@dataclass(frozen=True)
class Response:
    """A population's response to one pulse, for trial parameters.

    Args:
        law, cells: with step_ctoc = 1.
        hard: whether a pulse can be cut off by the bounds.
        noisy: the cells whose noise it is: themselves, or their mean. Noise that is as large for all cells would else
            make their steps alike: many pulses tell its size better than that of a step.
    """

    law: PulseResponse
    cells: Cells
    hard: bool
    noisy: Cells

    def steps(self, w: Tensor, up: bool) -> Tensor:
        """Return the mean |dw|."""
        return self.law.steps(w, self.cells, up)

    def noise(self, w: Tensor, steps: Tensor, up: bool) -> Tensor:
        """Return the cycle-to-cycle spread."""
        return torch.as_tensor(self.law.noise(w, steps, self.noisy, up))


class FittedLaw(abc.ABC):
    """One law with its numbers per cell (`effects`) and for all cells (`shared`)."""

    name: ClassVar[str]
    effects: ClassVar[tuple[str, ...]] = ("gain", "skew", "w_max", "w_min")
    shared: tuple[str, ...] = ()
    hard: ClassVar[bool] = True
    vanishing: ClassVar[bool] = False  # steps fall to zero at a cell's own bounds
    limits: ClassVar[dict[str, tuple[float, float]]] = {}  # of parameters, so that no step turns its sign

    def __init__(self, additive_noise: bool = False, alike_noise: bool = False) -> None:
        """Take the variant.

        Args:
            additive_noise: noise is relative to s instead of to dw.
            alike_noise: to the mean s of all cells instead of to each cell's own: of trains whose noise is as large for
                all cells, however large their steps. A device's file has no such noise, and takes that of its own s.
        """
        self.additive_noise, self.alike_noise = additive_noise, alike_noise
        self.reach: Reach | None = None

    def within(self, reach: Reach | None) -> FittedLaw:
        """Return this law with its cells' bounds in given limits, in scaled weights."""
        law = copy.copy(self)
        law.reach = reach
        return law

    @property
    def one_sided(self) -> bool:
        """Whether all pulses potentiate."""
        return self.reach is not None and self.reach.one_sided

    @property
    def shared_limits(self) -> list[tuple[float, float]]:
        """Least and most of each shared number."""
        return [self.limits.get(name, (-math.inf, math.inf)) for name in self.shared]

    def idle(self, name: str) -> bool:
        """Return whether the trains say nothing of an effect or a shared number, so that it is not fitted."""
        ended = self.reach is not None and name in self.reach.ends
        return ended or (self.one_sided and ("skew" in name or "down" in name))

    def completed(self, values: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """Return effects or shared numbers, those that are not fitted as they follow from the others.

        Args:
            values: [..., names].
        """
        values = values.copy()
        for i, name in enumerate(names):
            if self.reach is not None and name in self.reach.ends:
                values[..., i] = self.reach.ends[name]
            elif self.idle(name):
                mirrored = name.replace("down", "up")
                known = mirrored != name and mirrored in names
                values[..., i] = values[..., names.index(mirrored)] if known else 0.0
        return values

    def start(self, start: Start) -> tuple[np.ndarray, np.ndarray]:
        """Return first guesses of the means of the effects and of the shared numbers."""
        common = [(start.up + start.down) / 2, (start.up - start.down) / 2, start.w_max, start.w_min]
        return np.array([*common, *self._start_own(start)]), np.array(self._start_shared(start))

    def scales(self, mean: np.ndarray) -> np.ndarray:
        """Return how large each effect is, for steps of the optimiser."""
        return np.concatenate([[abs(mean[0])] * 2, np.ones(len(self.effects) - 2)])

    def rescaled(
        self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray, shift: np.ndarray, stretch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return effects, their spreads and shared numbers of the same cells in other weights, (w - shift) / stretch.

        Args:
            mean, std: [samples, effects]; shared: [samples, shared]; shift, stretch: [samples].
        """
        mean, std = mean.copy(), std.copy()
        mean[:, 2:4] -= shift[:, None]
        mean[:, :4] /= stretch[:, None]
        std[:, :4] /= stretch[:, None]
        return mean, std, shared

    def response(self, effects: Tensor, shared: Tensor) -> Response:
        """Return the response.

        Args:
            effects: [trials, devices, effects].
            shared: [trials, shared].
        """
        effects, shared = self._active(effects, self.effects), self._active(shared, self.shared)
        gain, skew, w_max, w_min = effects[..., :4, None].unbind(-2)
        cells = {
            "up": (gain + skew).abs(),
            "down": (gain - skew).abs(),
            "w_max": w_max.clamp(min=_NEAR),
            "w_min": w_min.clamp(max=-_NEAR),
        }
        if self.reach is not None:
            cells["w_max"] = cells["w_max"].clamp(*self.reach.high)
            cells["w_min"] = cells["w_min"].clamp(*self.reach.low)
        law = self._law(effects[..., 4:, None], shared[:, :, None, None], cells)
        noisy = cells
        if self.alike_noise:  # of the first trial: the others differ from it for derivatives, which noise has none of
            noisy = cells | {side: cells[side][:1].mean(1, keepdim=True).expand_as(cells[side])
                             for side in ("up", "down")}  # fmt: skip
        return Response(law, cells, self.hard or self.additive_noise, noisy)

    def _active(self, values: Tensor, names: tuple[str, ...]) -> Tensor:
        """Return effects or shared numbers [..., names], those that are not fitted completed."""
        if not any(self.idle(name) for name in names):
            return values
        return torch.from_numpy(self.completed(values.numpy(), names))

    def parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        """Return the law's parameters of samples of the population.

        Args:
            mean, std: [samples, effects], over devices.
            shared: [samples, shared].
        """
        gain, skew, w_max, w_min = mean.T[:4]
        up, down = abs(gain + skew), abs(gain - skew)  # as in `response`
        step = np.maximum(up, down)
        common = {
            "step": step,
            "step_dtod": std[:, 0] / step,
            "asymmetry": np.where(up >= down, 1 - down / step, up / step - 1),
            "asymmetry_dtod": std[:, 1] / step,
            "w_max_dtod": std[:, 2] / abs(w_max),
            "w_min_dtod": std[:, 3] / abs(w_min),
        }
        own = self._own_parameters(mean[:, 4:], std[:, 4:], shared)
        return common | {name: np.clip(own[name], *self.limits.get(name, (None, None))) for name in own}

    def flags(self, parameters: dict[str, Any]) -> dict[str, bool]:
        """Return the law's flags that the fit decides or presumes."""
        return {"additive_noise": True} if self.additive_noise else {}

    def _stepping(self, mean: np.ndarray, up: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Return effects [samples, effects] with the up and down steps so many times as large, each [samples]."""
        mean, (gain, skew) = mean.copy(), mean.T[:2]
        rising, falling = (gain + skew) * up, (gain - skew) * (up if self.one_sided else down)
        mean[:, 0], mean[:, 1] = (rising + falling) / 2, (rising - falling) / 2
        return mean

    def _start_own(self, start: Start) -> list[float]:
        return []

    def _start_shared(self, start: Start) -> list[float]:
        return []

    @abc.abstractmethod
    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        """Return the law with step_ctoc = 1, its own cells added; own: [trials, devices, own, 1]."""

    def _own_parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        return {}

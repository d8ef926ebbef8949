"""What a number of pulses of one polarity does to weights."""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from neurohw.devices.response import PulseResponse
from neurohw.draws import normal, uniform
from neurohw.isolation import aside
from neurohw.places import flat_nonzero

_STRIDE = 0.03  # share of the range that pulses taken together may move a cell
_NOTHING = np.zeros(0, np.float32)
_CROSSINGS = 4  # of the range by the mean cell: a write gives no more pulses, since every cell is at its bound by then


class Stepping:
    """Steps of a law, many at once.

    Pulses are taken together, as many as move a cell by 3 % of its range, and evaluated half-way: of a law linear in
    the weight the mean is exact to third order in that share.

    Args:
        response: the law.
        levels: how many evenly spaced weights a cell can hold; None: any.
        generator: draws cycle-to-cycle noise.

    Attributes:
        strides: pulses taken together, by polarity (True: up).
        most: pulses of one write, by polarity.
        straight: whether `move_straight` does what `moved` does: a straight law, cells of any weight, on a CPU.
    """

    def __init__(self, response: PulseResponse, levels: int | None, generator: torch.Generator) -> None:
        self.response, self.levels = response, levels
        self._generator = generator
        self.straight = response.straight and levels is None and generator.device.type == "cpu"
        self.strides = {up: _stride(response, up) for up in (True, False)}
        self.most = {up: _most(response, up) for up in (True, False)}

    def moved(self, w: Tensor, number: Tensor, own: dict[str, Tensor], up: bool) -> Tensor:
        """Return the weights after `number` pulses each."""
        stride = self.strides[up]
        w = moved = self._stride_on(w, number.clamp(max=stride), own, up)
        part, places = own, None
        while len(some := flat_nonzero(number > stride)):
            number = number.index_select(0, some).sub_(stride)
            places = some if places is None else places.index_select(0, some)
            part = {name: tensor.index_select(0, some) for name, tensor in part.items()}
            moved = self._stride_on(moved.index_select(0, some), number.clamp(max=stride), part, up)
            w.index_copy_(0, places, moved)
        return w

    def move_straight(
        self, w: Tensor, pulses: Tensor, index: Tensor, number: Tensor, cells: dict[str, Tensor], up: bool
    ) -> None:
        """Do the same in place to some cells of an array, if `straight` is true, and count their pulses.

        Args:
            w, pulses, cells: weights, pulses so far and parameters of all cells, [n_post, n_pre].
            index, number: [M], flat indices of the cells, and pulses of each.
        """
        side, stride, give = "up" if up else "down", self.strides[up], _straight_steps().straight_steps
        spread = self.response.step_ctoc, getattr(self.response, "additive_noise", False)
        names = (side, f"slope_{side}", "reference", "w_min", "w_max")
        own = tuple(_line(cells[name]) if name in cells else _NOTHING for name in names)
        while len(index):
            noise = normal(index.shape, self._generator).numpy() if spread[0] else _NOTHING
            part = number.clamp(max=stride).numpy()
            give((_line(w), pulses.view(-1).numpy()), index.numpy(), part, noise, own, spread, up)
            some = flat_nonzero(number > stride)
            index, number = index.index_select(0, some), number.index_select(0, some).sub_(stride)

    def look_straight(self, w: Tensor, seen: Tensor, index: Tensor, cells: dict[str, Tensor]) -> None:
        """Renew what is seen of cells that were moved in place: with the noise of a write, if they can be written."""
        noise = normal(index.shape, self._generator).mul_(self.response.write_noise * self.response.step)
        bounds = _line(cells["w_min"]), _line(cells["w_max"])
        _straight_steps().noisy_looks(_line(w), _line(seen), index.numpy(), noise.numpy(), bounds)

    def _stride_on(self, w: Tensor, number: Tensor, own: dict[str, Tensor], up: bool) -> Tensor:
        """w <- clip(w +- (n dw(w') + sqrt(n) sigma(w') xi)), w' = w +- n dw(w) / 2 (w itself for one pulse).

        A cell that holds levels is on one after every pulse: the last rounding is drawn, the others are in sigma.
        """
        response, sign = self.response, 1.0 if up else -1.0
        steps = response.steps(w, own, up)
        if self.strides[up] > 1:
            halfway = torch.addcmul(w, (number - 1), steps, value=sign / 2)
            steps = response.steps(halfway, own, up)
        else:
            halfway = w
        moved = torch.addcmul(w, number, steps, value=sign)
        if response.step_ctoc:
            noise = normal(w.shape, self._generator).mul_(number.sqrt())
            moved.addcmul_(noise, torch.as_tensor(response.noise(halfway, steps, own, up)))
        if self.levels is not None:
            noise = normal(w.shape, self._generator).mul_((number - 1).sqrt_())
            spread = torch.as_tensor(response.noise(halfway, steps, own, up))
            moved.addcmul_(noise, self._rounding(steps, spread, own))
        return self.on_levels(moved.clamp_(own["w_min"], own["w_max"]), own)

    def _rounding(self, steps: Tensor, noise: Tensor, own: dict[str, Tensor]) -> Tensor:
        """Return the standard deviation of one pulse's rounding to a level, D sqrt(f (1 - f)), f = frac(dw / D).

        Over the noise sigma of dw, f (1 - f) averages to 1/6 + (f (1 - f) - 1/6) exp(-2 (pi sigma / D)^2), but for
        higher harmonics.
        """
        assert self.levels is not None
        level = (own["w_max"] - own["w_min"]).clamp_(min=1e-12) / (self.levels - 1)
        fraction = (steps / level).abs_().frac_()
        blurred = (noise / level).square().mul(-2 * math.pi**2).exp()
        return (fraction * (1 - fraction)).sub_(1 / 6).mul_(blurred).add_(1 / 6).sqrt_().mul_(level)

    def on_levels(self, w: Tensor, own: dict[str, Tensor], nearest: bool = False) -> Tensor:
        """Return the nearest level, or one drawn between the two neighbours so that the mean is kept."""
        if self.levels is None:
            return w
        count = self.levels
        span = (own["w_max"] - own["w_min"]).clamp_(min=1e-12) / (count - 1)
        place = (w - own["w_min"]) / span
        draw = 0.5 if nearest else uniform(w.shape, self._generator)
        return (place + draw).floor_().clamp_(0, count - 1).mul_(span).add_(own["w_min"])


def _line(cells: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return cells.view(-1).numpy()


@cache
def _straight_steps() -> ModuleType:
    """Return the compiled functions; numba reads settings of the folder where one stands whenever it compiles."""
    with aside():
        from neurohw.crossbar import straight_steps

        none, own = np.zeros(0, np.int64), (_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING)
        cells = _NOTHING, np.zeros(0, np.int32)
        straight_steps.straight_steps(cells, none, _NOTHING, _NOTHING, own, (0.0, False), True)
        straight_steps.noisy_looks(_NOTHING, _NOTHING, none, _NOTHING, own[:2])
    return straight_steps


def _stride(response: PulseResponse, up: bool) -> int:
    """Return the most pulses n for which n dw + sqrt(n) sigma dw stays within reach, at least 1.

    dw is the mean cell's step: its average from bound to bound, or at w = 0 where that is larger.
    """
    share = _STRIDE * (response.w_max - response.w_min) / max(_mean_step(response, up), response.step)
    root = (-response.step_ctoc + (response.step_ctoc**2 + 4 * share) ** 0.5) / 2
    return max(1, int(root**2))


def _most(response: PulseResponse, up: bool) -> int:
    """Return the pulses that take the mean cell across its range as often as a write allows."""
    return math.ceil(_CROSSINGS * (response.w_max - response.w_min) / _mean_step(response, up))


def _mean_step(response: PulseResponse, up: bool) -> float:
    """Return the mean cell's step, averaged from bound to bound."""
    places = torch.linspace(response.w_min, response.w_max, 65)
    return float(response.steps(places, response.mean_cell(), up).mean())

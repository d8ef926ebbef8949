"""The laws that are fitted, by name: what each adds to the numbers of every law, and where a fit of it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from neurohw.devices import laws
from neurohw.devices.laws import find_law
from neurohw.devices.response import Cells, PulseResponse
from neurohw.errors import InputError
from neurohw.fitting.fitted_law import FittedLaw, Samples, Start

TABLE = 5  # values of a fitted piecewise table; its middle is 1
_LEAST = 0.02  # of a table: a cell that does not move at all would stick there for ever
_LARGEST = 20.0
_BENDS = (-4.0, 10.0)  # of the exponential law
_LOSS = 2.0  # at a bound, of the step at the other one: from 1 on, cells stop before their bound


class FittedConstant(FittedLaw):
    """dw = s; the bounds are hard."""

    name = "constant"

    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        return laws.ConstantStep(step_ctoc=1.0)


class FittedLinear(FittedLaw):
    """dw = s (1 - gamma w / bound), gamma of the mean bound; hard bounds."""

    name = "linear"
    effects = (*FittedLaw.effects, "gamma_up", "gamma_down")
    limits: ClassVar = {"gamma_up": (-0.98, 1.0), "gamma_down": (-0.98, 1.0)}

    def _start_own(self, start: Start) -> list[float]:
        return [float(np.clip(s, -0.9, 0.95)) for s in (-start.slope_up / start.up, start.slope_down / start.down)]

    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        gamma_up, gamma_down = own.clamp(*self.limits["gamma_up"]).unbind(-2)
        cells["slope_up"], cells["slope_down"] = -gamma_up * cells["up"], gamma_down * cells["down"]
        return laws.LinearStep(step_ctoc=1.0, additive_noise=self.additive_noise)

    def rescaled(
        self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray, shift: np.ndarray, stretch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the same lines: their slopes stay, the steps are those at the new zero."""
        up, down = (np.maximum(1 - mean[:, 4] * shift, _LEAST), np.maximum(1 + mean[:, 5] * shift, _LEAST))
        mean, std, shared = super().rescaled(self._stepping(mean, up, down), std, shared, shift, stretch)
        gammas = np.stack([stretch / up, stretch / down], axis=1)
        mean[:, 4:6], std[:, 4:6] = mean[:, 4:6] * gammas, std[:, 4:6] * gammas
        return mean, std, shared

    def _own_parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        names = ("gamma_up", "gamma_down")
        means = {name: mean[:, i] for i, name in enumerate(names)}
        return means | {f"{name}_dtod": std[:, i] for i, name in enumerate(names)}

    def flags(self, parameters: dict[str, Any]) -> dict[str, bool]:
        """Let gamma be negative where some cells have it so; it refers to the mean bound."""
        increasing = any(parameters[g] < 2 * parameters[f"{g}_dtod"] for g in ("gamma_up", "gamma_down"))
        flags = {"allow_increasing": bool(increasing), "mean_bound_reference": True}
        return flags | {"additive_noise": self.additive_noise}


class FittedSoftBounds(FittedLaw):
    """dw = s (1 - w / bound): the step falls to zero at the cell's own bound."""

    name = "soft-bounds"
    hard = False
    vanishing = True

    def rescaled(
        self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray, shift: np.ndarray, stretch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the same lines: the steps are those at the new zero."""
        up, down = (np.maximum(1 - shift / mean[:, i], _LEAST) for i in (2, 3))
        return super().rescaled(self._stepping(mean, up, down), std, shared, shift, stretch)

    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        cells["slope_up"] = -cells["up"] / cells["w_max"]
        cells["slope_down"] = -cells["down"] / cells["w_min"]
        return laws.SoftBounds(step_ctoc=1.0, additive_noise=self.additive_noise)

    def flags(self, parameters: dict[str, Any]) -> dict[str, bool]:
        """Say what the noise is relative to."""
        return {"additive_noise": self.additive_noise}


class FittedSoftBoundsReference(FittedSoftBounds):
    """Soft bounds of the bare device: a reference is a choice of the circuit, so it is zero here."""

    name = "soft-bounds-reference"


class FittedExponential(FittedLaw):
    """dw+ = s+ (1 - A+ exp(gamma+ z)), dw- = s- (1 - A- exp(-gamma- z)), z = 2 w / (w_max - w_min): a = 1, b = 0.

    Fitted are the losses at the bounds, A exp(gamma), which the data say more about than A.
    """

    name = "exponential"
    shared = ("loss_up", "gamma_up", "loss_down", "gamma_down")
    limits: ClassVar = {"gamma_up": _BENDS, "gamma_down": _BENDS}

    def _start_shared(self, start: Start) -> list[float]:
        return [0.5, 2.0, 0.5, 2.0]

    def rescaled(
        self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray, shift: np.ndarray, stretch: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the same curves: A follows where z is 0, and so do the losses at the bounds, where z is 1 and -1."""
        mean, std, shared = super().rescaled(mean, std, shared.copy(), shift, stretch)
        for loss, gamma, sign in ((0, 1, 1), (2, 3, -1)):
            shared[:, loss] *= np.exp(np.clip(sign * shared[:, gamma] * shift / stretch, -_LARGEST, _LARGEST))
        return mean, std, shared

    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        gamma_up, gamma_down = (shared[:, i].clamp(*_BENDS) for i in (1, 3))
        loss_up, loss_down = (_less(shared[:, i], gamma) for i, gamma in ((0, gamma_up), (2, gamma_down)))
        factors: dict[str, Any] = {  # tensors [trials, 1, 1] where a device has floats
            "A_up": loss_up * torch.exp(-gamma_up),
            "A_down": loss_down * torch.exp(-gamma_down),
            "gamma_up": gamma_up,
            "gamma_down": gamma_down,
        }
        return laws.ExponentialStep(step_ctoc=1.0, a=1.0, b=0.0, **factors)

    def _own_parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        gamma_up, gamma_down = (np.clip(shared[:, i], *_BENDS) for i in (1, 3))
        loss_up, loss_down = (
            _less(torch.from_numpy(shared[:, i]), torch.from_numpy(gamma)).numpy()
            for i, gamma in ((0, gamma_up), (2, gamma_down))
        )
        up, down = np.exp(-gamma_up), np.exp(-gamma_down)
        factors = {"A_up": loss_up * up, "A_down": loss_down * down}
        ones = np.ones_like(gamma_up)
        return factors | {"gamma_up": gamma_up, "gamma_down": gamma_down, "a": ones, "b": 0 * ones}


class FittedPower(FittedLaw):
    """dw+ = s+ v^gamma+, dw- = s- (1 - v)^gamma-."""

    name = "power"
    vanishing = True
    effects = (*FittedLaw.effects, "exponent", "exponent_skew")

    def start(self, start: Start) -> tuple[np.ndarray, np.ndarray]:
        """Return first guesses; the steps are those at the far bound."""
        mean, shared = super().start(start)
        mean[:2] *= 2 ** mean[4]
        return mean, shared

    def _start_own(self, start: Start) -> list[float]:
        curvature = (-start.slope_up / start.up + start.slope_down / start.down) / 2
        return [float(np.clip(curvature, 0.3, 2.0)), 0.0]

    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        exponent, skew = own.unbind(-2)
        cells["gamma_up"], cells["gamma_down"] = (exponent + skew).abs(), (exponent - skew).abs()
        return laws.PowerStep(step_ctoc=1.0, additive_noise=self.additive_noise)

    def _own_parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        up, down = mean[:, 0] + mean[:, 1], mean[:, 0] - mean[:, 1]
        gamma = np.maximum(np.maximum(up, down), 1e-3)
        return {
            "gamma": gamma,
            "gamma_dtod": std[:, 0] / gamma,
            "gamma_asymmetry": np.where(up >= down, 1 - down / gamma, up / gamma - 1),
            "gamma_asymmetry_dtod": std[:, 1] / gamma,
        }


class FittedPiecewise(FittedLaw):
    """dw = s f(v), f from TABLE values, 1 in the middle.

    Additive noise is relative to s, so that it says what s is, and f all of both steps: the mean of the values up is 1,
    those down are free. (One value alone, being badly known, would be drawn to where devices differ least.)
    """

    name = "piecewise"
    shared = tuple(f"{side}{i}" for side in ("up", "down") for i in range(TABLE) if i != TABLE // 2)
    limits: ClassVar = {"table_up": (_LEAST, _LARGEST), "table_down": (_LEAST, _LARGEST)}

    def __init__(self, additive_noise: bool = False, alike_noise: bool = False) -> None:
        super().__init__(additive_noise, alike_noise)
        if additive_noise:
            self.shared = (*self.shared, f"down{TABLE // 2}")

    @property
    def shared_limits(self) -> list[tuple[float, float]]:
        """Least and most of each value of a table."""
        return [self.limits["table_up"]] * len(self.shared)

    def _start_shared(self, start: Start) -> list[float]:
        w = np.delete(np.linspace(-1, 1, TABLE), TABLE // 2)
        slopes = (start.slope_up / start.up, start.slope_down / start.down)
        sides = [float(value) for slope in slopes for value in np.clip(1 + slope * w, 0.1, 2)]
        return [*sides, *([1.0] if self.additive_noise else [])]

    def _law(self, own: Tensor, shared: Tensor, cells: Cells) -> PulseResponse:
        up, down = self._tables(shared.squeeze(-1).squeeze(-1))
        return _BatchedTable(step_ctoc=1.0, additive_noise=self.additive_noise, tables=(up, down))

    def _own_parameters(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        up, down = self._tables(torch.from_numpy(shared))
        return {"table_up": up.numpy(), "table_down": down.numpy()}

    def _tables(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """Return f up and down, [trials, TABLE], from the shared numbers [trials, shared]."""
        values = shared.clamp(*self.limits["table_up"])
        up, down, middle = values.tensor_split([TABLE - 1, 2 * TABLE - 2], dim=1)
        ones = torch.ones_like(up[:, :1])
        if not self.additive_noise:
            return _with_middle(up, ones), _with_middle(down, ones)
        rest = (TABLE - up.sum(1, keepdim=True)).clamp(*self.limits["table_up"])
        return _with_middle(up, rest), _with_middle(down, rest if self.one_sided else middle)


@dataclass(frozen=True)
class _BatchedTable(laws.PiecewiseStep):
    """`laws.PiecewiseStep` with a table [trials, TABLE] per direction instead of one."""

    tables: tuple[Tensor, Tensor] = (torch.ones(1, 1), torch.ones(1, 1))

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s f(v)."""
        table = self.tables[0 if up else 1]
        sections = table.shape[1] - 1
        place = ((w - cells["w_min"]) / (cells["w_max"] - cells["w_min"]) * sections).clamp_(0.0, float(sections))
        left = place.floor().clamp_(max=sections - 1)
        index = left.long() + (torch.arange(len(table)) * table.shape[1])[:, None, None]
        flat = table.flatten()
        return torch.lerp(flat[index], flat[index + 1], place - left) * cells["up" if up else "down"]


def _with_noises(kind: type[FittedLaw]) -> tuple[FittedLaw, ...]:
    """Return the variants of a law by its noise: relative to the step, to s, to the mean s."""
    return kind(), kind(additive_noise=True), kind(additive_noise=True, alike_noise=True)


FITTED: dict[str, tuple[FittedLaw, ...]] = {
    "constant": (FittedConstant(),),
    "linear": _with_noises(FittedLinear),
    "soft-bounds": _with_noises(FittedSoftBounds),
    "soft-bounds-reference": _with_noises(FittedSoftBoundsReference),
    "exponential": (FittedExponential(),),
    "power": _with_noises(FittedPower),
    "piecewise": _with_noises(FittedPiecewise),
}


def fitted_laws(name: str) -> tuple[FittedLaw, ...]:
    """Return a law's variants as the fit sees them.

    Raises:
        InputError: there is no such law, or no fit of it; what there is is listed.
    """
    if find_law(name).name not in FITTED:
        raise InputError(f"law {name!r}: there is no fit of it; allowed: {', '.join(FITTED)}")
    return FITTED[name]


def _less(loss: Tensor, gamma: Tensor) -> Tensor:
    """Return the loss at a bound, limited such that a pulse still moves a cell at the other one."""
    return loss.minimum((0.98 * torch.exp(2 * gamma)).clamp(max=_LOSS))


def _with_middle(free: Tensor, middle: Tensor) -> Tensor:
    """Return [trials, TABLE] from [trials, TABLE - 1], with [trials, 1] in the middle."""
    left, right = free.chunk(2, dim=-1)
    return torch.cat([left, middle, right], dim=-1)

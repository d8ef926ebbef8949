"""Pulse-response laws: how far one pulse moves a cell, cell by cell and cycle by cycle.

The laws, their parameters and the order in which spreads enter are those of aihwkit 1.1.0 (Rasch et al., AICAS 2021,
arXiv 2104.02184), so that a device can be handed from one engine to the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from neurohw.devices.plausibility import SPREAD
from neurohw.devices.response import Cells, Gauss, PulseResponse, number
from neurohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def _scale(cells: Cells, up: bool) -> Tensor:
    return cells["up" if up else "down"]


@dataclass(frozen=True)
class ConstantStep(PulseResponse):
    """dw = s, wherever the weight is; hard bounds (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333)."""

    name: ClassVar[str] = "constant"

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s."""
        return _scale(cells, up)


@dataclass(frozen=True)
class _EitherNoise(PulseResponse):
    """A law whose cycle-to-cycle noise is relative to the step, or the same at every weight.

    Args:
        additive_noise: the cycle-to-cycle spread is relative to s instead of to dw.
    """

    additive_noise: bool = False

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return sigma s or sigma dw."""
        return (_scale(cells, up) if self.additive_noise else steps) * self.step_ctoc


@dataclass(frozen=True)
class _Affine(_EitherNoise):
    """dw = s + c w with a slope c per cell and direction."""

    keeps: ClassVar[tuple[str, ...]] = ("up", "down", "w_max", "w_min", "slope_up", "slope_down")

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s + c w."""
        return _scale(cells, up).addcmul(cells["slope_up" if up else "slope_down"], w)


@dataclass(frozen=True)
class LinearStep(_Affine):
    """dw+ = s+ (1 - gamma+ w / w_max), dw- = s- (1 - gamma- w / w_min); hard bounds.

    Args:
        gamma_up, gamma_down: what the step loses on its way from 0 to the bound, relative.
        gamma_up_dtod, gamma_down_dtod: device-to-device spreads, absolute.
        allow_increasing: a cell may have a negative gamma; otherwise its modulus is taken.
        mean_bound_reference: gamma refers to the mean bound instead of to the cell's own.
    """

    gamma_up: float = number(0.0, required=True)
    gamma_down: float = number(0.0, required=True)
    gamma_up_dtod: float = 0.05
    gamma_down_dtod: float = 0.05
    allow_increasing: bool = False
    mean_bound_reference: bool = True
    name: ClassVar[str] = "linear"

    def _draw_own(self, cells: Cells, gauss: Gauss) -> None:
        gammas = {"up": (self.gamma_up, self.gamma_up_dtod), "down": (self.gamma_down, self.gamma_down_dtod)}
        for side, bound in (("up", "w_max"), ("down", "w_min")):
            mean, spread = gammas[side]
            gamma = mean + spread * gauss()
            gamma = gamma if self.allow_increasing else gamma.abs_()
            reference = gamma.new_full(gamma.shape, getattr(self, bound)) if self.mean_bound_reference else cells[bound]
            cells[f"slope_{side}"] = _divided(-gamma * cells[side], reference)


@dataclass(frozen=True)
class SoftBounds(_Affine):
    """dw+ = s+ (1 - w / w_max), dw- = s- (1 - w / w_min): the step falls to zero at the cell's own bound."""

    name: ClassVar[str] = "soft-bounds"

    def _draw_own(self, cells: Cells, gauss: Gauss) -> None:
        cells["slope_up"] = _divided(-cells["up"], cells["w_max"])
        cells["slope_down"] = _divided(-cells["down"], cells["w_min"])


@dataclass(frozen=True)
class SoftBoundsReference(_Affine):
    """Soft bounds of the device, less a fixed reference r: the weight is the difference (Gong et al., IEDM 2022).

    Args:
        slope_up_dtod, slope_down_dtod: further spreads of the slopes, which move the bounds.
        reference, reference_dtod: mean of r, and its standard deviation.
        subtract_symmetry_point: r contains each cell's own symmetry point, so that up and down are equal at w = r.
    """

    slope_up_dtod: float = 0.0
    slope_down_dtod: float = 0.0
    reference: float = 0.0
    reference_dtod: float = number(0.0, plausible=SPREAD)
    subtract_symmetry_point: bool = False
    name: ClassVar[str] = "soft-bounds-reference"
    keeps: ClassVar[tuple[str, ...]] = (*_Affine.keeps, "reference")

    def _draw_own(self, cells: Cells, gauss: Gauss) -> None:
        up, down = cells["up"], cells["down"]
        cells["w_min"] = cells["w_min"] / (1 + self.slope_down_dtod * gauss()).abs_()
        cells["w_max"] = cells["w_max"] / (1 + self.slope_up_dtod * gauss()).abs_()
        cells["slope_up"] = _divided(-up, cells["w_max"])
        cells["slope_down"] = _divided(-down, cells["w_min"])
        reference = self.reference + self.reference_dtod * gauss()
        if self.subtract_symmetry_point:
            reference = reference + _divided(up - down, cells["slope_down"] - cells["slope_up"])
        cells["reference"] = reference
        cells["w_max"], cells["w_min"] = cells["w_max"] - reference, cells["w_min"] - reference

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s + c (w + r)."""
        return super().steps(w + cells["reference"], cells, up)


@dataclass(frozen=True)
class ExponentialStep(PulseResponse):
    """dw+ = s+ max(0, 1 - A+ exp(gamma+ z)), dw- = s- max(0, 1 - A- exp(-gamma- z)), z = 2 a w / (w_max - w_min) + b.

    Args:
        A_up, A_down, gamma_up, gamma_down, a, b: as in the equation.
        noise_offset, noise_slope: the cycle-to-cycle spread is step_ctoc (dw + noise_offset + noise_slope |w|).
    """

    A_up: float = number(0.00081, required=True)
    A_down: float = number(0.36833, required=True)
    gamma_up: float = number(12.44625, required=True)
    gamma_down: float = number(12.78785, required=True)
    a: float = number(0.244, required=True)
    b: float = number(0.2425, required=True)
    noise_offset: float = 0.0
    noise_slope: float = 0.0
    name: ClassVar[str] = "exponential"

    @property
    def granularity(self) -> float:
        """The mean depressing step at w = 0, as aihwkit takes it."""
        down = (1 - max(self.asymmetry, 0.0)) * max(1 - self.A_down * math.exp(-self.gamma_down * self.b), 0.0)
        return self.step * down if down > 0 else self.step

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s max(0, 1 - A exp(+-gamma z))."""
        span = cells["w_max"] - cells["w_min"]
        z = (w / span).where(span > 0, 0.0) * (2 * self.a) + self.b  # a stuck cell has no span
        factor, rate = (self.A_up, self.gamma_up) if up else (self.A_down, -self.gamma_down)
        return z.mul_(rate).exp_().mul_(-factor).add_(1).clamp_(min=0.0).mul_(_scale(cells, up))

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return sigma (dw + offset + slope |w|)."""
        if self.noise_offset == 0 and self.noise_slope == 0:
            return steps * self.step_ctoc
        return (steps + self.noise_offset + self.noise_slope * w.abs()).mul_(self.step_ctoc)


@dataclass(frozen=True)
class PowerStep(_EitherNoise):
    """dw+ = s+ v^gamma+, dw- = s- (1 - v)^gamma-, v = (w_max - w) / (w_max - w_min) (Fusi & Abbott 2007, nn1859).

    Args:
        gamma: mean exponent; gamma_dtod: its device-to-device spread, relative.
        gamma_asymmetry, gamma_asymmetry_dtod: as `asymmetry`, of the exponents.
    """

    gamma: float = number(1.0, required=True)
    gamma_dtod: float = 0.1
    gamma_asymmetry: float = 0.0
    gamma_asymmetry_dtod: float = 0.0
    name: ClassVar[str] = "power"
    keeps: ClassVar[tuple[str, ...]] = ("up", "down", "w_max", "w_min", "gamma_up", "gamma_down")

    @property
    def granularity(self) -> float:
        """The step half-way between the bounds, as aihwkit takes it."""
        return float(self.step * 0.5**self.gamma)

    def _draw_own(self, cells: Cells, gauss: Gauss) -> None:
        gain = 1 + self.gamma_dtod * gauss()
        skew = self.gamma_asymmetry_dtod * gauss()
        cells["gamma_up"] = ((min(self.gamma_asymmetry, 0.0) + gain + skew) * self.gamma).abs_()
        cells["gamma_down"] = ((-max(self.gamma_asymmetry, 0.0) + gain - skew) * self.gamma).abs_()

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s v^gamma."""
        distance = cells["w_max"] - w if up else w - cells["w_min"]
        share = (distance / (cells["w_max"] - cells["w_min"]).clamp_(min=1e-12)).clamp_(min=0.0)
        return share.pow_(cells["gamma_up" if up else "gamma_down"]).mul_(_scale(cells, up))


@dataclass(frozen=True)
class PiecewiseStep(_EitherNoise):
    """dw = s f(v), f interpolated linearly in a measured table, v = (w - w_min) / (w_max - w_min).

    Args:
        table_up, table_down: f at equally spaced v from 0 to 1, the same number of values (1: a constant).
    """

    table_up: tuple[float, ...] = number((1.0,), required=True)
    table_down: tuple[float, ...] = number((1.0,), required=True)
    name: ClassVar[str] = "piecewise"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.table_up) != len(self.table_down) or not self.table_up:
            raise InputError(
                f"law piecewise: table_up and table_down need as many values, at least 1, "
                f"but got {len(self.table_up)} and {len(self.table_down)}"
            )

    @property
    def granularity(self) -> float:
        """The potentiating step in the middle of the table, as aihwkit takes it."""
        return self.step * self.table_up[len(self.table_up) // 2]

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s f(v)."""
        table = w.new_tensor(self.table_up if up else self.table_down)
        sections = len(table) - 1
        if sections == 0:
            return _scale(cells, up) * table[0]
        place = (w - cells["w_min"]) / (cells["w_max"] - cells["w_min"]).clamp_(min=1e-12) * sections
        place = place.clamp_(0.0, float(sections))
        left = place.floor().clamp_(max=sections - 1)
        share, index = place - left, left.long()
        return table[index].lerp(table[index + 1], share).mul_(_scale(cells, up))


LAWS: dict[str, type[PulseResponse]] = {
    law.name: law
    for law in (
        ConstantStep,
        LinearStep,
        SoftBounds,
        SoftBoundsReference,
        ExponentialStep,
        PowerStep,
        PiecewiseStep,
    )
}


def find_law(name: str) -> type[PulseResponse]:
    """Return the law called `name`.

    Raises:
        InputError: there is none of that name; the allowed ones are listed.
    """
    try:
        return LAWS[name]
    except KeyError:
        raise InputError(f"unknown law {name!r}; allowed: {', '.join(LAWS)}") from None


def _divided(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return numerator / denominator, 0 where the denominator is 0."""
    return (numerator / denominator).where(denominator != 0, 0.0)

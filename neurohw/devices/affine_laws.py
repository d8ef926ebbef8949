"""Pulse-response laws whose step is a straight line over the weight; see `neurohw.devices.laws`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from neurohw.devices.plausibility import SPREAD
from neurohw.devices.response import Cells, Gauss, PulseResponse, number
from neurohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor


def scale_of(cells: Cells, up: bool) -> Tensor:
    """Return s of each cell."""
    return cells["up" if up else "down"]


@dataclass(frozen=True)
class ConstantStep(PulseResponse):
    """dw = s, wherever the weight is; hard bounds (Gokmen & Vlasov 2016, 10.3389/fnins.2016.00333)."""

    name: ClassVar[str] = "constant"
    straight: ClassVar[bool] = True

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s."""
        return scale_of(cells, up)


@dataclass(frozen=True)
class EitherNoise(PulseResponse):
    """A law whose cycle-to-cycle noise is relative to the step, or the same at every weight.

    Args:
        additive_noise: the cycle-to-cycle spread is relative to s instead of to dw.
    """

    additive_noise: bool = False

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return sigma s or sigma dw."""
        return (scale_of(cells, up) if self.additive_noise else steps) * self.step_ctoc


@dataclass(frozen=True)
class _Affine(EitherNoise):
    """dw = s + c w with a slope c per cell and direction."""

    keeps: ClassVar[tuple[str, ...]] = ("up", "down", "w_max", "w_min", "slope_up", "slope_down")
    straight: ClassVar[bool] = True

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s + c w."""
        return scale_of(cells, up).addcmul(cells["slope_up" if up else "slope_down"], w)


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

    def mirrored(self) -> Self:
        """Return it with the gamma- whose line is that of gamma+, mirrored."""
        return self._with_gammas(None, self._gamma(self.nonlinearity(True), self.w_min, self.w_max))

    def bent(self, nonlinearity: float) -> Self:
        """Return it with the gammas of -2 (steps grow from zero) to 2/3 (they fall to zero: soft bounds)."""
        if not -2 <= nonlinearity <= 2 / 3 + 1e-3:
            raise InputError(f"law linear: nonlinearity: got {nonlinearity:g}; allowed: -2 to 2/3, where steps are "
                             "zero at one end")  # fmt: skip
        if nonlinearity and 0 in (self.w_min, self.w_max):
            raise InputError(f"law linear: nonlinearity: got {nonlinearity:g}, but with bounds {self.w_min:g} and "
                             f"{self.w_max:g} no gamma bends both directions")  # fmt: skip
        bend = min(nonlinearity, 2 / 3)
        return self._with_gammas(self._gamma(bend, self.w_max, self.w_min), self._gamma(bend, self.w_min, self.w_max))

    @staticmethod
    def _gamma(nonlinearity: float, end: float, start: float) -> float:
        """Return gamma from c, s = s(mid) (1 - c (u - 1/2)) on the way u from start to end, 1 - s(3/4) / s(1/4) = N."""
        c = 4 * nonlinearity / (2 - nonlinearity)
        return c * end / (end - start + c * (end + start) / 2)

    def _with_gammas(self, up: float | None, down: float) -> Self:
        up = self.gamma_up if up is None else up
        return replace(self, gamma_up=up, gamma_down=down,
                       allow_increasing=self.allow_increasing or up < 0 or down < 0)  # fmt: skip

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


def _divided(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return numerator / denominator, 0 where the denominator is 0."""
    return (numerator / denominator).where(denominator != 0, 0.0)

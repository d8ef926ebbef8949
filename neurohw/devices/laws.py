"""Pulse-response laws: how far one pulse moves a cell, cell by cell and cycle by cycle.

The laws, their parameters and the order in which spreads enter are those of aihwkit 1.1.0 (Rasch et al., AICAS 2021,
arXiv 2104.02184), so that a device can be handed from one engine to the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from neurohw.devices.affine_laws import (
    ConstantStep,
    EitherNoise,
    LinearStep,
    SoftBounds,
    SoftBoundsReference,
    scale_of,
)
from neurohw.devices.response import Cells, Gauss, PulseResponse, number
from neurohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "LAWS",
    "ConstantStep",
    "ExponentialStep",
    "LinearStep",
    "PiecewiseStep",
    "PowerStep",
    "SoftBounds",
    "SoftBoundsReference",
    "find_law",
]


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

    def mirrored(self) -> Self:
        """Return it with gamma- = gamma+ and A- = A+ exp(2 gamma+ z) at z of mid range."""
        factor = math.exp(2 * self.gamma_up * self._z(0.5))
        return replace(self, gamma_down=self.gamma_up, A_down=self.A_up * factor)

    def bent(self, nonlinearity: float) -> Self:
        """Return it with the A+ and A- that give it; the gammas stay, and with them how far steps can be bent."""
        up = self._factor(nonlinearity, self.gamma_up, 0.25, 0.75)
        return replace(self, A_up=up, A_down=self._factor(nonlinearity, -self.gamma_down, 0.75, 0.25))

    def _factor(self, nonlinearity: float, rate: float, near: float, far: float) -> float:
        """Return A from 1 - (1 - A e(far)) / (1 - A e(near)) = N, e = exp(rate z)."""
        before, after = math.exp(rate * self._z(near)), math.exp(rate * self._z(far))
        limit = 1 - after / before  # of an exponential alone, A = -inf
        least, most = (limit, 1.0) if after >= before else (-math.inf, limit)
        if nonlinearity == 0:
            return 0.0
        if not least < nonlinearity < most:
            raise InputError(f"law exponential: nonlinearity: got {nonlinearity:g}; allowed with gamma {abs(rate):g} "
                             f"and a {self.a:g}: 0, and between {least:.3g} and {most:.3g}")  # fmt: skip
        return nonlinearity / (after - (1 - nonlinearity) * before)

    def _z(self, place: float) -> float:
        """Return z at a place between the bounds, 0 at w_min, 1 at w_max."""
        return 2 * self.a * (self.w_min / (self.w_max - self.w_min) + place) + self.b

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s max(0, 1 - A exp(+-gamma z))."""
        span = cells["w_max"] - cells["w_min"]
        z = (w / span).where(span > 0, 0.0) * (2 * self.a) + self.b  # a stuck cell has no span
        factor, rate = (self.A_up, self.gamma_up) if up else (self.A_down, -self.gamma_down)
        return z.mul_(rate).exp_().mul_(-factor).add_(1).clamp_(min=0.0).mul_(scale_of(cells, up))

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return sigma (dw + offset + slope |w|)."""
        if self.noise_offset == 0 and self.noise_slope == 0:
            return steps * self.step_ctoc
        return (steps + self.noise_offset + self.noise_slope * w.abs()).mul_(self.step_ctoc)


@dataclass(frozen=True)
class PowerStep(EitherNoise):
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

    def mirrored(self) -> Self:
        """Return it with potentiation's exponent in both directions."""
        return replace(self, gamma=abs((min(self.gamma_asymmetry, 0.0) + 1) * self.gamma), gamma_asymmetry=0.0)

    def bent(self, nonlinearity: float) -> Self:
        """Return it with gamma = -ln(1 - N) / ln 3 in both directions, N from 0 (equal steps) to below 1."""
        if not 0 <= nonlinearity < 1:
            raise InputError(f"law power: nonlinearity: got {nonlinearity:g}; allowed: 0 to below 1")
        return replace(self, gamma=-math.log(1 - nonlinearity) / math.log(3), gamma_asymmetry=0.0)

    def _draw_own(self, cells: Cells, gauss: Gauss) -> None:
        gain = 1 + self.gamma_dtod * gauss()
        skew = self.gamma_asymmetry_dtod * gauss()
        cells["gamma_up"] = ((min(self.gamma_asymmetry, 0.0) + gain + skew) * self.gamma).abs_()
        cells["gamma_down"] = ((-max(self.gamma_asymmetry, 0.0) + gain - skew) * self.gamma).abs_()

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s v^gamma."""
        distance = cells["w_max"] - w if up else w - cells["w_min"]
        share = (distance / (cells["w_max"] - cells["w_min"]).clamp_(min=1e-12)).clamp_(min=0.0)
        return share.pow_(cells["gamma_up" if up else "gamma_down"]).mul_(scale_of(cells, up))


@dataclass(frozen=True)
class PiecewiseStep(EitherNoise):
    """dw = s f(v), f interpolated linearly in a measured table, v = (w - w_min) / (w_max - w_min).

    Args:
        table_up, table_down: f, shares of the step at equally spaced weights from w_min to w_max, the same number of
            values (1: a constant).
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

    def mirrored(self) -> Self:
        """Return it with potentiation's table, read backwards, for depression."""
        return replace(self, table_down=self.table_up[::-1])

    def bent(self, nonlinearity: float) -> Self:
        """Return it with what f differs from f(1/2) scaled by one factor in each direction; f stays at least 0."""
        up = self._scaled_table(self.table_up, 0.25, 0.75, nonlinearity)
        down = self._scaled_table(self.table_down, 0.75, 0.25, nonlinearity)
        return replace(self, table_up=up, table_down=down)

    @staticmethod
    def _scaled_table(table: tuple[float, ...], near: float, far: float, nonlinearity: float) -> tuple[float, ...]:
        middle, first, last = (_interpolated(table, place) for place in (0.5, near, far))
        wanted, there = -nonlinearity * middle, (last - middle) - (1 - nonlinearity) * (first - middle)
        factor = wanted / there if there else 1.0 if wanted == 0 else math.inf
        scaled = tuple(middle + factor * (value - middle) if value != middle else middle for value in table)
        if not (nonlinearity < 1 and math.isfinite(factor) and min(scaled) >= 0):
            raise InputError(f"law piecewise: nonlinearity: got {nonlinearity:g}, but its table has "
                             f"{1 - last / first if first else 1:.3g}, and cannot be scaled to it")  # fmt: skip
        return scaled

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s f(v)."""
        table = w.new_tensor(self.table_up if up else self.table_down)
        sections = len(table) - 1
        if sections == 0:
            return scale_of(cells, up) * table[0]
        place = (w - cells["w_min"]) / (cells["w_max"] - cells["w_min"]).clamp_(min=1e-12) * sections
        place = place.clamp_(0.0, float(sections))
        left = place.floor().clamp_(max=sections - 1)
        share, index = place - left, left.long()
        return table[index].lerp(table[index + 1], share).mul_(scale_of(cells, up))


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


def _interpolated(table: tuple[float, ...], place: float) -> float:
    """Return what a table of equally spaced values has at a place from 0 to 1."""
    left = min(int(place * (len(table) - 1)), max(len(table) - 2, 0))
    right = min(left + 1, len(table) - 1)
    return table[left] + (table[right] - table[left]) * (place * (len(table) - 1) - left)

"""Pulse-response laws: how far one pulse moves a cell, cell by cell and cycle by cycle.

Weights are in the device's own units, in which its bounds are w_min and w_max. A law holds the population's parameters;
`draw` makes the cells of one crossbar from them (device-to-device), `step` and `noise` say what one pulse does at a
weight: w <- clip(w +- (step + noise * xi)), xi a fresh standard Gaussian (cycle-to-cycle). The laws, their parameters
and the order in which spreads enter are those of aihwkit 1.1.0 (Rasch et al., AICAS 2021, arXiv 2104.02184), so that a
device can be handed from one engine to the other.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from neurohw.errors import InputError

Cells = dict[str, Tensor]  # one tensor per parameter, each of the crossbar's shape


@dataclass(frozen=True)
class PulseResponse(abc.ABC):
    """What all laws share: the mean step, its spreads, the bounds.

    Args:
        step: mean |dw| of one pulse, in weight units (where the law says so: at w = 0).
        step_dtod: device-to-device spread of the step, relative (of its logarithm, if `step_log_normal`).
        step_log_normal: the step's device-to-device spread is log-normal instead of normal.
        step_ctoc: cycle-to-cycle standard deviation of a pulse, relative to the step.
        asymmetry: potentiation over depression: > 0 weakens depressing pulses by this share, < 0 potentiating ones.
        asymmetry_dtod: its device-to-device spread, in units of the step.
        w_max, w_min: mean bounds of the weight, w_min <= 0 <= w_max.
        w_max_dtod, w_min_dtod: their device-to-device spreads, relative.
        write_noise: standard deviation, in steps, of what a write adds to the weight that is seen but not kept.

    Raises:
        InputError: a parameter out of range.
    """

    step: float = 0.001
    step_dtod: float = 0.3
    step_log_normal: bool = False
    step_ctoc: float = 0.3
    asymmetry: float = 0.0
    asymmetry_dtod: float = 0.01
    w_max: float = 0.6
    w_min: float = -0.6
    w_max_dtod: float = 0.3
    w_min_dtod: float = 0.3
    write_noise: float = 0.0

    name: ClassVar[str] = ""
    keeps: ClassVar[tuple[str, ...]] = ("up", "down", "w_max", "w_min")  # what `step`, `noise` and `clip` read

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int) and not math.isfinite(value):
                raise InputError(f"law {self.name}: {field.name} must be finite, but got {value!r}")
            spread = field.name.endswith(("_dtod", "_ctoc")) or field.name == "write_noise"
            if spread and value < 0:
                raise InputError(f"law {self.name}: {field.name} is a spread of at least 0, but got {value!r}")
        if not self.step > 0:
            raise InputError(f"law {self.name}: step must be positive, but got {self.step!r}")
        if not self.w_min <= 0 <= self.w_max or self.w_min == self.w_max:
            raise InputError(f"law {self.name}: needs w_min <= 0 <= w_max, but got {self.w_min!r} and {self.w_max!r}")

    @property
    def granularity(self) -> float:
        """The step that pulse trains are scaled with: the mean one at w = 0, as aihwkit takes it."""
        return self.step

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Cells:
        """Return the cells of one crossbar, each parameter of `shape`; drawn on the generator's device."""
        cells = self._draw_common(shape, generator)
        self._draw_own(cells, generator)
        return cells

    def mean_cell(self) -> Cells:
        """Return the parameters of one cell without device-to-device spread, each [1]."""
        spreads: dict[str, Any] = {f.name: 0.0 for f in dataclasses.fields(self) if f.name.endswith("_dtod")}
        return dataclasses.replace(self, **spreads).draw((1,), torch.Generator())

    def _draw_common(self, shape: tuple[int, ...], generator: torch.Generator) -> Cells:
        def gauss() -> Tensor:
            return torch.randn(shape, generator=generator, device=generator.device)

        w_max = self.w_max * (1 + self.w_max_dtod * gauss())
        w_min = self.w_min * (1 + self.w_min_dtod * gauss())
        gain = torch.exp(self.step_dtod * gauss()) if self.step_log_normal else 1 + self.step_dtod * gauss()
        skew = self.asymmetry_dtod * gauss()
        up = (min(self.asymmetry, 0.0) + gain + skew) * self.step
        down = (-max(self.asymmetry, 0.0) + gain - skew) * self.step
        low, high = torch.minimum(w_max, w_min), torch.maximum(w_max, w_min)
        return {"up": up.abs_(), "down": down.abs_(), "w_max": high.abs_(), "w_min": low.abs_().neg_()}

    def _draw_own(self, cells: Cells, generator: torch.Generator) -> None:  # noqa: B027 (some laws have none)
        """Add the law's own parameters to the cells."""

    @abc.abstractmethod
    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return the mean |dw| of one pulse at the weights w, element by element."""

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return the cycle-to-cycle standard deviation of one pulse (its sign does not matter)."""
        return steps * self.step_ctoc


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
class _Affine(PulseResponse):
    """dw = s + c w with a slope c per cell and direction.

    Args:
        additive_noise: the cycle-to-cycle spread is relative to s instead of to dw.
    """

    additive_noise: bool = False
    keeps: ClassVar[tuple[str, ...]] = ("up", "down", "w_max", "w_min", "slope_up", "slope_down")

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s + c w."""
        return torch.addcmul(_scale(cells, up), cells["slope_up" if up else "slope_down"], w)

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return sigma s or sigma dw."""
        return (_scale(cells, up) if self.additive_noise else steps) * self.step_ctoc


@dataclass(frozen=True)
class LinearStep(_Affine):
    """dw+ = s+ (1 - gamma+ w / w_max), dw- = s- (1 - gamma- w / w_min); hard bounds.

    Args:
        gamma_up, gamma_down: what the step loses on its way from 0 to the bound, relative.
        gamma_up_dtod, gamma_down_dtod: device-to-device spreads, absolute.
        allow_increasing: a cell may have a negative gamma; otherwise its modulus is taken.
        mean_bound_reference: gamma refers to the mean bound instead of to the cell's own.
    """

    gamma_up: float = 0.0
    gamma_down: float = 0.0
    gamma_up_dtod: float = 0.05
    gamma_down_dtod: float = 0.05
    allow_increasing: bool = False
    mean_bound_reference: bool = True
    name: ClassVar[str] = "linear"

    def _draw_own(self, cells: Cells, generator: torch.Generator) -> None:
        gammas = {"up": (self.gamma_up, self.gamma_up_dtod), "down": (self.gamma_down, self.gamma_down_dtod)}
        for side, bound in (("up", "w_max"), ("down", "w_min")):
            mean, spread = gammas[side]
            gamma = mean + spread * torch.randn(cells[side].shape, generator=generator, device=generator.device)
            gamma = gamma if self.allow_increasing else gamma.abs_()
            reference = torch.full_like(gamma, getattr(self, bound)) if self.mean_bound_reference else cells[bound]
            cells[f"slope_{side}"] = _divided(-gamma * cells[side], reference)


@dataclass(frozen=True)
class SoftBounds(_Affine):
    """dw+ = s+ (1 - w / w_max), dw- = s- (1 - w / w_min): the step falls to zero at the cell's own bound."""

    name: ClassVar[str] = "soft-bounds"

    def _draw_own(self, cells: Cells, generator: torch.Generator) -> None:
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
    reference_dtod: float = 0.0
    subtract_symmetry_point: bool = False
    name: ClassVar[str] = "soft-bounds-reference"
    keeps: ClassVar[tuple[str, ...]] = (*_Affine.keeps, "reference")

    def _draw_own(self, cells: Cells, generator: torch.Generator) -> None:
        def gauss() -> Tensor:
            return torch.randn(cells["up"].shape, generator=generator, device=generator.device)

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

    A_up: float = 0.00081
    A_down: float = 0.36833
    gamma_up: float = 12.44625
    gamma_down: float = 12.78785
    a: float = 0.244
    b: float = 0.2425
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
        z = torch.where(span > 0, w / span, torch.zeros_like(w)) * (2 * self.a) + self.b  # a stuck cell has no span
        factor, rate = (self.A_up, self.gamma_up) if up else (self.A_down, -self.gamma_down)
        return z.mul_(rate).exp_().mul_(-factor).add_(1).clamp_(min=0.0).mul_(_scale(cells, up))

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return sigma (dw + offset + slope |w|)."""
        if self.noise_offset == 0 and self.noise_slope == 0:
            return steps * self.step_ctoc
        return (steps + self.noise_offset + self.noise_slope * w.abs()).mul_(self.step_ctoc)


@dataclass(frozen=True)
class PowerStep(PulseResponse):
    """dw+ = s+ v^gamma+, dw- = s- (1 - v)^gamma-, v = (w_max - w) / (w_max - w_min) (Fusi & Abbott 2007, nn1859).

    Args:
        gamma: mean exponent; gamma_dtod: its device-to-device spread, relative.
        gamma_asymmetry, gamma_asymmetry_dtod: as `asymmetry`, of the exponents.
    """

    gamma: float = 1.0
    gamma_dtod: float = 0.1
    gamma_asymmetry: float = 0.0
    gamma_asymmetry_dtod: float = 0.0
    name: ClassVar[str] = "power"
    keeps: ClassVar[tuple[str, ...]] = ("up", "down", "w_max", "w_min", "gamma_up", "gamma_down")

    @property
    def granularity(self) -> float:
        """The step half-way between the bounds, as aihwkit takes it."""
        return float(self.step * 0.5**self.gamma)

    def _draw_own(self, cells: Cells, generator: torch.Generator) -> None:
        shape = cells["up"].shape
        gain = 1 + self.gamma_dtod * torch.randn(shape, generator=generator, device=generator.device)
        skew = self.gamma_asymmetry_dtod * torch.randn(shape, generator=generator, device=generator.device)
        cells["gamma_up"] = ((min(self.gamma_asymmetry, 0.0) + gain + skew) * self.gamma).abs_()
        cells["gamma_down"] = ((-max(self.gamma_asymmetry, 0.0) + gain - skew) * self.gamma).abs_()

    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return s v^gamma."""
        distance = cells["w_max"] - w if up else w - cells["w_min"]
        share = (distance / (cells["w_max"] - cells["w_min"]).clamp_(min=1e-12)).clamp_(min=0.0)
        return share.pow_(cells["gamma_up" if up else "gamma_down"]).mul_(_scale(cells, up))


@dataclass(frozen=True)
class PiecewiseStep(PulseResponse):
    """dw = s f(v), f interpolated linearly in a measured table, v = (w - w_min) / (w_max - w_min).

    Args:
        table_up, table_down: f at equally spaced v from 0 to 1, the same number of values (1: a constant).
    """

    table_up: tuple[float, ...] = (1.0,)
    table_down: tuple[float, ...] = (1.0,)
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
        table = torch.tensor(self.table_up if up else self.table_down, dtype=w.dtype, device=w.device)
        sections = len(table) - 1
        if sections == 0:
            return _scale(cells, up) * table[0]
        place = (w - cells["w_min"]) / (cells["w_max"] - cells["w_min"]).clamp_(min=1e-12) * sections
        place = place.clamp_(0.0, float(sections))
        left = place.floor().clamp_(max=sections - 1)
        share, index = place - left, left.long()
        return torch.lerp(table[index], table[index + 1], share).mul_(_scale(cells, up))


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
    return torch.where(denominator == 0, torch.zeros_like(numerator), numerator / denominator)

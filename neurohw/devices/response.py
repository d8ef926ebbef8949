"""What every pulse-response law is: numbers of a population, the cells drawn from them, one pulse at a weight.

Weights are in the device's own units, in which its bounds are w_min and w_max. A law holds the population's parameters;
`draw` makes the cells of one crossbar from them (device-to-device), `steps` and `noise` say what one pulse does at a
weight: w <- clip(w +- (dw + noise * xi)), xi a fresh standard Gaussian (cycle-to-cycle). A law reaches torch through
the tensors it is given, so that numbers can be read without it.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from neurohw.devices.plausibility import SPREAD, Span
from neurohw.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Cells = dict[str, "Tensor"]  # one tensor per parameter, each of the crossbar's shape
Gauss = Callable[[], "Tensor"]  # a standard Gaussian for every cell


@dataclass(frozen=True)
class Parameter:
    """A key of [pulse].

    Args:
        default: of the law's class: a number, a flag, or a list of numbers.
        required: a device's file must give it.
        unit: its SI unit; of numbers.
        plausible: which magnitudes a device can have, SI; None: any.
    """

    default: Any
    required: bool = False
    unit: str = "1"
    plausible: Span | None = None

    @property
    def absent(self) -> Any:
        """What leaving it out of a device's file means: no spread, no asymmetry, no noise; a flag is as it is."""
        return 0.0 if isinstance(self.default, float) else self.default


def number(default: Any, **more: Any) -> Any:
    """Return a field of a law that says more of itself than its default, see `Parameter`."""
    return dataclasses.field(default=default, metadata={"parameter": Parameter(default, **more)})


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

    step: float = number(0.001, required=True)
    step_dtod: float = number(0.3, plausible=SPREAD)
    step_log_normal: bool = False
    step_ctoc: float = number(0.3, plausible=Span(0, 10))  # aihwkit's noisiest preset has 5
    asymmetry: float = number(0.0, plausible=Span(0, 2))
    asymmetry_dtod: float = number(0.01, plausible=SPREAD)
    w_max: float = number(0.6, required=True)
    w_min: float = number(-0.6, required=True)
    w_max_dtod: float = number(0.3, plausible=SPREAD)
    w_min_dtod: float = number(0.3, plausible=SPREAD)
    write_noise: float = 0.0

    name: ClassVar[str] = ""
    straight: ClassVar[bool] = False  # dw = s + c (w + r), with `up`, `slope_up` and `reference` for s, c and r
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

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Return what a device's file says of this law, by the names of its keys."""
        return {f.name: f.metadata.get("parameter") or Parameter(f.default) for f in dataclasses.fields(cls)}

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> Cells:
        """Return the cells of one crossbar, each parameter of `shape`; drawn on the generator's device."""

        from neurohw.draws import normal

        def gauss() -> Tensor:
            return normal(shape, generator)

        cells = self._draw_common(gauss)
        self._draw_own(cells, gauss)
        return cells

    def mean_cell(self) -> Cells:
        """Return the parameters of one cell without device-to-device spread, each [1]."""
        import torch

        spreads: dict[str, Any] = {f.name: 0.0 for f in dataclasses.fields(self) if f.name.endswith("_dtod")}
        return dataclasses.replace(self, **spreads).draw((1,), torch.Generator())

    def exact_mean_cell(self) -> Cells:
        """Return `mean_cell` in double precision."""
        import torch

        def gauss() -> Tensor:
            return torch.zeros(1, dtype=torch.float64)

        cells = self._draw_common(gauss)
        self._draw_own(cells, gauss)
        return cells

    def step_at(self, place: float, up: bool) -> float:
        """Return the mean cell's |dw| of one pulse at a place between its bounds, 0 at w_min, 1 at w_max."""
        cell = self.exact_mean_cell()
        return self.steps(cell["w_min"].lerp(cell["w_max"], place), cell, up).item()

    def nonlinearity(self, up: bool) -> float:
        """Return what a step loses on its way: 1 - s(3/4) / s(1/4), of the way from the bound that pulses come from."""
        near, far = (0.25, 0.75) if up else (0.75, 0.25)
        return 1 - self.step_at(far, up) / self.step_at(near, up)

    def mirrored(self) -> Self:
        """Return the law whose depression is shaped as its potentiation is, mirrored about mid range.

        Laws whose two sides have shapes of their own say how; the sizes of steps are not its matter.
        """
        return self

    def bent(self, nonlinearity: float) -> Self:
        """Return the law with this `nonlinearity` in both directions; the sizes of steps are not its matter.

        Raises:
            InputError: it cannot have it.
        """
        own = self.nonlinearity(True), self.nonlinearity(False)
        if any(abs(value - nonlinearity) > 5e-4 for value in own):
            raise InputError(f"law {self.name}: nonlinearity: got {nonlinearity:g}, but no parameter of this law sets "
                             f"it; allowed: {own[0]:.3g}, which it has, or a device of another law")  # fmt: skip
        return self

    def _draw_common(self, gauss: Gauss) -> Cells:
        w_max = self.w_max * (1 + self.w_max_dtod * gauss())
        w_min = self.w_min * (1 + self.w_min_dtod * gauss())
        gain = (self.step_dtod * gauss()).exp() if self.step_log_normal else 1 + self.step_dtod * gauss()
        skew = self.asymmetry_dtod * gauss()
        up = (min(self.asymmetry, 0.0) + gain + skew) * self.step
        down = (-max(self.asymmetry, 0.0) + gain - skew) * self.step
        low, high = w_max.minimum(w_min), w_max.maximum(w_min)
        return {"up": up.abs_(), "down": down.abs_(), "w_max": high.abs_(), "w_min": low.abs_().neg_()}

    def _draw_own(self, cells: Cells, gauss: Gauss) -> None:  # noqa: B027 (some laws have none)
        """Add the law's own parameters to the cells; each call of `gauss` gives every cell a standard Gaussian."""

    @abc.abstractmethod
    def steps(self, w: Tensor, cells: Cells, up: bool) -> Tensor:
        """Return the mean |dw| of one pulse at the weights w, element by element."""

    def noise(self, w: Tensor, steps: Tensor, cells: Cells, up: bool) -> Tensor | float:
        """Return the cycle-to-cycle standard deviation of one pulse (its sign does not matter)."""
        return steps * self.step_ctoc

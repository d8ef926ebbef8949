"""What a cell does when nobody touches it: drift, decay, diffusion, relaxation after programming, 1/f read noise."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurohw.devices.retention_laws import RetentionLaw, laws_of
from neurohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_SIGNED = ("rest", "drift_nu_state", "drift_nu_log", "drift_nu_dtod_log", "read_noise_1f_power", "lifetime_state",
           "loss_per_decade_state")  # fmt: skip
_OF_A_DECAY = {"lifetime_dtod_ln": 0.0, "lifetime_state": 0.0, "stretch": 1.0}
_RATES = (
    "drift_nu", "drift_nu_dtod", "drift_nu_state", "drift_nu_log", "drift_nu_least", "drift_nu_most",
    "drift_nu_dtod_log", "drift_nu_dtod_least", "drift_nu_dtod_most",
    "loss_per_decade", "loss_per_decade_dtod", "loss_per_decade_state",
)  # fmt: skip
_LEAST_SHARE = 1e-7  # of g_max, below which an exponent depends on the conductance no more


@dataclass(frozen=True)
class Retention:
    """How a population of cells ages; zeros mean that the effect is absent.

    Drift: G(t) = G(t0) (t / t0)^-nu, t since the last write (Le Gallo & Sebastian 2020, 10.1088/1361-6463/ab7794). The
    exponents of devices are Gaussian, without their sign; mean and spread may depend on the conductance G as written,
    each within its limits, with s = (G - g_min) / (g_max - g_min) and e = ln(2 G / g_max):

        mean = drift_nu + drift_nu_state (s - 1/2) + drift_nu_log e,    spread = drift_nu_dtod + drift_nu_dtod_log e.

    Decay: w relaxes to `rest` with time constant `lifetime`. Diffusion: a random walk of sigma `diffusion` sqrt(t)
    that turns back at the cell's bounds; with a simple decay, an Ornstein-Uhlenbeck process; drift and the other laws
    that count from a write leave it as it is.
    Relaxation: after a write the weight settles away by a Gaussian of sigma `relaxation` within seconds.

    Instead of that drift a loss per decade of time (`LogarithmicDrift`), and of that decay one that is stretched or
    whose lifetime depends on the state (`StretchedDecay`): see `neurohw.devices.retention_laws`. Drift, loss
    per decade and such a decay count from a cell's last write, and exclude each other.

    Args:
        drift_nu: mean exponent at the middle of the range, or with `drift_nu_log` at half of g_max.
        drift_nu_dtod: its device-to-device standard deviation, absolute; with `drift_nu_dtod_log` at half of g_max.
        drift_nu_state: by how much nu changes from g_min to g_max (negative: high conductances drift less).
        drift_nu_log, drift_nu_dtod_log: by how much mean and spread change per e-fold of the conductance.
        drift_nu_least, drift_nu_most, drift_nu_dtod_least, drift_nu_dtod_most: limits of mean and spread.
        drift_t0: seconds after a write from which the law holds.
        lifetime: seconds, mean time constant of the decay; 0: none.
        lifetime_dtod: its device-to-device spread, relative; lifetime_dtod_ln: or that of its logarithm, and
            `lifetime` is the median.
        lifetime_state: by how much ln(lifetime) changes from g_min to g_max, as written.
        stretch: beta of exp(-(t / lifetime)^beta), above 0, at most 1.
        rest: the weight that decay goes to.
        loss_per_decade: share of the conductance lost in each decade of time after t0, at the middle of the range.
        loss_per_decade_dtod: its device-to-device standard deviation, absolute.
        loss_per_decade_state: by how much it changes from g_min to g_max, as written.
        diffusion: weight units per square root of a second.
        diffusion_dtod: its device-to-device spread, relative.
        relaxation: weight units; relaxation_time: seconds after which it is (1 - 1/e) done.
        read_noise_1f: standard deviation of 1/f noise, relative to the conductance, at 1 s after the write; it grows
            with sqrt(log((t + t_read) / (2 t_read))) (Nandakumar et al. 2019, as aihwkit's PCM model), and hardly
            moves from one read to the next (`neurohw.crossbar.flicker`). At half of g_max where it depends on G.
        read_noise_1f_power: p of a factor (2 G / g_max)^p; read_noise_1f_most: its most at 1 s.
        read_time: t_read, seconds: the time that a read takes, as far as 1/f noise is concerned.

    Raises:
        InputError: a value out of range.
    """

    drift_nu: float = 0.0
    drift_nu_dtod: float = 0.0
    drift_nu_state: float = 0.0
    drift_nu_log: float = 0.0
    drift_nu_least: float = 0.0
    drift_nu_most: float = math.inf
    drift_nu_dtod_log: float = 0.0
    drift_nu_dtod_least: float = 0.0
    drift_nu_dtod_most: float = math.inf
    drift_t0: float = 1.0
    lifetime: float = 0.0
    lifetime_dtod: float = 0.0
    lifetime_dtod_ln: float = 0.0
    lifetime_state: float = 0.0
    stretch: float = 1.0
    rest: float = 0.0
    loss_per_decade: float = 0.0
    loss_per_decade_dtod: float = 0.0
    loss_per_decade_state: float = 0.0
    diffusion: float = 0.0
    diffusion_dtod: float = 0.0
    relaxation: float = 0.0
    relaxation_time: float = 1.0
    read_noise_1f: float = 0.0
    read_noise_1f_power: float = 0.0
    read_noise_1f_most: float = math.inf
    read_time: float = 250e-9

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            unlimited = field.name.endswith("_most") and value == math.inf
            if not (math.isfinite(value) or unlimited) or (value < 0 and field.name not in _SIGNED):
                raise InputError(f"retention: {field.name} must be a finite number of at least 0, but got {value!r}")
        for name in ("drift_t0", "relaxation_time", "read_time"):
            if getattr(self, name) <= 0:
                raise InputError(f"retention: {name} must be positive, but got {getattr(self, name)!r}")
        if not 0 < self.stretch <= 1:
            raise InputError(f"retention: stretch must be above 0 and at most 1, but got {self.stretch!r}")
        self._refuse_two_laws()
        for name in ("drift_nu", "drift_nu_dtod"):
            least, most = getattr(self, f"{name}_least"), getattr(self, f"{name}_most")
            if least > most:
                raise InputError(f"retention: {name}_least must be at most {name}_most, {most:g}, but got {least!r}")

    def _refuse_two_laws(self) -> None:
        names = [law.name for law in laws_of(self) if law.remembers]
        if len(names) > 1:
            raise InputError(f"retention: got numbers of two laws, {' and '.join(names)}; allowed: one law of the time "
                             "since the write")  # fmt: skip
        if self.lifetime_dtod and self.lifetime_dtod_ln:
            raise InputError("retention: got lifetime_dtod and lifetime_dtod_ln; allowed: one of them")
        of_no_decay = [key for key, absent in _OF_A_DECAY.items() if getattr(self, key) != absent]
        if of_no_decay and not self.lifetime:
            raise InputError(f"retention: got {', '.join(of_no_decay)} and no lifetime, which they belong to")

    @property
    def law(self) -> RetentionLaw | None:
        """The law of the time since the last write; None: nothing depends on that."""
        return next((law for law in laws_of(self) if law.remembers), None)

    def faster(self, factor: float) -> Retention:
        """Return how cells age where the laws' rates (nu, loss per decade, 1 / lifetime) are so many times as large."""
        scaled = {key: getattr(self, key) * factor for key in _RATES}
        return dataclasses.replace(self, **scaled, lifetime=self.lifetime / factor)

    @property
    def ages(self) -> bool:
        """Whether time alone moves a cell."""
        return self.law is not None or bool(self.lifetime or self.diffusion or self.relaxation)

    @property
    def drifts(self) -> bool:
        """Whether any exponent can differ from zero."""
        numbers = (self.drift_nu, self.drift_nu_state, self.drift_nu_log, self.drift_nu_least)
        spreads = (self.drift_nu_dtod, self.drift_nu_dtod_log, self.drift_nu_dtod_least)
        return any((*numbers, *spreads))

    @property
    def middle(self) -> tuple[float, float]:
        """Mean and spread of nu in the middle of the range."""
        mean = min(max(self.drift_nu, self.drift_nu_least), self.drift_nu_most)
        return mean, min(max(self.drift_nu_dtod, self.drift_nu_dtod_least), self.drift_nu_dtod_most)

    def exponents(self, state: Tensor, share: Tensor, xi: Tensor) -> Tensor:
        """Return nu of each device.

        Args:
            state: s, (G - g_min) / (g_max - g_min) as written.
            share: G / g_max as written.
            xi: how many standard deviations the device is from the mean one.
        """
        mean = share.new_full(share.shape, self.drift_nu)
        spread = share.new_full(share.shape, self.drift_nu_dtod)
        if self.drift_nu_state:
            mean.add_(state - 0.5, alpha=self.drift_nu_state)
        if self.drift_nu_log or self.drift_nu_dtod_log:
            fold = share.clamp(min=_LEAST_SHARE).mul_(2).log_()
            mean.add_(fold, alpha=self.drift_nu_log)
            spread.add_(fold, alpha=self.drift_nu_dtod_log)
        spread.clamp_(self.drift_nu_dtod_least, self.drift_nu_dtod_most)
        return mean.clamp_(self.drift_nu_least, self.drift_nu_most).add(spread * xi).abs_()

    def flicker(self, share: Tensor) -> Tensor:
        """Return Q, the standard deviation of 1/f noise over the conductance per sqrt(log((t + t_read) / (2 t_read))).

        Args:
            share: G / g_max as written.
        """
        at_one_second = share.new_full(share.shape, self.read_noise_1f)
        if self.read_noise_1f_power:
            at_one_second.mul_(share.clamp(min=_LEAST_SHARE).mul_(2).pow_(self.read_noise_1f_power))
        growth = math.sqrt(math.log((1 + self.read_time) / (2 * self.read_time)))
        return at_one_second.clamp_(max=self.read_noise_1f_most).div_(growth)

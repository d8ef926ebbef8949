"""Retention laws: what time leaves of a conductance that nobody touches.

With w as written, t the time since the last write, and w' the weight that the law leads to (of no conductance, or
`rest`),

    w(t) = w' + (w - w') left(t),    left from 1 to 0, and 1 until the law begins.

A law's numbers are keys of [retention], which `Retention` holds for a population; `rates` makes each cell's own of
them, `left` is the law. A law reaches torch through the tensors it is given, so that numbers can be read without it.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from neurohw.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from neurohw.devices.retention import Retention

BOLTZMANN_EV = 8.617333262e-5  # eV/K (CODATA 2018)
_STEEPEST = math.log(1e30)
_FOREVER = 1e30  # of t / t0 and t / tau: beyond, single precision ends
_LEAST_LIFETIME = 1e-9  # of the mean one, that a spread leaves


@dataclass(frozen=True)
class RetentionLaw(abc.ABC):
    """A law with the numbers of a population.

    Args:
        retention: the numbers.
    """

    retention: Retention
    name: ClassVar[str]
    equation: ClassVar[str]
    source: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]  # of [retention], that this law reads
    to_rest: ClassVar[bool] = False  # leads to `rest`; otherwise to no conductance
    remembers: ClassVar[bool] = True  # when a cell was last written, which a simple decay does not

    @classmethod
    @abc.abstractmethod
    def applies(cls, retention: Retention) -> bool:
        """Return whether cells with these numbers follow the law."""

    @property
    def begins(self) -> float:
        """Seconds after a write until which nothing happens."""
        return 0.0

    @abc.abstractmethod
    def rates(self, state: Tensor, share: Tensor, xi: Tensor) -> Tensor:
        """Return the number of each cell that says how fast.

        Args:
            state: s, (G - g_min) / (g_max - g_min) as written.
            share: G / g_max as written.
            xi: how many standard deviations the cell is from the mean one.
        """

    @abc.abstractmethod
    def left(self, seconds: Tensor, rates: Tensor) -> Tensor:
        """Return what is left of w - w'.

        Args:
            seconds: since the last write; rates: as `rates` gives them.
        """

    @abc.abstractmethod
    def summary(self) -> str:
        """Return the mean cell's law in a few words."""


class PowerDrift(RetentionLaw):
    """G(t) = G(t0) (t / t0)^-nu (Le Gallo & Sebastian 2020, 10.1088/1361-6463/ab7794)."""

    name: ClassVar[str] = "power"
    equation: ClassVar[str] = "G(t) = G(t0) (t / t0)^-nu"
    source: ClassVar[str] = "Le Gallo & Sebastian 2020, 10.1088/1361-6463/ab7794"
    keys: ClassVar[tuple[str, ...]] = (
        "drift_nu", "drift_nu_dtod", "drift_nu_state", "drift_nu_log", "drift_nu_least", "drift_nu_most",
        "drift_nu_dtod_log", "drift_nu_dtod_least", "drift_nu_dtod_most", "drift_t0",
    )  # fmt: skip

    @classmethod
    def applies(cls, retention: Retention) -> bool:
        """Return whether any exponent can differ from zero."""
        return retention.drifts

    @property
    def begins(self) -> float:
        """t0."""
        return self.retention.drift_t0

    def rates(self, state: Tensor, share: Tensor, xi: Tensor) -> Tensor:
        """Return nu."""
        return self.retention.exponents(state, share, xi)

    def left(self, seconds: Tensor, rates: Tensor) -> Tensor:
        """Return (t / t0)^-nu."""
        return (seconds / self.begins).clamp(1.0, _FOREVER).pow(-rates)

    def summary(self) -> str:
        """Return nu and t0."""
        return f"ν = {self.retention.middle[0]:.3g} from {self.begins:.3g} s on"


class LogarithmicDrift(RetentionLaw):
    """G(t) = G(t0) (1 - k log10(t / t0)), at least 0: the same loss in every decade of time.

    Relaxation over a flat spectrum of activation energies (Gibbs, Evetts & Leake, J. Mater. Sci. 18, 278, 1983).
    k = loss_per_decade + loss_per_decade_state (s - 1/2), with a Gaussian spread loss_per_decade_dtod, no sign.
    """

    name: ClassVar[str] = "logarithmic"
    equation: ClassVar[str] = "G(t) = G(t0) (1 - k log10(t / t0))"
    source: ClassVar[str] = (
        "Gibbs, Evetts & Leake, J. Mater. Sci. 18, 278, 1983: relaxation over a flat spectrum of barriers"
    )
    keys: ClassVar[tuple[str, ...]] = ("loss_per_decade", "loss_per_decade_dtod", "loss_per_decade_state", "drift_t0")

    @classmethod
    def applies(cls, retention: Retention) -> bool:
        """Return whether any loss can differ from zero."""
        return any((retention.loss_per_decade, retention.loss_per_decade_dtod, retention.loss_per_decade_state))

    @property
    def begins(self) -> float:
        """t0."""
        return self.retention.drift_t0

    def rates(self, state: Tensor, share: Tensor, xi: Tensor) -> Tensor:
        """Return k."""
        retention = self.retention
        slope = (state - 0.5) * retention.loss_per_decade_state
        return (retention.loss_per_decade + slope + xi * retention.loss_per_decade_dtod).abs_()

    def left(self, seconds: Tensor, rates: Tensor) -> Tensor:
        """Return 1 - k log10(t / t0), at least 0."""
        decades = (seconds / self.begins).clamp(1.0, _FOREVER).log10()
        return (1 - rates * decades).clamp_(min=0.0)

    def summary(self) -> str:
        """Return k and t0."""
        return f"{100 * self.retention.loss_per_decade:.3g} % per decade of time, from {self.begins:.3g} s on"


class StretchedDecay(RetentionLaw):
    """w(t) = rest + (w - rest) exp(-(t / tau)^beta), 0 < beta <= 1 (Kohlrausch, Ann. Phys. Chem. 91, 56, 1854).

    tau = lifetime exp(lifetime_state (s - 1/2)), with a spread that is normal and relative (lifetime_dtod), or
    normal in ln tau (lifetime_dtod_ln). With beta = 1 it is a simple decay whose lifetime depends on the state.
    """

    name: ClassVar[str] = "stretched"
    equation: ClassVar[str] = "w(t) = rest + (w - rest) exp(-(t / tau)^beta)"
    source: ClassVar[str] = "Kohlrausch, Ann. Phys. Chem. 91, 56, 1854"
    keys: ClassVar[tuple[str, ...]] = (
        "lifetime", "lifetime_dtod", "lifetime_dtod_ln", "lifetime_state", "stretch", "rest",
    )  # fmt: skip
    to_rest: ClassVar[bool] = True

    @classmethod
    def applies(cls, retention: Retention) -> bool:
        """Return whether the decay remembers when, or at which conductance, it began."""
        return retention.lifetime > 0 and (retention.stretch != 1.0 or retention.lifetime_state != 0.0)

    def rates(self, state: Tensor, share: Tensor, xi: Tensor) -> Tensor:
        """Return tau, s."""
        retention = self.retention
        lifetimes = retention.lifetime * ((state - 0.5) * retention.lifetime_state).exp()
        return lifetimes * self.spread(xi)

    def spread(self, xi: Tensor) -> Tensor:
        """Return the lifetime of each cell over that of the mean one."""
        if self.retention.lifetime_dtod_ln:
            return (xi * self.retention.lifetime_dtod_ln).exp()
        return (1 + self.retention.lifetime_dtod * xi).clamp_(min=_LEAST_LIFETIME)

    def left(self, seconds: Tensor, rates: Tensor) -> Tensor:
        """Return exp(-(t / tau)^beta)."""
        return (seconds / rates).clamp(max=_FOREVER).pow(self.retention.stretch).neg().exp()

    def summary(self) -> str:
        """Return tau and beta."""
        return f"τ = {self.retention.lifetime:.3g} s, β = {self.retention.stretch:.3g}"


class ExponentialDecay(StretchedDecay):
    """w(t) = rest + (w - rest) exp(-t / tau): a decay without memory, whenever the cell was written."""

    name: ClassVar[str] = "exponential"
    equation: ClassVar[str] = "w(t) = rest + (w - rest) exp(-t / tau)"
    source: ClassVar[str] = "a first-order decay, as aihwkit's (Rasch et al. 2021, arXiv 2104.02184)"
    keys: ClassVar[tuple[str, ...]] = ("lifetime", "lifetime_dtod", "lifetime_dtod_ln", "rest")
    remembers: ClassVar[bool] = False

    @classmethod
    def applies(cls, retention: Retention) -> bool:
        """Return whether there is a decay, and it has no memory."""
        return retention.lifetime > 0 and not StretchedDecay.applies(retention)

    def summary(self) -> str:
        """Return tau."""
        return f"τ = {self.retention.lifetime:.3g} s"


RETENTION_LAWS: dict[str, type[RetentionLaw]] = {
    law.name: law for law in (PowerDrift, ExponentialDecay, LogarithmicDrift, StretchedDecay)
}


def laws_of(retention: Retention) -> tuple[RetentionLaw, ...]:
    """Return the laws that a population follows; at most one of them counts from the write, see `Retention`."""
    return tuple(law(retention) for law in RETENTION_LAWS.values() if law.applies(retention))


def arrhenius(activation_energy: float, kelvin: float, reference: float) -> float:
    """Return exp(-E / k_B (1 / T - 1 / T_ref)), how many times as fast cells age (Arrhenius 1889; JEDEC JEP122).

    Args:
        activation_energy: E, eV; kelvin: T; reference: T_ref, K.

    Raises:
        InputError: beyond 1e30 times, or below 1e-30, where times of cells are no numbers any more.
    """
    exponent = -activation_energy / BOLTZMANN_EV * (1 / kelvin - 1 / reference)
    if abs(exponent) > _STEEPEST:
        speed = f"ages cells exp({exponent:.3g}) times as fast as {reference:g} K"
        raise InputError(f"retention.temperature, or hardware.kelvin: got {kelvin:g} K, which {speed}; allowed: 1e-30 "
                         "to 1e30 times")  # fmt: skip
    return math.exp(exponent)

"""What a cell does when nobody touches it: drift, decay, diffusion, relaxation after programming, 1/f read noise."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from neurohw.errors import InputError


@dataclass(frozen=True)
class Retention:
    """How a population of cells ages; zeros mean that the effect is absent.

    Drift: G(t) = G(t0) (t / t0)^-nu, t since the last write (Le Gallo & Sebastian 2020, 10.1088/1361-6463/ab7794).
    Decay: w relaxes to `rest` with time constant `lifetime`. Diffusion: a random walk of sigma `diffusion` sqrt(t).
    Relaxation: after a write the weight settles away by a Gaussian of sigma `relaxation` within seconds.

    Args:
        drift_nu: mean exponent at the middle of the range.
        drift_nu_dtod: its device-to-device standard deviation, absolute.
        drift_nu_state: by how much nu changes from g_min to g_max (negative: high conductances drift less): nu +
            drift_nu_state (s - 1/2), s = (G - g_min) / (g_max - g_min), G as written.
        drift_t0: seconds after a write from which the law holds.
        lifetime: seconds, mean time constant of the decay; 0: none.
        lifetime_dtod: its device-to-device spread, relative.
        rest: the weight that decay goes to.
        diffusion: weight units per square root of a second.
        diffusion_dtod: its device-to-device spread, relative.
        relaxation: weight units; relaxation_time: seconds after which it is (1 - 1/e) done.
        read_noise_1f: standard deviation of 1/f noise, relative to the conductance, at 1 s after the write; it grows
            with sqrt(log((t + t_read) / (2 t_read))) (Nandakumar et al. 2019, as aihwkit's PCM model), and hardly
            moves from one read to the next (`neurohw.crossbar.flicker`).
        read_time: t_read, seconds: the time that a read takes, as far as 1/f noise is concerned.

    Raises:
        InputError: a value out of range.
    """

    drift_nu: float = 0.0
    drift_nu_dtod: float = 0.0
    drift_nu_state: float = 0.0
    drift_t0: float = 1.0
    lifetime: float = 0.0
    lifetime_dtod: float = 0.0
    rest: float = 0.0
    diffusion: float = 0.0
    diffusion_dtod: float = 0.0
    relaxation: float = 0.0
    relaxation_time: float = 1.0
    read_noise_1f: float = 0.0
    read_time: float = 250e-9

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            signed = field.name in ("rest", "drift_nu_state")
            if not math.isfinite(value) or (value < 0 and not signed):
                raise InputError(f"retention: {field.name} must be a finite number of at least 0, but got {value!r}")
        for name in ("drift_t0", "relaxation_time", "read_time"):
            if getattr(self, name) <= 0:
                raise InputError(f"retention: {name} must be positive, but got {getattr(self, name)!r}")

    @property
    def drifts(self) -> bool:
        """Whether any exponent can differ from zero."""
        return self.drift_nu != 0 or self.drift_nu_dtod > 0 or self.drift_nu_state != 0

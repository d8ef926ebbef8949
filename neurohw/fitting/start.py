"""Where a fit starts: the scale of the trains, first guesses from regressions, a first rough fit of a law."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from neurohw.fitting.fitted_law import FittedLaw, Start
from neurohw.fitting.kalman import Observed, observed
from neurohw.fitting.measurements import PulseTrains
from neurohw.fitting.population import Population, fit_population

_SPREAD = 0.2  # first guess of relative spreads
_INTERIOR = 0.75  # weights where bounds do not yet cut steps off
_ENOUGH = 50  # pulses for a regression
_DITHER = 0.2  # steps
_TAIL = 1.6  # deviations of the noise that the 98 % quantile of a saturated cell has above its bound
_BEYOND = 0.3  # how far beyond what was seen a bound is presumed that no cell ran into
_NEAR_EXTREME = 0.85  # quantile of a device's weights
_NARROW = 0.2  # least first guess of a bound


def first_scale(trains: PulseTrains) -> tuple[float, float]:
    """Return centre and half of the mean range that the devices were seen in."""
    seen = [g[valid] for g, valid in zip(trains.conductance, trains.valid, strict=True)]
    low, high = (np.mean([np.quantile(g, share) for g in seen]) for share in (0.02, 0.98))
    return float(low + high) / 2, float(high - low) / 2


def scale_trains(trains: PulseTrains, centre: float, half: float) -> Observed:
    return observed((trains.conductance - centre) / half, trains.up, trains.valid)


def dither_trains(
    trains: PulseTrains, centre: float, half: float, generator: np.random.Generator
) -> tuple[PulseTrains, float]:
    """Return the trains with as much white noise added as makes them Gaussian at hard bounds, and its deviation, S.

    A bound cuts a noiseless cell's distribution to a point, which no Gaussian resembles; a fifth of a step blurs it and
    costs little. Noisy trains stay as they are.
    """
    start, _, noise = guess(scale_trains(trains, centre, half))
    wanted = _DITHER * (start.up + start.down) / 2
    sigma = half * max(wanted**2 - noise**2, 0.0) ** 0.5
    if noise > 0.7 * wanted:
        return trains, 0.0
    blurred = trains.conductance + sigma * generator.standard_normal(trains.conductance.shape)
    return dataclasses.replace(trains, conductance=blurred), sigma


def first_fit(law: FittedLaw, data: Observed) -> Population:
    """Return a first fit, started from regressions of increments on weights."""
    start, ctoc, noise = guess(data)
    if not law.hard:
        up, down = max(start.up, 1e-6), max(start.down, 1e-6)
        high = np.clip(-up / min(start.slope_up, -1e-9), 1.02, 2.0)
        low = np.clip(-down / max(start.slope_down, 1e-9), -2.0, -1.02)
        start = Start(up, down, start.slope_up, start.slope_down, float(high), float(low))
    mean, shared = law.start(start)
    shared = np.concatenate([shared, np.log([ctoc, noise])])
    effects = np.repeat(mean[None], data.w.shape[1], axis=0)
    if law.hard:
        effects[:, 2:4] = _seen_bounds(data, noise)
    return fit_population(law, effects, shared, _SPREAD * law.scales(mean), data, noise_limits(mean), polish=False)


def noise_limits(mean: np.ndarray) -> tuple[float, float]:
    """Return where the logarithm of the measurement noise may lie: from a thousandth of a step to half the range."""
    return math.log(1e-3 * abs(mean[0])), 0.0


def guess(data: Observed) -> tuple[Start, float, float]:
    """Return steps and slopes, step_ctoc and measurement noise, by moments.

    The regression on w takes the measurement before as its instrument, which the noise of w does not touch.
    """
    w = data.w.numpy()
    fine = (data.valid[2:] & data.valid[1:-1]).numpy()
    rise = w[2:] - w[1:-1]
    interior = fine & (np.abs(w[:-2]) < _INTERIOR)
    guesses = {}
    remaining = np.full_like(rise, np.nan)
    steps = np.full_like(rise, np.nan)
    for side, up in (("up", True), ("down", False)):
        side_only = (data.up[2:] == up).numpy()
        use = interior & side_only if (interior & side_only).sum() >= _ENOUGH else fine & side_only
        x, z, y = w[1:-1][use], w[:-2][use], rise[use] if up else -rise[use]
        slope = float(np.cov(y, z)[0, 1] / np.cov(x, z)[0, 1]) if np.std(z) > 0 else 0.0
        at_zero = float(y.mean() - slope * x.mean())
        guesses[side], guesses[f"slope_{side}"] = max(at_zero, 0.1 * abs(float(y.mean())) + 1e-6), slope
        steps[use] = np.abs(at_zero + slope * x)
        remaining[use] = y - at_zero - slope * x
    signed = np.where(data.up[2:].numpy(), remaining, -remaining)
    noise = max(-float(np.nanmean(signed[1:] * signed[:-1])), 0.0) ** 0.5
    left = max(float(np.nanvar(remaining)) - 2 * noise**2, 0.1 * float(np.nanvar(remaining)))
    ctoc = np.clip((left / float(np.nanmean(steps**2))) ** 0.5, 0.02, 5.0)
    return Start(**guesses), float(ctoc), max(noise, 1e-4)


def _seen_bounds(data: Observed, noise: float) -> np.ndarray:
    """Return how far each device was seen to go up and down, less what noise adds, [devices, 2]."""
    w, valid = data.w.numpy(), data.valid.numpy()
    seen = [np.quantile(w[:, d][valid[:, d]], [0.98, 0.02]) for d in range(w.shape[1])]
    bounds = np.array(seen) + _TAIL * noise * np.array([-1, 1])
    for side, sign in ((0, 1.0), (1, -1.0)):
        if not _saturates(data, sign):
            bounds[:, side] += sign * _BEYOND
    return np.stack([np.maximum(bounds[:, 0], _NARROW), np.minimum(bounds[:, 1], -_NARROW)], axis=1)


def _saturates(data: Observed, sign: float) -> bool:
    """Return whether pulses up (sign 1) or down (-1) move cells that are near their extreme less than half as far.

    Cells are sorted by the measurement before the last, whose noise is not in the change that is looked at.
    """
    w = sign * data.w.numpy()
    use = (data.valid[2:] & data.valid[1:-1] & (data.up[2:] == (sign > 0))).numpy()
    changes = w[2:] - w[1:-1]
    limits = np.quantile(w, _NEAR_EXTREME, axis=(0, 2))[None, :, None]
    near, far = use & (w[:-2] > limits), use & (w[:-2] <= limits)
    return bool(near.any() and far.any() and changes[near].mean() < 0.5 * changes[far].mean())

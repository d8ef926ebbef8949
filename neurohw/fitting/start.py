"""Where a fit starts: the scale of the trains, first guesses from regressions, a first rough fit of a law."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from neurohw.fitting.fitted_law import FittedLaw, Start
from neurohw.fitting.kalman import Observed, observed
from neurohw.fitting.measurements import PulseTrains
from neurohw.fitting.population import Population, fit_population
from neurohw.fitting.seen import reads

_SPREAD = 0.2  # first guess of relative spreads
_INTERIOR = 0.75  # weights where bounds do not yet cut steps off
_ENOUGH = 50  # pulses for a regression
_DITHER = 0.2  # steps
_TAIL = 1.6  # deviations of the noise that the 98 % quantile of a saturated cell has above its bound
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

    The regression on w takes the measurement before as its instrument, which the noise of w does not touch. Where only
    some pulses were read, changes are those of a pulse between two reads, on average.
    """
    read = reads(data)
    w, pulses = read.w, np.maximum(read.pulses[2:], 1)
    fine = read.valid[1:-1] & (read.pulses[2:] > 0)
    rise = (w[2:] - w[1:-1]) / pulses
    interior = fine & (np.abs(w[:-2]) < _INTERIOR)
    guesses: dict[str, float] = {}
    remaining, steps = np.full_like(rise, np.nan), np.full_like(rise, np.nan)
    for side, up in (("up", True), ("down", False)):
        side_only = read.up[2:] == up
        use = interior & side_only if (interior & side_only).sum() >= _ENOUGH else fine & side_only
        if not use.any():
            continue
        x, z, y = w[1:-1][use], w[:-2][use], rise[use] if up else -rise[use]
        related = np.cov(x, z)[0, 1] if len(x) > 1 else 0.0
        slope = float(np.cov(y, z)[0, 1] / related) if related else 0.0
        at_zero = float(y.mean() - slope * x.mean())
        guesses[side], guesses[f"slope_{side}"] = max(at_zero, 0.1 * abs(float(y.mean())) + 1e-6), slope
        steps[use] = np.abs(at_zero + slope * x)
        remaining[use] = (y - at_zero - slope * x) * pulses[use]
    signed = np.where(read.up[2:], remaining, -remaining)
    noise = max(-_mean(signed[1:] * signed[:-1]), 0.0) ** 0.5
    varied = float(np.nanvar(remaining))
    left = max(varied - 2 * noise**2, 0.1 * varied)
    ctoc = np.clip((left / max(_mean(steps**2 * pulses), 1e-300)) ** 0.5, 0.02, 5.0)
    for side, other in (("up", "down"), ("down", "up")):
        guesses.setdefault(side, guesses.get(other, 1e-6))
        guesses.setdefault(f"slope_{side}", -guesses.get(f"slope_{other}", 0.0))
    return Start(**guesses), float(ctoc), max(noise, 1e-4)


def _mean(values: np.ndarray) -> float:
    """Return the mean of what is known, 0 where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0


def _seen_bounds(data: Observed, noise: float) -> np.ndarray:
    """Return how far each device was seen to go up and down, less what noise adds, [devices, 2]."""
    w, valid = data.w.numpy(), data.valid.numpy()
    seen = [np.quantile(w[:, d][valid[:, d]], [0.98, 0.02]) for d in range(w.shape[1])]
    bounds = np.array(seen) + _TAIL * noise * np.array([-1, 1])
    return np.stack([np.maximum(bounds[:, 0], _NARROW), np.minimum(bounds[:, 1], -_NARROW)], axis=1)

"""Pulse trains in, device out: which law, its parameters with 95 % intervals, and how noise and spread divide.

Conductances are scaled so that the mean bounds of the population are w = -1 and w = 1: `step` is a share of half the
range, and g_min and g_max of the device file are the mean bounds, not the extremes of the data. Every law is fitted by
`fit_population` to the same trains, of at most 12 devices and 4 cycles; the lowest Bayesian information criterion (BIC)
wins and is then fitted to all. Spreads are estimated
as random effects, so that they contain neither cycle-to-cycle noise nor measurement noise. Intervals come from the
Fisher information (means, shared numbers) and from chi-squared distributions with effective degrees of freedom
(spreads), carried through to the law's parameters by sampling.

What pulse trains cannot tell, whatever the estimator:

- a spread between n devices better than to 1 / sqrt(2 n): 13 % for 30; nor a mean better than spread / sqrt(n);
- asymmetry_dtod much below step_ctoc / sqrt(2 pulses of a device in one direction);
- hard bounds (constant, linear, exponential, piecewise) that no train runs into; the intervals then have no end to
  speak of, and the parameter is reported as not identifiable;
- measurement noise from `write_noise`, which is as white where each pulse is followed by one read: it counts as read
  noise; and step_ctoc once the measurement noise is many steps (the filter then sees averages of steps only);
- the split of A and gamma of the exponential law where little is lost at the bounds; a and b at all: a = 1, b = 0;
- soft-bounds-reference from soft-bounds: the reference is a choice of the circuit, and the further slope spreads move
  the bounds like w_max_dtod does. It is fitted as soft-bounds with reference 0, only where it is asked for;
- log-normal from normal step spreads with tens of devices: normal is presumed, and numbers of a cell are independent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from neurohw.fitting.fitted_law import FittedLaw, Samples
from neurohw.fitting.kalman import residuals
from neurohw.fitting.law_parameters import FITTED, fitted_laws
from neurohw.fitting.measurements import PulseTrains
from neurohw.fitting.population import Population, fit_population
from neurohw.fitting.start import dither_trains, first_fit, first_scale, noise_limits, scale_trains

SAMPLES = 2000
RANKED = (12, 4)  # devices and cycles that laws are compared on: enough to tell them apart, in seconds
_STEEP = 50.0  # logarithms beyond are not identified, and exp would overflow
_SAME = ("soft-bounds-reference",)  # fitted as another law, so only on demand
ROUNDS = 4  # of scaling to the mean bounds
_SCALED = 5e-3  # how near to -1 and 1 the mean bounds come
_BOUND_KNOWN = 0.25  # width of a bound's interval that counts as identified, of the range
_SIGNED = 0.1  # half an interval that counts as identified around zero


@dataclass(frozen=True)
class Estimate:
    """A parameter with its 95 % interval.

    Args:
        value: a number, or a table of them; low, high: likewise.
        unit: as in a device file.
        identifiable: whether the interval is narrower than the value, or than 0.2; for g_min and g_max, than a quarter
            of the range.
    """

    value: float | tuple[float, ...]
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    unit: str
    identifiable: bool


@dataclass(frozen=True)
class Candidate:
    """How well a law describes the trains.

    Args:
        law: its name; additive_noise: its variant.
        log_likelihood: of the measurements, in units of half the range; parameters: how many; bic, aic: the less, the
            better.
        converged: whether the optimiser ended by itself.
    """

    law: str
    additive_noise: bool
    log_likelihood: float
    parameters: int
    bic: float
    aic: float
    converged: bool


@dataclass(frozen=True)
class Fit:
    """A fitted device.

    Args:
        law: the chosen law's name; flags: its switches.
        estimates: its parameters, and g_min, g_max (S), read_noise (over g_max - g_min).
        candidates: the laws that were compared, the best first; none where there was no choice.
        trains: what was fitted.
        weights: [devices, cycles, pulses - 1], before the pulse, as estimated from all measurements until then.
        standardised: likewise, one-pulse prediction errors in predicted standard deviations.
        population: the fit in scaled weights; centre, half: w = (g - centre) / half, S.
    """

    law: str
    flags: dict[str, bool]
    estimates: dict[str, Estimate]
    candidates: tuple[Candidate, ...]
    trains: PulseTrains
    weights: np.ndarray
    standardised: np.ndarray
    population: Population
    centre: float
    half: float


@dataclass(frozen=True)
class _Scaled:
    """A population and the scale it was fitted in."""

    population: Population
    centre: float
    half: float


def fit(trains: PulseTrains, law: str | None = None, seed: int = 0) -> Fit:
    """Return the device that the trains come from.

    Args:
        trains: as measured.
        law: its name; chosen by BIC unless given.
        seed: of the sampling that intervals are made with.

    Raises:
        InputError: there is no such law, or no fit of it.
    """
    with _one_thread():
        return _fitted(trains, law, np.random.default_rng(seed))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: its tensors here are so small that several cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _fitted(trains: PulseTrains, law: str | None, generator: np.random.Generator) -> Fit:
    centre, half = first_scale(trains)
    dithered, dither = dither_trains(trains, centre, half, generator)
    names = [law] if law else [name for name in FITTED if name not in _SAME]
    variants = fitted_laws(names[0])
    alone = len(names) == 1 and len(variants) == 1
    candidates = () if alone else _ranked(names, dithered, centre, half)
    best = variants[0] if alone else _variant(candidates[0])
    used, dither = (dithered, dither) if best.hard else (trains, 0.0)
    first = _Scaled(first_fit(best, scale_trains(used, centre, half)), centre, half)
    return _reported(_rescaled(first, used), candidates, used, dither, generator)


def _ranked(names: list[str], trains: PulseTrains, centre: float, half: float) -> tuple[Candidate, ...]:
    """Return the laws compared on a part of the trains, the best first; of the best one, its variants, too."""
    data = scale_trains(_part(trains), centre, half)
    candidates: list[Candidate] = []
    for name in names:
        candidates.append(_candidate(first_fit(FITTED[name][0], data), data.count))
    winner = min(candidates, key=lambda candidate: candidate.bic).law
    candidates += [_candidate(first_fit(variant, data), data.count) for variant in FITTED[winner][1:]]
    return tuple(sorted(candidates, key=lambda candidate: candidate.bic))


def _variant(candidate: Candidate) -> FittedLaw:
    return next(f for f in FITTED[candidate.law] if f.additive_noise == candidate.additive_noise)


def _part(trains: PulseTrains) -> PulseTrains:
    """Return at most RANKED devices, evenly chosen, and cycles."""
    devices, cycles = RANKED
    chosen = np.unique(np.linspace(0, len(trains.devices) - 1, devices).round().astype(int))
    arrays = {key: getattr(trains, key)[chosen][:, :cycles] for key in ("conductance", "up", "valid")}
    return dataclasses.replace(trains, **arrays, devices=tuple(trains.devices[i] for i in chosen))


def _candidate(p: Population, count: int) -> Candidate:
    bic, aic = (k * p.parameters - 2 * p.log_likelihood for k in (math.log(count), 2))
    return Candidate(p.law.name, p.law.additive_noise, p.log_likelihood, p.parameters, bic, aic, p.converged)


def _rescaled(first: _Scaled, trains: PulseTrains) -> _Scaled:
    """Return the fit in the scale in which its own mean bounds are -1 and 1."""
    scaled = first
    for turn in range(ROUNDS):
        p = scaled.population
        high, low = p.mean[2], p.mean[3]
        shift, stretch = (high + low) / 2, (high - low) / 2
        if turn and abs(shift) < _SCALED and abs(stretch - 1) < _SCALED:
            break
        centre, half = scaled.centre + scaled.half * shift, scaled.half * stretch
        effects, std, shared = p.effects.copy(), p.std.copy(), p.shared.copy()
        effects[:, 2:4] -= shift
        effects[:, :4], std[:4] = effects[:, :4] / stretch, std[:4] / stretch
        shared[-1] -= math.log(stretch)
        data = scale_trains(trains, centre, half)
        limits = noise_limits(p.mean / stretch)
        scaled = _Scaled(fit_population(p.law, effects, shared, std, data, limits, polish=True), centre, half)
    return scaled


def _reported(
    best: _Scaled, candidates: tuple[Candidate, ...], trains: PulseTrains, dither: float, generator: np.random.Generator
) -> Fit:
    p, data = best.population, scale_trains(trains, best.centre, best.half)
    values = _quantities(best, p.mean[None], p.std[None], p.shared[None], dither)
    draws = _quantities(best, *p.samples(SAMPLES, generator), dither)
    units = {"g_min": "S", "g_max": "S"}
    alone = len(trains.devices) == 1
    span = _BOUND_KNOWN * float(values["g_max"][0] - values["g_min"][0])
    estimates = {}
    for name, value in values.items():
        unit = units.get(name, "1")
        width = span if unit == "S" else max(float(np.min(abs(value[0]))), 2 * _SIGNED)
        known = not (alone and name.endswith("_dtod"))
        estimates[name] = _estimate(value[0], draws[name], unit, width if known else 0.0)
    plain = {name: estimate.value for name, estimate in estimates.items()}
    before, standardised = residuals(p.law, p.effects, p.shared, data)
    flags = p.law.flags(plain)
    return Fit(p.law.name, flags, estimates, candidates, trains, before, standardised, p, best.centre, best.half)


def _quantities(scaled: _Scaled, mean: np.ndarray, std: np.ndarray, shared: np.ndarray, dither: float) -> Samples:
    """Return the parameters of samples of the population."""
    values = scaled.population.law.parameters(mean, std, shared[:, :-2])
    ctoc, noise = np.exp(np.clip(shared[:, -2:].T, -_STEEP, _STEEP))
    values["step_ctoc"] = ctoc
    values["g_max"] = scaled.centre + scaled.half * mean[:, 2]
    values["g_min"] = scaled.centre + scaled.half * mean[:, 3]
    noise = np.maximum((noise * scaled.half) ** 2 - dither**2, 0.0) ** 0.5
    values["read_noise"] = noise / (values["g_max"] - values["g_min"])
    return values


def _estimate(value: np.ndarray, draws: np.ndarray, unit: str, width: float) -> Estimate:
    """Return a parameter; it is identifiable if its interval is less wide than `width`."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    known = bool((high - low < width).all())
    if value.ndim:
        at, start, end = (tuple(float(x) for x in xs) for xs in (value, low, high))
        return Estimate(at, start, end, unit, known)
    return Estimate(float(value), float(low), float(high), unit, known)

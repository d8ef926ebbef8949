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
from dataclasses import dataclass

import numpy as np

from neurohw.devices.fit_filter import Observed, observed, residuals
from neurohw.devices.fit_laws import FITTED, FittedLaw, Samples, Start
from neurohw.devices.fit_population import Population, fit_population
from neurohw.devices.laws import find_law
from neurohw.devices.measurements import PulseTrains

SAMPLES = 2000
RANKED = (12, 4)  # devices and cycles that laws are compared on: enough to tell them apart, in seconds
_STEEP = 50.0  # logarithms beyond are not identified, and exp would overflow
_SAME = ("soft-bounds-reference",)  # fitted as another law, so only on demand
ROUNDS = 4  # of scaling to the mean bounds
_SCALED = 5e-3  # how near to -1 and 1 the mean bounds come
_SPREAD = 0.2  # first guess of relative spreads
_INTERIOR = 0.75  # weights where bounds do not yet cut steps off
_ENOUGH = 50  # pulses for a regression
_DITHER = 0.2  # steps
_TAIL = 1.6  # deviations of the noise that the 98 % quantile of a saturated cell has above its bound
_BEYOND = 0.3  # how far beyond what was seen a bound is presumed that no cell ran into
_NEAR_EXTREME = 0.85  # quantile of a device's weights
_NARROW = 0.2  # least first guess of a bound
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
        weights, errors, standardised: [devices, cycles, pulses - 1], before the pulse, and one-pulse prediction errors
            in weights and in their predicted standard deviations.
        population: the fit in scaled weights; centre, half: w = (g - centre) / half, S.
    """

    law: str
    flags: dict[str, bool]
    estimates: dict[str, Estimate]
    candidates: tuple[Candidate, ...]
    trains: PulseTrains
    weights: np.ndarray
    errors: np.ndarray
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
        InputError: there is no such law.
    """
    if law is not None:
        find_law(law)
    generator = np.random.default_rng(seed)
    centre, half = _first_scale(trains)
    dithered, dither = _dithered(trains, centre, half, generator)
    names = [law] if law else [name for name in FITTED if name not in _SAME]
    alone = len(names) == 1 and len(FITTED[names[0]]) == 1
    candidates = () if alone else _ranked(names, dithered, centre, half)
    best = FITTED[names[0]][0] if alone else _variant(candidates[0])
    used, dither = (dithered, dither) if best.hard else (trains, 0.0)
    first = _Scaled(_first(best, _scaled(used, centre, half)), centre, half)
    return _reported(_rescaled(first, used), candidates, used, dither, generator)


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


def _ranked(names: list[str], trains: PulseTrains, centre: float, half: float) -> tuple[Candidate, ...]:
    """Return the laws compared on a part of the trains, the best first; of the best one, its variants, too."""
    data = _scaled(_part(trains), centre, half)
    found: list[Candidate] = []
    for name in names:
        found.append(_candidate(_first(FITTED[name][0], data), data.count))
    winner = min(found, key=lambda candidate: candidate.bic).law
    found += [_candidate(_first(variant, data), data.count) for variant in FITTED[winner][1:]]
    return tuple(sorted(found, key=lambda candidate: candidate.bic))


def _variant(candidate: Candidate) -> FittedLaw:
    return next(f for f in FITTED[candidate.law] if f.additive_noise == candidate.additive_noise)


def _part(trains: PulseTrains) -> PulseTrains:
    """Return at most RANKED devices, evenly chosen, and cycles."""
    devices, cycles = RANKED
    chosen = np.unique(np.linspace(0, len(trains.devices) - 1, devices).round().astype(int))
    arrays = {key: getattr(trains, key)[chosen][:, :cycles] for key in ("conductance", "up", "valid")}
    return dataclasses.replace(trains, **arrays, devices=tuple(trains.devices[i] for i in chosen))


def _first_scale(trains: PulseTrains) -> tuple[float, float]:
    """Return centre and half of the mean range that the devices were seen in."""
    seen = [g[valid] for g, valid in zip(trains.conductance, trains.valid, strict=True)]
    low, high = (np.mean([np.quantile(g, share) for g in seen]) for share in (0.02, 0.98))
    return float(low + high) / 2, float(high - low) / 2


def _dithered(
    trains: PulseTrains, centre: float, half: float, generator: np.random.Generator
) -> tuple[PulseTrains, float]:
    """Return the trains with as much white noise added as makes them Gaussian at hard bounds, and its deviation, S.

    A bound cuts a noiseless cell's distribution to a point, which no Gaussian resembles; a fifth of a step blurs it and
    costs little. Noisy trains stay as they are.
    """
    start, _, noise = _guess(_scaled(trains, centre, half))
    wanted = _DITHER * (start.up + start.down) / 2
    sigma = half * max(wanted**2 - noise**2, 0.0) ** 0.5
    if noise > 0.7 * wanted:
        return trains, 0.0
    blurred = trains.conductance + sigma * generator.standard_normal(trains.conductance.shape)
    return dataclasses.replace(trains, conductance=blurred), sigma


def _scaled(trains: PulseTrains, centre: float, half: float) -> Observed:
    return observed((trains.conductance - centre) / half, trains.up, trains.valid)


def _first(law: FittedLaw, data: Observed) -> Population:
    """Return a first fit, started from regressions of increments on weights."""
    start, ctoc, noise = _guess(data)
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
    return fit_population(law, effects, shared, _SPREAD * law.scales(mean), data, _limits(mean), polish=False)


def _seen_bounds(data: Observed, noise: float) -> np.ndarray:
    """Return how far each device was seen to go up and down, less what noise adds, [devices, 2]."""
    w, valid = data.w.numpy(), data.valid.numpy()
    seen = [np.quantile(w[:, d][valid[:, d]], [0.98, 0.02]) for d in range(w.shape[1])]
    bounds = np.array(seen) + _TAIL * noise * np.array([-1, 1])
    for side, sign in ((0, 1.0), (1, -1.0)):
        if not _saturates(data, sign):
            bounds[:, side] += sign * _BEYOND
    return np.stack([np.maximum(bounds[:, 0], _NARROW), np.minimum(bounds[:, 1], -_NARROW)], axis=1)


def _limits(mean: np.ndarray) -> tuple[float, float]:
    """Return where the logarithm of the measurement noise may lie: from a thousandth of a step to half the range."""
    return math.log(1e-3 * abs(mean[0])), 0.0


def _guess(data: Observed) -> tuple[Start, float, float]:
    """Return steps and slopes, step_ctoc and measurement noise, by moments.

    The regression on w takes the measurement before as its instrument, which the noise of w does not touch.
    """
    w = data.w.numpy()
    fine = (data.valid[2:] & data.valid[1:-1]).numpy()
    rise = w[2:] - w[1:-1]
    interior = fine & (np.abs(w[:-2]) < _INTERIOR)
    found = {}
    remaining = np.full_like(rise, np.nan)
    steps = np.full_like(rise, np.nan)
    for side, up in (("up", True), ("down", False)):
        side_only = (data.up[2:] == up).numpy()
        use = interior & side_only if (interior & side_only).sum() >= _ENOUGH else fine & side_only
        x, z, y = w[1:-1][use], w[:-2][use], rise[use] if up else -rise[use]
        slope = float(np.cov(y, z)[0, 1] / np.cov(x, z)[0, 1]) if np.std(z) > 0 else 0.0
        at_zero = float(y.mean() - slope * x.mean())
        found[side], found[f"slope_{side}"] = max(at_zero, 0.1 * abs(float(y.mean())) + 1e-6), slope
        steps[use] = np.abs(at_zero + slope * x)
        remaining[use] = y - at_zero - slope * x
    signed = np.where(data.up[2:].numpy(), remaining, -remaining)
    noise = max(-float(np.nanmean(signed[1:] * signed[:-1])), 0.0) ** 0.5
    left = max(float(np.nanvar(remaining)) - 2 * noise**2, 0.1 * float(np.nanvar(remaining)))
    ctoc = np.clip((left / float(np.nanmean(steps**2))) ** 0.5, 0.02, 5.0)
    return Start(**found), float(ctoc), max(noise, 1e-4)


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
        data = _scaled(trains, centre, half)
        limits = _limits(p.mean / stretch)
        scaled = _Scaled(fit_population(p.law, effects, shared, std, data, limits, polish=True), centre, half)
    return scaled


def _reported(
    best: _Scaled, candidates: tuple[Candidate, ...], trains: PulseTrains, dither: float, generator: np.random.Generator
) -> Fit:
    p, data = best.population, _scaled(trains, best.centre, best.half)
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
    errors, standardised = residuals(p.law, p.effects, p.shared, data)
    before = np.moveaxis(data.w[:-1].numpy(), 0, -1)
    flags = p.law.flags(plain)
    return Fit(
        p.law.name, flags, estimates, candidates, trains, before, errors, standardised, p, best.centre, best.half
    )


def _quantities(scaled: _Scaled, mean: np.ndarray, std: np.ndarray, shared: np.ndarray, dither: float) -> Samples:
    """Return the parameters of samples of the population."""
    found = scaled.population.law.parameters(mean, std, shared[:, :-2])
    ctoc, noise = np.exp(np.clip(shared[:, -2:].T, -_STEEP, _STEEP))
    found["step_ctoc"] = ctoc
    found["g_max"] = scaled.centre + scaled.half * mean[:, 2]
    found["g_min"] = scaled.centre + scaled.half * mean[:, 3]
    noise = np.maximum((noise * scaled.half) ** 2 - dither**2, 0.0) ** 0.5
    found["read_noise"] = noise / (found["g_max"] - found["g_min"])
    return found


def _estimate(value: np.ndarray, draws: np.ndarray, unit: str, width: float) -> Estimate:
    """Return a parameter; it is identifiable if its interval is less wide than `width`."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    known = bool((high - low < width).all())
    if value.ndim:
        at, start, end = (tuple(float(x) for x in xs) for xs in (value, low, high))
        return Estimate(at, start, end, unit, known)
    return Estimate(float(value), float(low), float(high), unit, known)

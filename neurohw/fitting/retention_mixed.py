"""One law fitted to retention curves: devices that differ, by maximum likelihood with starts integrated out.

Parameters and effects (`retention_model.descend`) in turn with the noise and the spread between devices
(`random_effects`), until their ratio stays. With two times a curve and one curve a device, spread and measurement noise
cannot be told apart: all of it then counts as spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from neurohw.fitting.population import random_effects
from neurohw.fitting.retention_model import Ageing, Curves, Normal, Point, descend, point_at, squares_at

_NO_NOISE, _NO_SPREAD = 1e-6, 1e-4  # of what devices say of their effects; of the spread over the noise
_FIXED = 1e30  # of the information on effects: there are none
_ROUNDS = 8  # of noise and spread
_SETTLED = 1e-2  # relative change of their ratio at which the rounds end
_ON_GRID = 40  # curves that first guesses are looked for on
_GRID = {"energy": (0.1, 0.4, 0.8, 1.2, 1.6), "stretch": (0.3, 0.6, 0.9), "rest": (0.0, 0.5, 0.9)}


@dataclass(frozen=True)
class Candidate:
    """How well a law describes the curves.

    Args:
        law: its name; relative_noise: the measurement noise is a share of the conductance.
        log_likelihood: of conductances over the largest, starts and devices integrated out; parameters: how many.
        bic, aic: the less, the better.
        r_squared: share of the change in time, about each curve's mean, that the law explains, each device's rate its
            own.
    """

    law: str
    relative_noise: bool
    log_likelihood: float
    parameters: int
    bic: float
    aic: float
    r_squared: float


@dataclass(frozen=True)
class Fitted:
    """A fitted law.

    Args:
        model, point: the law and its parameters.
        noise: of a measurement, over the largest conductance or over its own; 0: not told apart from the spread.
        spread, spread_interval: of the effects over devices.
        covariance: of the parameters; freedom: degrees of freedom that measurements leave for the noise.
        candidate: how well it describes the curves.
    """

    model: Ageing
    point: Point
    noise: float
    spread: float
    spread_interval: tuple[float, float]
    covariance: np.ndarray
    freedom: int
    candidate: Candidate


def _guesses(model: Ageing, data: Curves) -> Iterator[np.ndarray]:
    """Yield parameters all over what is possible."""
    low, high = model.limits(data)
    rates = np.linspace(low[0], high[0], 25) if model.decays else np.geomspace(1e-3, 0.5, 10)
    yield from map(np.array, product(rates, *(_GRID[term] for term in model.terms[1:])))


def _some(data: Curves) -> Curves:
    """Return a few of the curves, at random."""
    kept = np.sort(np.random.default_rng(0).permutation(len(data.device))[:_ON_GRID])
    chosen = np.isin(data.curve, kept)
    return replace(
        data, seconds=data.seconds[chosen], conductance=data.conductance[chosen],
        curve=np.searchsorted(kept, data.curve[chosen]), device=data.device[kept], warmth=data.warmth[kept],
        state=data.state[kept],
    )  # fmt: skip


def _first_guess(model: Ageing, data: Curves) -> np.ndarray:
    some = _some(data)
    return min(_guesses(model, some), key=lambda guess: squares_at(model, some, guess))


def fit_law(model: Ageing, data: Curves, span: tuple[float, float], theta: np.ndarray | None = None) -> Fitted:
    """Return a model's fit: effects and parameters in turn with noise and spread, until both stay.

    Args:
        model, data: what is fitted to what.
        span: the range of conductances, over the largest.
        theta: where to begin; None: at the best guess.
    """
    devices = int(data.device.max()) + 1
    theta = _first_guess(model, data) if theta is None else theta
    freedom = len(data.seconds) - len(data.device) - len(model.terms)
    told_apart = freedom >= devices  # noise from spread
    point = descend(model, data, point_at(model, data, theta, np.zeros(devices)), np.inf)
    informed = max(float((point.own**2).sum()) / devices, 1e-12)
    prior = np.inf if devices == 1 else (1e-2 if told_apart else _NO_NOISE) * informed
    for _ in range(_ROUNDS):
        data = replace(data, state=np.clip((point.start - span[0]) / (span[1] - span[0]), -0.5, 1.5) - 0.5)
        point = descend(model, data, point_at(model, data, point.theta, point.effects), prior)
        noise, before = _noise(point, prior, freedom), prior
        spread, interval = _spread(point, data, noise if told_apart else 0.0)
        prior = noise**2 / max(spread, _NO_SPREAD * noise) ** 2 if told_apart and devices > 1 else prior
        if prior == before or abs(prior / before - 1) < _SETTLED:
            break
    covariance = noise**2 * np.linalg.pinv(Normal.of(point, data, _finite(prior)).matrix)
    candidate = _candidate(model, data, point, _finite(prior), noise)
    known = told_apart or devices == 1
    return Fitted(model, point, noise if known else 0.0, spread, interval, covariance, freedom, candidate)


def _finite(prior: float) -> float:
    return prior if np.isfinite(prior) else _FIXED


def _noise(point: Point, prior: float, freedom: int) -> float:
    """Return the standard deviation of a weighted measurement about its curve, the devices' shares in it included."""
    own = prior * float((point.effects**2).sum()) if np.isfinite(prior) else 0.0
    return float(((float((point.residuals**2).sum()) + own) / max(freedom, 1)) ** 0.5)


def _spread(point: Point, data: Curves, noise: float) -> tuple[float, tuple[float, float]]:
    """Return the standard deviation of the effects over devices, and its interval."""
    devices = len(point.effects)
    informed = np.bincount(data.of_device, point.own**2, devices)
    telling = informed > _NO_NOISE * informed.max()
    if telling.sum() < 2:
        return 0.0, (0.0, 0.0)
    pull = np.bincount(data.of_device, point.own * point.residuals, devices)
    alone = point.effects[telling] + pull[telling] / informed[telling]  # of each device by itself
    _, _, spread, interval = random_effects(alone, noise / np.sqrt(informed[telling]))
    return spread, interval


def _candidate(model: Ageing, data: Curves, point: Point, prior: float, noise: float) -> Candidate:
    weight, variance = model.weights(data), max(noise, 1e-12) ** 2
    informed = np.bincount(data.of_device, point.own**2, len(point.effects))
    squares = float((point.residuals**2).sum()) + (prior * float((point.effects**2).sum()) if prior < _FIXED else 0.0)
    free = len(data.seconds) - len(data.device)
    twice = free * np.log(2 * np.pi * variance) + squares / variance + float(np.log1p(informed / prior).sum())
    twice -= 2 * float(np.log(weight).sum() - np.log(data.sums(weight) / data.sums(np.ones_like(weight))).sum())
    numbers = len(model.terms) + 1 + (len(point.effects) > 1)
    about = ((data.conductance - data.mean()[data.curve]) ** 2).sum()
    r_squared = 1 - ((point.residuals / weight) ** 2).sum() / max(about, 1e-300)
    bic, aic = twice + numbers * np.log(free), twice + 2 * numbers
    return Candidate(model.law, model.relative, -twice / 2, numbers, float(bic), float(aic), float(r_squared))

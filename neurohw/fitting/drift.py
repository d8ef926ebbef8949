"""Drift fitted to retention curves: G(t) = G(t0) (t / t0)^-nu of each device, then the population of nu.

Each device's curve is fitted in conductance by least squares, with one noise for all; the spread of nu is a random
effect, so that the error of a single device's fit does not count as spread. nu may depend on the state where the
devices start from different ones: nu = drift_nu + drift_nu_state (s - 1/2), s = (G(t0) - g_min) / (g_max - g_min).
t0 is the first time measured. A drift that is not steady (no power law) shows in the residuals, not in the intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from neurohw.fitting.measurements import RetentionCurves
from neurohw.fitting.population import random_effects
from neurohw.fitting.trains import Estimate

_APART = 0.3  # of the range, between the first and the last decile of starting states, from which nu may depend on them
_FEW = 5  # devices below which it may not
_KNOWN = 0.02  # half an interval of an exponent that counts as identified around zero


@dataclass(frozen=True)
class DriftFit:
    """Fitted drift.

    Args:
        estimates: drift_nu, drift_nu_dtod, drift_t0 and, where it could be told, drift_nu_state.
        curves: what was fitted; nu, start: [devices], exponents and G(t0), S.
        noise: S, standard deviation of a measurement about its curve.
    """

    estimates: dict[str, Estimate]
    curves: RetentionCurves
    nu: np.ndarray
    start: np.ndarray
    noise: float


def fit_drift(curves: RetentionCurves, g_min: float, g_max: float) -> DriftFit:
    """Return the drift of a population.

    Args:
        curves: as measured.
        g_min, g_max: the range that states are shares of, S.
    """
    t0 = min(float(seconds[0]) for seconds in curves.seconds)
    fits = [_one(np.log(t / t0), g) for t, g in zip(curves.seconds, curves.conductance, strict=True)]
    start, nu, informed, squares, freedom = (np.array(column) for column in zip(*fits, strict=True))
    noise = float(np.sqrt(squares.sum() / freedom.sum()))
    error = noise * informed
    state = (start - g_min) / (g_max - g_min) - 0.5
    estimates = {}
    slope = _slope(state, nu)
    if slope is not None:
        estimates["drift_nu_state"] = slope
        nu_middle = nu - float(slope.value) * state  # type: ignore[arg-type]
    else:
        nu_middle = nu
    mean, standard, spread, (low, high) = random_effects(nu_middle, error)
    reach = float(stats.t.ppf(0.975, max(len(nu) - 1, 1))) * standard if len(nu) > 1 else 1.96 * standard
    estimates["drift_nu"] = _estimate(max(mean, 0.0), mean - reach, mean + reach)
    if len(nu) > 1:
        estimates["drift_nu_dtod"] = _estimate(spread, low, high)
    estimates["drift_t0"] = Estimate(t0, t0, t0, "s", True)
    return DriftFit(estimates, curves, nu, start, noise)


def _one(log_time: np.ndarray, conductance: np.ndarray) -> tuple[float, float, float, float, int]:
    """Return G(t0), nu, the error of nu per noise, the sum of squares and the degrees of freedom of one device."""
    slope, level = np.polyfit(log_time, np.log(conductance), 1)
    scale = float(np.exp(level))

    def misfit(x: np.ndarray) -> np.ndarray:
        return np.asarray(scale * np.exp(x[0] - x[1] * log_time) - conductance)

    solution = optimize.least_squares(misfit, [0.0, -slope], x_scale=[1.0, 0.1])
    inverse = np.linalg.inv(solution.jac.T @ solution.jac)
    squares = float((solution.fun**2).sum())
    return (
        float(scale * np.exp(solution.x[0])),
        float(solution.x[1]),
        float(inverse[1, 1] ** 0.5),
        squares,
        len(log_time) - 2,
    )


def _slope(state: np.ndarray, nu: np.ndarray) -> Estimate | None:
    """Return how nu depends on the state, where there is enough to tell and it is told from zero."""
    if len(nu) < _FEW or np.subtract(*np.quantile(state, [0.9, 0.1])) < _APART:
        return None
    line = stats.linregress(state, nu)
    reach = float(stats.t.ppf(0.975, len(nu) - 2)) * line.stderr
    if abs(line.slope) < reach:
        return None
    return _estimate(float(line.slope), float(line.slope - reach), float(line.slope + reach))


def _estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(float(value), float(low), float(high), "1", bool(high - low < max(abs(value), 2 * _KNOWN)))

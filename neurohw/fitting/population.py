"""A population fitted to pulse trains: cells that differ (random effects) under one law, by maximum likelihood.

phi_d ~ N(mu, diag(tau^2)) are the numbers of device d, psi those of all devices. Newton steps with the Fisher
information find the most probable phi, mu and psi; tau^2 follows by expectation-maximisation on the quadratic
approximation of each device's likelihood (Laplace), so that the uncertainty of a single device's fit does not count as
spread between devices. With I_d and C_d the information of phi_d and between phi_d and psi, and
T_d = (1 + tau^2 I_d)^-1, the devices are integrated out exactly: W_d = I_d T_d is the information of mu.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from neurohw.fitting.fitted_law import FittedLaw
from neurohw.fitting.kalman import Information, Observed
from neurohw.fitting.newton import (
    CTOC_LIMITS,
    ROUGH,
    WEAK,
    Point,
    Problem,
    annealed,
    climbed,
    dispersion_slope,
    freed,
    log_determinant,
    objective,
    reduced,
)

_SMALLEST = 1e-4  # of tau, in units of the effect's scale
_FINE = 0.3  # change of the log-likelihood below which a polished fit ends
_NEAR_DATA = 0.3  # standard deviation of the prior of hard bounds around where they seem to be, in scaled weights
_STILL = 1e-9  # relative change of a variance at which it is found
_FEWEST = 0.5  # of these that a spread is drawn with
_EFFECTIVE = 3.0  # degrees of freedom below which a spread is not told from zero; of few devices, half of theirs


@dataclass(frozen=True)
class Population:
    """A fitted population.

    Args:
        law: what was fitted.
        effects: [devices, effects], most probable; mean, std: [effects], over devices.
        shared: the law's shared numbers, log(step_ctoc), log(sigma_m).
        log_likelihood: of all measurements, devices integrated out (Laplace), in scaled weights.
        covariance: of (mean, shared).
        freedom: [effects], effective degrees of freedom of the spreads; variance_error: standard error of std^2.
        converged: whether the Newton steps ended by themselves.
    """

    law: FittedLaw
    effects: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    shared: np.ndarray
    log_likelihood: float
    covariance: np.ndarray
    freedom: np.ndarray
    variance_error: np.ndarray
    converged: bool

    @property
    def parameters(self) -> int:
        """How many numbers describe the population; bounds that are where the data end count, too."""
        effects = sum(not self.law.idle(name) for name in self.law.effects)
        shared = 2 + sum(not self.law.idle(name) for name in self.law.shared)
        ends = 0 if self.law.reach is None else len(self.law.reach.ends)
        return effects * (2 if len(self.effects) > 1 else 1) + shared + ends

    def samples(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return draws of (mean, std, shared) from their uncertainty, each [count, ...].

        A mean is as uncertain as the spread between devices that it was averaged over: where that is drawn larger, so
        is the mean's error (which makes it Student's).
        """
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        error = generator.standard_normal((count, len(values))) @ root.T
        n = len(self.mean)
        normal = self.std**2 + self.variance_error * generator.standard_normal((count, n))
        freedom = np.maximum(self.freedom, _FEWEST)
        scaled = self.std**2 * freedom / stats.chi2.rvs(freedom, size=(count, n), random_state=generator)
        told = (self.freedom >= min(_EFFECTIVE, (len(self.effects) - 1) / 2)) & (self.std > 0)
        variance = np.where(told, scaled, np.maximum(normal, 0))
        error[:, :n] *= np.where(told, np.sqrt(variance) / np.where(told, self.std, 1), 1)
        both = np.concatenate([self.mean, self.shared]) + error
        return both[:, :n], np.sqrt(variance), both[:, n:]


def fit_population(
    law: FittedLaw,
    effects: np.ndarray,
    shared: np.ndarray,
    spread: np.ndarray,
    data: Observed,
    limits: tuple[float, float],
    polish: bool,
    iterations: int = 30,
) -> Population:
    """Return the population that the trains come from.

    Args:
        law: its law.
        effects, shared: first guesses, [devices, effects] and [shared].
        spread: [effects], first guess of the standard deviations over devices.
        data: the trains, scaled.
        limits: of the logarithm of the measurement noise.
        polish: the guesses are a fit already, to be made exact; otherwise they may be far, and the fit is rough: good
            to tell laws apart, its noises a few percent too small.
        iterations: at most so many Newton steps.
    """
    devices, mean = len(effects), effects.mean(0)
    scales = law.scales(mean)
    floor = (_SMALLEST * scales) ** 2
    variance = np.maximum(spread**2, floor) if devices > 1 else floor
    widths = WEAK * scales
    if not law.vanishing:
        widths[2:4] = _NEAR_DATA
    noises = [CTOC_LIMITS, limits]
    problem = Problem(law, data, scales, mean.copy(), widths, floor, np.array([*law.shared_limits, *noises]))
    point = Point(effects, mean, variance, problem.limited(shared))
    level = np.zeros(len(shared))
    if not polish:
        point, info, converged = climbed(problem, annealed(problem, point), level, iterations // 2, ROUGH)
        return _finished(problem, info, point, converged)
    point, _, _ = climbed(problem, freed(problem, point), level, iterations, _FINE)
    point = freed(problem, point)
    level = dispersion_slope(problem, point)
    point, info, converged = climbed(problem, point, level, iterations, _FINE)
    return _finished(problem, info, point, converged)


def random_effects(estimate: np.ndarray, error: np.ndarray) -> tuple[float, float, float, tuple[float, float]]:
    """Return mean, its standard error, spread over devices, and the spread's 95 % interval.

    Args:
        estimate: [devices], one number of each; error: [devices], its standard error.
    """
    n = len(estimate)
    variance = max(float(np.var(estimate, ddof=1) - np.mean(error**2)), 0.0) if n > 1 else 0.0
    mean = float(estimate.mean())
    for _ in range(500 if n > 1 else 1):
        weight = 1 / (variance + error**2 + 1e-300)
        mean = float((weight * estimate).sum() / weight.sum())
        if n > 1:  # expectation-maximisation, for a variance that n - 1 devices vote on
            shrunk = variance * weight
            moments = (shrunk * (estimate - mean)) ** 2 + variance * (1 - shrunk)
            before, variance = variance, float(moments.sum() / (n - 1)) if variance > 0 else 0.0
            if abs(variance - before) <= _STILL * before:
                break
    weight = 1 / (variance + error**2 + 1e-300)
    standard = float(np.sqrt(2 / (weight**2).sum()))
    freedom = 2 * variance**2 / standard**2 * (n - 1) / n
    return mean, float(weight.sum() ** -0.5), variance**0.5, _spread_interval(variance, standard, freedom)


def _spread_interval(variance: float, standard: float, freedom: float) -> tuple[float, float]:
    if freedom < _EFFECTIVE:
        return max(variance - 1.96 * standard, 0.0) ** 0.5, (variance + 1.96 * standard) ** 0.5
    low, high = stats.chi2.ppf([0.975, 0.025], freedom)
    return (variance * freedom / low) ** 0.5, (variance * freedom / high) ** 0.5


def _finished(problem: Problem, info: Information, point: Point, converged: bool) -> Population:
    law, scales = problem.law, problem.scales
    devices, n = point.effects.shape
    share = (devices - 1) / devices if devices > 1 else 1.0
    variance = point.variance / share
    t = np.linalg.inv(np.eye(n) + variance[:, None] * info.effects2)
    w = info.effects2 @ t
    prior = np.diag(1 / (10 * problem.widths) ** 2)
    covariance = np.linalg.inv(reduced(info, w, t.transpose(0, 2, 1), variance, prior, 0.0))
    votes = (np.diagonal(w, axis1=1, axis2=2) ** 2).sum(0)
    variance_error = np.sqrt(2 / np.maximum(votes, 1e-300))
    marginal = -objective(info, point, np.zeros(len(point.shared))) - 0.5 * log_determinant(info, point)
    std = np.sqrt(variance) if devices > 1 else np.zeros(n)
    idle = np.array([law.idle(name) for name in law.effects])
    nothing = np.array([law.idle(name) for name in (*law.effects, *law.shared)] + [False, False])
    covariance[nothing], covariance[:, nothing] = 0.0, 0.0
    return Population(
        law,
        law.completed(point.effects, law.effects),
        law.completed(point.mean, law.effects),
        np.where(idle, 0.0, std),
        np.concatenate([law.completed(point.shared[:-2], law.shared), point.shared[-2:]]),
        marginal,
        covariance,
        variance**2 * votes * share,
        np.where(idle, 0.0, np.minimum(variance_error, (3 * scales) ** 2)),
        converged,
    )

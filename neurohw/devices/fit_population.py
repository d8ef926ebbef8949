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

from neurohw.devices.fit_filter import Information, Observed, information, losses
from neurohw.devices.fit_laws import FittedLaw

_SMALLEST = 1e-4  # of tau, in units of the effect's scale
_WEAK = 3.0  # standard deviation of the prior of mu around the first guess, in units of the scale
_EM = 100
_TRUST = 0.5  # largest Newton step, in units of the scale
_CTOC_LIMITS = (-5.0, 2.5)  # of log(step_ctoc)
_FINE, _ROUGH = 0.3, 2.0  # changes of the log-likelihood below which a fit ends
_JUMPS = (-0.16, -0.08, -0.04, -0.02, 0.02, 0.04, 0.08, 0.16)  # of a bound, where a device is caught
_LEAP, _LEAP_STEPS = 0.12, 4
_CALM = 0.5  # step_ctoc that they presume at most
_DAMPED = 10.0  # above which joint steps are given up
_ANNEALED = 0.05  # measurement noise that the first steps presume at least
_EFFECTIVE = 3.0  # degrees of freedom below which a spread is not told from zero


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
        iterations: Newton steps taken; converged: whether they ended by themselves.
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
    iterations: int
    converged: bool

    @property
    def parameters(self) -> int:
        """How many numbers describe the population."""
        spreads = len(self.mean) if len(self.effects) > 1 else 0
        return len(self.mean) + spreads + len(self.shared)

    def samples(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return draws of (mean, std, shared) from their uncertainty, each [count, ...]."""
        values, vectors = np.linalg.eigh(self.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        both = np.concatenate([self.mean, self.shared]) + generator.standard_normal((count, len(values))) @ root.T
        n = len(self.mean)
        normal = self.std**2 + self.variance_error * generator.standard_normal((count, n))
        freedom = np.maximum(self.freedom, _EFFECTIVE)
        scaled = self.std**2 * freedom / stats.chi2.rvs(freedom, size=(count, n), random_state=generator)
        variance = np.where(self.freedom >= _EFFECTIVE, scaled, np.maximum(normal, 0))
        return both[:, :n], np.sqrt(variance), both[:, n:]


@dataclass(frozen=True)
class _Point:
    """Where the fit is."""

    effects: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True)
class _Problem:
    """What is fitted: the law, the trains, the effects' scales, the prior's centre, the least variances, the limits."""

    law: FittedLaw
    data: Observed
    scales: np.ndarray
    start: np.ndarray
    floor: np.ndarray
    limits: tuple[float, float]

    def information(self, point: _Point) -> Information:
        """Return the likelihood of the trains around a point."""
        return information(self.law, point.effects, point.shared, self.scales, self.data)

    def limited(self, shared: np.ndarray) -> np.ndarray:
        """Return the shared numbers with the logarithms of both noises inside their limits."""
        limited = shared.copy()
        limited[-2] = np.clip(limited[-2], *_CTOC_LIMITS)
        limited[-1] = np.clip(limited[-1], *self.limits)
        return limited


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
    problem = _Problem(law, data, scales, mean.copy(), floor, limits)
    point = _Point(effects, mean, variance, problem.limited(shared))
    level = np.zeros(len(shared))
    if not polish:
        point, info, taken, converged = _climbed(problem, _annealed(problem, point), level, iterations // 2, _ROUGH)
        return _finished(law, info, point, scales, taken, converged)
    point, _, first, _ = _climbed(problem, _freed(problem, point), level, iterations, _FINE)
    point = _freed(problem, point)
    level = _dispersion_slope(problem, point)
    point, info, second, converged = _climbed(problem, point, level, iterations, _FINE)
    return _finished(law, info, point, scales, first + second, converged)


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
            variance = float(moments.sum() / (n - 1)) if variance > 0 else 0.0
    weight = 1 / (variance + error**2 + 1e-300)
    standard = float(np.sqrt(2 / (weight**2).sum()))
    freedom = 2 * variance**2 / standard**2 * (n - 1) / n
    return mean, float(weight.sum() ** -0.5), variance**0.5, _spread_interval(variance, standard, freedom)


def _spread_interval(variance: float, standard: float, freedom: float) -> tuple[float, float]:
    if freedom < _EFFECTIVE:
        return max(variance - 1.96 * standard, 0.0) ** 0.5, (variance + 1.96 * standard) ** 0.5
    low, high = stats.chi2.ppf([0.975, 0.025], freedom)
    return (variance * freedom / low) ** 0.5, (variance * freedom / high) ** 0.5


def _annealed(problem: _Problem, point: _Point) -> _Point:
    """Return a point near the trains: the first steps presume much noise, so that a wrong start is no catastrophe."""
    shared = point.shared.copy()
    shared[-1] = max(shared[-1], np.log(_ANNEALED))
    shared[-2] = min(shared[-2], np.log(_CALM))
    noisy = _Point(point.effects, point.mean, point.variance, shared)
    fixed = np.zeros(len(shared), bool)
    fixed[-2:] = True
    still = np.zeros(len(shared))
    return _climbed(problem, noisy, still, 8, _ROUGH, fixed)[0]


def _freed(problem: _Problem, point: _Point) -> _Point:
    """Return a point where no device is caught beside its bounds, which cut the likelihood into several summits."""
    if not (problem.law.hard or problem.law.additive_noise):
        return point
    jumps = np.zeros((1 + 2 * len(_JUMPS), *point.effects.shape))
    for i, jump in enumerate(_JUMPS):
        jumps[1 + 2 * i, :, 2], jumps[2 + 2 * i, :, 3] = jump, jump
    trials = point.effects + jumps
    loss = losses(problem.law, trials, point.shared, problem.data)
    loss = loss + 0.5 * ((trials - point.mean) ** 2 / point.variance).sum(-1)
    best = loss.argmin(0)
    point = _Point(trials[best, np.arange(len(best))], point.mean, point.variance, point.shared)
    for jump in (_LEAP, -_LEAP):
        point = _leapt(problem, point, jump)
    return point


def _leapt(problem: _Problem, point: _Point, jump: float) -> _Point:
    """Return a point where devices that fit better so start from bounds further out (or in), all else refitted."""
    effects = point.effects.copy()
    effects[:, 2] += jump
    effects[:, 3] -= jump
    start = problem.information(point)
    there = _Point(effects, point.mean, point.variance, point.shared)
    info, damping = problem.information(there), np.full(len(effects), 1e-3)
    for _ in range(_LEAP_STEPS):
        there, info, damping = _settled(problem, info, there, damping)
    better = info.value + _prior(there) < start.value + _prior(point)
    effects = np.where(better[:, None], there.effects, point.effects)
    return _Point(effects, point.mean, point.variance, point.shared)


def _climbed(
    problem: _Problem,
    point: _Point,
    level: np.ndarray,
    iterations: int,
    tolerance: float,
    fixed: np.ndarray | None = None,
) -> tuple[_Point, Information, int, bool]:
    """Return the point of greatest likelihood less `level` @ shared, the information there, and how it was reached.

    Shared numbers that are `fixed` stay. After each Newton step, mu and tau^2 follow.
    """
    fixed = np.zeros(len(level), bool) if fixed is None else fixed
    info, damping = problem.information(point), 1e-3
    own = np.full(len(point.effects), 1e-3)
    for iteration in range(1, iterations + 1):
        before = _objective(info, point, level)
        trial = _stepped(problem, info, point, level, damping, fixed)
        found = problem.information(trial)
        taken = bool(_objective(found, trial, level) <= before)
        damping = damping / 10 if taken else 30 * max(damping, 1e-3)
        if taken:
            point, info = trial, found
        else:  # one device that is badly approximated spoils the joint step
            for _ in range(2):
                point, info, own = _settled(problem, info, point, own)
            point, info = _shared_alone(problem, info, point, level, fixed)
        small = before - _objective(info, point, level) < tolerance and (taken or damping > _DAMPED)
        if len(point.effects) > 1:
            old, point = point.variance, _expected(problem, info, point)
            small = small and bool((abs(point.variance / old - 1) < tolerance).all())
        if small:
            return point, info, iteration, True
    return point, info, iterations, False


def _settled(
    problem: _Problem, info: Information, point: _Point, damping: np.ndarray
) -> tuple[_Point, Information, np.ndarray]:
    """Return the point after a Newton step of each device by itself, taken where it helps, and the next dampings."""
    n = len(problem.scales)
    own = info.effects2 * (1 + damping[:, None, None] * np.eye(n))
    change = -_times(
        np.linalg.inv(np.eye(n) + point.variance[:, None] * own),
        info.effects * point.variance + point.effects - point.mean,
    )
    change = np.clip(change, -_TRUST * problem.scales, _TRUST * problem.scales)
    trial = _Point(point.effects + change, point.mean, point.variance, point.shared)
    found = problem.information(trial)
    better = found.value + _prior(trial) <= info.value + _prior(point)
    effects = np.where(better[:, None], trial.effects, point.effects)
    kept = _Point(effects, point.mean, point.variance, point.shared)
    return kept, info.mixed(found, better), np.where(better, damping / 8, 8 * np.maximum(damping, 1e-3))


def _shared_alone(
    problem: _Problem, info: Information, point: _Point, level: np.ndarray, fixed: np.ndarray
) -> tuple[_Point, Information]:
    """Return the point after a Newton step of the shared numbers by themselves, if it helps."""
    slope, curvature = info.shared.sum(0) + level, info.shared2.sum(0)
    held = fixed | _pressed(problem, point.shared, -slope)
    curvature = curvature + np.diag(1e-3 * np.diag(curvature) + 1e-9)
    curvature[held], curvature[:, held], slope[held] = 0.0, 0.0, 0.0
    curvature[held, held] = 1.0
    change = np.clip(-np.linalg.solve(curvature, slope), -_TRUST, _TRUST)
    trial = _Point(point.effects, point.mean, point.variance, problem.limited(point.shared + change))
    found = problem.information(trial)
    return (trial, found) if _objective(found, trial, level) < _objective(info, point, level) else (point, info)


def _prior(point: _Point) -> np.ndarray:
    """Return -log of the density of each device's effects, less what their variances make of it."""
    return 0.5 * ((point.effects - point.mean) ** 2 / point.variance).sum(1)


def _dispersion_slope(problem: _Problem, point: _Point) -> np.ndarray:
    """Return the derivative by the two noises of 1/2 sum_d log|1 + tau^2 I_d|, which the most probable phi_d leave out.

    Numbers fitted to each device take some of its noise with them; this gives it back (as n - 1 does for a variance).
    """
    slope = np.zeros(len(point.shared))
    for j in (-2, -1):
        values = []
        for nudge in (-0.05, 0.05):
            shared = point.shared.copy()
            shared[j] += nudge
            info = problem.information(_Point(point.effects, point.mean, point.variance, shared))
            values.append(_log_determinant(info, point))
        slope[j] = 0.5 * (values[1] - values[0]) / 0.1
    return slope


def _log_determinant(info: Information, point: _Point) -> float:
    """Return sum_d log|1 + tau^2 I_d|."""
    matrices = np.eye(len(point.mean)) + point.variance[:, None] * info.effects2
    return float(np.linalg.slogdet(matrices)[1].sum())


def _objective(info: Information, point: _Point, level: np.ndarray) -> float:
    return float((info.value + _prior(point)).sum() + level @ point.shared)


def _stepped(
    problem: _Problem, info: Information, point: _Point, level: np.ndarray, damping: float, fixed: np.ndarray
) -> _Point:
    """Return the point after one damped Newton step in all phi, mu and psi."""
    scales, n = problem.scales, len(problem.scales)
    own = info.effects2 + damping * info.effects2 * np.eye(n)
    t = np.linalg.inv(np.eye(n) + point.variance[:, None] * own)
    w, tt = own @ t, t.transpose(0, 2, 1)
    offset = point.effects - point.mean
    pull = info.effects * point.variance + offset
    prior = 1 / (_WEAK * scales) ** 2
    mean_side = _times(tt, _times(own, offset) - info.effects).sum(0) - prior * (point.mean - problem.start)
    slope = info.shared.sum(0) + level
    shared_side = -slope + _times(info.cross.transpose(0, 2, 1), _times(t, pull)).sum(0)
    left = _reduced(info, w, tt, point.variance, np.diag(prior), damping)
    right = np.concatenate([mean_side, shared_side])
    held = np.concatenate([np.zeros(n, bool), fixed | _pressed(problem, point.shared, shared_side)])
    left[held], left[:, held], right[held] = 0.0, 0.0, 0.0
    left[held, held] = 1.0
    change = np.linalg.solve(left, right)
    to_mean = np.clip(change[:n], -_TRUST * scales, _TRUST * scales)
    to_shared = np.clip(change[n:], -_TRUST, _TRUST)
    to_effects = _times(t, -pull + to_mean - point.variance * (info.cross @ to_shared))
    to_effects = np.clip(to_effects, -2 * _TRUST * scales, 2 * _TRUST * scales)
    shared = problem.limited(point.shared + to_shared)
    return _Point(point.effects + to_effects, point.mean + to_mean, point.variance, shared)


def _pressed(problem: _Problem, shared: np.ndarray, push: np.ndarray) -> np.ndarray:
    """Return which shared numbers are at a limit and pushed further."""
    pressed = np.zeros(len(shared), bool)
    for j, (low, high) in ((-2, _CTOC_LIMITS), (-1, problem.limits)):
        pressed[j] = (shared[j] <= low and push[j] < 0) or (shared[j] >= high and push[j] > 0)
    return pressed


def _reduced(
    info: Information, w: np.ndarray, tt: np.ndarray, variance: np.ndarray, prior: np.ndarray, damping: float
) -> np.ndarray:
    """Return the information of (mu, psi), the devices integrated out."""
    cross = (tt @ info.cross).sum(0)
    inner = tt.transpose(0, 2, 1) * variance  # H_d^-1 = T_d tau^2
    shared = info.shared2.sum(0)
    shared = shared + damping * np.diag(np.diag(shared))
    shared = shared - (info.cross.transpose(0, 2, 1) @ inner @ info.cross).sum(0)
    shared = shared + 1e-9 * np.eye(len(shared))
    return np.block([[w.sum(0) + prior, cross], [cross.T, shared]])


def _expected(problem: _Problem, info: Information, point: _Point) -> _Point:
    """Return the point with mu and tau^2 from expectation-maximisation on each device's quadratic likelihood."""
    n = point.effects.shape[1]
    target = _times(info.effects2, point.effects) - info.effects  # I_d times the device's own best phi_d
    mean, variance = point.mean, point.variance
    reach = 0.1 * problem.scales  # as far as the quadratic is trusted
    for _ in range(_EM):
        t = np.linalg.inv(np.eye(n) + variance[:, None] * info.effects2)
        effects = np.clip(_times(t, variance * target + mean), point.effects - reach, point.effects + reach)
        spread = np.diagonal(t, axis1=1, axis2=2) * variance
        variance = np.maximum(((effects - mean) ** 2 + spread).mean(0), problem.floor)
    return _Point(point.effects, mean, variance, point.shared)


def _finished(
    law: FittedLaw, info: Information, point: _Point, scales: np.ndarray, iterations: int, converged: bool
) -> Population:
    devices, n = point.effects.shape
    t = np.linalg.inv(np.eye(n) + point.variance[:, None] * info.effects2)
    w = info.effects2 @ t
    prior = np.diag(1 / (10 * _WEAK * scales) ** 2)
    covariance = np.linalg.inv(_reduced(info, w, t.transpose(0, 2, 1), point.variance, prior, 0.0))
    votes = (np.diagonal(w, axis1=1, axis2=2) ** 2).sum(0)
    variance_error = np.sqrt(2 / np.maximum(votes, 1e-300))
    share = (devices - 1) / devices if devices > 1 else 1.0
    marginal = -_objective(info, point, np.zeros(len(point.shared))) - 0.5 * _log_determinant(info, point)
    return Population(
        law,
        point.effects,
        point.mean,
        np.sqrt(point.variance / share) if devices > 1 else np.zeros(n),
        point.shared,
        marginal,
        covariance,
        point.variance**2 * votes * share,
        np.minimum(variance_error, (3 * scales) ** 2),
        iterations,
        converged,
    )


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return (matrices @ vectors[..., None])[..., 0]

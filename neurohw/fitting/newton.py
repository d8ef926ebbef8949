"""How a population's likelihood is climbed: Newton steps of everything at once, and of one thing where that fails.

The notation is that of `fit_population`: phi_d of each device, mu and tau^2 over devices, psi of all devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.fitting.fitted_law import FittedLaw
from neurohw.fitting.kalman import Information, Observed, information, losses

ROUGH = 2.0  # change of the log-likelihood below which a first fit ends
WEAK = 3.0  # standard deviation of the prior of mu around the first guess, in units of the scale
_EM = 100  # turns of expectation-maximisation
_TRUST = 0.5  # largest Newton step, in units of the scale
CTOC_LIMITS = (-5.0, 2.5)  # of log(step_ctoc)
_JUMPS = (-0.16, -0.08, -0.04, -0.02, 0.02, 0.04, 0.08, 0.16)  # of a bound, where a device is caught
_LEAP, _LEAP_STEPS = 0.12, 4  # of both bounds, and the device's own steps that follow
_CALM = 0.5  # step_ctoc that the first steps presume at most
_DAMPED = 10.0  # above which joint steps are given up
_ANNEALED = 0.05  # measurement noise that the first steps presume at least


@dataclass(frozen=True)
class Point:
    """Where the fit is: phi [devices, effects], mu and tau^2 [effects], psi [shared]."""

    effects: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True)
class Problem:
    """What is fitted: law, trains, scales of the effects, centre and widths of their prior, least variances, limits.

    Args:
        limits: least and most of each shared number, [shared, 2].
    """

    law: FittedLaw
    data: Observed
    scales: np.ndarray
    start: np.ndarray
    widths: np.ndarray
    floor: np.ndarray
    limits: np.ndarray

    def information(self, point: Point) -> Information:
        """Return the likelihood of the trains around a point."""
        return information(self.law, point.effects, point.shared, self.scales, self.data)

    def limited(self, shared: np.ndarray) -> np.ndarray:
        """Return the shared numbers inside their limits, beyond which the likelihood says nothing of them."""
        return np.clip(shared, *self.limits.T)


def annealed(problem: Problem, point: Point) -> Point:
    """Return a point near the trains: the first steps presume much noise, so that a wrong start is no catastrophe."""
    shared = point.shared.copy()
    shared[-1] = max(shared[-1], np.log(_ANNEALED))
    shared[-2] = min(shared[-2], np.log(_CALM))
    noisy = Point(point.effects, point.mean, point.variance, shared)
    fixed = np.zeros(len(shared), bool)
    fixed[-2:] = True
    still = np.zeros(len(shared))
    return climbed(problem, noisy, still, 8, ROUGH, fixed)[0]


def freed(problem: Problem, point: Point) -> Point:
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
    point = Point(trials[best, np.arange(len(best))], point.mean, point.variance, point.shared)
    for jump in (_LEAP, -_LEAP):
        point = _leapt(problem, point, jump)
    return point


def _leapt(problem: Problem, point: Point, jump: float) -> Point:
    """Return a point where devices that fit better so start from bounds further out (or in), all else refitted."""
    effects = point.effects.copy()
    effects[:, 2] += jump
    effects[:, 3] -= jump
    start = problem.information(point)
    there = Point(effects, point.mean, point.variance, point.shared)
    info, damping = problem.information(there), np.full(len(effects), 1e-3)
    for _ in range(_LEAP_STEPS):
        there, info, damping = _settled(problem, info, there, damping)
    better = info.value + _prior(there) < start.value + _prior(point)
    effects = np.where(better[:, None], there.effects, point.effects)
    return Point(effects, point.mean, point.variance, point.shared)


def climbed(
    problem: Problem,
    point: Point,
    level: np.ndarray,
    iterations: int,
    tolerance: float,
    fixed: np.ndarray | None = None,
) -> tuple[Point, Information, bool]:
    """Return the point of greatest likelihood less `level` @ shared, the information there, and whether it is reached.

    Shared numbers that are `fixed` stay. After each Newton step, mu and tau^2 follow.
    """
    fixed = np.zeros(len(level), bool) if fixed is None else fixed
    info, damping = problem.information(point), 1e-3
    own = np.full(len(point.effects), 1e-3)
    for _ in range(iterations):
        before = objective(info, point, level)
        trial = _stepped(problem, info, point, level, damping, fixed)
        ahead = problem.information(trial)
        taken = bool(objective(ahead, trial, level) <= before)
        damping = damping / 10 if taken else 30 * max(damping, 1e-3)
        if taken:
            point, info = trial, ahead
        else:  # one device that is badly approximated spoils the joint step
            for _ in range(2):
                point, info, own = _settled(problem, info, point, own)
            point, info = _shared_alone(problem, info, point, level, fixed)
        small = before - objective(info, point, level) < tolerance and (taken or damping > _DAMPED)
        if len(point.effects) > 1:
            old, point = point.variance, _expected(problem, info, point)
            small = small and bool((abs(point.variance / old - 1) < tolerance).all())
        if small:
            return point, info, True
    return point, info, False


def _settled(
    problem: Problem, info: Information, point: Point, damping: np.ndarray
) -> tuple[Point, Information, np.ndarray]:
    """Return the point after a Newton step of each device by itself, taken where it helps, and the next dampings."""
    n = len(problem.scales)
    own = info.effects2 * (1 + damping[:, None, None] * np.eye(n))
    change = -_times(
        np.linalg.inv(np.eye(n) + point.variance[:, None] * own),
        info.effects * point.variance + point.effects - point.mean,
    )
    change = np.clip(change, -_TRUST * problem.scales, _TRUST * problem.scales)
    trial = Point(point.effects + change, point.mean, point.variance, point.shared)
    ahead = problem.information(trial)
    better = ahead.value + _prior(trial) <= info.value + _prior(point)
    effects = np.where(better[:, None], trial.effects, point.effects)
    kept = Point(effects, point.mean, point.variance, point.shared)
    return kept, info.mixed(ahead, better), np.where(better, damping / 8, 8 * np.maximum(damping, 1e-3))


def _shared_alone(
    problem: Problem, info: Information, point: Point, level: np.ndarray, fixed: np.ndarray
) -> tuple[Point, Information]:
    """Return the point after a Newton step of the shared numbers by themselves, if it helps."""
    slope, curvature = info.shared.sum(0) + level, info.shared2.sum(0)
    held = fixed | _pressed(problem, point.shared, -slope)
    curvature = curvature + np.diag(1e-3 * np.diag(curvature) + 1e-9)
    curvature[held], curvature[:, held], slope[held] = 0.0, 0.0, 0.0
    curvature[held, held] = 1.0
    change = np.clip(-np.linalg.solve(curvature, slope), -_TRUST, _TRUST)
    trial = Point(point.effects, point.mean, point.variance, problem.limited(point.shared + change))
    ahead = problem.information(trial)
    return (trial, ahead) if objective(ahead, trial, level) < objective(info, point, level) else (point, info)


def _prior(point: Point) -> np.ndarray:
    """Return -log of the density of each device's effects, less what their variances make of it."""
    return np.asarray(0.5 * ((point.effects - point.mean) ** 2 / point.variance).sum(1))


def dispersion_slope(problem: Problem, point: Point) -> np.ndarray:
    """Return the derivative by the two noises of 1/2 sum_d log|1 + tau^2 I_d|, which the most probable phi_d leave out.

    Numbers fitted to each device take some of its noise with them; this gives it back (as n - 1 does for a variance).
    """
    slope = np.zeros(len(point.shared))
    for j in (-2, -1):
        values = []
        for nudge in (-0.05, 0.05):
            shared = point.shared.copy()
            shared[j] += nudge
            info = problem.information(Point(point.effects, point.mean, point.variance, shared))
            values.append(log_determinant(info, point))
        slope[j] = 0.5 * (values[1] - values[0]) / 0.1
    return slope


def log_determinant(info: Information, point: Point) -> float:
    """Return sum_d log|1 + tau^2 I_d|."""
    matrices = np.eye(len(point.mean)) + point.variance[:, None] * info.effects2
    return float(np.linalg.slogdet(matrices)[1].sum())


def objective(info: Information, point: Point, level: np.ndarray) -> float:
    return float((info.value + _prior(point)).sum() + level @ point.shared)


def _stepped(
    problem: Problem, info: Information, point: Point, level: np.ndarray, damping: float, fixed: np.ndarray
) -> Point:
    """Return the point after one damped Newton step in all phi, mu and psi."""
    scales, n = problem.scales, len(problem.scales)
    own = info.effects2 + damping * info.effects2 * np.eye(n)
    t = np.linalg.inv(np.eye(n) + point.variance[:, None] * own)
    w, tt = own @ t, t.transpose(0, 2, 1)
    offset = point.effects - point.mean
    pull = info.effects * point.variance + offset
    prior = 1 / problem.widths**2
    mean_side = _times(tt, _times(own, offset) - info.effects).sum(0) - prior * (point.mean - problem.start)
    slope = info.shared.sum(0) + level
    shared_side = -slope + _times(info.cross.transpose(0, 2, 1), _times(t, pull)).sum(0)
    left = reduced(info, w, tt, point.variance, np.diag(prior), damping)
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
    return Point(point.effects + to_effects, point.mean + to_mean, point.variance, shared)


def _pressed(problem: Problem, shared: np.ndarray, push: np.ndarray) -> np.ndarray:
    """Return which shared numbers are at a limit and pushed further."""
    low, high = problem.limits.T
    return np.asarray(((shared <= low) & (push < 0)) | ((shared >= high) & (push > 0)))


def reduced(
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


def _expected(problem: Problem, info: Information, point: Point) -> Point:
    """Return the point with mu and tau^2 from expectation-maximisation on each device's quadratic likelihood."""
    n = point.effects.shape[1]
    target = _times(info.effects2, point.effects) - info.effects  # I_d times the device's own best phi_d
    mean, variance = point.mean, point.variance
    reach = 0.1 * problem.scales  # as far as the quadratic is trusted
    for _ in range(_EM):
        t = np.linalg.inv(np.eye(n) + variance[:, None] * info.effects2)
        effects = np.clip(_times(t, variance * target + mean), point.effects - reach, point.effects + reach)
        mean = effects.mean(0)
        spread = np.diagonal(t, axis1=1, axis2=2) * variance
        variance = np.maximum(((effects - mean) ** 2 + spread).mean(0), problem.floor)
    return Point(point.effects, mean, variance, point.shared)


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    return np.asarray(matrices @ vectors[..., None])[..., 0]

"""Retention curves under a law: devices that differ (random effects), climbed by damped Gauss-Newton steps.

A curve c of device d, measured at T and begun at G_c, is G_i = G' + (G_c - G') left(t_i) with the law's own `left`, of

    eta = rate + state (s_c - 1/2) + u_d,    a = exp(-energy (1 / T - 1 / T_ref) / k_B),

where the rate of a drift is eta a (nu, or the loss per decade) and the lifetime of a decay exp(eta) / a. G' is 0 S for
drifts, `rest` for decays. G_c is linear and solved for (Golub & Pereyra 2003, 10.1088/0266-5611/19/2/201, with
Kaufman's derivative), u_d are eliminated device by device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from neurohw.devices.plausibility import PLAUSIBLE
from neurohw.devices.retention import Retention
from neurohw.devices.retention_laws import RETENTION_LAWS, RetentionLaw, StretchedDecay

_STEPS = 30  # of Gauss-Newton, at most
_ENOUGH = 1e-7  # relative decrease of the squares at which the steps end
_TINY = 1e-12
_DIFFERENCE = 1e-6  # of eta and of the stretch, for derivatives
_FAR = 200.0  # logarithms of a lifetime beyond this are none
_STUCK = 1e8  # of the damping


@dataclass(frozen=True)
class Curves:
    """All measurements in one list, conductances over the largest.

    Args:
        seconds, conductance: [n]; curve: [n], which curve each belongs to.
        device: [curves], which device each belongs to; warmth: [curves], (1 / T - 1 / T_ref) / k_B, 1/eV.
        state: [curves], s - 1/2 as written.
        t0: from which drifts count, s.
    """

    seconds: np.ndarray
    conductance: np.ndarray
    curve: np.ndarray
    device: np.ndarray
    warmth: np.ndarray
    state: np.ndarray
    t0: float

    @property
    def of_device(self) -> np.ndarray:
        """[n], which device each measurement belongs to."""
        return np.asarray(self.device[self.curve])

    def mean(self) -> np.ndarray:
        """Return the mean conductance of each curve, [curves]."""
        return np.asarray(self.sums(self.conductance) / self.sums(np.ones_like(self.conductance)))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over each curve, [curves]."""
        return np.asarray(np.bincount(self.curve, values, len(self.device)))


@dataclass(frozen=True)
class Ageing:
    """A law with the terms that are fitted.

    Args:
        law: its name.
        terms: of "rate", "state", "energy", "stretch", "rest", in the order of the parameters.
        relative: measurement noise is a share of the curve's conductance; otherwise the same for all.
    """

    law: str
    terms: tuple[str, ...]
    relative: bool

    @property
    def decays(self) -> bool:
        """Whether it leads to a rest, with a lifetime; otherwise to 0 S, with a rate."""
        return RETENTION_LAWS[self.law].to_rest

    def value(self, theta: np.ndarray, term: str, absent: float = 0.0) -> float:
        """Return one parameter; what is absent where it is not fitted."""
        return float(theta[self.terms.index(term)]) if term in self.terms else absent

    def limits(self, data: Curves) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the most of each parameter: lifetimes from a thousandth of the times to far beyond.

        No lifetime is longer than one that is plausible: what shows no decay at all would have any.
        """
        first, longest = np.log(data.seconds.min()) - 7, np.log(data.seconds.max())
        last = min(longest + 25, max(longest, np.log(PLAUSIBLE["retention.lifetime"].most)))
        spans = {"rate": (first, last) if self.decays else (0.0, 2.0), "state": (-30.0, 30.0), "energy": (0.0, 5.0),
                 "stretch": (0.05, 1.0), "rest": (0.0, 2.0)}  # fmt: skip
        low, high = zip(*(spans[term] for term in self.terms), strict=True)
        return np.array(low), np.array(high)

    def weights(self, data: Curves) -> np.ndarray:
        """Return [n], one over the size that a measurement's noise is relative to."""
        return 1 / data.mean()[data.curve] if self.relative else np.ones_like(data.conductance)

    def eta(self, theta: np.ndarray, effects: np.ndarray, data: Curves) -> np.ndarray:
        """Return eta of each curve."""
        return np.asarray(theta[0] + self.value(theta, "state") * data.state + effects[data.device])

    def left(self, theta: np.ndarray, eta: np.ndarray, data: Curves) -> np.ndarray:
        """Return what is left at each measurement, [n]."""
        faster = np.exp(-self.value(theta, "energy") * data.warmth)
        rates = np.exp(np.clip(eta, -_FAR, _FAR)) / faster if self.decays else eta * faster
        law = _law(self.law, self.value(theta, "stretch", 1.0), data.t0)
        return law.left(torch.from_numpy(data.seconds), torch.from_numpy(rates[data.curve])).numpy()


@dataclass(frozen=True)
class Point:
    """Parameters, and what the curves say of them there.

    Args:
        theta: [terms]; effects: [devices], u.
        residuals: [n], weighted; start: [curves], G_c.
        slopes: [n, terms]; own: [n], derivatives of the weighted curve by theta and by the own device's effect.
    """

    theta: np.ndarray
    effects: np.ndarray
    residuals: np.ndarray
    start: np.ndarray
    slopes: np.ndarray
    own: np.ndarray


@lru_cache(maxsize=64)
def _law(name: str, stretch: float, t0: float) -> RetentionLaw:
    if RETENTION_LAWS[name].to_rest:
        return StretchedDecay(Retention(lifetime=1.0, stretch=stretch))
    return RETENTION_LAWS[name](Retention(drift_t0=t0))


def point_at(model: Ageing, data: Curves, theta: np.ndarray, effects: np.ndarray) -> Point:
    """Return residuals and derivatives at some parameters, the start of each curve solved for."""
    eta, rest, weight = model.eta(theta, effects, data), model.value(theta, "rest"), model.weights(data)
    left = model.left(theta, eta, data)
    squares = data.sums(left * left) + _TINY
    start = data.sums(left * (data.conductance - rest * (1 - left))) / squares
    height = start[data.curve] - rest

    def projected(column: np.ndarray) -> np.ndarray:
        return np.asarray(weight * (column - left * (data.sums(left * column) / squares)[data.curve]))

    h = _DIFFERENCE
    by_eta = height * (model.left(theta, eta + h, data) - model.left(theta, eta - h, data)) / (2 * h)
    slopes = []
    for term in model.terms:
        if term == "stretch":
            less = theta - h * (np.array(model.terms) == term)
            column = height * (left - model.left(less, eta, data)) / h
        elif term == "energy":
            column = by_eta * (data.warmth if model.decays else -data.warmth * eta)[data.curve]
        else:
            column = {"rate": by_eta, "state": by_eta * data.state[data.curve], "rest": 1 - left}[term]
        slopes.append(projected(column))
    residuals = weight * (data.conductance - rest - height * left)
    return Point(theta, effects, residuals, start, np.stack(slopes, 1), projected(by_eta))


def squares_at(model: Ageing, data: Curves, theta: np.ndarray) -> float:
    """Return the sum of weighted squares of the mean device."""
    eta, rest = model.eta(theta, np.zeros(data.device.max() + 1), data), model.value(theta, "rest")
    left = model.left(theta, eta, data)
    start = data.sums(left * (data.conductance - rest * (1 - left))) / (data.sums(left * left) + _TINY)
    return float(((model.weights(data) * (data.conductance - rest - (start[data.curve] - rest) * left)) ** 2).sum())


@dataclass(frozen=True)
class Normal:
    """The normal equations of a point with its devices eliminated.

    Args:
        matrix: [terms, terms]; side: [terms]; cross: [devices, terms]; own: [devices], of each effect; pull: [devices].
    """

    matrix: np.ndarray
    side: np.ndarray
    cross: np.ndarray
    own: np.ndarray
    pull: np.ndarray

    @classmethod
    def of(cls, point: Point, data: Curves, prior: float, damping: float = 0.0) -> Normal:
        """Return them; prior: of the effects, noise variance over theirs; damping: of Levenberg and Marquardt."""
        devices, slopes = len(point.effects), point.slopes

        def sums(values: np.ndarray) -> np.ndarray:
            return np.bincount(data.of_device, values, devices)

        own = (sums(point.own**2) + prior) * (1 + damping)
        cross = np.stack([sums(column * point.own) for column in slopes.T], 1)
        pull = sums(point.own * point.residuals) - prior * point.effects
        matrix = slopes.T @ slopes
        matrix = matrix + np.diag(damping * np.diag(matrix) + _TINY) - cross.T @ (cross / own[:, None])
        return cls(matrix, slopes.T @ point.residuals - cross.T @ (pull / own), cross, own, pull)

    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps of parameters and effects."""
        theta = np.linalg.lstsq(self.matrix, self.side, rcond=1e-14)[0]
        return theta, (self.pull - self.cross @ theta) / self.own


def descend(model: Ageing, data: Curves, point: Point, prior: float) -> Point:
    """Return the point of least squares, the effects' own included.

    Args:
        model, data: what is fitted to what.
        point: where to begin.
        prior: noise variance over that of the effects; infinite: there are no effects.
    """
    low, high = model.limits(data)
    free = np.isfinite(prior)
    weight = prior if free else 1.0

    def squares(at: Point) -> float:
        return float((at.residuals**2).sum() + weight * (at.effects**2).sum())

    damping, before = 1e-3, squares(point)
    for _ in range(_STEPS):
        by_theta, by_effects = Normal.of(point, data, weight if free else 1e30, damping).steps()
        theta = np.clip(point.theta + by_theta, low, high)
        further = point_at(model, data, theta, point.effects + by_effects if free else point.effects)
        after = squares(further)
        if after < before:
            point, damping = further, damping / 5
            if before - after < _ENOUGH * before:
                break
            before = after
        else:
            damping *= 5
            if damping > _STUCK:
                break
    return point

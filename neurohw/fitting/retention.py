"""Retention curves in, a law of retention out: which, its numbers with 95 % intervals, and how devices spread.

Every registered law is fitted to the same curves (`retention_model`), each with a measurement noise that is the same
for all or a share of the conductance, a rest that is 0 S or fitted, and a rate that depends on the state where the
curves start from different ones; the lowest Bayesian information criterion (BIC) wins. Where others are within 2 of it
(Kass & Raftery 1995, 10.1080/01621459.1995.10476572: not worth more than a bare mention), the simplest is taken and
said to be undecided. Two times a curve do not show a course in time: there a law must lead by 10, and is said to be
undecided still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from neurohw.devices.retention_laws import BOLTZMANN_EV
from neurohw.fitting.estimates import Estimate
from neurohw.fitting.measurements import RetentionCurves
from neurohw.fitting.retention_mixed import Candidate, Fitted, fit_law
from neurohw.fitting.retention_model import Ageing, Curves

_APART = 0.3  # of the range, between the first and the last decile of starts, from which rates may depend on them
_FEW = 5  # curves below which they may not
_KNOWN = 0.02  # half an interval that counts as identified around zero
_ROUNDING = 1e-3  # of BIC
_STEEP = 700.0  # logarithms beyond would overflow
_BARELY, _STRONGLY = 2.0, 10.0  # of BIC
_ORDER = ("power", "exponential", "logarithmic", "stretched")  # the simplest first


@dataclass(frozen=True)
class RetentionFit:
    """A fitted law.

    Args:
        law: its name; estimates: keys of [retention].
        candidates: the laws, the best first.
        undecided: why the laws could not be told apart; None: they could.
        curves: what was fitted; start: [curves], the conductance as written, S.
        noise: standard deviation of a measurement, S; over the conductance with `relative_noise`.
    """

    law: str
    estimates: dict[str, Estimate]
    candidates: tuple[Candidate, ...]
    undecided: str | None
    curves: RetentionCurves
    start: np.ndarray
    noise: float

    @property
    def chosen(self) -> Candidate:
        """The law's entry among the candidates."""
        return next(candidate for candidate in self.candidates if candidate.law == self.law)


def fit_retention(curves: RetentionCurves, g_min: float, g_max: float) -> RetentionFit:
    """Return the law of a population.

    Args:
        curves: as measured.
        g_min, g_max: the range that states are shares of, S.

    Raises:
        InputError: some curves have a temperature and others none.
    """
    reference = _reference(curves)
    data, scale = listed(curves, g_min, g_max, reference)
    course = max(map(len, curves.seconds)) > 2  # in time, is measured
    laws = _ORDER if course else _ORDER[:-1]
    fits = [_best_of_law(law, data, (g_min / scale, g_max / scale), _apart(data)) for law in laws]
    near = min(fit.candidate.bic for fit in fits) + (_BARELY if course else _STRONGLY)
    taken, *rivals = (fit for fit in fits if fit.candidate.bic < near)
    ranked = tuple(sorted((fit.candidate for fit in fits), key=lambda candidate: candidate.bic))
    estimates = _estimates(taken, data, g_min / scale, g_max / scale, reference)
    relative = taken.model.relative
    return RetentionFit(
        taken.model.law,
        estimates,
        ranked,
        _undecided([fit.model.law for fit in (taken, *rivals)], course),
        curves,
        taken.point.start * scale,
        taken.noise * (1 if relative else scale),
    )


def _undecided(laws: list[str], course: bool) -> str | None:
    """Return why the first of the laws was taken where others do as well, or may do."""
    if course and len(laws) == 1:
        return None
    others = f"; {' and '.join(laws[1:])} {'describes' if len(laws) == 2 else 'describe'} them as well"
    if course:
        return f"these curves cannot tell the laws apart: {laws[0]} is the simplest{others}"
    return (f"two times a curve cannot tell how conductances go from one to the other: {laws[0]} is the simplest that "
            f"describes both{others if len(laws) > 1 else ''}")  # fmt: skip


def _reference(curves: RetentionCurves) -> float | None:
    """Return the lowest of several temperatures; None where there is one at most."""
    curves.check_temperatures()
    known = [kelvin for kelvin in curves.kelvin if kelvin is not None]
    return min(known) if len(set(known)) > 1 else None


def listed(curves: RetentionCurves, g_min: float, g_max: float, reference: float | None) -> tuple[Curves, float]:
    """Return all measurements in one list, and the largest conductance, S; arguments as of `fit_retention`."""
    names = {name: number for number, name in enumerate(dict.fromkeys(curves.cells))}
    kelvin = np.array(curves.kelvin, float) if reference else np.full(len(curves.seconds), 1.0)
    first = np.array([g[0] for g in curves.conductance])
    scale = float(max(g.max() for g in curves.conductance))
    data = Curves(
        np.concatenate(curves.seconds).astype(float),
        np.concatenate(curves.conductance) / scale,
        np.repeat(np.arange(len(curves.seconds)), [len(t) for t in curves.seconds]),
        np.array([names[name] for name in curves.cells]),
        (1 / kelvin - 1 / (reference or 1.0)) / BOLTZMANN_EV,
        (first - g_min) / (g_max - g_min) - 0.5,
        min(float(t[0]) for t in curves.seconds),
    )
    return data, scale


def _apart(data: Curves) -> bool:
    """Return whether the curves start from states that a rate could depend on."""
    return len(data.state) >= _FEW and float(np.subtract(*np.quantile(data.state, [0.9, 0.1]))) >= _APART


def _best_of_law(law: str, data: Curves, span: tuple[float, float], apart: bool) -> Fitted:
    """Return the best of a law's variants: a rest first, then the state, then its noise, each kept if BIC falls."""
    energy = ("energy",) if np.ptp(data.warmth) else ()
    terms = ("rate", *energy, *(("stretch",) if law == "stretched" else ()))
    best = fit_law(Ageing(law, terms, False), data, span)
    if best.model.decays:
        best = _better(best, fit_law(replace(best.model, terms=(*terms, "rest")), data, span))
    if apart:
        more = replace(best.model, terms=(*best.model.terms, "state"))
        best = _better(best, fit_law(more, data, span, np.append(best.point.theta, 0.0)))
    return _better(best, fit_law(replace(best.model, relative=True), data, span, best.point.theta))


def _better(simple: Fitted, other: Fitted) -> Fitted:
    return other if other.candidate.bic < simple.candidate.bic - _ROUNDING else simple


def _estimates(fit: Fitted, data: Curves, g_min: float, g_max: float, reference: float | None) -> dict[str, Estimate]:
    """Return the keys of [retention]."""
    model, errors = fit.model, np.sqrt(np.maximum(np.diag(fit.covariance), 0.0))
    devices = len(fit.point.effects)
    low, high = model.limits(data)
    found: dict[str, Estimate] = {}
    for term, value, error, least, most in zip(model.terms, fit.point.theta, errors, low, high, strict=True):
        votes = devices - 1 if term == "rate" and devices > 1 else max(fit.freedom, 1)
        reach = float(stats.t.ppf(0.975, votes)) * error
        key, unit, map_ = _key(model, term, (g_min + g_max) / 2, (g_max - g_min) / 2)
        fitted, lower, upper = (map_(float(v)) for v in (value, value - reach, value + reach))
        found[key] = _estimate(fitted, lower, upper, unit, inside=bool(least < value < most and fit.freedom > 0))
    main = next(iter(found))
    if devices > 1:
        key = f"{main}_dtod_ln" if model.decays else f"{main}_dtod"
        found[key] = _estimate(fit.spread, fit.spread_interval[0], fit.spread_interval[1], "1", inside=fit.noise > 0)
    if not model.decays:
        found["drift_t0"] = Estimate(data.t0, data.t0, data.t0, "s", True)
    if reference is not None:
        found["reference_temperature"] = Estimate(reference, reference, reference, "K", True)
    return found


def _key(model: Ageing, term: str, middle: float, half: float) -> tuple[str, str, Callable[[float], float]]:
    """Return the key of [retention] that a parameter is, its unit, and the way from one to the other."""
    main = "lifetime" if model.decays else {"power": "drift_nu", "logarithmic": "loss_per_decade"}[model.law]
    if term == "rate" and model.decays:
        return main, "s", lambda log: float(np.exp(np.clip(log, -_STEEP, _STEEP)))
    plain = {"rate": main, "state": f"{main}_state", "stretch": "stretch", "energy": "activation_energy"}
    if term in plain:
        return plain[term], "eV" if term == "energy" else "1", float
    return "rest", "1", lambda g: (g - middle) / half


def _estimate(value: float, low: float, high: float, unit: str, inside: bool) -> Estimate:
    known = inside and high - low < max(abs(value), 2 * _KNOWN)
    return Estimate(value, low, high, unit, bool(known))

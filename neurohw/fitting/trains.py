"""Pulse trains in, device out: which law, its parameters with 95 % intervals, and how noise and spread divide.

Conductances are scaled so that the mean bounds of the population are w = -1 and w = 1: `step` is a share of half the
range, and g_min and g_max of the device file are the mean bounds, not the extremes of the data. Every law is fitted by
`fit_population` to the same trains, of at most 12 devices and 4 cycles; the lowest Bayesian information criterion (BIC)
wins and is then fitted to all. Spreads are estimated
as random effects, so that they contain neither cycle-to-cycle noise nor measurement noise. Intervals come from the
Fisher information (means, shared numbers) and from chi-squared distributions with effective degrees of freedom
(spreads, which the errors of means follow), carried through to the law's parameters by sampling, each sample in the
scale of its own mean bounds. They are of the population that the devices are from.

What pulse trains cannot tell, whatever the estimator:

- a spread between n devices better than to 1 / sqrt(2 n): 13 % for 30; nor a mean better than spread / sqrt(n);
- asymmetry_dtod much below step_ctoc / sqrt(2 pulses of a device in one direction);
- hard bounds (constant, linear, exponential, power, piecewise) that no train runs into: they are then where the data
  end, which is said; the bound of soft-bounds may lie beyond the data, if they tell where;
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
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurohw.fitting.estimates import BOUND_KNOWN, Estimate, Scaled, estimated
from neurohw.fitting.fitted_law import FittedLaw, Samples
from neurohw.fitting.kalman import residuals
from neurohw.fitting.law_parameters import FITTED, fitted_laws
from neurohw.fitting.measurements import PulseTrains
from neurohw.fitting.population import Population, fit_population
from neurohw.fitting.seen import reach, require_response, upwards
from neurohw.fitting.start import dither_trains, first_fit, first_scale, noise_limits, scale_trains
from neurohw.threads import threads

RANKED = (12, 4)  # devices and cycles that laws are compared on: enough to tell them apart, in seconds
_SAME = ("soft-bounds-reference",)  # fitted as another law, so only on demand
ROUNDS = 4  # of scaling to the mean bounds
_SCALED = 5e-3  # how near to -1 and 1 the mean bounds come
_UNTOLD = "bounds beyond the data"
_CLEAR = 10.0  # difference of BIC that is very strong evidence (Kass & Raftery 1995, 10.1080/01621459.1995.10476572)

Progress = Callable[[str, float], None]  # what is done now, and which share of all is done


@dataclass(frozen=True)
class Candidate:
    """How well a law describes the trains.

    Args:
        law: its name; additive_noise, alike_noise: its variant.
        log_likelihood: of the measurements, in units of half the range; parameters: how many; bic, aic: the less, the
            better.
        converged: whether the optimiser ended by itself.
        supported: whether the trains tell where its bounds are, or bounds are where the trains end.
    """

    law: str
    additive_noise: bool
    alike_noise: bool
    log_likelihood: float
    parameters: int
    bic: float
    aic: float
    converged: bool
    supported: bool

    @property
    def remark(self) -> str:
        """What is wrong with it, in words; nothing where all is well."""
        wrong = [(self.converged, "not converged"), (self.supported, _UNTOLD)]
        return ", ".join(words for right, words in wrong if not right)


@dataclass(frozen=True)
class Fit:
    """A fitted device.

    Args:
        law: the chosen law's name; flags: its switches.
        estimates: its parameters, and g_min, g_max (S), read_noise (over g_max - g_min).
        candidates: the laws that were compared, the best first; none where there was no choice.
        trains: what was fitted; mirrored: all pulses depressed, and conductances g stand for most + least - g.
        weights: [devices, cycles, pulses - 1], before the pulse, as estimated from all measurements until then.
        standardised: likewise, one-pulse prediction errors in predicted standard deviations.
        population: the fit in scaled weights; centre, half: w = (g - centre) / half, S.
        samples: draws of the parameters from their uncertainty.
    """

    law: str
    flags: dict[str, bool]
    estimates: dict[str, Estimate]
    candidates: tuple[Candidate, ...]
    trains: PulseTrains
    mirrored: bool
    weights: np.ndarray
    standardised: np.ndarray
    population: Population
    centre: float
    half: float
    samples: Samples


def fit(trains: PulseTrains, law: str | None = None, seed: int = 0, progress: Progress | None = None) -> Fit:
    """Return the device that the trains come from.

    Args:
        trains: as measured; of one polarity only, they make a device that only potentiates.
        law: its name; chosen by BIC unless given.
        seed: of the sampling that intervals are made with.
        progress: is told what is done.

    Raises:
        InputError: there is no such law, or no fit of it; pulses that move nothing.
    """
    upward, mirrored = upwards(trains)
    require_response(upward)
    with threads(1):  # its tensors are so small that several cost more than they give
        fitted = _Fitting(upward, np.random.default_rng(seed), progress or (lambda _, __: None)).fitted(law)
    return dataclasses.replace(fitted, mirrored=mirrored)


class _Fitting:
    """The trains, the scale that they are fitted in first, and the trains with noise added for hard bounds."""

    def __init__(self, trains: PulseTrains, generator: np.random.Generator, progress: Progress) -> None:
        self.trains, self.generator, self.progress = trains, generator, progress
        self.centre, self.half = first_scale(trains)
        self.dithered, self.dither = dither_trains(trains, self.centre, self.half, generator)
        self.data = scale_trains(trains, self.centre, self.half)

    def fitted(self, law: str | None) -> Fit:
        """Return the fit of a law, the best one unless it is given."""
        names = [law] if law else [name for name in FITTED if name not in _SAME]
        variants = fitted_laws(names[0])
        alone = len(names) == 1 and len(variants) == 1
        candidates = () if alone else self.ranked(names)
        best = variants[0] if alone else _variant(candidates[0])
        self.progress(f"{best.name}, all trains", 0.5)
        used, dither = (self.dithered, self.dither) if best.hard else (self.trains, 0.0)
        first = first_fit(self.limited(best), scale_trains(used, self.centre, self.half))
        scaled = self.rescaled(Scaled(first, self.centre, self.half, dither), used)
        return self.reported(scaled, candidates, used)

    def limited(self, law: FittedLaw) -> FittedLaw:
        """Return a law with its bounds held near the data."""
        return law.within(reach(law, self.trains, self.data).scaled(self.centre, self.half))

    def ranked(self, names: list[str]) -> tuple[Candidate, ...]:
        """Return the laws compared on a part of the trains, the best first; of the best one, its variants, too."""
        data = scale_trains(_part(self.dithered), self.centre, self.half)
        candidates: list[Candidate] = []
        for i, name in enumerate(names):
            self.progress(name, 0.5 * i / (len(names) + 1))
            candidates.append(_candidate(first_fit(self.limited(FITTED[name][0]), data), data.count))
        winner = min(candidates, key=_merit).law
        self.progress(f"{winner}, additive noise", 0.5 * len(names) / (len(names) + 1))
        candidates += [_candidate(first_fit(self.limited(variant), data), data.count) for variant in FITTED[winner][1:]]
        return _alike_if_unclear(sorted(candidates, key=_merit))

    def rescaled(self, first: Scaled, trains: PulseTrains) -> Scaled:
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
            law = p.law.within(reach(p.law, self.trains, data).scaled(centre, half))
            limits = noise_limits(p.mean / stretch)
            p = fit_population(law, effects, shared, std, data, limits, polish=True)
            scaled = Scaled(p, centre, half, scaled.dither)
            self.progress(f"{law.name}, all trains", 0.5 + 0.5 * (turn + 1) / (ROUNDS + 1))
        return scaled

    def reported(self, best: Scaled, candidates: tuple[Candidate, ...], trains: PulseTrains) -> Fit:
        """Return the fit in the terms of a device file; trains: as fitted, with noise added where bounds are hard."""
        p, data = best.population, scale_trains(trains, best.centre, best.half)
        seen = self.trains.conductance[self.trains.valid]
        estimates, samples = estimated(best, (float(seen.min()), float(seen.max())), self.generator)
        plain = {name: estimate.value for name, estimate in estimates.items()}
        before, standardised = residuals(p.law, p.effects, p.shared, data)
        flags = p.law.flags(plain)
        places = (before, standardised, p, best.centre, best.half)
        return Fit(p.law.name, flags, estimates, candidates, self.trains, False, *places, samples)


def _merit(candidate: Candidate) -> tuple[bool, float]:
    """Return what laws are sorted by: those whose bounds the trains do not tell come last."""
    return not candidate.supported, candidate.bic


def _alike_if_unclear(ranked: list[Candidate]) -> tuple[Candidate, ...]:
    """Return candidates, the best first; of noise of a cell's own s and of the mean s the latter, unless it is clear.

    Where noise is as large for all cells, its size tells the former that their steps are alike, at little cost in
    likelihood; where it is not, that costs much more.
    """
    best = ranked[0]
    alike = next((c for c in ranked if c.law == best.law and c.alike_noise), None)
    if alike is None or not best.additive_noise or not alike.supported or alike.bic - best.bic > _CLEAR:
        return tuple(ranked)
    return (alike, *(c for c in ranked if c is not alike))


def _variant(candidate: Candidate) -> FittedLaw:
    noise = candidate.additive_noise, candidate.alike_noise
    return next(f for f in FITTED[candidate.law] if (f.additive_noise, f.alike_noise) == noise)


def _part(trains: PulseTrains) -> PulseTrains:
    """Return at most RANKED devices, evenly chosen, and cycles."""
    devices, cycles = RANKED
    chosen = np.unique(np.linspace(0, len(trains.devices) - 1, devices).round().astype(int))
    arrays = {key: getattr(trains, key)[chosen][:, :cycles] for key in ("conductance", "up", "valid")}
    return dataclasses.replace(trains, **arrays, devices=tuple(trains.devices[i] for i in chosen))


def _candidate(p: Population, count: int) -> Candidate:
    bic, aic = (k * p.parameters - 2 * p.log_likelihood for k in (math.log(count), 2))
    described = (p.log_likelihood, p.parameters, bic, aic, p.converged)
    return Candidate(p.law.name, p.law.additive_noise, p.law.alike_noise, *described, _supported(p))


def _supported(p: Population) -> bool:
    """Return whether each bound is fixed where the data end, or its interval is narrow against the range."""
    width = 3.92 * np.sqrt(np.diag(p.covariance)[2:4])
    return not p.law.vanishing or bool((width < BOUND_KNOWN * (p.mean[2] - p.mean[3])).all())

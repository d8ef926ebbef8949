"""A fitted population as parameters of a device, with their 95 % intervals and what the data do not tell of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.fitting.fitted_law import Samples
from neurohw.fitting.newton import CTOC_LIMITS
from neurohw.fitting.population import Population
from neurohw.units import readable

SAMPLES = 2000
_STEEP = 50.0  # of a noise that is none, minus its logarithm
BOUND_KNOWN = 0.25  # width of a bound's interval that counts as identified, of the range
_SIGNED = 0.1  # half an interval that counts as identified around zero
_AT = 1e-3  # of a limit's size, how near to it counts as on it
_NARROWEST = 0.1  # half of a range that is drawn from its uncertainty, at least, in that of the fit
_BEYOND = 0.05  # of the range of the data, how far a bound may lie beyond them without being said to
_ALONE, _NO_DEPRESSION = "one device: no spread between devices", "no depressing pulse was measured"
_NO_END = "no saturation was seen"
_UNSEEN = (_ALONE, _NO_DEPRESSION, _NO_END, f"where the data end: {_NO_END}")
_WITH_BOUND = {"g_max": "w_max", "w_max_dtod": "w_max", "g_min": "w_min", "w_min_dtod": "w_min"}


@dataclass(frozen=True)
class Estimate:
    """A parameter with its 95 % interval.

    Args:
        value: a number, or a table of them; low, high: likewise.
        unit: as in a device file.
        identifiable: whether the interval is narrower than the value, or than 0.2; for g_min and g_max, than a quarter
            of the range.
        note: what else is to be known of it: a limit that it is on, data that end before it.
    """

    value: float | tuple[float, ...]
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    unit: str
    identifiable: bool
    note: str = ""

    @property
    def unseen(self) -> bool:
        """Whether nothing that was measured says anything of it."""
        return self.note.startswith(_UNSEEN)


@dataclass(frozen=True)
class Scaled:
    """A population and the scale it was fitted in, w = (g - centre) / half, S; dither: noise that was added, S."""

    population: Population
    centre: float
    half: float
    dither: float = 0.0

    def quantities(self, mean: np.ndarray, std: np.ndarray, shared: np.ndarray) -> Samples:
        """Return parameters of samples of the population, [samples, ...], each in the scale of its own mean bounds."""
        law = self.population.law
        mean = law.completed(mean, law.effects)
        shared = np.concatenate([law.completed(shared[:, :-2], law.shared), shared[:, -2:]], axis=1)
        bounds = mean[:, 2:4]
        shift, stretch = bounds.mean(1), np.maximum((bounds[:, 0] - bounds[:, 1]) / 2, _NARROWEST)
        values = law.parameters(*law.rescaled(mean, std, shared[:, :-2], shift, stretch))
        ctoc, noise = np.exp(np.clip(shared[:, -2], *CTOC_LIMITS)), np.exp(np.clip(shared[:, -1], -_STEEP, 0.0))
        values["step_ctoc"] = ctoc
        values["g_max"] = self.centre + self.half * mean[:, 2]
        values["g_min"] = self.centre + self.half * mean[:, 3]
        noise = np.maximum((noise * self.half) ** 2 - self.dither**2, 0.0) ** 0.5
        values["read_noise"] = noise / (values["g_max"] - values["g_min"])
        return values


def estimated(
    scaled: Scaled, data_range: tuple[float, float], generator: np.random.Generator
) -> tuple[dict[str, Estimate], Samples]:
    """Return the parameters, and draws of them from their uncertainty.

    Args:
        scaled: the fit.
        data_range: least and most conductance of the data, S.
        generator: of the draws.
    """
    p = scaled.population
    values = scaled.quantities(p.mean[None], p.std[None], p.shared[None])
    draws = scaled.quantities(*p.samples(SAMPLES, generator))
    span = BOUND_KNOWN * float(values["g_max"][0] - values["g_min"][0])
    estimates = {}
    for name, value in values.items():
        unit = "S" if name in ("g_min", "g_max") else "1"
        width = span if unit == "S" else max(float(np.min(abs(value[0]))), 2 * _SIGNED)
        alone = len(p.effects) == 1 and name.endswith("_dtod")
        note = _ALONE if alone else _note(scaled, name, value[0], data_range)
        unseen = alone or (bool(note) and not note.startswith("beyond"))
        estimates[name] = _estimate(value[0], draws[name], unit, 0.0 if unseen else width, note)
    return estimates, draws


def _note(scaled: Scaled, name: str, value: np.ndarray, data_range: tuple[float, float]) -> str:
    law = scaled.population.law
    if law.reach is not None and _WITH_BOUND.get(name) in law.reach.ends:
        return f"where the data end: {_NO_END}" if name.startswith("g_") else _NO_END
    if law.one_sided and ("down" in name or "asymmetry" in name):
        return _NO_DEPRESSION
    least, most = {**law.limits, "step_ctoc": tuple(np.exp(CTOC_LIMITS))}.get(name, (-np.inf, np.inf))
    for limit in (least, most):
        if np.isfinite(limit) and (abs(value - limit) <= _AT * max(abs(limit), 1.0)).any():
            return f"on its limit of {limit:.3g}"
    low, high = data_range
    if name == "g_max" and value > high + _BEYOND * (high - low):
        return f"beyond the data, which end at {readable(high, 'S', 4)}"
    if name == "g_min" and value < low - _BEYOND * (high - low):
        return f"beyond the data, which end at {readable(low, 'S', 4)}"
    return ""


def _estimate(value: np.ndarray, draws: np.ndarray, unit: str, width: float, note: str) -> Estimate:
    """Return a parameter; it is identifiable if its interval is less wide than `width`."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    known = bool((high - low < width).all())
    if value.ndim:
        at, start, end = (tuple(float(x) for x in xs) for xs in (value, low, high))
        return Estimate(at, start, end, unit, known, note)
    return Estimate(float(value), float(low), float(high), unit, known, note)

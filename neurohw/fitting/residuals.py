"""What a fit leaves unexplained: one-pulse prediction errors, which of a right law are white, Gaussian and flat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from neurohw.fitting.trains import Fit

BINS = 25
LAGS = 15
_LEAST = 8  # measurements in a bin


@dataclass(frozen=True)
class Residuals:
    """Prediction errors and increments of a fit.

    Args:
        conductance: [2, bins], S, of pulses up and down; mean, std: likewise, of the standardised errors; nan in bins
            with few.
        measured, fitted: [2, bins], S, mean change of a pulse against the conductance before it, which is the filter's
            estimate: against the measured one, noise alone would make changes look as if they fell with it.
        standardised: [n], all errors in their predicted standard deviations.
        autocorrelation: [LAGS], of the standardised errors along the trains, from lag 1.
        chance: 95 % of a white sequence's autocorrelations are within this of 0.
    """

    conductance: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    measured: np.ndarray
    fitted: np.ndarray
    standardised: np.ndarray
    autocorrelation: np.ndarray
    chance: float


def residual_data(fit: Fit) -> Residuals:
    """Return the errors of a fit, binned.

    The fitted changes are those of the mean cell, away from its bounds; single devices lie around them.
    """
    w, z = fit.weights, fit.standardised
    up = fit.trains.up[:, :, 1:]
    rise = (fit.trains.conductance[:, :, 1:] - fit.centre) / fit.half - w
    valid = np.isfinite(z)
    curves: dict[str, list[np.ndarray]] = {name: [] for name in ("conductance", "mean", "std", "measured", "fitted")}
    for side in (True, False):
        use = valid & (up == side)
        edges = _edges(w[use])
        middle = (edges[1:] + edges[:-1]) / 2
        places = np.digitize(w[use], edges) - 1
        curves["conductance"].append(fit.centre + fit.half * middle)
        curves["mean"].append(_binned(places, z[use], np.mean))
        curves["std"].append(_binned(places, z[use], np.std))
        curves["measured"].append(fit.half * _binned(places, rise[use], np.mean))
        curves["fitted"].append(fit.half * _fitted_change(fit, middle, side))
    chance = 1.96 / valid.sum() ** 0.5
    return Residuals(
        **{name: np.array(curve) for name, curve in curves.items()},
        standardised=z[valid],
        autocorrelation=np.array([_correlation(z, lag) for lag in range(1, LAGS + 1)]),
        chance=float(chance),
    )


def _edges(w: np.ndarray) -> np.ndarray:
    """Return edges between those of equal widths and of equal numbers: where cells cross fast, there are some."""
    if not w.size:
        return np.linspace(-1, 1, BINS + 1)
    numbers = np.quantile(w, np.linspace(0.005, 0.995, BINS + 1))
    return np.asarray((numbers + np.linspace(numbers[0], numbers[-1], BINS + 1)) / 2)


def _binned(places: np.ndarray, values: np.ndarray, summary: Callable[[np.ndarray], np.floating]) -> np.ndarray:
    """Return a summary of the values of each bin, nan where there are few."""
    chosen = (values[places == i] for i in range(BINS))
    return np.array([float(summary(v)) if len(v) >= _LEAST else np.nan for v in chosen])


def _fitted_change(fit: Fit, w: np.ndarray, up: bool) -> np.ndarray:
    """Return the mean cell's change of weight by a pulse, [points], nan where it cannot be."""
    p = fit.population
    response = p.law.response(torch.from_numpy(p.mean)[None, None], torch.from_numpy(p.shared[None, :-2]))
    at = torch.from_numpy(w)[None, None]
    steps = response.steps(at.clone(), up).expand_as(at)
    low, high = response.cells["w_min"], response.cells["w_max"]
    moved = torch.clamp(at + steps if up else at - steps, min=low, max=high)
    return np.asarray(torch.where((at >= low) & (at <= high), moved - at, torch.nan)[0, 0].numpy())


def _correlation(z: np.ndarray, lag: int) -> float:
    product = z[:, :, lag:] * z[:, :, :-lag]
    return float(np.nanmean(product) / np.nanvar(z)) if np.isfinite(product).any() else 0.0

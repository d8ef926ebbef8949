"""What a fit leaves unexplained: one-pulse prediction errors, which of a right law are white, Gaussian and flat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from neurohw.fitting.trains import Fit

BINS = 25
LAGS = 15
_LEAST = 20  # measurements in a bin


@dataclass(frozen=True)
class Residuals:
    """Prediction errors and increments of a fit.

    Args:
        conductance: [bins], S; mean, std: [2, bins], of the standardised errors, up and down; nan in empty bins.
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
    low, high = np.quantile(w[valid], [0.005, 0.995])
    edges = np.linspace(low, high, BINS + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    curves = {"mean": [], "std": [], "measured": []}  # type: dict[str, list[list[float]]]
    for side in (True, False):
        use = valid & (up == side)
        places = np.digitize(w[use], edges) - 1
        curves["mean"].append(_binned(places, z[use], np.mean))
        curves["std"].append(_binned(places, z[use], np.std))
        curves["measured"].append(_binned(places, rise[use], np.mean))
    chance = 1.96 / valid.sum() ** 0.5
    return Residuals(
        fit.centre + fit.half * middle,
        np.array(curves["mean"]),
        np.array(curves["std"]),
        fit.half * np.array(curves["measured"]),
        fit.half * _fitted_steps(fit, middle),
        z[valid],
        np.array([_correlation(z, lag) for lag in range(1, LAGS + 1)]),
        float(chance),
    )


def _binned(places: np.ndarray, values: np.ndarray, summary: object) -> list[float]:
    """Return a summary of the values of each bin, nan where there are few."""
    chosen = (values[places == i] for i in range(BINS))
    return [float(summary(v)) if len(v) >= _LEAST else np.nan for v in chosen]  # type: ignore[operator]


def _fitted_steps(fit: Fit, w: np.ndarray) -> np.ndarray:
    """Return the mean cell's change of weight by a pulse up and down, [2, points]."""
    p = fit.population
    response = p.law.response(torch.from_numpy(p.mean)[None, None], torch.from_numpy(p.shared[None, :-2]))
    at = torch.from_numpy(w)[None, None]
    changes = []
    for up in (True, False):
        steps = response.steps(at.clone(), up).expand_as(at)
        moved = torch.clamp(at + steps if up else at - steps, min=response.cells["w_min"], max=response.cells["w_max"])
        changes.append((moved - at)[0, 0].numpy())
    return np.array(changes)


def _correlation(z: np.ndarray, lag: int) -> float:
    product = z[:, :, lag:] * z[:, :, :-lag]
    return float(np.nanmean(product) / np.nanvar(z)) if np.isfinite(product).any() else 0.0

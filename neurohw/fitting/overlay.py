"""A fitted device beside what was measured: the same pulses given to as many new devices, and both trains' statistics.

Trains of the same pulses are a group, in which means and spreads are taken pulse by pulse. The noise floor is what the
measurement itself does not know: the standard error of its mean over devices (over cycles, of one device; that of the
simulated trains, where there is one train only), and of its spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from neurohw.devices.model import DeviceModel
from neurohw.devices.replay import Pulses, replayed
from neurohw.fitting.fatigue import fatigue
from neurohw.fitting.trains import Fit

_TRAINS = 3000  # simulated, about
_REPEATS = (8, 60)
_ENDS = (0.02, 0.98)  # quantiles of the reads, that their range ends at
_NOISE = ("g_min", "g_max", "read_noise")


@dataclass(frozen=True)
class Group:
    """Trains of the same pulses.

    Args:
        up: [reads], whether the pulse before each read potentiates.
        trains: how many; devices: of how many devices.
        mean, std: [reads], S, measured, over trains; nan where nothing was read (std: where fewer than two were).
        simulated_mean, simulated_std: [reads], S.
        error, std_error: [reads], S, standard errors of the measured mean and spread.
        examples, simulated_examples: [trains, reads], S, a few trains of each.
    """

    up: np.ndarray
    trains: int
    devices: int
    mean: np.ndarray
    std: np.ndarray
    simulated_mean: np.ndarray
    simulated_std: np.ndarray
    error: np.ndarray
    std_error: np.ndarray
    examples: np.ndarray
    simulated_examples: np.ndarray


@dataclass(frozen=True)
class Overlay:
    """Measured and simulated trains.

    Args:
        groups: the largest first.
        changes: Kolmogorov's distance between the measured and the simulated changes from read to read, 0 to 1.
        chance: what it would be below in 95 % of measurements of devices like the fitted one.
        span: S, the range of the measured mean trains.
        between, simulated_between: shares of the reads in the middle half of the measured range.
        reads: how many were measured.
        wear: what changes from cycle to cycle in the measured trains only, in words.
    """

    groups: tuple[Group, ...]
    changes: float
    chance: float
    span: float
    between: float
    simulated_between: float
    reads: int
    wear: tuple[str, ...]

    def rms(self, field: str, other: str | None = None) -> float:
        """Return the root mean square over all groups' reads of a field, less another; nan where nothing is known."""
        parts = [getattr(g, field) - (getattr(g, other) if other else 0) for g in self.groups]
        weights = np.concatenate([np.full(len(p), g.trains) for p, g in zip(parts, self.groups, strict=True)])
        values = np.concatenate(parts)
        known = np.isfinite(values)
        return float(np.average(values[known] ** 2, weights=weights[known]) ** 0.5) if known.any() else float("nan")


def overlay(fit: Fit, device: DeviceModel, seed: int = 0) -> Overlay:
    """Return the fitted device's trains beside the measured ones.

    Args:
        fit: the fit; device: made of it.
        seed: of the simulated devices.
    """
    g, up, valid = fit.trains.conductance, fit.trains.up, fit.trains.valid
    generator = torch.Generator().manual_seed(seed)
    repeats = int(np.clip(_TRAINS // (g.shape[0] * g.shape[1]), *_REPEATS))
    pulses = Pulses(np.tile(_starts(fit), (repeats, 1)), np.tile(up, (repeats, 1, 1)))
    simulated = replayed(device, pulses, generator).reshape(repeats, *g.shape)
    measured, simulated = np.where(valid, g, np.nan), np.where(valid, simulated, np.nan)
    groups = [_group(measured, simulated, chosen, up) for chosen in _same_pulses(up, valid)]
    groups.sort(key=lambda group: -group.trains)
    means = np.concatenate([group.mean for group in groups])
    real, made = _changes(measured, up), _changes(simulated, np.broadcast_to(up, simulated.shape))
    distance = float(stats.ks_2samp(real, made).statistic) if len(real) and len(made) else 0.0
    chance = 1.36 * (1 / max(len(real), 1) + 1 / max(len(made), 1)) ** 0.5
    span = float(np.nanmax(means) - np.nanmin(means))
    between = [_between(g, np.nanquantile(measured, _ENDS)) for g in (measured, simulated)]
    wear = tuple(fatigue(measured, simulated))
    return Overlay(tuple(groups), distance, chance, span, between[0], between[1], int(valid.sum()), wear)


def _starts(fit: Fit) -> np.ndarray:
    """Return the share of its cell's range at which each train begins, [devices, cycles].

    The first read has noise: trains that begin with the same pulse are drawn to their common mean by as much of their
    variance as the noise explains.
    """
    effects, known = fit.population.effects, {key: float(fit.estimates[key].value) for key in _NOISE}  # type: ignore[arg-type]
    noise = known["read_noise"] * (known["g_max"] - known["g_min"]) / fit.half
    high, low = effects[:, 2:3], effects[:, 3:4]
    first = (fit.trains.conductance[:, :, 0] - fit.centre) / fit.half
    share = (first - low) / (high - low)
    blur = (noise / (high - low)) ** 2 * np.ones_like(share)
    begun = fit.trains.up[:, :, min(1, fit.trains.up.shape[2] - 1)]
    for side in (True, False):
        use = begun == side
        if use.sum() > 1:
            middle, variance = share[use].mean(), share[use].var(ddof=1)
            kept = max(1 - blur[use].mean() / variance, 0.0) if variance > 0 else 1.0
            share[use] = middle + kept * (share[use] - middle)
    return np.asarray(share)


def _same_pulses(up: np.ndarray, valid: np.ndarray) -> list[np.ndarray]:
    """Return masks [devices, cycles] of the trains with the same pulses, as far as each goes, the longest first."""
    length = up.shape[2] - valid[:, :, ::-1].argmax(2)
    left = np.ones(length.shape, bool)
    places, masks = np.arange(up.shape[2]), []
    while left.any():
        longest = np.unravel_index(np.where(left, length, 0).argmax(), length.shape)
        alike = (up[:, :, 1:] == up[longest][1:]) | (places[1:] >= length[:, :, None])
        masks.append(left & alike.all(2))
        left &= ~masks[-1]
    return masks


def _group(measured: np.ndarray, simulated: np.ndarray, chosen: np.ndarray, up: np.ndarray) -> Group:
    trains, made = measured[chosen], simulated[:, chosen]
    by_device = np.stack([_mean(m[c], 0) for m, c in zip(measured, chosen, strict=True) if c.any()])
    means = _mean(made, 1)  # [repeats, reads]
    several = by_device if len(by_device) > 1 else trains
    error, std_error = (means.std(0, ddof=1), np.full(means.shape[1], np.nan))
    std = _std(trains, 0)
    if len(several) > 1:
        error = _std(several, 0) / np.sqrt(np.maximum(np.isfinite(several).sum(0), 1))
        std_error = std / np.sqrt(2 * np.maximum(np.isfinite(several).sum(0) - 1, 1))
    some = np.unique(np.linspace(0, len(trains) - 1, 3).round().astype(int))
    longest = np.isfinite(trains).cumsum(1).argmax(1).argmax()
    return Group(
        up[chosen][longest],
        len(trains),
        len(by_device),
        _mean(trains, 0),
        std,
        means.mean(0),
        np.sqrt(_mean(_std(made, 1) ** 2, 0)),
        error,
        std_error,
        trains[some],
        made[0][some],
    )


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of what is known, nan where nothing is."""
    known = np.isfinite(values).sum(axis)
    return np.where(known > 0, np.nansum(values, axis) / np.maximum(known, 1), np.nan)


def _std(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the standard deviation of what is known, nan where fewer than two are."""
    known = np.isfinite(values).sum(axis)
    middle = np.expand_dims(_mean(values, axis), axis)
    return np.where(known > 1, np.sqrt(np.nansum((values - middle) ** 2, axis) / np.maximum(known - 1, 1)), np.nan)


def _between(g: np.ndarray, ends: np.ndarray) -> float:
    """Return the share of the reads in the middle half between two ends."""
    low, high = ends
    reads, margin = g[np.isfinite(g)], (high - low) / 4
    return float(((reads > low + margin) & (reads < high - margin)).mean())


def _changes(g: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the changes between neighbouring reads, in the direction of the pulse."""
    change = np.diff(g, axis=-1) * np.where(up[..., 1:], 1, -1)
    if not np.isfinite(change).any():  # no two neighbours were read
        flat = g.reshape(-1, g.shape[-1])
        rows = [np.diff(row[np.isfinite(row)]) for row in flat]
        change = np.concatenate(rows)
    return np.asarray(change[np.isfinite(change)])

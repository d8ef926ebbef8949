"""Whether cells change from one cycle of pulses to the next otherwise than simulated ones, whose laws do not wear.

The ends of a cycle are the means of its highest and of its lowest reads. How the range between them shrinks, and how
its middle moves, beyond what simulated cells do that get the same pulses from the same start, is a line through the
cycles, of a height for each device and one slope: y_dc = a_d + b c + e_dc; the slope is held against its standard
error, from the e_dc, by Student's t.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import stats

_END = 0.1  # share of a cycle's reads that is one of its ends
_MUCH = 0.1  # of the range, over all cycles, that is worth a word
_SURE = 1e-4  # how probable a slope as large may be by chance
_FEWEST = 3  # degrees of freedom that tell a spread


def fatigue(measured: np.ndarray, simulated: np.ndarray) -> Iterator[str]:
    """Yield what changes from cycle to cycle by more than a tenth of the range in all, in words.

    Args:
        measured: [devices, cycles, reads], S, nan where nothing was read.
        simulated: [repeats, devices, cycles, reads], S, likewise.
    """
    low, high = _ends(measured)
    low_made, high_made = (ends.mean(0) for ends in _ends(simulated))
    known = np.isfinite(low)
    if not known.any():
        return
    mean_range, cycles = float((high - low)[known].mean()), measured.shape[1]
    low, high = low - low_made, high - high_made
    for name, values, signs in (
        ("the range of cells", high - low, ("shrinks", "grows")),
        ("the middle of their range", (high + low) / 2, ("falls", "rises")),
    ):
        slope, chance = _slope(values / mean_range)
        if abs(slope) * (cycles - 1) > _MUCH and chance < _SURE:
            yield (f"{name} {signs[slope > 0]} by {abs(slope):.0%} of the mean range in each cycle of pulses; "
                   "simulated cells do not")  # fmt: skip


def _ends(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of the lowest and of the highest reads of [..., reads], S; nan where they are too few."""
    g, reads = np.sort(g, axis=-1), np.isfinite(g).sum(-1, keepdims=True)  # nan last
    taken = np.maximum((_END * reads).round(), 1)
    places = np.arange(g.shape[-1])
    parts = places < taken, (places >= reads - taken) & (places < reads)
    low, high = (np.where(part, g, 0).sum(-1) / taken[..., 0] for part in parts)
    enough = reads[..., 0] > 1 / _END
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def _slope(values: np.ndarray) -> tuple[float, float]:
    """Return the common slope over cycles of [devices, cycles] and the probability of one as large without any."""
    values = values[np.isfinite(values).sum(1) > 1]
    known = np.isfinite(values)
    freedom = int(known.sum()) - len(values) - 1
    if freedom < _FEWEST:
        return 0.0, 1.0
    cycle = np.where(known, np.arange(values.shape[1], dtype=float), np.nan)
    y, x = (part - np.nanmean(part, axis=1, keepdims=True) for part in (values, cycle))
    slope = np.nansum(x * y) / np.nansum(x**2)
    error = (np.nansum((y - slope * x) ** 2) / freedom / np.nansum(x**2)) ** 0.5
    chance = 2 * stats.t.sf(abs(slope) / error, freedom) if error > 0 else float(slope == 0)
    return float(slope), float(chance)

"""What the trains show without any law: where the data end, whether cells saturate there, and what was read when."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.fitted_law import FittedLaw, Reach
from neurohw.fitting.kalman import Observed
from neurohw.fitting.measurements import PulseTrains

_NEAR_EXTREME = 0.85  # quantile of a device's weights
_SURE = 3.0  # standard errors by which pulses must move cells
_HARD, _SOFT = 0.25, 2.0  # how far beyond the data bounds can lie, of the range of the data


@dataclass(frozen=True)
class Reads:
    """Measurements without the pulses that were not read, [reads, devices, cycles] each.

    Args:
        w: the measurements; valid: whether there are so many; up: of the pulses since the last one.
        pulses: since the last one; 0 where pulses of both polarities came between.
    """

    w: np.ndarray
    valid: np.ndarray
    up: np.ndarray
    pulses: np.ndarray


def reads(data: Observed) -> Reads:
    """Return what was read."""
    w, up, valid = data.w.numpy(), data.up.numpy(), data.valid.numpy()
    order = np.argsort(~valid, axis=0, kind="stable")
    potentiating = np.take_along_axis(np.cumsum(up, 0), order, 0)
    between, ups = (np.diff(x, axis=0, prepend=x[:1]) for x in (order, potentiating))
    seen = np.take_along_axis(valid, order, 0)
    pulses = np.where(seen & ((ups == 0) | (ups == between)), between, 0)
    return Reads(np.take_along_axis(w, order, 0), seen, np.take_along_axis(up, order, 0), pulses)


def upwards(trains: PulseTrains) -> tuple[PulseTrains, bool]:
    """Return the trains, begun at their first read; mirrored, g -> most + least - g, where all pulses depress.

    Raises:
        InputError: a train without a read, or no train with two.
    """
    g, up, valid = trains.conductance, trains.up, trains.valid
    if not valid.any(2).all() or valid.sum(2).max() < 2:
        raise InputError(f"{trains.source}: a train without a read; allowed: at least one read in each, two in one")
    last = g.shape[2] - 1
    index = np.arange(last + 1) + valid.argmax(2)[:, :, None]
    g, up, valid = (np.take_along_axis(x, np.minimum(index, last), 2) for x in (g, up, valid))
    valid = valid & (index <= last)
    mirrored = not up[:, :, 1:][valid[:, :, 1:]].any()
    if mirrored:
        g, up = g[valid].max() + g[valid].min() - g, ~up
    return dataclasses.replace(trains, conductance=g, up=up, valid=valid), mirrored


def require_response(trains: PulseTrains) -> None:
    """Require that pulses move the cells beyond the noise, and in their own direction.

    Of each ramp, a run of pulses of one polarity, the second half of its reads is held against the first; and, for
    cells that switch at once, the reads after potentiating pulses against the others of their train.

    Raises:
        InputError: they do not, or reads are too few to tell.
    """
    ramps, sides = [], []
    for g, up, valid in zip(*map(_flat, (trains.conductance, trains.up, trains.valid)), strict=True):
        read, rising = g[valid], up[valid]
        for ramp in np.split(np.arange(len(read)), np.flatnonzero(np.diff(rising)) + 1):
            halves = read[ramp[len(ramp) - len(ramp) // 2 :]], read[ramp[: len(ramp) // 2]]
            ramps.append(halves if rising[ramp[0]] else halves[::-1])
        sides.append((read[rising], read[~rising]))
    moved = [deviation for pairs in (ramps, sides) if (deviation := _deviations(pairs)) is not None]
    if not moved:
        raise InputError(f"{trains.source}: too few reads to tell whether pulses move the cells; allowed: four in a "
                         "run of pulses of one polarity, or two after pulses of each")  # fmt: skip
    if max(moved) > _SURE:
        return
    found = f"pulses do not move the cells beyond the noise: by {max(moved):.1f} standard errors at most"
    if min(moved) < -_SURE:
        found = "conductances fall under potentiating pulses, or rise under depressing ones"
    raise InputError(f"{trains.source}: {found}; allowed: pulses that move the cells, each in its own direction "
                     "(are polarities swapped, or are these resistances?)")  # fmt: skip


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1])


def _deviations(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> float | None:
    """Return by how many standard errors the first of each two are above the second, all pairs together.

    None where none has two reads on either side.
    """
    moved, variance, within, count = 0.0, 0.0, 0.0, 0
    for high, low in pairs:
        if len(high) > 1 and len(low) > 1:
            moved += float(high.mean() - low.mean())
            variance += 1 / len(high) + 1 / len(low)
            within += float(((high - high.mean()) ** 2).sum() + ((low - low.mean()) ** 2).sum())
            count += len(high) + len(low) - 2
    if not count:
        return None
    return moved / max(math.sqrt(variance * within / count), 1e-300)


def one_sided(trains: PulseTrains) -> bool:
    """Return whether no pulse between two reads depresses."""
    later = trains.valid[:, :, ::-1].cumsum(2)[:, :, ::-1] > 0
    return bool(trains.up[:, :, 1:][later[:, :, 1:]].all())


def reach(law: FittedLaw, trains: PulseTrains, data: Observed) -> Reach:
    """Return where the bounds of a law's cells can lie, S: where the data end, unless cells saturate there.

    Beyond the data nothing was seen. The bounds at which a law's steps vanish show in how steps fall before: they may
    lie beyond, as far as twice the range; whether the trains tell where is looked at afterwards.
    """
    seen = trains.conductance[trains.valid]
    least, most = float(seen.min()), float(seen.max())
    span = most - least
    sides, lowest = one_sided(trains), min(least, 0.0)
    if law.vanishing:
        low = (least, least) if sides else (max(least - _SOFT * span, lowest), most)
        return Reach(low, (least, most + _SOFT * span), sides)
    low = (max(least - _HARD * span, lowest), most) if not sides and saturates(data, -1.0) else (least, least)
    high = (least, most + _HARD * span) if saturates(data, 1.0) else (most, most)
    return Reach(low, high, sides)


def saturates(data: Observed, sign: float) -> bool:
    """Return whether pulses up (sign 1) or down (-1) move cells that are near their extreme less than half as far.

    Cells are sorted by the measurement before the last, whose noise is not in the change that is looked at.
    """
    read = reads(data)
    w = sign * read.w
    use = read.valid[1:-1] & (read.pulses[2:] > 0) & (read.up[2:] == (sign > 0))
    changes = (w[2:] - w[1:-1]) / np.maximum(read.pulses[2:], 1)
    shown = np.where(read.valid, w, np.nan)
    limits = np.nanquantile(shown, _NEAR_EXTREME, axis=(0, 2))[None, :, None]
    near, far = use & (w[:-2] > limits), use & (w[:-2] <= limits)
    return bool(near.any() and far.any() and changes[near].mean() < 0.5 * changes[far].mean())

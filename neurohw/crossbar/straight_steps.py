"""Pulses of laws whose step is a straight line over the weight, compiled: memory is passed once for all they do."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neurohw.compiled import compiled

Floats = NDArray[np.float32]
Counts = NDArray[np.int32]
Places = NDArray[np.int64]


@compiled
def straight_steps(
    cells: tuple[Floats, Counts],
    index: Places,
    number: Floats,
    noise: Floats,
    own: tuple[Floats, Floats, Floats, Floats, Floats],
    spread: tuple[float, bool],
    up: bool,
) -> None:
    """Give some cells pulses: w <- clip(w +- (n dw(w') + sqrt(n) sigma xi)), dw(w) = s + c (w + r), as `Stepping` does.

    Args:
        cells: [N] each, every cell's weight w and its pulses so far, changed in place.
        index: [M], which cells; number: [M], n of each; noise: [M], xi, or [0] without noise.
        own: [N] each, s, c, r, and the lower and the upper bound; c and r may be [0], which is 0 for all.
        spread: sigma relative to dw, or to s where the second is true.
        up: True where they potentiate.
    """
    w, pulses = cells
    scale, slope, reference, low, high = own
    relative, additive = np.float32(spread[0]), spread[1]
    sign = np.float32(1.0) if up else np.float32(-1.0)
    sloped, shifted, noisy = slope.size > 0, reference.size > 0, noise.size > 0
    for m in range(index.size):
        i, n = index[m], number[m]
        before, s, step = w[i], scale[i], scale[i]
        if sloped:
            at = before + reference[i] if shifted else before
            step = s + slope[i] * at
            if n > 1:
                step = s + slope[i] * (at + np.float32(0.5) * sign * (n - np.float32(1.0)) * step)
        after = before + sign * n * step
        if noisy:
            after += noise[m] * math.sqrt(n) * relative * (s if additive else step)
        pulses[i] += np.int32(n)
        w[i] = min(max(after, low[i]), high[i])


@compiled
def noisy_looks(w: Floats, seen: Floats, index: Places, noise: Floats, bounds: tuple[Floats, Floats]) -> None:
    """Write what is seen of some cells, w + noise, into `seen` [N]; of cells whose bounds are one weight, w.

    Args:
        w, bounds: [N], of every cell; index, noise: [M].
    """
    low, high = bounds
    for m in range(index.size):
        i = index[m]
        seen[i] = w[i] + noise[m] if low[i] < high[i] else w[i]

"""Single reads far from the reads before and after them: contacts that failed, values that were mistyped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurohw.fitting.importing.options import Notes
from neurohw.fitting.measurements import PulseTrains
from neurohw.units import readable

_FAR = 0.3  # of the range that nine reads in ten are in
_DEVIATIONS = 10.0  # of the scatter of reads about their neighbours
_FEW = 0.03  # of all reads: where more stand out, cells do


def check_outliers(trains: PulseTrains, cycles: Sequence[Sequence[str]], notes: Notes) -> None:
    """Warn of reads that are far above, or below, both the read before and the one after, where pulses do not turn.

    Args:
        trains: as imported.
        cycles: the names of each device's cycles.
        notes: takes the warning.
    """
    g, valid = trains.conductance, trains.valid
    places, offs = [], []
    for d, c in np.ndindex(*g.shape[:2]):
        at = np.flatnonzero(valid[d, c])
        reads, up = g[d, c, at], trains.up[d, c, at]
        near = np.stack([reads[:-2], reads[1:-1], reads[2:]])
        offs.append(abs(reads[1:-1] - np.median(near, axis=0)) * (up[1:-1] == up[2:]))  # one RESET among SETs is far
        places += [(d, c, int(i)) for i in at[1:-1]]
    off = np.concatenate(offs)
    if not len(off):
        return
    low, high = np.quantile(g[valid], (0.05, 0.95))
    scatter = float(np.sqrt(np.mean(np.minimum(off, np.quantile(off, 1 - _FEW)) ** 2)))
    far = np.flatnonzero(off > max(_FAR * float(high - low), _DEVIATIONS * scatter))
    if not len(far) or len(far) > max(1, _FEW * len(off)):
        return
    d, c, i = places[far[0]]
    which = "1 read is" if len(far) == 1 else f"{len(far)} reads are"
    others = " and others" if len(far) > 1 else ""
    notes.caution("", f"{which} far from those before and after, which no law describes: device {trains.devices[d]}, "
                  f"cycle {cycles[d][c]}, pulse {i + 1} ({readable(float(g[d, c, i]), 'S', 3)}){others}; "
                  "left empty, they count as pulses that were not read")  # fmt: skip

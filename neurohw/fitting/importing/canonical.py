"""The tables that imports write, and that are read back as they are: one row per pulse, one row per reading."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurohw.fitting.importing.files import Imported
from neurohw.fitting.measurements import RetentionCurves


def pulses_csv(imported: Imported) -> str:
    """Return a table of device, cycle, pulse, polarity, conductance_S; the last is empty where nothing was read."""
    trains = imported.trains
    tables = []
    for d, device in enumerate(trains.devices):
        for c, cycle in enumerate(imported.cycles[d]):
            valid = trains.valid[d, c]
            n = int(np.flatnonzero(valid)[-1]) + 1
            g = np.where(valid, trains.conductance[d, c], np.nan)[:n]
            polarity = np.where(trains.up[d, c, :n], "+1", "-1")
            columns = {"device": device, "cycle": cycle, "pulse": np.arange(1, n + 1), "polarity": polarity}
            tables.append(pd.DataFrame({**columns, "conductance_S": g}))
    return str(pd.concat(tables).to_csv(index=False))


def retention_csv(curves: RetentionCurves) -> str:
    """Return a table of device, temperature_K if it is known, time_s, conductance_S."""
    tables = []
    for i, (device, seconds, g) in enumerate(zip(curves.devices, curves.seconds, curves.conductance, strict=True)):
        temperature = {"temperature_K": curves.kelvin[i]} if curves.kelvin else {}
        tables.append(pd.DataFrame({"device": device, **temperature, "time_s": seconds, "conductance_S": g}))
    return str(pd.concat(tables).to_csv(index=False))

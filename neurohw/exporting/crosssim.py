"""A device as CrossSim's lookup tables: the change of a conductance by one pulse, by the conductance and by chance.

A table (dG_increasing.txt, dG_decreasing.txt) has a line of text, the conductances, cumulative probabilities from 0 to
1, and then dG, a row a probability and a column a conductance (CrossSim 2, `process_measured_data.py`). It is of the
mean cell; the chance is that from cycle to cycle.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from neurohw.devices.model import DeviceModel
from neurohw.exporting.trains import refuse_levels, refuse_one_sided

CONDUCTANCES, CHANCES = 501, 101
_HEADER = "1st Row = Gbins, 2nd Row = CDF Points, 3rd row onward =  dG matrix (rows= CDF, columns = Gbins)"


def lookup_tables(model: DeviceModel) -> dict[str, str]:
    """Return NAME/dG_increasing.txt and NAME/dG_decreasing.txt.

    Raises:
        InputError: a device with levels, or one that only potentiates.
    """
    refuse_levels(model, "CrossSim")
    refuse_one_sided(model, "CrossSim")
    sides = {"increasing": True, "decreasing": False}
    return {f"{model.name}/dG_{side}.txt": _table(model, up) for side, up in sides.items()}


def changes(model: DeviceModel, up: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return conductances, S, [c], and the mean and the standard deviation of dG there, S, [2, c]."""
    law = model.response()
    cell = {name: values.double() for name, values in law.mean_cell().items()}
    w = torch.linspace(0, 1, CONDUCTANCES, dtype=torch.float64) * (cell["w_max"] - cell["w_min"]) + cell["w_min"]
    cells = {name: values.expand_as(w) for name, values in cell.items()}
    steps = law.steps(w, cells, up)
    noise = torch.as_tensor(law.noise(w, steps, cells, up)).abs().expand_as(w)
    both = torch.stack([steps if up else -steps, noise]) * model.siemens
    return np.asarray(model.conductance(w.numpy())), both.numpy()


def _table(model: DeviceModel, up: bool) -> str:
    """Return a table: quantiles of a Gaussian, cut at half of the outermost cell of probability.

    CrossSim's mean is that of all rows but the last: what it lacks is added to all of them.
    """
    conductances, (mean, deviation) = changes(model, up)
    chances = np.linspace(0, 1, CHANCES)
    cut = 0.25 / (CHANCES - 1)
    quantiles = norm.ppf(chances.clip(cut, 1 - cut))
    rows = mean + deviation * (quantiles - quantiles[:-1].mean())[:, None]
    lines = [_HEADER, *(",".join(f"{value:.9e}" for value in line) for line in (conductances, chances, *rows))]
    return "\n".join([*lines, ""])

"""Trains of one pulse after the other on the mean cell, without noise: what an export is compared with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from neurohw.devices.model import DeviceModel
from neurohw.devices.response import Cells, PulseResponse
from neurohw.errors import InputError

PULSES = 100  # of each polarity, in a bench


def pulsed(law: PulseResponse, cells: Cells, w: Tensor, up: bool) -> Tensor:
    """Return weights after one pulse without noise, w <- clip(w +- dw)."""
    moved = w + law.steps(w, cells, up) * (1 if up else -1)
    return moved.clamp(cells["w_min"], cells["w_max"])


def mean_train(model: DeviceModel, polarities: Iterable[bool], start: float | None = None) -> NDArray[np.float64]:
    """Return the mean cell's conductance before the first and after every pulse, S, [pulses + 1].

    Args:
        model: the device.
        polarities: of the pulses, True is up; one down resets a cell that only potentiates to the bottom of its range.
        start: the weight; None: the bottom of the range.
    """
    law = model.response()
    cell = {name: values.double() for name, values in law.mean_cell().items()}
    w = cell["w_min"].clone() if start is None else cell["w_min"].new_tensor([start])
    seen = [float(w)]
    for up in polarities:
        w = pulsed(law, cell, w, up) if up or model.sided == 2 else cell["w_min"].clone()
        seen.append(float(w))
    return np.asarray(model.conductance(np.array(seen)).clip(min=0.0))


def bench_polarities(model: DeviceModel) -> list[bool]:
    """Return those of a bench: 100 pulses up, then 100 down; one down, if that resets the cell."""
    return [True] * PULSES + [False] * (PULSES if model.sided == 2 else 1)


def expected_csv(model: DeviceModel) -> str:
    """Return the bench's conductances as CSV, as `device fit` reads them."""
    polarities = bench_polarities(model)
    rows = zip(range(1, len(polarities) + 1), polarities, mean_train(model, polarities)[1:], strict=True)
    lines = [f"{pulse},{1 if up else -1},{siemens:.8e}" for pulse, up, siemens in rows]
    return "\n".join(["pulse,polarity,conductance_S", *lines, ""])


def refuse_levels(model: DeviceModel, target: str) -> None:
    """Refuse a cell that holds nothing between its levels: its pulses switch it by chance, and it has no mean train.

    Raises:
        InputError: it is one.
    """
    if model.levels:
        raise InputError(f"device {model.name}: conductance.levels: got {model.levels}, which {target} cannot express: "
                         "pulses switch such a cell by chance; allowed: devices without levels")  # fmt: skip


def refuse_one_sided(model: DeviceModel, target: str) -> None:
    """Refuse a cell that only potentiates.

    Raises:
        InputError: it is one.
    """
    if model.sided == 1:
        raise InputError(f"device {model.name}: pulse.sided: got 1, but {target} needs pulses of both polarities; "
                         "allowed: 2")  # fmt: skip

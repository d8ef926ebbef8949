"""A device as NeuroSim's cell parameters: its curve with a nonlinearity label, and the curve itself.

Its RealDevice goes from bound to bound in P pulses by (G - Gmin) / (Gmax - Gmin) = (1 - exp(-k x)) / (1 - exp(-k)),
x = p / P, k = P / A (Chen, Peng & Yu 2018, 10.1109/TCAD.2018.2789723). MeasuredDevice holds any curve by its points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from neurohw.devices.model import DeviceModel
from neurohw.devices.response import Cells, PulseResponse
from neurohw.errors import InputError
from neurohw.exporting.conditions import conditions
from neurohw.exporting.texts import rendered
from neurohw.exporting.trains import pulsed, refuse_levels, refuse_one_sided

_LABEL = 10.1  # NeuroSim's label over the largest distance from the straight line, of its table to a part in a thousand
_MOST_K = 43.8  # the end of that table, label 9
_SHORT = 0.01  # of the range: so near a bound is at it, as soft bounds are never reached
_NO_STEP = 1e-6  # of the range: a bound with such steps is soft
_PLACES = 10_001  # from the middle to a bound, where it is looked for the end of the steps
_MOST_PULSES = 20_000
_CELLS, _LOOK = 50, 64  # simulated; pulses between looks at whether all are at their bounds


@dataclass(frozen=True)
class Curve:
    """One polarity of NeuroSim's cell.

    Args:
        conductances: before the first and after every pulse, S, in the order of pulses.
        label: the nonlinearity; of depression NeuroSim has it below zero where steps shrink downwards.
        error: largest distance of the labelled curve from the device's, over the range.
    """

    conductances: NDArray[np.float64]
    label: float
    error: float

    @property
    def pulses(self) -> int:
        """Pulses from bound to bound."""
        return len(self.conductances) - 1


def parameters(model: DeviceModel) -> dict[str, str]:
    """Return NAME_RealDevice.txt and NAME_MeasuredDevice.txt (lines of Cell.cpp), and NAME_train.txt (of train.py).

    Raises:
        InputError: a device with levels, one that only potentiates, or one whose curve stops on the way.
    """
    refuse_levels(model, "NeuroSim")
    refuse_one_sided(model, "NeuroSim")
    law = model.response()
    up, down = (curve(model, side) for side in (True, False))
    spread = [float(np.std(labels)) for labels in _labels_of_cells(law)]
    siemens, known = model.siemens, dict(model.numbers())
    middle = law.mean_cell()
    w = (middle["w_max"] + middle["w_min"]) / 2
    noises = [torch.as_tensor(law.noise(w, law.steps(w, middle, side), middle, side)) for side in (True, False)]
    noise = math.sqrt(sum(float(each) ** 2 for each in noises) / 2)  # NeuroSim has one for both directions
    values = {
        "up": up,
        "down": down,
        "given": conditions(model),
        "access": model.cell.replace(" ", "") not in ("1R", "0T1R"),
        "write_known": "write.potentiation_voltage" in known,
        "read_known": "read.voltage" in known,
        "width_known": "write.pulse_time" in known,
        "sigma_device": max(spread),
        "sigma_cycle": noise * siemens / float(up.conductances.max() - up.conductances.min()),
        "sigma_max": law.w_max * law.w_max_dtod * siemens,
        "sigma_min": -law.w_min * law.w_min_dtod * siemens,
        "sigma_read": model.read_noise * siemens / ((model.g_max + model.g_min) / 2),
    }
    return {
        f"{model.name}_{file}.txt": rendered(f"neurosim_{file}.txt.j2", model, **values)
        for file in ("RealDevice", "MeasuredDevice", "train")
    }


def curve(model: DeviceModel, up: bool) -> Curve:
    """Return the mean cell's curve from bound to bound, the last pulse ending on it, and NeuroSim's label.

    Raises:
        InputError: the steps end on the way.
    """
    law = model.response()
    cell = {name: values.double() for name, values in law.mean_cell().items()}
    low, high = reached(law, cell)
    weights = [float(low if up else high)]
    w, end = (low, high) if up else (high, low)
    while weights[-1] != float(end) and len(weights) <= _MOST_PULSES:
        w = pulsed(law, cell, w, up)
        w = torch.where((end - w).abs() < _NO_STEP * (high - low), end, w.clamp(low, high))
        weights.append(float(w))
    if weights[-1] != float(end):
        side = "up" if up else "down"
        raise InputError(f"device {model.name}: {_MOST_PULSES:,} pulses {side} do not take the mean cell through its "
                         "range, which NeuroSim needs; allowed: devices whose steps do not end on the way")  # fmt: skip
    rising = np.array(weights if up else weights[::-1])
    k = _fitted(_normalised(rising))
    error = float(np.abs(_labelled(k, len(rising)) - _normalised(rising)).max())
    return Curve(np.asarray(model.conductance(np.array(weights))), _label(k), error)


def reached(law: PulseResponse, cell: Cells) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights, [1], between which pulses of both polarities take a cell, 1 % short of where steps end."""
    span = cell["w_max"] - cell["w_min"]
    share = torch.linspace(0.5, 1, _PLACES, dtype=span.dtype)
    ends = []
    for up in (False, True):
        w = cell["w_min"] + (share if up else 1 - share) * span  # from the middle to the bound
        ended = law.steps(w, {name: values.expand_as(w) for name, values in cell.items()}, up) <= _NO_STEP * span
        short = -_SHORT * span if up else _SHORT * span
        ends.append((w[ended][:1] + short) if bool(ended.any()) else w[-1:])
    return ends[0], ends[1]


def _labels_of_cells(law: PulseResponse) -> tuple[list[float], list[float]]:
    """Return the labels of cells that differ from device to device, up and down: by the distance from a line."""
    cells = law.draw((_CELLS,), torch.Generator().manual_seed(1))
    span = cells["w_max"] - cells["w_min"]
    pulses = min(_MOST_PULSES, 4 * int((law.w_max - law.w_min) / law.step) + 4)
    labels: list[list[float]] = []
    for up in (True, False):
        w = cells["w_min"] if up else cells["w_max"]
        seen = [w]
        for pulse in range(pulses):
            w = pulsed(law, cells, w, up)
            seen.append(w)
            if pulse % _LOOK == 0 and bool((w == (cells["w_max"] if up else cells["w_min"])).all()):
                break
        share = ((torch.stack(seen) - cells["w_min"]) / span.clamp(min=1e-12)).double().numpy()
        near = share >= 1 - _SHORT if up else share <= _SHORT
        own = [share[: int(near[:, i].argmax()) + 1, i] for i in range(_CELLS) if near[:, i].any() and not near[0, i]]
        labels.append([_distance(one if up else one[::-1]) for one in own if len(one) > 2] or [0.0])
    return labels[0], labels[1]


def _distance(rising: NDArray[np.float64]) -> float:
    """Return the label of a curve by its largest distance from the straight line."""
    away = _normalised(rising) - np.linspace(0, 1, len(rising))
    return float(_LABEL * away[np.abs(away).argmax()])


def _normalised(rising: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((rising - rising[0]) / (rising[-1] - rising[0]))


def _labelled(k: float, points: int) -> NDArray[np.float64]:
    """Return NeuroSim's curve at equally spaced pulses."""
    x = np.linspace(0, 1, points)
    return x if abs(k) < 1e-9 else np.expm1(-k * x) / np.expm1(-k)


def _fitted(shape: NDArray[np.float64]) -> float:
    """Return k of NeuroSim's curve that is nearest in squares."""

    def squares(k: float) -> float:
        return float(((_labelled(k, len(shape)) - shape) ** 2).sum())

    return float(minimize_scalar(squares, bounds=(-_MOST_K, _MOST_K), method="bounded", options={"xatol": 1e-6}).x)


def _label(k: float) -> float:
    """Return NeuroSim's label of k: 10.1 times the curve's largest distance from the straight line, k's sign."""
    x = np.linspace(0, 1, 100_001)
    sizes = np.abs(_labelled(k, len(x)) - x)
    return float(np.copysign(_LABEL * sizes.max(), k))

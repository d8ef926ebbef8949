"""What a cell is in circuit simulators: two state nodes, a conductance, and pulses that are told by their voltage.

A pulse of full height and width moves the weight w by the law's step at h, the weight before it:

    tau dw/dt = a_up (clip(h + dw_up(h)) - h) + a_down (clip(h - dw_down(h)) - h),    tau = the pulse's width,

where a is 0 below 0.6 of the write voltage and 1 above 0.9. h follows w between pulses within 1/200 of a width. So half
the voltage moves nothing, and half the width half a step.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.devices.model import DeviceModel
from neurohw.exporting.conditions import Conditions, conditions
from neurohw.exporting.expressions import number, step_expressions
from neurohw.exporting.trains import refuse_levels

THRESHOLD, RAMP = 0.6, 0.3  # of the write voltage
HOLD = 1 / 200  # of the pulse's width


@dataclass(frozen=True)
class CircuitCell:
    """A cell's equations as text, and its conditions.

    Args:
        target_up, target_down: where a pulse takes the weight, of h.
        g_zero: conductance at w = 0, S; g_start: at the bottom of the range; siemens: per unit of weight.
        w_max, w_min: bounds of the mean cell.
        given: how it is written and read.
    """

    target_up: str
    target_down: str
    g_zero: float
    g_start: float
    siemens: float
    w_max: float
    w_min: float
    given: Conditions


def circuit_cell(model: DeviceModel, h: str, up: str, down: str, target: str) -> CircuitCell:
    """Return a device's cell.

    Args:
        model: the device.
        h: how the target names the weight before the pulse; up, down: the scales of a cell's own steps.
        target: named where a device is refused.

    Raises:
        InputError: a law that has no expression, or a cell with levels.
    """
    refuse_levels(model, target)
    law = model.response()
    cell = law.mean_cell()
    low, high = float(cell["w_min"]), float(cell["w_max"])
    step_up, step_down = step_expressions(law, h, target)

    def clipped(moved: str) -> str:
        return f"min({number(high)}, max({number(low)}, {moved}))"

    target_down = clipped(f"{h} - {down} * {step_down}") if model.sided == 2 else number(low)
    return CircuitCell(
        clipped(f"{h} + {up} * {step_up}"),
        target_down,
        model.conductance(0.0),
        model.conductance(low),
        model.siemens,
        high,
        low,
        conditions(model),
    )

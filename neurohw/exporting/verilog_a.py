"""A device as a Verilog-A module."""

from __future__ import annotations

from neurohw.devices.model import DeviceModel
from neurohw.exporting.circuit import HOLD, RAMP, THRESHOLD, circuit_cell
from neurohw.exporting.texts import rendered


def module(model: DeviceModel) -> dict[str, str]:
    """Return NAME.va.

    Raises:
        InputError: see `circuit_cell`.
    """
    cell = circuit_cell(model, "V(h)", "up", "down", "Verilog-A")
    values = {"cell": cell, "threshold": THRESHOLD, "ramp": RAMP, "hold": HOLD * cell.given.width}
    return {f"{model.name}.va": rendered("verilog_a.va.j2", model, **values)}

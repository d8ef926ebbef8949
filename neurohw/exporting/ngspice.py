"""A device as a subcircuit for ngspice, and the test bench of it."""

from __future__ import annotations

from neurohw.devices.model import DeviceModel
from neurohw.exporting.circuit import HOLD, RAMP, THRESHOLD, circuit_cell
from neurohw.exporting.texts import rendered
from neurohw.exporting.trains import bench_polarities

EDGE, PERIOD, READ_AT, READ_FOR = 0.01, 4.0, 2.25, 1.0  # of a pulse's width


def subcircuit(model: DeviceModel) -> dict[str, str]:
    """Return NAME.sub and NAME_bench.cir.

    Raises:
        InputError: see `circuit_cell`.
    """
    cell = circuit_cell(model, "V(h)", "{up}", "{down}", "ngspice")
    width, polarities = cell.given.width, bench_polarities(model)
    ups = sum(polarities)
    values = {
        "cell": cell,
        "threshold": THRESHOLD,
        "ramp": RAMP,
        "hold": HOLD * width,
        "edge": EDGE * width,
        "flat": width * (1 - EDGE * (2 * (1 - THRESHOLD - RAMP / 2))),  # the width is that where a cell begins to move
        "period": PERIOD * width,
        "read_from": READ_AT * width,
        "read_for": READ_FOR * width,
        "read_at": (READ_AT + READ_FOR / 2) * width,
        "pulses": len(polarities),
        "turn": (ups - 0.2) * PERIOD * width,  # between the last read and the first pulse down
        "stop": len(polarities) * PERIOD * width,
    }
    subcircuit_file = f"{model.name}.sub"
    return {
        subcircuit_file: rendered("ngspice.sub.j2", model, **values),
        f"{model.name}_bench.cir": rendered("ngspice_bench.cir.j2", model, file=subcircuit_file, **values),
    }

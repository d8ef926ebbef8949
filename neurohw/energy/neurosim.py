"""NeuroSim V2.1's formulas of an array's read and write, as another model next to ours.

The formulas are facts read in its documentation and source; no code of it is here. Defaults are NeuroSim's: 32 nm,
128 x 128, 8 columns per converter, 240 kOhm, read 0.5 V for 10 ns, write 4 V for 50 ns.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NeuroSimArray:
    """An array as NeuroSim describes it.

    Args:
        rows, columns: of cells.
        bit_line, row: capacitance of a bit line and of a row, wire and gates, F (0.2 fF/um of wire, 128 cells of 4 F
            at 32 nm, without gates).
        read_voltage, supply: V.
        write_voltage: V; write_time: s.
        resistance: the cell's mean, Ohm.
        read_time: s, for our side of a comparison.
    """

    rows: int = 128
    columns: int = 128
    bit_line: float = 3.3e-15
    row: float = 3.3e-15
    read_voltage: float = 0.5
    supply: float = 0.9
    write_voltage: float = 4.0
    write_time: float = 50e-9
    resistance: float = 240e3
    read_time: float = 10e-9


def read_energy(array: NeuroSimArray, activity: float = 0.5) -> float:
    """Return C_BL V_read^2 N + C_row V_dd^2 rows activity, J per product: N bit lines are charged, active rows driven.

    Args:
        array: what is read.
        activity: share of the rows that are driven, 0..1.
    """
    lines = array.bit_line * array.read_voltage**2 * array.columns
    return lines + array.row * array.supply**2 * array.rows * activity


def write_energy(array: NeuroSimArray, pulses: float) -> float:
    """Return V_w^2 / R_avg t_pulse pulses, J."""
    return array.write_voltage**2 / array.resistance * array.write_time * pulses


def conduction_energy(array: NeuroSimArray, activity: float = 0.5) -> float:
    """Return our model of the same read: V^2 G t of all cells on active rows, J."""
    cells = array.rows * array.columns * activity
    return array.read_voltage**2 / array.resistance * array.read_time * cells


def side_by_side(array: NeuroSimArray, activity: float, pulses: float) -> list[dict[str, float | str]]:
    """Return both models of an array, a row each: what a product and `pulses` write pulses cost, J."""
    write = write_energy(array, pulses)
    return [
        {"model": "NeuroSim V2.1", "read_joules": read_energy(array, activity), "write_joules": write},
        {"model": "V^2 G t", "read_joules": conduction_energy(array, activity), "write_joules": write},
    ]

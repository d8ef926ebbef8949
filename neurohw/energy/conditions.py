"""How cells are read and written, and what a target circuit takes: plain figures that `runs.conditions` fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from neurohw.energy.ranges import Figure
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError

_FROM_TABLE = ("read.voltage", "read.time", "cell.area")  # set by the circuits as much as by the cell


@dataclass(frozen=True)
class Conditions:
    """What a device's file says of reading and writing.

    Args:
        device: its name, for messages.
        origin: its file, for messages.
        figures: "read.voltage", "read.time", "write.up", "write.down", "write.half_up", "write.half_down" (energies per
            cell and pulse, at full voltage and at half of it), "write.pulse_time" and "cell.area", as far as they are
            known.
        missing: why a figure is not among them: which key of the file would give it.
        endurance: pulses that a cell lives for; None: not known.
    """

    device: str
    origin: str
    figures: Mapping[str, Figure]
    missing: Mapping[str, str] = field(default_factory=dict)
    endurance: Figure | None = None

    def figure(self, key: str, table: EnergyTable, why: str) -> Figure:
        """Return a figure of the device; reads and the cell's area fall back on the table's.

        Args:
            key: of `figures`.
            table: of the circuits around the cells.
            why: what was counted that needs it.

        Raises:
            InputError: neither has it; the device's file and the key are named.
        """
        if key in self.figures:
            return self.figures[key]
        if key in _FROM_TABLE and key in table.entries:
            return table.figure(key)
        beside = f", nor has {table.origin} a {key}" if key in _FROM_TABLE else ""
        needed = self.missing.get(key, f"{key} as a table {{value, unit, source}}")
        raise InputError(f"{self.origin}: {needed}: missing ({why}){beside}; "
                         "a number nobody published has source = \"assumed\"; "
                         "`neurohw device fit` takes --pulse-width and --write-voltage, or --write-energy")  # fmt: skip


@dataclass(frozen=True)
class CircuitConditions:
    """What the run's own target circuit says.

    Args:
        figures: in place of the table's, by its keys: "kwta.energy", "kwta.time", "homeostasis.energy".
        storage: where thresholds are kept: on a "capacitor" or in a "counter".
        bits: of the counter, or of the converter that reads the capacitor; 0: none.
        comparators: whether one makes a level of each output; none where the target is the cells' own currents.
    """

    figures: Mapping[str, Figure] = field(default_factory=dict)
    storage: str = "capacitor"
    bits: int = 0
    comparators: bool = True


NO_CIRCUIT = CircuitConditions()

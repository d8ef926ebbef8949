"""What goes wrong for good: cells stuck from the start, dead lines, cells that wear out."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from neurohw.errors import InputError


@dataclass(frozen=True)
class FaultRates:
    """Shares of a population that do not work, and how long the others last.

    Args:
        stuck_low, stuck_high: shares of cells stuck at their lower and at their upper bound.
        stuck_in_place: share of cells that keep the weight they were given first.
        dead_rows, dead_columns: shares of a crossbar's lines (outputs, inputs) whose cells carry no current and ignore
            writes: each device has conductance 0, which is weight 0 where weights are signed by themselves.
        endurance: median number of pulses after which a cell keeps its last weight; 0: unlimited.
        endurance_dtod: standard deviation of the logarithm of a cell's endurance.

    Raises:
        InputError: a value out of range, or shares of stuck cells that add up to more than 1.
    """

    stuck_low: float = 0.0
    stuck_high: float = 0.0
    stuck_in_place: float = 0.0
    dead_rows: float = 0.0
    dead_columns: float = 0.0
    endurance: float = 0.0
    endurance_dtod: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            most = math.inf if field.name.startswith("endurance") else 1.0
            if not 0 <= value <= most or not math.isfinite(value):
                raise InputError(f"faults: {field.name}: got {value!r}; allowed: 0 to {most}")
        if self.stuck_low + self.stuck_high + self.stuck_in_place > 1:
            raise InputError("faults: stuck_low + stuck_high + stuck_in_place exceed 1")

    @property
    def any_stuck(self) -> bool:
        """Whether some cells or lines never work."""
        return any((self.stuck_low, self.stuck_high, self.stuck_in_place, self.dead_rows, self.dead_columns))

"""How the chip works through a run: what is done at once, and what an account takes for granted. All explicit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from neurohw.energy.schema import Precision
from neurohw.errors import InputError
from neurohw.metering.polarities import Polarities
from neurohw.values import Count, Whole

EPMode = Literal["clocked", "continuous"]
Standby = Literal["busy", "simulated", "none"]


@dataclass(frozen=True)
class Parallelism:
    """What works at the same time.

    Args:
        columns_per_adc: outputs of a tile that share a converter, one after the other.
        tiles_at_once: tiles of an array that are read together; None: all of them.
        arrays_overlap: arrays are read together (a relaxing EP network), not one after the other (BP's layers).
        phases_overlap: the crossbars work on an image while the target circuit and the digital units finish the one
            before: the busier of the two sets the pace.
        writes_overlap: arrays are written together, not each in epochs of its own (layers that learn in turn).
    """

    columns_per_adc: Count = 8
    tiles_at_once: Count | None = None
    arrays_overlap: bool = False
    phases_overlap: bool = False
    writes_overlap: bool = True

    def __post_init__(self) -> None:
        for name in ("columns_per_adc", "tiles_at_once"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: got {value!r}; allowed: whole numbers of at least 1")


@dataclass(frozen=True)
class Schedule:
    """How a run is accounted.

    Args:
        parallelism: what works at the same time.
        ep: "clocked": every relaxation step is a read, converted; "continuous": the network settles by itself for the
            table's settle time, its neurons on, and every neuron is converted once at the end.
        digital: precision of the digital units on the chip.
        standby: how long leakage and bias run: over the "busy" time that the latency model gives, over the run's
            "simulated" time (its batches take `step_seconds` each, and inference takes none), or "none".
        polarities: how lines carry pulses of both, "in-turn" or "together" (see `neurohw.metering.polarities`).
        unquantised_bits: resolution of converters where the run did not quantise; None: that is an error.
    """

    parallelism: Parallelism = Parallelism()
    ep: EPMode = "clocked"
    digital: Precision = "fp16"
    standby: Standby = "busy"
    polarities: Polarities = "in-turn"
    unquantised_bits: Whole | None = None

    def __post_init__(self) -> None:
        literals = {"ep": EPMode, "digital": Precision, "standby": Standby, "polarities": Polarities}
        for name, allowed in ((name, get_args(literal)) for name, literal in literals.items()):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name}: got {getattr(self, name)!r}; allowed: {', '.join(allowed)}")

    def bits(self, bits: int, what: str) -> int:
        """Return a converter's resolution; an InputError where there is none."""
        if bits:
            return bits
        if self.unquantised_bits is None:
            raise InputError(f"{what}: the run did not quantise, and a converter without a resolution has no energy; "
                             "set hardware.dac_bits and adc_bits, or account with unquantised_bits")  # fmt: skip
        return self.unquantised_bits

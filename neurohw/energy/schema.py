"""Every entry that a periphery table can have: its dimension, what it is per, and what it is for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args


@dataclass(frozen=True)
class EntryKind:
    """What belongs at a key of a periphery table.

    Args:
        dimension: named by its SI unit.
        per: what one of it is for, in words.
    """

    dimension: str
    per: str


Precision = Literal["int8", "fp16", "fp32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
BITS_OF = {"int8": 8, "fp16": 16, "fp32": 32}

_SMALL_MEMORY = 8192 * 8  # bits of the memory that sram.energy is of


def memory_factor(bits: float) -> float:
    """Return what a bit of a memory of so many bits costs over one of 8 kB: the root of the ratio.

    As in Horowitz, ISSCC 2014, 10.1109/ISSCC.2014.6757323: 8 kB 10 pJ, 32 kB 20 pJ, 1 MB 100 pJ per 64 bits.
    """
    return math.sqrt(max(1.0, bits / _SMALL_MEMORY))


ENTRIES: dict[str, EntryKind] = {
    "read.voltage": EntryKind("V", "full scale of a read, where the device file has none"),
    "read.time": EntryKind("s", "one read, where the device file has none"),
    "read.supply": EntryKind("V", "rail that a read's current comes from: the read voltage's own, up to V_dd"),
    "dac.energy": EntryKind("J", "conversion"),
    "dac.area": EntryKind("m2", "line that is driven"),
    "row.energy": EntryKind(
        "J", "line charged to 1 V for a read, or by a pulse: driver and wire; not one that is read"
    ),
    "adc.energy": EntryKind("J", "conversion"),
    "adc.time": EntryKind("s", "conversion"),
    "adc.area": EntryKind("m2", "converter"),
    "column.energy": EntryKind("J", "conversion's digital scaling, shift and add"),
    "pulse_line.energy": EntryKind("J", "line and time slot of an update's pulse train"),
    "pulse_line.bit": EntryKind("J", "line and time slot of a stochastic pulse train: the random bit, pulse or not"),
    "comparator.energy": EntryKind("J", "comparison"),
    "kwta.energy": EntryKind("J", "competitor and decision"),
    "kwta.time": EntryKind("s", "decision"),
    "kwta.area": EntryKind("m2", "competitor"),
    "label.energy": EntryKind("J", "decision that the label takes"),
    "homeostasis.energy": EntryKind("J", "update of one neuron's threshold"),
    "homeostasis.power": EntryKind("W", "neuron, while the chip is on"),
    "homeostasis.area": EntryKind("m2", "neuron"),
    "spiking.spike": EntryKind("J", "spike of a neuron of the target circuit"),
    "spiking.synapse": EntryKind("J", "spike that arrives at such a neuron, its way there included"),
    "spiking.power": EntryKind("W", "such a neuron, while it decides"),
    "spiking.area": EntryKind("m2", "such a neuron"),
    "neuron.power": EntryKind("W", "neuron while a network settles by itself"),
    "settle.time": EntryKind("s", "relaxation phase of a network that settles by itself"),
    "buffer.energy": EntryKind("J", "bit read or written"),
    "interconnect.energy": EntryKind("J", "bit moved"),
    "sram.energy": EntryKind("J", "bit of a memory of 8 kB next to the digital units; larger ones by `memory_factor`"),
    "dram.energy": EntryKind("J", "bit"),
    "digital.activation": EntryKind("J", "activation function"),
    "digital.time": EntryKind("s", "digital operation, all lanes working"),
    "static.adc": EntryKind("W", "converter, leakage and bias"),
    "static.tile": EntryKind("W", "tile: drivers, buffers, control"),
    "tile.area": EntryKind("m2", "tile: drivers, buffers, control"),
    "cell.area": EntryKind("m2", "cell, where the device file has none"),
    **{f"digital.add_{p}": EntryKind("J", f"addition, {p}") for p in PRECISIONS},
    **{f"digital.multiply_{p}": EntryKind("J", f"multiplication, {p}") for p in PRECISIONS},
}

SECTIONS = tuple(dict.fromkeys(key.partition(".")[0] for key in ENTRIES))

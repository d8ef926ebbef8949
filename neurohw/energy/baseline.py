"""The same network and schedule on a digital accelerator: a fair other side of every claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from neurohw.energy.account import macs
from neurohw.energy.array_facts import TRAINING, Counts, RunFacts
from neurohw.energy.entries import BITS_OF
from neurohw.energy.ranges import Range
from neurohw.energy.table import EnergyTable


@dataclass(frozen=True)
class Digital:
    """A digital accelerator.

    Args:
        precision: of multiplications and additions, and of the weights.
        dram: weights are fetched from DRAM, and written back after an update, once a batch; otherwise all stay on chip.
        reuse: multiply-accumulates per operand read from the on-chip memory (a systolic array of 16 x 16: 16).
    """

    precision: Literal["int8", "fp16", "fp32"] = "int8"
    dram: bool = True
    reuse: float = 16


@dataclass(frozen=True)
class DigitalBaseline:
    """What the run would cost on a digital accelerator.

    Args:
        parts: energy of the run, J, by part: "arithmetic", "other arithmetic", "sram", "optimiser", "dram".
        training: of it, J: everything but inference and association.
        macs: multiply-accumulates, updates included.
        node: nm.
    """

    parts: dict[str, Range]
    training: Range
    macs: float
    node: float
    accelerator: Digital

    @property
    def total(self) -> Range:
        """Energy of the run, J."""
        return Range.total(self.parts.values())


def digital_baseline(
    counts: Counts, facts: RunFacts, table: EnergyTable, accelerator: Digital | None = None
) -> DigitalBaseline:
    """Return the energy of the same products and updates in digital arithmetic, at the table's node.

    Products: those the arrays computed (held inputs held here too). Updates: one multiply-accumulate per weight and
    outer product, one per image and phase (free and nudged); those of a digital optimiser are counted already. Memory:
    two operands of every multiply-accumulate are read from SRAM once in `reuse` times. DRAM: per batch, every weight
    once, and back after an update; with weights that stay on the chip, none. Neurons, targets and optimiser words: as
    counted on the chip.

    Raises:
        InputError: the table lacks a figure.
    """
    chosen = accelerator or Digital()
    bits = BITS_OF[chosen.precision]
    products = dict(macs(counts, facts))
    products["update"] = products.get("update", 0.0) + _outer_products(counts, facts)
    operation = _price(table, f"digital.multiply_{chosen.precision}") + _price(table, f"digital.add_{chosen.precision}")
    word = _price(table, "sram.energy") * (2 * bits / chosen.reuse)
    in_all = sum(products.values())
    in_training = sum(number for phase, number in products.items() if phase in TRAINING)
    words = sum(e.get("optimizer_words", 0.0) for e in counts.get("digital", {}).values())
    optimiser = _price(table, "sram.energy") * (32 * words)
    learning, answering = (_other(counts, table, chosen.precision, training) for training in (True, False))
    dram = Range.of(0.0)
    if chosen.dram and facts.batches:
        weights = sum(array.weights for array in facts.arrays.values())
        dram = _price(table, "dram.energy") * (2 * bits * weights * facts.batches + 32 * words)
    parts = {"arithmetic": operation * in_all, "other arithmetic": learning + answering, "sram": word * in_all,
             "optimiser": optimiser, "dram": dram}  # fmt: skip
    training = (operation + word) * in_training + learning + optimiser + dram
    return DigitalBaseline(parts, training, in_all, table.node, chosen)


def _price(table: EnergyTable, key: str) -> Range:
    return table.figure(key, why="digital baseline").range


def _outer_products(counts: Counts, facts: RunFacts) -> float:
    """Return the multiply-accumulates of the updates that were written by pulse trains."""
    nudged = counts.get("clock", {}).get("nudged", {}).get("images", 0.0)
    weights = 0
    for name, array in facts.arrays.items():
        optimised = any(events.get("programmed_cells") for events in counts.get(name, {}).values())
        weights += 0 if optimised else array.weights
    return (facts.trained + nudged) * weights


def _other(counts: Counts, table: EnergyTable, precision: str, training: bool) -> Range:
    """Return the energy of neurons, biases and targets, in training or else: an operation each."""
    add = _price(table, f"digital.add_{precision}")
    mac = add + _price(table, f"digital.multiply_{precision}")
    total = Range.of(0.0)
    for events in _phases(counts, "digital", training):
        total += mac * (events.get("macs", 0.0) + events.get("bias_updates", 0.0)) + add * events.get("adds", 0.0)
        if events.get("activations"):
            total += _price(table, "digital.activation") * events["activations"]
    for events in _phases(counts, "target", training):
        total += add * (events.get("comparisons", 0.0) + events.get("homeostasis_updates", 0.0))
    return total


def _phases(counts: Counts, part: str, training: bool) -> list[Mapping[str, float]]:
    """Return the events of a component in the phases of training, or in the others."""
    return [events for phase, events in counts.get(part, {}).items() if (phase in TRAINING) == training]

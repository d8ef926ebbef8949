"""The same network and schedule on a digital accelerator: a fair other side of every claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurohw.energy.account import macs
from neurohw.energy.facts import TRAINING_PHASES, RunFacts
from neurohw.energy.ranges import Range
from neurohw.energy.schema import BITS_OF, Precision, memory_factor
from neurohw.energy.table import EnergyTable
from neurohw.metering.digital_work import ADAM_MACS, ADAM_WORDS
from neurohw.metering.ledger import Counts

_WRITING = ("update", "training")  # the latter: of a curve


@dataclass(frozen=True)
class Digital:
    """A digital accelerator.

    Args:
        precision: of products and of the weights; int8 adds up in 32 bits.
        dram: weights are fetched from DRAM, and written back after an update, once a batch; otherwise all stay on chip.
        neurons: precision of neurons, biases and targets.
        reuse: multiply-accumulates per operand read from the on-chip memory (a systolic array of 16 x 16: 16).
    """

    precision: Precision = "int8"
    dram: bool = True
    neurons: Precision = "fp16"
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

    Products: those the arrays computed (held inputs held here too); reads that only analog writing needs are left out.
    Updates: a multiply-accumulate per weight and outer product. Memory: both operands of a multiply-accumulate are read
    from SRAM once in `reuse` times, the weight from one that holds all weights, the other from one of 8 kB; an update
    reads and writes every weight once a batch; larger memories cost more a bit (`memory_factor`). DRAM: per training
    batch every weight once, and back; with weights that stay on the chip, none. Where layers learn one after the other
    a batch writes the weights of one, and needs those of the layers below it. Neurons, targets and optimiser: as
    counted on the chip. Neither leakage nor latency is estimated, and nothing for fetching weights to infer. int8 is
    what inference uses; training at int8 without wider master weights is a bound that favours the digital side.

    Raises:
        InputError: the table lacks a figure.
    """
    chosen = accelerator or Digital()
    bits = BITS_OF[chosen.precision]
    weights = sum(array.weights for array in facts.arrays.values())
    products = macs(counts, facts)
    formed = _formed_digitally(counts, facts)
    products["update"] = _outer_products(counts, facts) + formed
    near = _price(table, "sram.energy")
    far = near * memory_factor(bits * weights)
    add = _price(table, "digital.add_int8") * 4 if bits == 8 else _price(table, f"digital.add_{chosen.precision}")
    operation = _price(table, f"digital.multiply_{chosen.precision}") + add
    operands = (near + far) * (bits / chosen.reuse)
    in_all = sum(products.values())
    in_training = sum(number for phase, number in products.items() if phase in TRAINING_PHASES)
    rewritten = far * (2 * bits * facts.rewritten)
    words = ADAM_WORDS * facts.rewritten if facts.optimizer_words else 0.0
    optimiser = near * (32 * words * memory_factor(32 * weights * facts.optimizer_words))
    learning = _other(counts, table, chosen.neurons, facts.outputs, True, formed)
    answering = _other(counts, table, chosen.neurons, facts.outputs, False)
    dram = Range.of(0.0)
    if chosen.dram and facts.batches:
        dram = _price(table, "dram.energy") * (bits * (facts.fetched + facts.rewritten) + 32 * words)
    parts = {"arithmetic": operation * in_all, "other arithmetic": learning + answering,
             "sram": operands * in_all + rewritten, "optimiser": optimiser, "dram": dram}  # fmt: skip
    training = (operation + operands) * in_training + rewritten + learning + optimiser + dram
    return DigitalBaseline(parts, training, in_all, table.node, chosen)


def _price(table: EnergyTable, key: str) -> Range:
    return table.figure(key, why="digital baseline").range


def _outer_products(counts: Counts, facts: RunFacts) -> float:
    """Return the multiply-accumulates of the updates that pulse trains wrote."""
    return sum(
        events.get("outer_products", 0.0) * array.weights
        for name, array in facts.arrays.items()
        for events in counts.get(name, {}).values()
    )


def _formed_digitally(counts: Counts, facts: RunFacts) -> float:
    """Return the multiply-accumulates of outer products formed by digital units, without those of the optimiser."""
    macs = sum(events.get("macs", 0.0) for phase, events in counts.get("digital", {}).items() if phase in _WRITING)
    return max(0.0, macs - (ADAM_MACS * facts.rewritten if facts.optimizer_words else 0.0))


def _other(
    counts: Counts, table: EnergyTable, precision: str, outputs: int, training: bool, apart: float = 0.0
) -> Range:
    """Return the energy of neurons, biases and targets, in training or else: an operation each.

    Args:
        counts, table, precision: see `digital_baseline`.
        outputs: that are compared in each decision, however the chip decides.
        training: or else.
        apart: multiply-accumulates among them that are accounted elsewhere.
    """
    add = _price(table, f"digital.add_{precision}")
    mac = add + _price(table, f"digital.multiply_{precision}")
    total = mac * -apart
    for events in _phases(counts, "digital", training):
        total += mac * (events.get("macs", 0.0) + events.get("bias_updates", 0.0)) + add * events.get("adds", 0.0)
        if events.get("activations"):
            total += _price(table, "digital.activation") * events["activations"]
    for events in _phases(counts, "target", training):
        total += add * (events.get("decisions", 0.0) * outputs + events.get("homeostasis_updates", 0.0))
    return total


def _phases(counts: Counts, part: str, training: bool) -> list[Mapping[str, float]]:
    """Return the events of a component in the phases of training, or in the others."""
    return [events for phase, events in counts.get(part, {}).items() if (phase in TRAINING_PHASES) == training]

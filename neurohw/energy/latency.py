"""How long a run takes on the chip, by phase, from the same counts; parallelism is stated, never implied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurohw.energy.facts import LINE_BY_LINE, ArrayFacts
from neurohw.energy.prices import Prices
from neurohw.energy.ranges import Range
from neurohw.metering.ledger import Counts


@dataclass(frozen=True)
class Latency:
    """Seconds of a run.

    Args:
        phases: by phase, images one after the other.
        crossbars: of it, how long crossbars were read or written; the rest are decisions and digital operations.
        arrays: how long each array was read or written in all.
        overlap: the crossbars work on an image while the target circuit and the digital units finish the one before.
    """

    phases: dict[str, Range]
    crossbars: dict[str, Range]
    arrays: dict[str, Range]
    overlap: bool = False

    def of(self, *phases: str) -> Range:
        """Return the time of some phases: their sum, or the longer of crossbars and all else where they overlap."""
        whole, crossbars = (
            Range.total(parts[p] for p in phases if p in parts) for parts in (self.phases, self.crossbars)
        )
        return Range.highest([crossbars, whole + crossbars * -1.0]) if self.overlap else whole

    @property
    def total(self) -> Range:
        """The whole run."""
        return self.of(*self.phases)

    def utilisation(self) -> dict[str, float]:
        """Return the share of the run's time in which each array worked (nominal)."""
        total = self.total.nominal
        return {name: time.nominal / total if total else 0.0 for name, time in self.arrays.items()}


def latency(counts: Counts, prices: Prices) -> Latency:
    """Return how long every phase takes.

    A read: t_read, then `columns_per_adc` conversions one after the other, for each pass; tiles beyond `tiles_at_once`
    wait. Lines that are read one by one are driven at full scale, in one pass whatever the coding. Cells that are
    verified, one of each tile at once: a read and a conversion each. A network that settles by itself: the settle time
    and one round of conversions, each time. An update: its time slots, all arrays at once unless layers learn one after
    the other; high: no train ends early. A decision: t_kWTA, all competitors at once, as long as spiking neurons took
    for it, or a softmax's exponentials. Digital operations, these among them: the table's time each.
    """
    names = {phase for by_phase in counts.values() for phase in by_phase}
    facts = prices.facts.arrays
    arrays: dict[str, Range] = {name: Range.of(0.0) for name in facts}
    phases: dict[str, Range] = {}
    crossbars: dict[str, Range] = {}
    for phase in sorted(names):
        settlings = counts.get("clock", {}).get(phase, {}).get("settlings", 0.0)
        of_arrays = {name: _array_time(name, phase, counts, prices, settlings) for name in facts}
        for name, time in of_arrays.items():
            arrays[name] += time
        parallel = prices.schedule.parallelism
        together = settlings or (parallel.writes_overlap if phase == "update" else parallel.arrays_overlap)
        busy = Range.highest(of_arrays.values()) if together else Range.total(of_arrays.values())
        time = busy + Range.total(_other_time(part, phase, counts, prices) for part in counts if part not in facts)
        if time.high:
            phases[phase], crossbars[phase] = time, busy
    return Latency(phases, crossbars, arrays, prices.schedule.parallelism.phases_overlap)


def _array_time(part: str, phase: str, counts: Counts, prices: Prices, settlings: float) -> Range:
    facts, events = prices.facts.arrays[part], counts.get(part, {}).get(phase, {})
    why = f"latency of {part} in phase {phase!r}"
    if settlings:
        settle = prices.table.figure("settle.time", why=why).range
        return (settle + _conversions(facts, facts.tile_shape[0], part, prices)) * settlings
    total = Range.of(0.0)
    rounds = -(-facts.n_tiles // (prices.schedule.parallelism.tiles_at_once or facts.n_tiles))
    sides = (("reads", facts.tile_shape[0]), ("reads_transposed", facts.read_back))
    for event, outputs in sides:
        if vectors := events.get(event):
            read = prices.cell("read.time", why).range
            if not (facts.integrated and event == "reads"):
                read += _conversions(facts, outputs, part, prices)
            passes = 1 if phase in LINE_BY_LINE else facts.read_passes
            total += read * (vectors * rounds * passes)
    if cells := events.get("verifying_reads"):
        each = prices.cell("read.time", why).range + _conversions(facts, 1, part, prices)
        total += each * (cells * rounds / facts.n_tiles)
    if slots := events.get("pulse_slots"):
        longest = Range(slots, slots, max(slots, events.get("longest_slots", slots)))
        total += prices.cell("write.pulse_time", why).range * longest
    return total


def _conversions(facts: ArrayFacts, outputs: int, part: str, prices: Prices) -> Range:
    bits = prices.schedule.bits(facts.adc_bits, f"{part}.adc_bits")
    time = prices.table.figure("adc.time", why=f"latency of {part}", bits=bits)
    return time.range * min(prices.schedule.parallelism.columns_per_adc, outputs)


def _other_time(part: str, phase: str, counts: Counts, prices: Prices) -> Range:
    events, why = counts[part].get(phase, {}), f"latency of {part}"
    if part == "target":
        return _deciding(events, prices, why)
    operations = sum(count for event, count in events.items() if event != "optimizer_words")
    if part == "digital" and operations:
        return prices.table.figure("digital.time", why=why).range * operations
    return Range.of(0.0)


def _deciding(events: Mapping[str, float], prices: Prices, why: str) -> Range:
    """Return the time of a phase's decisions: of spiking neurons as counted; a softmax is digital; else t_kWTA each."""
    if "decision_seconds" in events:
        return Range.of(events["decision_seconds"])
    if exponentials := events.get("exponentials"):
        return prices.table.figure("digital.time", why=why).range * exponentials
    decisions = events.get("decisions", 0.0)
    return prices.of_circuit("kwta.time", why).range * decisions if decisions else Range.of(0.0)

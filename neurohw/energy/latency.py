"""How long a run takes on the chip, by phase, from the same counts; parallelism is stated, never implied."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.energy.array_facts import ArrayFacts, Counts
from neurohw.energy.prices import Prices
from neurohw.energy.ranges import Range
from neurohw.energy.settling import settled_share, settles


@dataclass(frozen=True)
class Latency:
    """Seconds of a run.

    Args:
        phases: by phase, images one after the other.
        arrays: of it, how long each array was read or written.
        overlap: phases are pipelined.
    """

    phases: dict[str, Range]
    arrays: dict[str, Range]
    overlap: bool = False

    def of(self, *phases: str) -> Range:
        """Return the time of some phases: their sum, or the longest where they are pipelined."""
        found = [self.phases[phase] for phase in phases if phase in self.phases]
        return Range.highest(found) if self.overlap else Range.total(found)

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

    A read: t_read, then `columns_per_adc` conversions one after the other, for each pass; tiles beyond
    `tiles_at_once` wait. An
    update: its time slots. A decision: t_kWTA, all competitors at once. Digital operations: the table's time each. A
    network that settles by itself: the settle time per image and one round of conversions.
    """
    names = {phase for by_phase in counts.values() for phase in by_phase}
    facts = prices.facts.arrays
    arrays: dict[str, Range] = {name: Range.of(0.0) for name in facts}
    phases: dict[str, Range] = {}
    for phase in sorted(names):
        of_arrays = {name: _array_time(name, phase, counts, prices) for name in facts if phase in counts.get(name, {})}
        for name, time in of_arrays.items():
            arrays[name] += time
        together = prices.schedule.parallelism.arrays_overlap
        time = Range.highest(of_arrays.values()) if together else Range.total(of_arrays.values())
        time += Range.total(_other_time(part, phase, counts, prices) for part in counts if part not in facts)
        if time.high:
            phases[phase] = time
    return Latency(phases, arrays, prices.schedule.parallelism.phases_overlap)


def _array_time(part: str, phase: str, counts: Counts, prices: Prices) -> Range:
    facts, events = prices.facts.arrays[part], counts[part][phase]
    why = f"latency of {part} in phase {phase!r}"
    total = Range.of(0.0)
    forward, backward = events.get("reads", 0.0), events.get("reads_transposed", 0.0)
    if settled_share(counts, part, phase, prices) is not None:
        settle = prices.table.figure("settle.time", why=why).range
        images = counts["clock"][phase]["images"]
        total += (settle + _conversions(facts, facts.tile_shape[0], part, prices)) * images
    elif forward or backward:
        read = prices.cell("read.time", why).range
        rounds = -(-facts.n_tiles // (prices.schedule.parallelism.tiles_at_once or facts.n_tiles))
        for vectors, outputs in ((forward, facts.tile_shape[0]), (backward, facts.tile_shape[1])):
            if vectors:
                total += (read + _conversions(facts, outputs, part, prices)) * (vectors * rounds * facts.read_passes)
    if slots := events.get("pulse_slots"):  # high: no train ends early
        longest = Range(slots, slots, max(slots, events.get("longest_slots", slots)))
        total += prices.cell("write.pulse_time", why).range * longest
    return total


def _conversions(facts: ArrayFacts, outputs: int, part: str, prices: Prices) -> Range:
    bits = prices.schedule.bits(facts.adc_bits, f"{part}.adc_bits")
    time = prices.table.figure("adc.time", why=f"latency of {part}", bits=bits)
    return time.range * min(prices.schedule.parallelism.columns_per_adc, outputs)


def _other_time(part: str, phase: str, counts: Counts, prices: Prices) -> Range:
    events, why = counts[part].get(phase, {}), f"latency of {part}"
    if part == "target" and events.get("comparisons"):
        return prices.table.figure("kwta.time", why=why).range * events.get("decisions", 0.0)
    operations = sum(count for event, count in events.items() if event != "optimizer_words")
    if part == "digital" and operations and not settles(counts, phase, prices):
        return prices.table.figure("digital.time", why=why).range * operations
    return Range.of(0.0)

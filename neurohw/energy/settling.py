"""EP's continuous mode: the network relaxes by itself, instead of being read, converted and computed step by step."""

from __future__ import annotations

from collections.abc import Iterator

from neurohw.energy.array_facts import Counts
from neurohw.energy.prices import Counted, Item, Prices
from neurohw.errors import InputError

SETTLING = ("free", "nudged", "inference", "association")
_PER_READ = ("dac_conversions", "adc_conversions", "read_conductance")
_CODES = ("bits", "interconnect_bits")


def settled_share(counts: Counts, part: str, phase: str, prices: Prices) -> float | None:
    """Return what is left of an array's read events where the network settles by itself; None where it does not.

    The T reads of a relaxation become one presentation: its lines are held by one conversion each, every neuron is
    converted once, and the cells conduct for the settle time (see `_conduction`).

    Raises:
        InputError: the clock did not count the phase's images.
    """
    if not settles(counts, phase, prices) or part not in prices.facts.arrays:
        return None
    images = counts["clock"][phase].get("images")
    if not images:
        raise InputError(f"ledger: clock.{phase}.images: missing; continuous settling is counted per image")
    vectors = max(counts[part][phase].get(event, 0.0) for event in ("reads", "reads_transposed"))
    return min(images / vectors, 1.0) if vectors else 1.0


def settles(counts: Counts, phase: str, prices: Prices) -> bool:
    """Return whether the network settles by itself in a phase: it relaxes there, and the schedule says so."""
    relaxes = phase in SETTLING and counts.get("clock", {}).get(phase, {}).get("steps")
    return prices.schedule.ep == "continuous" and bool(relaxes)


def kept(counts: Counts, part: str, phase: str, prices: Prices) -> dict[str, float]:
    """Return which share of a component's events is left where the network settles by itself; absent ones stay.

    Its neurons do in analog what clocked ones compute (`digital` falls away, `neuron.power` comes); codes are kept for
    what is still converted.
    """
    if (share := settled_share(counts, part, phase, prices)) is not None:
        return dict.fromkeys(_PER_READ, share)
    if not settles(counts, phase, prices):
        return {}
    if part == "digital":
        return dict.fromkeys(counts[part][phase], 0.0)
    if part == "buffer":
        before = after = 0.0
        for name in prices.facts.arrays:
            events = counts.get(name, {}).get(phase, {})
            conversions = sum(events.get(event, 0.0) for event in ("dac_conversions", "adc_conversions"))
            before += conversions
            after += conversions * ((settled_share(counts, name, phase, prices) or 0.0) if events else 0.0)
        return dict.fromkeys(_CODES, after / before if before else 1.0)
    return {}


def settling_neurons(counts: Counts, prices: Prices) -> Iterator[Item]:
    """Yield what neurons draw while a network settles by itself: power x settle time x neurons x images."""
    if prices.schedule.ep != "continuous":
        return
    neurons = sum(array.n_post for array in prices.facts.arrays.values())
    for phase in SETTLING:
        clock = counts.get("clock", {}).get(phase, {})
        if clock.get("steps"):
            counted = Counted("neurons", phase, "images", clock.get("images", 0.0))
            power = prices.table.figure("neuron.power", why=counted.why)
            time = prices.table.figure("settle.time", why=counted.why)
            yield counted.item("neurons", power, time, factor=neurons)

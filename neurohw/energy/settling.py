"""EP's continuous mode: the network relaxes by itself, instead of being read, converted and computed step by step."""

from __future__ import annotations

from neurohw.energy.facts import RunFacts
from neurohw.errors import InputError
from neurohw.metering.ledger import Counts

SETTLING = ("free", "nudged", "inference", "association")


def settled(counts: Counts, facts: RunFacts) -> Counts:
    """Return the counts of the same run if its network settled by itself wherever it relaxed step by step.

    The T reads of a relaxation become one settling. The input's lines are held by one conversion through all phases,
    the other lines are driven by the neurons themselves; every neuron is converted once at the end of a settling,
    however many tiles drive it, and codes are kept for what is converted. Cells conduct meanwhile, also those whose
    input was held and not read again. Neurons do in analog what clocked ones compute in `digital`, a softmax
    read-out's too.

    Args:
        counts: as a ledger gives them; clock.<phase>.steps tells where the network relaxed.
        facts: of the arrays, the first of which has the held input.

    Raises:
        InputError: the clock did not count a phase's images.
    """
    by_part = {part: {phase: dict(events) for phase, events in phases.items()} for part, phases in counts.items()}
    for phase in SETTLING:
        clock = counts.get("clock", {}).get(phase, {})
        if not clock.get("steps"):
            continue
        if not clock.get("images"):
            raise InputError(f"ledger: clock.{phase}.images: missing; continuous settling is counted per image")
        times = clock["images"] * (facts.nudged_phases if phase == "nudged" else 1.0)
        codes = {"bits": 0.0, "interconnect_bits": 0.0}
        for name, array in facts.arrays.items():
            events = by_part.setdefault(name, {})[phase] = _of_settlings(counts, name, phase, times, facts)
            to_dac, from_adc = array.code_bits
            codes["bits"] += events["dac_conversions"] * to_dac + events["adc_conversions"] * from_adc
            codes["interconnect_bits"] += times * array.n_post * from_adc
        by_part.setdefault("buffer", {})[phase] = codes
        by_part.get("digital", {}).pop(phase, None)
        neurons = times * sum(array.n_post for array in facts.arrays.values())
        by_part.setdefault("neurons", {})[phase] = {"settlings": neurons}
        by_part["clock"][phase]["settlings"] = times
    return by_part


def _of_settlings(counts: Counts, name: str, phase: str, times: float, facts: RunFacts) -> dict[str, float]:
    """Return the events of an array in a phase that has so many settlings."""
    array = facts.arrays[name]
    drives = name == next(iter(facts.arrays)) and phase != "nudged"
    return {
        "dac_conversions": times * array.n_pre * array.tiles[0] * array.read_passes if drives else 0.0,
        "adc_conversions": times * array.n_post,
        "settled_conductance": times * _per_vector(counts, name, phase),
    }


def _per_vector(counts: Counts, name: str, phase: str) -> float:
    """Return the mean of sum x^2 G over the vectors of a phase; the free phase's, where the input was held since."""
    of_array = counts.get(name, {})
    events = of_array.get(phase) or of_array.get("free", {})
    vectors = max(events.get(event, 0.0) for event in ("reads", "reads_transposed"))
    return events.get("read_conductance", 0.0) / vectors if vectors else 0.0

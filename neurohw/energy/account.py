"""From counts to joules, seconds and square metres: sum of (energy per event) x (events), and what follows from it.

Two separate tables, as in Accelergy: what happened (a ledger's counts) and what each event costs (a periphery table
and a device); a new figure needs no new run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from neurohw.energy.area import areas, cells_used
from neurohw.energy.breakdown import EnergyBreakdown
from neurohw.energy.conditions import NO_CIRCUIT, CircuitConditions, Conditions
from neurohw.energy.facts import LINE_BY_LINE, ArrayFacts, RunFacts, WritesPerCell, checked, facts_from
from neurohw.energy.latency import Latency, latency
from neurohw.energy.lifetime import Lifetime, lifetime
from neurohw.energy.prices import Item, Prices
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.rules import charged, standby
from neurohw.energy.schedule import Parallelism, Schedule
from neurohw.energy.settling import settled
from neurohw.energy.table import EnergyTable
from neurohw.metering.ledger import Counts
from neurohw.metering.polarities import as_written

__all__ = [
    "ArrayFacts", "EnergyBreakdown", "Parallelism", "RunFacts", "Schedule", "WritesPerCell", "account",
    "facts_from", "macs",
]  # fmt: skip


def account(
    counts: Mapping[str, Any],
    facts: RunFacts | Mapping[str, Any],
    table: EnergyTable,
    device: Conditions | None = None,
    schedule: Schedule | None = None,
    circuit: CircuitConditions = NO_CIRCUIT,
    whole: Mapping[str, Any] | None = None,
) -> EnergyBreakdown:
    """Return the account of a run.

    Args:
        counts: component, phase, event: as a ledger gives them.
        facts: of the arrays and images, as a ledger gives them or read.
        table: what circuits around the cells cost.
        device: what reading and writing cells costs; None: nothing of it was counted.
        schedule: parallelism, EP mode, precision; defaults otherwise.
        circuit: what the target circuit itself says.
        whole: counts of the run that these are a part of, which say what is built, and stands by; None: these.

    Raises:
        InputError: nothing was counted; a component or an event has no rule; a figure is missing; a count is
            negative; the run did not count what the schedule asks for. All by name.
    """
    counted = checked(counts)
    known = facts if isinstance(facts, RunFacts) else facts_from(facts, counted)
    prices = Prices(table, device, schedule or Schedule(), known, circuit)
    reads = macs(counted, known)
    counted = _as_done(counted, prices)
    built = counted if whole is None else _as_done(checked(whole), prices)
    items = charged(counted, prices)
    time = latency(counted, prices)
    items += _standing_by(counted, built, prices, time)
    endurance = device.endurance if device is not None else None
    worn = (lifetime(name, array, known.trained, endurance) for name, array in known.arrays.items())
    return EnergyBreakdown(
        items=tuple(items),
        macs=reads,
        facts=known,
        latency=time,
        simulated_seconds=sum(events.get("seconds", 0.0) for events in counted.get("clock", {}).values()),
        area=areas(built, prices),
        cells_used=cells_used(prices),
        lifetimes=tuple(wear for wear in worn if isinstance(wear, Lifetime)),
        table=table.name,
        device=device.device if device is not None else "none",
        schedule=prices.schedule,
    )


def _as_done(counts: Counts, prices: Prices) -> Counts:
    """Return the counts as the schedule has it done."""
    written = as_written(counts, prices.schedule.polarities)
    return settled(written, prices.facts) if prices.schedule.ep == "continuous" else written


def macs(counts: Counts, facts: RunFacts) -> dict[str, float]:
    """Return the multiply-accumulates of the arrays' reads by phase: vectors x weights that are there, both directions.

    Transposed reads have none of a line of biases; reads line by line (hidden arrays, compensation) are none at all.
    """
    by_phase: dict[str, float] = {}
    for name, array in facts.arrays.items():
        for phase, events in counts.get(name, {}).items():
            if phase in LINE_BY_LINE:
                continue
            forward, backward = events.get("reads", 0.0), events.get("reads_transposed", 0.0)
            products = forward * array.weights + backward * (array.weights - array.n_post * array.bias_line)
            by_phase[phase] = by_phase.get(phase, 0.0) + products
    return {phase: number for phase, number in by_phase.items() if number}


def _standing_by(counts: Counts, built: Counts, prices: Prices, time: Latency) -> Iterator[Item]:
    if prices.schedule.standby == "simulated":
        clock = counts.get("clock", {})
        seconds = {phase: Range.of(events.get("seconds", 0.0)) for phase, events in clock.items()}
        yield from standby(seconds, built, prices, None)
    elif prices.schedule.standby == "busy":
        model = Figure("latency model", time.total, "computed from the counts and the schedule")
        whole = Range.total(time.phases.values()).nominal
        shorter = time.total.nominal / whole if whole else 1.0  # where phases overlap
        busy = {phase: seconds * shorter for phase, seconds in time.phases.items()}
        yield from standby(busy, built, prices, model)

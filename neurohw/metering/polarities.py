"""How the lines of a crossbar carry pulses of both polarities in an update, and what a ledger counts of it.

A cell moves where the pulses of its two lines add up to the write voltage, up or down as the signs of x and d agree or
not. What hardware can do at the same time depends on how cells are selected:

- "in-turn": half of the voltage on either line. A line that stands at +V/2 potentiates with lines at -V/2 and
  depresses with none, so each slot has a sub-phase for every pair of signs that inputs and outputs have: a sample with
  x >= 0 and d of both signs takes two, one of both signs on both sides four. Lines pulse in each sub-phase that has
  lines of the other side. NeuroSim, too, writes potentiating and depressing pulses one after the other, and counts the
  half-selected cells of each.
- "together": the inputs' lines are gates of select transistors, and every output has a bit and a source line, which
  carry either polarity, at one gate voltage for both. Only inputs of both signs take turns. (Cells whose set and reset
  need different gate voltages, or lines of their own, cannot do this.)

Where a weight is a pair of devices that only potentiate, the pair stands for the sign of d: both ways its two crossbars
pulse at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from neurohw.errors import InputError
from neurohw.metering.ledger import Counts

Polarities = Literal["in-turn", "together"]
POLARITIES: tuple[Polarities, ...] = get_args(Polarities)
LINE_EVENTS = ("pulse_slots", "longest_slots", "line_pulses", "half_selected_up", "half_selected_down")  # depend on it
HALF_SELECTED = "half_selected"  # of both polarities, in ledgers from before they were told apart
_NAMES = {way: {event: event + suffix for event in (*LINE_EVENTS, HALF_SELECTED)} for way, suffix in
          (("in-turn", "_in_turn"), ("together", ""))}  # fmt: skip


class Turns(NamedTuple):
    """How often, in one slot of a sample's trains, something happens: sub-phases, pulses of its lines."""

    sub_phases: int
    inputs: int
    outputs: int


def turns(polarities: Polarities, of_inputs: int, of_outputs: int, pair: bool = False) -> Turns:
    """Return the turns of a slot.

    Args:
        polarities: how lines carry both.
        of_inputs, of_outputs: how many signs the sample's values on either side have, 1 or 2.
        pair: a weight is a pair of devices that only potentiate.
    """
    if polarities == "together" and not pair:
        return Turns(of_inputs, 1, of_inputs)
    return Turns(of_inputs if pair else of_inputs * of_outputs, of_outputs, of_inputs)


def event_of(event: str, polarities: Polarities) -> str:
    """Return the name under which a ledger counts one of `LINE_EVENTS`, or `HALF_SELECTED`."""
    return _NAMES[polarities][event]


def as_written(counts: Counts, polarities: Polarities) -> Counts:
    """Return the counts as one way of carrying polarities has them, under the plain names of `LINE_EVENTS`.

    Raises:
        InputError: the run did not count that way; where, and what can be done, are named.
    """
    known = (*LINE_EVENTS, HALF_SELECTED)
    every = {event_of(event, way) for event in known for way in POLARITIES}
    written: dict[str, dict[str, Mapping[str, float]]] = {}
    for part, phases in counts.items():
        written[part] = {}
        for phase, events in phases.items():
            pulsed = [event for event in known if event in events]
            wanted = {event: event_of(event, polarities) for event in known}
            if pulsed and not any(name in events for name in wanted.values()):
                raise InputError(
                    f"ledger: {part}.{phase}: {', '.join(pulsed)}: counted with both polarities in one slot, and not "
                    f'with polarities "{polarities}" (the run is from before that was counted); account it with '
                    'energy.polarities = "together" (--polarities together), or run it again'
                )
            others = {event: count for event, count in events.items() if event not in every}
            chosen = {event: events[name] for event, name in wanted.items() if name in events}
            written[part][phase] = {**others, **chosen}
    return written

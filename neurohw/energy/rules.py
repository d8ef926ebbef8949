"""From counted events to joules: one rule per event, and an error for an event without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from neurohw.energy.facts import ArrayFacts
from neurohw.energy.prices import Counted, Item, Prices
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.schema import memory_factor
from neurohw.errors import InputError
from neurohw.metering.ledger import Counts
from neurohw.metering.polarities import HALF_SELECTED

_WHY = " (the ledger counted"
Rule = Callable[[Counted, Prices], list[Item]]


def charged(counts: Counts, prices: Prices) -> list[Item]:
    """Return every count's items.

    Raises:
        InputError: a component or an event that no rule knows, or a figure that is missing; all by name.
    """
    items: list[Item] = []
    wrong: dict[str, str] = {}  # every complaint, once: what is missing, and what was counted first that needs it
    for part, phases in counts.items():
        for phase, events in phases.items():
            for event, count in events.items():
                try:
                    counted = Counted(part, phase, event, count, events)
                    rule = _rule(counted, prices)
                    items += rule(counted, prices) if count else []
                except InputError as error:
                    wrong.setdefault(str(error).partition(_WHY)[0], str(error))
    if wrong:
        raise InputError("\n".join(wrong.values()))
    return items


def _rule(counted: Counted, prices: Prices) -> Rule:
    rules = ARRAY_RULES if counted.part in prices.facts.arrays else RULES.get(counted.part)
    if rules is None:
        known = [*prices.facts.arrays, *RULES]
        raise InputError(f"ledger: {counted.part}: no such component; known: {', '.join(known)} "
                         "(arrays are those of the ledger's facts)")  # fmt: skip
    if counted.event not in rules:
        raise InputError(f"ledger: {counted.part}.{counted.phase}.{counted.event}: no rule for this event; "
                         f"known of {counted.part}: {', '.join(rules)}")  # fmt: skip
    return rules[counted.event]


@dataclass(frozen=True)
class Elsewhere:
    """The rule of what costs nothing by itself.

    Args:
        events: of the same component, in which its energy is; none: it is a time, or a number of images.
    """

    events: tuple[str, ...] = ()

    def __call__(self, counted: Counted, prices: Prices) -> list[Item]:
        """Return no items."""
        return []


def priced(component: str, *keys: str) -> Rule:
    """Return the rule count x the sum of figures."""

    def rule(counted: Counted, prices: Prices) -> list[Item]:
        return [counted.item(component, prices.table.figure(key, why=counted.why)) for key in keys]

    return rule


def _array(counted: Counted, prices: Prices) -> ArrayFacts:
    return prices.facts.arrays[counted.part]


def _dac(counted: Counted, prices: Prices) -> list[Item]:
    array = _array(counted, prices)
    bits = 1 if array.serial else prices.schedule.bits(array.dac_bits, f"{counted.part}.dac_bits")
    cells = _cells_on_a_line(counted, array)
    dac = prices.table.figure("dac.energy", why=counted.why, bits=bits, columns=cells)
    row = prices.table.figure("row.energy", why=counted.why, bits=bits, columns=cells)
    return [counted.item("dac", dac), counted.item("rows", row)]


def _cells_on_a_line(counted: Counted, array: ArrayFacts) -> float:
    """Return the cells along a driven line of a built tile: an input's, an output's, or their mean over conversions."""
    n_post, n_pre = array.built_tile
    inputs = counted.beside.get("reads", 0.0) * array.n_pre * array.tiles[0]
    outputs = counted.beside.get("reads_transposed", 0.0) * array.n_post * array.tiles[1]
    share = inputs / (inputs + outputs) if inputs + outputs else 1.0
    return (share * n_post + (1 - share) * n_pre) * array.read_devices


def _adc(counted: Counted, prices: Prices) -> list[Item]:
    bits = prices.schedule.bits(_array(counted, prices).adc_bits, f"{counted.part}.adc_bits")
    adc = prices.table.figure("adc.energy", why=counted.why, bits=bits)
    column = prices.table.figure("column.energy", why=counted.why, bits=bits)
    return [counted.item("adc", adc), counted.item("columns", column)]


def _conduction(counted: Counted, prices: Prices) -> list[Item]:
    return [_conducting(counted, prices, prices.cell("read.time", counted.why))]


def _settled_conduction(counted: Counted, prices: Prices) -> list[Item]:
    return [_conducting(counted, prices, prices.table.figure("settle.time", why=counted.why))]


def _conducting(counted: Counted, prices: Prices, time: Figure) -> Item:
    """V V_supply t sum x^2 G, V_supply at least V: it is taken to follow the input (a fixed rail costs |x|, more)."""
    voltage = prices.cell("read.voltage", counted.why)
    rail = prices.table.figure("read.supply", why=counted.why)
    supply = Figure(rail.key, Range.highest([rail.range, voltage.range]), rail.source, rail.scaled)
    return counted.item("conduction", voltage, supply, time)


def _neurons(counted: Counted, prices: Prices) -> list[Item]:
    """Neurons are on while the network settles."""
    figures = (prices.table.figure(key, why=counted.why) for key in ("neuron.power", "settle.time"))
    return [counted.item("neurons", *figures)]


def _cell(component: str, key: str) -> Rule:
    def rule(counted: Counted, prices: Prices) -> list[Item]:
        return [counted.item(component, prices.cell(key, counted.why))]

    return rule


def _pulse_lines(counted: Counted, prices: Prices) -> list[Item]:
    """A driver's pulse, and the line that it charges; a cell on it is half selected, or its other line pulses too."""
    given = sum(counted.beside.get(event, 0.0) for event in ("pulses_up", "pulses_down"))
    half = sum(counted.beside.get(event, 0.0) for event in ("half_selected_up", "half_selected_down", HALF_SELECTED))
    cells = (half + 2 * given) / counted.count
    driver = prices.table.figure("pulse_line.energy", why=counted.why)
    line = prices.table.figure("row.energy", why=counted.why, columns=cells)
    return [counted.item("pulse lines", driver), counted.item("pulse lines", line)]


def _halves_of_both(counted: Counted, prices: Prices) -> list[Item]:
    """Half-selected cells that a ledger did not tell apart: as many at each voltage as pulses of it were given."""
    up, down = (counted.beside.get(event, 0.0) for event in ("pulses_up", "pulses_down"))
    share = up / (up + down) if up + down else 0.5
    each = (("write.half_up", share), ("write.half_down", 1 - share))
    return [counted.item("half-select", prices.cell(key, counted.why), factor=part) for key, part in each if part]


def _operations(*operations: str) -> Rule:
    def rule(counted: Counted, prices: Prices) -> list[Item]:
        keys = [f"digital.{operation}_{prices.schedule.digital}" for operation in operations]
        return [counted.item("digital", prices.table.figure(key, why=counted.why)) for key in keys]

    return rule


def _comparisons(counted: Counted, prices: Prices) -> list[Item]:
    """A competitor's part in a decision, and the comparator that makes a level of it, where there is one."""
    competitor = counted.item("target", prices.of_circuit("kwta.energy", counted.why))
    if not prices.circuit.comparators:
        return [competitor]
    return [competitor, *priced("target", "comparator.energy")(counted, prices)]


def _thresholds(counted: Counted, prices: Prices) -> list[Item]:
    """A step of a capacitor, and of the converter that reads it; or a counter: addition, two words, and its DAC."""
    bits, why = prices.circuit.bits, counted.why
    if prices.circuit.storage == "capacitor":
        step = counted.item("homeostasis", prices.of_circuit("homeostasis.energy", why))
        read = [counted.item("homeostasis", prices.table.figure("adc.energy", why=why, bits=bits))] if bits else []
        return [step, *read]
    figures = (prices.table.figure(key, why=why, bits=bits) for key in ("digital.add_int8", "dac.energy"))
    words = counted.item("homeostasis", prices.table.figure("buffer.energy", why=why), factor=2 * bits)
    return [*(counted.item("homeostasis", figure) for figure in figures), words]


def _optimizer(counted: Counted, prices: Prices) -> list[Item]:
    """A word of 32 bits, read or written, of a memory that holds all words of the optimiser, or of a remedy's sum."""
    weights = sum(array.weights for array in prices.facts.arrays.values())
    kept = 32 * weights * (prices.facts.optimizer_words or 1)
    figure = prices.table.figure("sram.energy", why=counted.why)
    return [counted.item("optimiser", figure, factor=32 * memory_factor(kept))]


_CONVERTED = Elsewhere(("dac_conversions", "adc_conversions", "read_conductance"))
_PULSED = Elsewhere(("pulses_up", "pulses_down", "line_pulses", "half_selected_up", "half_selected_down"))
_TIME = Elsewhere()

ARRAY_RULES: dict[str, Rule] = {
    "reads": _CONVERTED,
    "reads_transposed": _CONVERTED,
    "verifying_reads": _CONVERTED,
    "dac_conversions": _dac,
    "adc_conversions": _adc,
    "read_conductance": _conduction,
    "settled_conductance": _settled_conduction,
    "pulses_up": _cell("write", "write.up"),
    "pulses_down": _cell("write", "write.down"),
    "half_selected_up": _cell("half-select", "write.half_up"),
    "half_selected_down": _cell("half-select", "write.half_down"),
    HALF_SELECTED: _halves_of_both,
    "line_pulses": _pulse_lines,
    "train_bits": priced("pulse lines", "pulse_line.bit"),
    "pulse_slots": _TIME,
    "longest_slots": _TIME,
    "outer_products": _PULSED,
    "programmed_cells": _PULSED,
}
RULES: dict[str, dict[str, Rule]] = {
    "target": {
        "decisions": Elsewhere(("comparisons", "exponentials", "synaptic_events")),
        "label_decisions": priced("target", "label.energy"),
        "comparisons": _comparisons,
        "exponentials": priced("target", "digital.activation"),
        "spikes": priced("target", "spiking.spike"),
        "synaptic_events": priced("target", "spiking.synapse"),
        "neuron_seconds": priced("target", "spiking.power"),
        "decision_seconds": _TIME,
        "homeostasis_updates": _thresholds,
    },
    "digital": {
        "macs": _operations("multiply", "add"),
        "adds": _operations("add"),
        "activations": priced("digital", "digital.activation"),
        "bias_updates": _operations("multiply", "add"),
        "optimizer_words": _optimizer,
    },
    "buffer": {
        "bits": priced("buffer", "buffer.energy"),
        "interconnect_bits": priced("interconnect", "interconnect.energy"),
    },
    "neurons": {"settlings": _neurons},
    "clock": dict.fromkeys(("seconds", "steps", "images", "settlings"), _TIME),
}


def standby(seconds: dict[str, Range], counts: Counts, prices: Prices, busy: Figure | None) -> Iterator[Item]:
    """Yield leakage and bias: power x seconds, by phase; thresholds in counters have no bias.

    Args:
        seconds: simulated or busy, by phase.
        counts: of the whole run, whatever part of it the seconds are of.
        prices: where figures are looked up.
        busy: a figure that stands for the latency model's, where the seconds are its.
    """
    arrays, per_adc = prices.facts.arrays, prices.schedule.parallelism.columns_per_adc
    converters = sum(n_converters(a, per_adc, read_from_both_sides(counts, name)) for name, a in arrays.items())
    powers = [("static.adc", float(converters)), ("static.tile", float(sum(a.n_tiles for a in arrays.values())))]
    moved = any(events.get("homeostasis_updates") for events in counts.get("target", {}).values())
    if moved and prices.circuit.storage == "capacitor":
        powers.append(("homeostasis.power", float(prices.facts.outputs)))
    for phase, duration in seconds.items():
        for key, number in powers:
            if number and duration.high:
                figure = prices.table.figure(key, why=f"standby of {number:g} of them")
                energy = figure.range * duration * number
                figures = (figure,) if busy is None else (figure, busy)
                component = "homeostasis" if key == "homeostasis.power" else "standby"
                yield Item(component, key, phase, "seconds", duration.nominal, energy, figures)


def n_converters(array: ArrayFacts, columns_per_adc: int, both_sides: bool) -> int:
    """Return the converters of an array's tiles as built: each of `columns_per_adc` outputs, on one side or on both."""
    n_post, n_pre = array.built_tile
    back = n_pre if array.tile_size else array.read_back
    sides = ([] if array.integrated else [n_post]) + ([back] if both_sides else [])
    a_tile = sum(-(-outputs // columns_per_adc) for outputs in sides)
    return a_tile * array.n_tiles


def read_from_both_sides(counts: Counts, array: str) -> bool:
    """Return whether an array was read from its outputs too."""
    return any(events.get("reads_transposed") for events in counts.get(array, {}).values())

"""The chip's area, part by part, and how much of its cells is used."""

from __future__ import annotations

from neurohw.energy.prices import Prices
from neurohw.energy.ranges import Range
from neurohw.energy.rules import n_converters, read_from_both_sides
from neurohw.metering.ledger import Counts


def areas(counts: Counts, prices: Prices) -> dict[str, Range]:
    """Return square metres by part: cells, converters, drivers, tiles, target and homeostasis.

    An array that is read from both sides has drivers and converters on both; tiles that are not filled have
    those of all their lines. A hidden array (tiki-taka) has drivers of its own on its inputs' lines, which pulse while
    the visible one's do not; its columns are read one by one, in turn with the visible array, by the same converters.
    Thresholds in counters are memory, which is in no area, and a converter each; those on capacitors that are read out
    share converters as an array's outputs do.
    """
    by_part: dict[str, Range] = {}
    for name, array in prices.facts.arrays.items():
        both = read_from_both_sides(counts, name)
        n_post, n_pre = array.built_tile
        per_adc = prices.schedule.parallelism.columns_per_adc
        converters = n_converters(array, per_adc, both)
        drivers = (n_pre * (1 + array.hidden) + (n_post if both else 0)) * array.n_tiles
        bits = prices.schedule.bits(array.adc_bits, f"{name}.adc_bits")
        of_dac = 1 if array.serial else prices.schedule.bits(array.dac_bits, f"{name}.dac_bits")
        why = f"area of {name}"
        by_part[f"{name} cells"] = prices.cell("cell.area", why).range * (array.built * array.devices_per_weight)
        by_part[f"{name} adc"] = prices.table.figure("adc.area", why=why, bits=bits).range * converters
        by_part[f"{name} dac"] = prices.table.figure("dac.area", why=why, bits=of_dac).range * drivers
        by_part[f"{name} tiles"] = prices.table.figure("tile.area", why=why).range * array.n_tiles
    events = counts.get("target", {}).values()
    outputs = prices.facts.outputs
    for event, key in (("comparisons", "kwta.area"), ("spikes", "spiking.area")):
        if any(phase.get(event) for phase in events):
            by_part["target"] = prices.table.figure(key, why="area of the target circuit").range * outputs
    if any(phase.get("homeostasis_updates") for phase in events):
        by_part["homeostasis"] = _thresholds(prices) * outputs
    return by_part


def _thresholds(prices: Prices) -> Range:
    """Return the square metres of a threshold: a capacitor and its share of a converter, or a counter's DAC."""
    bits, why = prices.circuit.bits, "area of homeostasis"
    if prices.circuit.storage == "counter":
        return prices.table.figure("dac.area", why=why, bits=bits).range
    cell = prices.table.figure("homeostasis.area", why=why).range
    if not bits:
        return cell
    converter = prices.table.figure("adc.area", why=why, bits=bits).range
    return cell + converter * (1 / prices.schedule.parallelism.columns_per_adc)


def cells_used(prices: Prices) -> float:
    """Return the share of the built cells that hold weights."""
    arrays = prices.facts.arrays.values()
    built = sum(array.built for array in arrays)
    return sum(array.weights for array in arrays) / built if built else 0.0

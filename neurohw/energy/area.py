"""The chip's area, part by part, and how much of its cells is used."""

from __future__ import annotations

from neurohw.energy.array_facts import Counts
from neurohw.energy.charges import n_converters
from neurohw.energy.prices import Prices
from neurohw.energy.ranges import Range


def areas(counts: Counts, prices: Prices) -> dict[str, Range]:
    """Return square metres by part: cells, converters, drivers, tiles, target and homeostasis.

    An array that is read from both sides has drivers and converters on both.
    """
    found: dict[str, Range] = {}
    for name, array in prices.facts.arrays.items():
        both = any(events.get("reads_transposed") for events in counts.get(name, {}).values())
        n_post, n_pre = array.tile_shape
        per_adc = prices.schedule.parallelism.columns_per_adc
        converters = n_converters(array, per_adc) + (-(-n_pre // per_adc) * array.n_tiles if both else 0)
        drivers = (n_pre + (n_post if both else 0)) * array.n_tiles
        bits = prices.schedule.bits(array.adc_bits, f"{name}.adc_bits")
        why = f"area of {name}"
        found[f"{name} cells"] = prices.cell("cell.area", why).range * (array.weights * array.devices_per_weight)
        found[f"{name} adc"] = prices.table.figure("adc.area", why=why, bits=bits).range * converters
        found[f"{name} dac"] = prices.table.figure("dac.area", why=why, bits=bits).range * drivers
        found[f"{name} tiles"] = prices.table.figure("tile.area", why=why).range * array.n_tiles
    events = counts.get("target", {}).values()
    outputs = [*prices.facts.arrays.values()][-1].n_post if prices.facts.arrays else 0
    if any(phase.get("comparisons") for phase in events):
        found["target"] = prices.table.figure("kwta.area", why="area of the target circuit").range * outputs
    if any(phase.get("homeostasis_updates") for phase in events):
        found["homeostasis"] = prices.table.figure("homeostasis.area", why="area of homeostasis").range * outputs
    return found


def cells_used(prices: Prices, tile: tuple[int, int] | None = None) -> float:
    """Return the share of the cells that hold weights.

    Args:
        prices: with the arrays.
        tile: outputs and inputs of a tile as built; None: tiles are cut to the array's measure.
    """
    weights = sum(array.weights for array in prices.facts.arrays.values())
    built = sum(
        array.n_tiles * (tile or array.tile_shape)[0] * (tile or array.tile_shape)[1]
        for array in prices.facts.arrays.values()
    )
    return weights / built if built else 0.0

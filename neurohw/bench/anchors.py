"""Do the tables say what published chips need? Each published figure should lie between our low and high.

No input is fitted to the chip it is compared with. What is of the very chip is said, and so is what is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neurohw.energy.account import ArrayFacts, EnergyBreakdown, Parallelism, RunFacts, Schedule, account
from neurohw.energy.conditions import Conditions
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.table import EnergyTable

_ONE_EACH = Schedule(parallelism=Parallelism(columns_per_adc=1), standby="busy", digital="fp16")


def _core(table: str, array: ArrayFacts, events: dict[str, float], codes: float, **figures: Figure) -> EnergyBreakdown:
    """Account one product of a core; codes: bits to and from its converters."""
    device = Conditions("core", "core", {key.replace("_", ".", 1): figure for key, figure in figures.items()})
    counts = {"W1": {"inference": {"reads": 1.0, **events}}, "buffer": {"inference": {"bits": codes}}}
    return account(counts, RunFacts({"W1": array}, inferred=1), EnergyTable.load(table), device, _ONE_EACH)


def hermes() -> EnergyBreakdown:
    """A 256 x 256 core at 14 nm: 8-bit inputs as pulse widths up to 128 ns, a converter per column.

    Four PCM devices a weight, one pair of which holds it: 25 uS each at most (the PCM statistics of aihwkit 1.1.0),
    8 uS on average (assumed: Gaussian weights clipped at 2.5 sigma). Pulse widths are uniform (assumed): half the
    time. The read voltage is the table's (assumed).
    """
    array = ArrayFacts(256, 256, devices_per_weight=4, dac_bits=8, adc_bits=8)
    siemens = 256 * 256 * 2 * 8e-6 * 0.5
    events = {"dac_conversions": 256.0, "adc_conversions": 256.0, "read_conductance": siemens}
    time = Figure("core read.time", Range.of(128e-9), "Khaddam-Aljameh, JSSC 2022: 128 ns integration")
    return _core("14nm", array, events, 2 * 256 * 8, read_time=time)


def isaac() -> EnergyBreakdown:
    """An in-situ unit of ISAAC at 32 nm: eight 128 x 128 arrays, 1-bit inputs, eight 8-bit converters, 100 ns.

    Cells of 240 kOhm (NeuroSim's default) and half the rows on (assumed); the read voltage is the table's (assumed).
    ISAAC's own converter is not the table's (its regression gives 1.71 pJ, ISAAC has 1.67); its 1-bit driver is the
    table's high.
    """
    array = ArrayFacts(1024, 128, tiles=(8, 1), dac_bits=1, adc_bits=8)
    siemens = 8 * 128 * 128 * 0.5 / 240e3
    events = {"dac_conversions": 8 * 128.0, "adc_conversions": 8 * 128.0, "read_conductance": siemens}
    time = Figure("core read.time", Range.of(100e-9), "ISAAC: a crossbar is read in 100 ns")
    return _core("32nm", array, events, 8 * 128 * (1 + 16), read_time=time)


def neurram() -> EnergyBreakdown:
    """A core of NeuRRAM at 130 nm: 128 inputs on 256 rows, 256 neurons, 4-bit inputs, 6-bit outputs.

    The nominal converter is this chip's neuron, at 8-bit outputs; low and high are of other chips. Cells hold 1 to
    40 uS in differential pairs, 12 uS on average, x^2 is 0.35 on average (both assumed); 0.5 V as published. How long
    its cells conduct is not known to us: the table's read time is a current-mode array's, and too long for a chip that
    senses voltages.
    """
    array = ArrayFacts(256, 128, devices_per_weight=2, dac_bits=4, adc_bits=6)
    siemens = 256 * 256 * 12e-6 * 0.35
    events = {"dac_conversions": 256.0, "adc_conversions": 256.0, "read_conductance": siemens}
    volts = Figure("core read.voltage", Range.of(0.5), "Wan, Nature 2022: 0.5 V")
    return _core("130nm", array, events, 128 * 4 + 256 * 6, read_voltage=volts)


ANCHORS: dict[str, tuple[Callable[[], EnergyBreakdown], float]] = {
    # J per product: 2 x 256 x 256 operations at 10.5 TOPS/W, measured (Khaddam-Aljameh, JSSC 2022)
    "HERMES core": (hermes, 2 * 256 * 256 / 10.5e12),
    # J per 100 ns: 289 mW for 12 units (ISAAC, Table I, from memory), its authors' own estimate
    "ISAAC unit": (isaac, 289e-3 / 12 * 100e-9),
    # J per product: 2 x 256 x 128 operations at 15.95 TOPS/W, measured (Wan, Nature 2022, Ext. Data Fig. 12)
    "NeuRRAM core": (neurram, 2 * 256 * 128 / 15.95e12),
}


def anchors() -> list[dict[str, Any]]:
    """Return a row per chip: nanojoules published, and our low, nominal and high for the same product."""
    rows = []
    for name, (build, published) in ANCHORS.items():
        breakdown = build()
        rows.append({
            "chip": name, "published": published * 1e9,
            **{bound: energy * 1e9 for bound, energy in breakdown.total.as_dict().items()},
            "inside": "yes" if published in breakdown.total else "no", "assumed": f"{breakdown.assumed_share:.0%}",
            "mostly": next(iter(breakdown.by_component())),
        })  # fmt: skip
    return rows

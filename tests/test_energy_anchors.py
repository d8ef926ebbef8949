"""Published chips against our tables: each published figure lies between our low and high.

No input is fitted to the chip it is compared with. What is of the very chip is said, and so is what is assumed.
"""

from __future__ import annotations

from typing import Any

import pytest

from neurohw.energy.account import ArrayFacts, EnergyBreakdown, Parallelism, RunFacts, Schedule, account
from neurohw.energy.conditions import Conditions
from neurohw.energy.neurosim import NeuroSimArray, conduction_energy, read_energy, side_by_side, write_energy
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.table import EnergyTable

ONE_EACH = Schedule(parallelism=Parallelism(columns_per_adc=1), standby="busy", digital="fp16")


def core(table: str, array: ArrayFacts, events: dict[str, float], buffer_bits: float, **figures: Figure) -> Any:
    """Account one product of a core."""
    device = Conditions("core", "core", {key.replace("_", ".", 1): figure for key, figure in figures.items()})
    counts = {"W1": {"inference": {"reads": 1.0, **events}}, "buffer": {"inference": {"bits": buffer_bits}}}
    return account(counts, RunFacts({"W1": array}, inferred=1), EnergyTable.load(table), device, ONE_EACH)


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
    return core("14nm", array, events, 2 * 256 * 8, read_time=time)


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
    return core("32nm", array, events, 8 * 128 * (1 + 16), read_time=time)


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
    return core("130nm", array, events, 128 * 4 + 256 * 6, read_voltage=volts)


ANCHORS = {
    # J per product: 2 x 256 x 256 operations at 10.5 TOPS/W, measured (Khaddam-Aljameh, JSSC 2022)
    "HERMES core": (hermes, 2 * 256 * 256 / 10.5e12),
    # J per 100 ns: 289 mW for 12 units (ISAAC, Table I, from memory), its authors' own estimate
    "ISAAC unit": (isaac, 289e-3 / 12 * 100e-9),
    # J per product: 2 x 256 x 128 operations at 15.95 TOPS/W, measured (Wan, Nature 2022, Ext. Data Fig. 12)
    "NeuRRAM core": (neurram, 2 * 256 * 128 / 15.95e12),
}


@pytest.mark.parametrize(("name", "within"), [("HERMES core", 3), ("ISAAC unit", 3), ("NeuRRAM core", 3)])
def test_published_figures_lie_between_low_and_high(name: str, within: float) -> None:
    build, published = ANCHORS[name]
    found = build().total
    print(f"{name}: {found.low:.3g} / {found.nominal:.3g} / {found.high:.3g} J; published {published:.3g} J")
    assert published in found
    assert found.nominal / within < published < found.nominal * within


def test_the_anchors_hold_without_what_is_of_the_same_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    """ISAAC without ISAAC's buffer and driver; NeuRRAM with the other converters of its node."""
    others = {
        "32nm": {"buffer.energy": (0.009e-12, 0.038e-12, 0.16e-12), "dac.energy": (0.0375e-12, 0.291e-12, 0.58e-12)},
        "130nm": {"adc.energy": (8.7e-12, 15.7e-12, 28.2e-12)},  # geometric means as nominal
    }
    load = EnergyTable.load

    def changed(name: str) -> EnergyTable:
        table = load(name)
        entries = dict(table.entries)
        for key, (low, nominal, high) in others[name].items():
            moved = {"low": low, "nominal": nominal, "high": high, "unit": "J", "node": table.node}
            entries[key] = entries[key].model_copy(update=moved)
        return EnergyTable(table.name, table.description, table.node, entries, table.origin)

    monkeypatch.setattr(EnergyTable, "load", changed)
    for name in ("ISAAC unit", "NeuRRAM core"):
        build, published = ANCHORS[name]
        assert published in build().total


def test_the_hermes_product_is_12_5_nanojoules() -> None:
    assert ANCHORS["HERMES core"][1] == pytest.approx(12.5e-9, rel=2e-3)


def test_efficiency_counts_two_operations_per_multiply_accumulate() -> None:
    efficiency = hermes().tops_per_watt("inference")
    assert efficiency is not None
    assert 10.5 in efficiency


def test_the_anchors_say_what_is_assumed() -> None:
    assert "periphery_14nm read.voltage" in hermes().assumed()
    assert 0 < isaac().assumed_share < 1


def test_neurosims_read_and_write() -> None:
    array = NeuroSimArray(rows=64, columns=32, bit_line=2e-15, row=3e-15, read_voltage=0.5, supply=1.0,
                          write_voltage=4.0, write_time=50e-9, resistance=240e3, read_time=10e-9)  # fmt: skip
    assert read_energy(array, 0.5) == pytest.approx(2e-15 * 0.25 * 32 + 3e-15 * 1.0 * 64 * 0.5)
    assert write_energy(array, 1) == pytest.approx(16 / 240e3 * 50e-9)
    assert write_energy(NeuroSimArray(), 1) == pytest.approx(3.3e-12, rel=0.02)  # HARDWARE.md: 3.3 pJ
    one = NeuroSimArray(rows=1, columns=1)
    assert conduction_energy(one, 1.0) == pytest.approx(10.4e-15, rel=1e-2)  # HARDWARE.md: 10 fJ


def test_both_models_stand_side_by_side() -> None:
    ours, theirs = NeuroSimArray(), side_by_side(NeuroSimArray(), 0.5, 100)
    assert [row["model"] for row in theirs] == ["NeuroSim V2.1", "V^2 G t"]
    assert theirs[0]["read_joules"] == read_energy(ours)
    assert theirs[1]["read_joules"] == conduction_energy(ours)
    assert theirs[0]["write_joules"] == theirs[1]["write_joules"] == write_energy(ours, 100)

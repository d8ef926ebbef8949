"""From counts to joules: every event has a rule, every figure a source, and what follows adds up."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from neurohw.config import OnChipExperiment
from neurohw.devices.library import load_device
from neurohw.devices.model import device_from_tables
from neurohw.energy.account import (
    ArrayFacts,
    EnergyBreakdown,
    Parallelism,
    RunFacts,
    Schedule,
    WritesPerCell,
    account,
    facts_from,
)
from neurohw.energy.baseline import Digital, digital_baseline
from neurohw.energy.conditions import NO_CIRCUIT, CircuitConditions
from neurohw.energy.facts import TRAINING_PHASES, checked
from neurohw.energy.lifetime import lifetime
from neurohw.energy.prices import Counted, Prices
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.recorded import ChipAccount
from neurohw.energy.rules import ARRAY_RULES, RULES, Elsewhere
from neurohw.energy.schema import ENTRIES
from neurohw.energy.table import EnergyTable, table_from
from neurohw.errors import InputError
from neurohw.runs.accounts import accounted, energy_of, training_energy
from neurohw.runs.operating_points import circuit_conditions, conditions
from neurohw.runs.record import RunRecord
from neurohw.runs.run import run
from tests.approximately import approx

IMAGES, STEPS, IN, OUT = 10.0, 20.0, 64, 100
ARRAY = {"n_post": OUT, "n_pre": IN, "tiles": [1, 1], "devices_per_weight": 2, "dac_bits": 8, "adc_bits": 8,
         "pulse_length": 31, "writes_per_cell": {"mean": 3.0, "p999": 20.0, "max": 44.0}}  # fmt: skip
FACTS = {"arrays": {"W1": ARRAY}, "step_seconds": 1e-3,
         "images": {"trained": IMAGES, "inferred": IMAGES, "epochs": 1.0, "batches": 5.0}}  # fmt: skip


def read(vectors: float) -> dict[str, float]:
    return {"reads": vectors, "dac_conversions": vectors * IN, "adc_conversions": vectors * OUT,
            "read_conductance": vectors * 1e-3}  # fmt: skip


COUNTS: dict[str, Any] = {
    "W1": {
        "free": read(IMAGES * STEPS),
        "inference": read(IMAGES * STEPS),
        "update": {"pulses_up": 1000.0, "pulses_down": 600.0, "half_selected_up": 2e4,
                   "half_selected_down": 5e3, "pulse_slots": 6 * IMAGES,
                   "longest_slots": 15 * IMAGES, "line_pulses": 4e3, "outer_products": IMAGES, "programmed_cells": 5.0,
                   "half_selected_up_in_turn": 3e4, "half_selected_down_in_turn": 2e4,
                   "pulse_slots_in_turn": 12 * IMAGES,
                   "longest_slots_in_turn": 31 * IMAGES, "line_pulses_in_turn": 9e3, "train_bits": 7e3},
    },
    "target": {"target": {"decisions": IMAGES, "comparisons": IMAGES * OUT},
               "homeostasis": {"homeostasis_updates": 5.0 * OUT}},
    "digital": {"free": {"adds": 500.0, "activations": 300.0}, "update": {"bias_updates": 20.0, "macs": 7.0,
                                                                          "optimizer_words": 9.0}},
    "buffer": {"free": {"bits": 1e4, "interconnect_bits": 2e4}},
    "clock": {"free": {"seconds": 4e-3, "steps": IMAGES * STEPS, "images": IMAGES},
              "inference": {"seconds": 1e-3, "steps": IMAGES * STEPS, "images": IMAGES}},
}  # fmt: skip
TABLE = EnergyTable.load("32nm")
DEVICE = conditions(load_device("taox_hfox"))


def done(**changed: Any) -> EnergyBreakdown:
    given: dict[str, Any] = {"counts": COUNTS, "facts": FACTS, "table": TABLE, "device": DEVICE, "schedule": None}
    return account(**(given | changed))


def unit_table(**changed: float) -> EnergyTable:
    """A table in which every figure is 1 (2 high) and nothing scales."""
    sections: dict[str, Any] = {"name": "unit", "description": "ones", "node": 32}
    for key, kind in ENTRIES.items():
        section, _, name = key.partition(".")
        value = changed.get(key, 1.0)
        figure = {"low": value, "nominal": value, "high": 2 * value, "unit": kind.dimension, "source": "test"}
        sections.setdefault(section, {})[name] = figure
    return table_from(sections, "unit.toml")


def test_energy_is_count_times_figure() -> None:
    found = done(table=unit_table(), schedule=Schedule(standby="none"))
    by = found.by(lambda item: (item.component, item.phase))
    assert by["adc", "free"].nominal == by["columns", "free"].nominal == IMAGES * STEPS * OUT
    assert by["adc", "free"].high == 2 * by["adc", "free"].nominal
    assert by["dac", "free"].nominal == by["rows", "free"].nominal == IMAGES * STEPS * IN
    assert by["target", "target"].nominal == 2 * IMAGES * OUT  # competitors and comparators
    assert by["homeostasis", "homeostasis"].nominal == 5 * OUT
    assert by["digital", "update"].nominal == 2 * 20 + 2 * 7
    kept = 32 * IN * OUT / (8192 * 8)  # a word for each weight, over 8 kB
    assert by["optimiser", "update"].nominal == approx(9 * 32 * kept**0.5)
    assert by["buffer", "free"].nominal == 1e4
    assert by["interconnect", "free"].nominal == 2e4
    assert by["pulse lines", "update"].nominal == 2 * 9e3 + 7e3  # driver and line; a random bit of each line and slot


def test_cells_conduct_at_the_devices_voltage() -> None:
    found = done(table=unit_table(), schedule=Schedule(standby="none")).by_component()
    volts, supply = 0.5, 1.0  # of the device's file, of the table; so is the read time
    assert found["conduction"].nominal == approx(volts * supply * 2 * IMAGES * STEPS * 1e-3)


def test_the_supply_is_never_below_the_read_voltage() -> None:
    table = unit_table(**{"read.supply": 0.1})  # 0.2 V high
    found = done(table=table, schedule=Schedule(standby="none")).by_component()["conduction"]
    assert found.low == found.nominal == approx(0.5**2 * 2 * IMAGES * STEPS * 1e-3)


def test_writes_cost_what_the_device_says() -> None:
    found = done(schedule=Schedule(standby="none")).by(lambda item: (item.component, item.event))
    volts, seconds, low, high = 1.6, 50e-9, 1e-6, 10e-6
    up = found["write", "pulses_up"]
    assert up.low == approx(1000 * volts**2 * seconds * low)
    assert up.nominal == approx(1000 * 704e-15)
    assert up.high == approx(1000 * volts**2 * seconds * high)
    leaks = 0.01  # 1T1R: the select transistor is off
    for way, cells in (("up", 3e4), ("down", 2e4)):
        half = found["half-select", f"half_selected_{way}"]
        assert half.nominal == approx(cells * leaks * (volts / 2) ** 2 * seconds * (low + high) / 2)
    bare = conditions(load_device("taox_hfox").model_copy(update={"cell": "1R"})).figures["write.half_up"]
    assert bare.range.nominal == approx((volts / 2) ** 2 * seconds * (low + high) / 2)
    assert bare.provenance == "assumed"


def test_all_breakdowns_add_up_to_the_total() -> None:
    found = done()
    for parts in (found.by_component(), found.by_phase()):
        total = Range.total(parts.values())
        assert total.nominal == approx(found.total.nominal)
        assert total.low == approx(found.total.low)
        assert total.high == approx(found.total.high)
    assert sum(item.energy.nominal for item in found.items) == approx(found.total.nominal)
    assert all(item.sources for item in found.items)
    assert found.total.low <= found.total.nominal <= found.total.high


def test_per_image_and_per_epoch() -> None:
    found = done()
    assert found.per_inference is not None
    assert found.per_training_image is not None
    assert found.per_epoch is not None
    assert found.per_inference.nominal == approx(found.of("inference").nominal / IMAGES)
    training = found.of("free", "target", "homeostasis", "update").nominal
    assert found.per_training_image.nominal == approx(training / IMAGES)
    assert found.per_epoch.nominal == approx(training)


def test_operations_per_joule_count_two_per_multiply_accumulate() -> None:
    found = done()
    efficiency = found.tops_per_watt("inference")
    assert efficiency is not None
    operations = 2 * IMAGES * STEPS * IN * OUT
    assert efficiency.nominal == approx(operations / found.of("inference").nominal / 1e12)
    assert efficiency.low < efficiency.nominal < efficiency.high


def test_assumed_figures_are_listed_with_their_share() -> None:
    found = done()
    shares = found.provenance_shares()
    assert sum(shares.values()) == approx(1)
    assert 0 < found.assumed_share < 1
    assert shares["assumed"] == found.assumed_share
    assert "periphery_32nm kwta.energy" in found.assumed()
    assert "device taox_hfox read.voltage" in found.assumed()
    assert "periphery_32nm adc.energy" not in found.assumed()
    assert max(found.assumed().values()) <= found.assumed_share + 1e-12
    nothing = done(table=unit_table(), device=None, counts={"buffer": {"free": {"bits": 5.0}}})
    assert nothing.assumed_share == 0


def test_the_component_that_dominates_the_spread_is_named() -> None:
    spreads = {name: energy.spread for name, energy in done().by_component().items()}
    assert done().widest == max(spreads, key=lambda name: spreads[name])


def test_a_network_that_settles_by_itself_is_converted_once() -> None:
    clocked = done(table=unit_table(), schedule=Schedule(standby="none")).by(lambda i: (i.component, i.phase))
    settle = Schedule(standby="none", ep="continuous")
    found = done(table=unit_table(), schedule=settle).by(lambda i: (i.component, i.phase))
    assert found["adc", "free"].nominal == approx(clocked["adc", "free"].nominal / STEPS)
    assert found["dac", "free"].nominal == approx(clocked["dac", "free"].nominal / STEPS)
    assert found["conduction", "free"].nominal == approx(0.5 * IMAGES * 1e-3)  # V V_supply sum x^2 G t_settle
    assert found["neurons", "free"].nominal == approx(IMAGES * OUT)
    assert found["pulse lines", "update"] == clocked["pulse lines", "update"]
    assert ("digital", "free") not in found  # analog neurons do it
    assert found["buffer", "free"].nominal == IMAGES * 8 * (IN + OUT)  # codes of what is converted
    assert found["interconnect", "free"].nominal == IMAGES * 8 * OUT


def test_a_held_input_conducts_while_the_network_is_nudged() -> None:
    """One layer whose input is held: nothing is read again, but cells conduct and neurons are converted, each time."""
    clock = {**COUNTS["clock"], "nudged": {"steps": IMAGES * STEPS, "images": IMAGES}}
    counts = {**COUNTS, "clock": clock}
    settle = Schedule(standby="none", ep="continuous")
    for phases in (1, 2):
        found = done(counts=counts, facts={**FACTS, "nudged_phases": phases}, table=unit_table(), schedule=settle)
        by = found.by(lambda i: (i.component, i.phase))
        assert by["conduction", "nudged"].nominal == approx(phases * by["conduction", "free"].nominal)
        assert by["neurons", "nudged"].nominal == phases * IMAGES * OUT
        assert by["adc", "nudged"].nominal == phases * IMAGES * OUT
        assert ("dac", "nudged") not in by
        assert found.latency.phases["nudged"].nominal == phases * IMAGES * (1 + 8)


def test_continuous_settling_of_a_network_that_does_not_relax_changes_nothing() -> None:
    counts = {"W1": {"forward": read(IMAGES)}}
    a, b = (done(counts=counts, schedule=Schedule(ep=ep)) for ep in ("clocked", "continuous"))  # type: ignore[arg-type]
    assert a.total == b.total


def test_latency_follows_the_stated_parallelism() -> None:
    table = unit_table()

    def seconds(**kwargs: Any) -> float:
        schedule = Schedule(parallelism=Parallelism(**kwargs), standby="none")
        return done(table=table, schedule=schedule).latency.phases["inference"].nominal

    one_each = seconds(columns_per_adc=1)
    assert one_each == IMAGES * STEPS * (1 + 1)  # a read and one conversion
    assert seconds(columns_per_adc=8) == IMAGES * STEPS * (1 + 8)
    assert seconds(columns_per_adc=1000) == IMAGES * STEPS * (1 + OUT)


def test_bits_that_are_applied_one_after_the_other_are_read_one_after_the_other() -> None:
    """7 bits and a sign: seven reads and seven rounds of conversions, and 14 where both signs are read apart."""
    found = []
    for passes in (1, 7, 14):
        facts = copy.deepcopy(FACTS)
        facts["arrays"]["W1"] |= {"read_passes": passes, "coding": "bit-serial"}  # type: ignore[index]
        schedule = Schedule(parallelism=Parallelism(columns_per_adc=8), standby="none")
        found.append(done(facts=facts, table=unit_table(), schedule=schedule).latency.phases["inference"].nominal)
    assert found == [IMAGES * STEPS * (1 + 8) * passes for passes in (1, 7, 14)]


@pytest.mark.parametrize(("coding", "bits"), [("amplitude", 4), ("amplitude", 8), ("bit-serial", 8)])
def test_a_conversion_is_priced_by_its_bits(coding: str, bits: int) -> None:
    """The table has a DAC of 8 bits, in proportion to them: as many as come at once, one where one comes at a time."""
    facts = copy.deepcopy(FACTS)
    facts["arrays"]["W1"] |= {"dac_bits": bits, "coding": coding}  # type: ignore[index]
    found = done(facts=facts, schedule=Schedule(standby="none")).by(lambda item: (item.component, item.phase))
    of_eight = TABLE.figure("dac.energy", bits=8).range.nominal
    at_once = 1 if coding == "bit-serial" else bits
    assert found["dac", "free"].nominal == approx(IMAGES * STEPS * IN * of_eight * at_once / 8)


def test_tiles_that_wait_take_longer() -> None:
    facts = copy.deepcopy(FACTS)
    facts["arrays"]["W1"]["tiles"] = [2, 2]  # type: ignore[index]
    times = []
    for at_once in (None, 2, 1):
        schedule = Schedule(parallelism=Parallelism(columns_per_adc=1, tiles_at_once=at_once))
        times.append(done(facts=facts, table=unit_table(), schedule=schedule).latency.phases["inference"].nominal)
    assert times == [times[0], 2 * times[0], 4 * times[0]]


def test_crossbars_and_the_rest_overlap_where_they_are_pipelined() -> None:
    plain = done().latency
    schedule = Schedule(parallelism=Parallelism(phases_overlap=True))
    assert plain.total.nominal == approx(sum(time.nominal for time in plain.phases.values()))
    crossbars = sum(time.nominal for time in plain.crossbars.values())
    assert crossbars == approx(plain.arrays["W1"].nominal)  # one array: its phases cannot overlap
    busier = max(crossbars, plain.total.nominal - crossbars)
    assert done(schedule=schedule).latency.total.nominal == approx(busier)


def test_cells_that_are_verified_are_read_one_by_one() -> None:
    before = done(table=unit_table(), schedule=Schedule(standby="none"))
    update = {**COUNTS["W1"]["update"], "verifying_reads": 30.0, "adc_conversions": 30.0, "dac_conversions": 30.0}
    after = done(table=unit_table(), schedule=Schedule(standby="none"), counts={**COUNTS, "W1": {"update": update}})
    assert after.by_component()["adc"].nominal == after.by_component()["dac"].nominal == 30
    longer = after.latency.phases["update"].nominal - before.latency.phases["update"].nominal
    assert longer == approx(30 * (1 + 1))  # of the table: a read and a conversion each


@pytest.mark.parametrize(("at_once", "share"), [(None, 1 / 4), (2, 1 / 2), (1, 1)])
def test_tiles_that_work_together_verify_together(at_once: int | None, share: float) -> None:
    facts = copy.deepcopy(FACTS)
    facts["arrays"]["W1"]["tiles"] = [2, 2]  # type: ignore[index]
    schedule = Schedule(Parallelism(tiles_at_once=at_once), standby="none")
    update = {"update": {"verifying_reads": 40.0}}
    found = done(facts=facts, table=unit_table(), schedule=schedule, counts={"W1": update})
    assert found.latency.phases["update"].nominal == approx(40 * (1 + 1) * share)


@pytest.mark.parametrize("polarities", ["in-turn", "together"])
def test_pulses_on_lines_are_those_of_the_way_that_is_asked_for(polarities: Any) -> None:
    """A line is charged for each of its cells: those half selected, and twice those that move."""
    factor = 1 if polarities == "in-turn" else 0
    half, lines, slots = (5e4, 9e3, 12) if factor else (2.5e4, 4e3, 6)
    found = done(schedule=Schedule(standby="none", polarities=polarities))
    by = found.by(lambda item: item.component)
    assert by["half-select"].nominal == approx(half * DEVICE.figures["write.half_up"].range.nominal)
    drivers, cells = lines * TABLE.figure("pulse_line.energy").range.nominal, half + 2 * (1000 + 600)
    charged = cells * TABLE.figure("row.energy", columns=1).range.nominal
    bits = 7e3 * TABLE.figure("pulse_line.bit").range.nominal
    assert by["pulse lines"].nominal == approx(drivers + charged + bits)
    pulses = found.latency.phases["update"].nominal - 27 * TABLE.figure("digital.time").range.nominal
    assert pulses == approx(slots * IMAGES * DEVICE.figures["write.pulse_time"].range.nominal)


def test_a_record_from_before_is_accounted_as_it_was_counted_and_not_otherwise() -> None:
    before = {event: count for event, count in COUNTS["W1"]["update"].items() if not event.endswith("_in_turn")}
    counts = {**COUNTS, "W1": {**COUNTS["W1"], "update": before}}
    with pytest.raises(InputError) as error:
        done(counts=counts)
    assert str(error.value).startswith(
        "ledger: W1.update: pulse_slots, longest_slots, line_pulses, half_selected_up, half"
    )
    assert 'account it with energy.polarities = "together" (--polarities together), or run it' in str(error.value)
    together = Schedule(polarities="together")
    assert done(counts=counts, schedule=together).total == done(schedule=together).total


def test_random_bits_that_were_not_counted_are_named() -> None:
    update = {event: count for event, count in COUNTS["W1"]["update"].items() if event != "train_bits"}
    assert done().uncounted() == []
    assert done(counts={**COUNTS, "W1": {**COUNTS["W1"], "update": update}}).uncounted() == ["W1 random bits of trains"]


@pytest.mark.parametrize("part", ["W1", *RULES])
def test_every_event_is_priced_or_says_where_its_energy_is(part: str) -> None:
    """Whatever a ledger can hold: one of it costs something, or it names what does, or it is a time."""
    rules = ARRAY_RULES if part == "W1" else RULES[part]
    facts, schedule = facts_from(FACTS, COUNTS), Schedule(standby="none", unquantised_bits=8)
    prices = Prices(unit_table(), DEVICE, schedule, facts)
    times = {"pulse_slots", "longest_slots", "decision_seconds", *RULES["clock"]}
    for event, rule in rules.items():
        spent = sum(item.energy.low for item in rule(Counted(part, "update", event, 1.0, {event: 1.0}), prices))
        if isinstance(rule, Elsewhere):
            assert spent == 0
            assert bool(rule.events) != (event in times)
            assert all(not isinstance(rules[other], Elsewhere) for other in rule.events)
        else:
            assert spent > 0, event


def test_spiking_decisions_cost_spikes_synapses_and_time() -> None:
    raced = {"decisions": IMAGES, "spikes": 15.0, "synaptic_events": 127.0, "decision_seconds": 2.0,
             "neuron_seconds": 1.5}  # fmt: skip
    counts = {**COUNTS, "target": {**COUNTS["target"], "target": raced}}
    table = unit_table(**{"spiking.spike": 3.0, "spiking.synapse": 0.5, "spiking.power": 10.0, "spiking.area": 7.0})
    found = done(table=table, counts=counts, schedule=Schedule(standby="none"))
    assert found.by_component()["target"].nominal == 15 * 3 + 127 * 0.5 + 1.5 * 10
    assert found.latency.phases["target"].nominal == 2
    assert found.area["target"].nominal == 7 * OUT
    facts = facts_from(FACTS, COUNTS)
    ours, theirs = (digital_baseline(c, facts, TABLE).training.nominal for c in (counts, COUNTS))
    assert ours == theirs  # a digital accelerator compares, however the chip decides


def test_a_circuit_says_what_it_takes() -> None:
    """10 competitors, 1.8 V, 1.5 nA each, 2 nA of the winner, 0.1 ms, 50 fF: 3.06 pJ and 1.62 pJ; the rest by table."""
    given = {"power.supply": 1.8, "power.cell_current": 1e-9, "power.winner_current": 2e-9, "decision.seconds": 1e-4,
             "inputs.unit_current": 1e-9, "decision.separation": 0.05, "homeostasis.capacitance": 2e-12}  # fmt: skip
    sections = {"network": {"layers": [64, 10]}, "target": {"circuit": "analog", "gamma": 0.5, "parameters": given}}
    circuit = circuit_conditions(OnChipExperiment.model_validate(sections))
    found = done(circuit=circuit).by(lambda item: (item.component, item.event))
    each = (3.06e-12 + 1.62e-12) / 10 + TABLE.figure("comparator.energy").range.nominal
    assert found["target", "comparisons"].nominal == approx(IMAGES * OUT * each)
    step = 0.5 * 0.1  # gamma T, V
    assert found["homeostasis", "homeostasis_updates"].nominal == approx(5 * OUT * 2e-12 * 1.8 * step)
    assert found["homeostasis", "seconds"].nominal > 0  # its bias, while the chip is on
    assert done(circuit=circuit).latency.phases["target"].nominal == approx(IMAGES * 1e-4)


def test_a_circuit_takes_what_its_meant_bias_does() -> None:
    """Not what that of some chip does, where the bias is drawn."""
    given = {"power.cell_current": 1e-9, "power.winner_current": 2e-9, "decision.seconds": 1e-4,
             "decision.separation": 0.05}  # fmt: skip
    found = []
    for drawn in ({}, {"decision.bias_mismatch": 0.5}):
        target = {"circuit": "analog", "k": 5, "parameters": given | drawn}
        experiment = OnChipExperiment.model_validate({"network": {"layers": [64, 10]}, "target": target})
        found.append(circuit_conditions(experiment).figures)
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["generic_180nm", "subthreshold_180nm"])
def test_shipped_circuits_say_what_they_take(name: str) -> None:
    sections = {"network": {"layers": [64, 100]}, "target": {"circuit": "analog", "model": name}}
    found = circuit_conditions(OnChipExperiment.model_validate(sections)).figures
    assert set(found) == {"kwta.energy", "kwta.time", "homeostasis.energy"}
    assert found["kwta.energy"].range.nominal in TABLE.figure("kwta.energy").range
    assumed = name == "subthreshold_180nm"
    assert {figure.provenance for figure in found.values()} == {"assumed" if assumed else "published"}


def test_a_circuit_that_says_nothing_is_priced_by_the_table() -> None:
    sections = {"network": {"layers": [64, 10]}, "target": {"circuit": "analog"}}
    assert circuit_conditions(OnChipExperiment.model_validate(sections)).figures == {}
    assert circuit_conditions(OnChipExperiment.model_validate({})) == NO_CIRCUIT


def test_thresholds_in_counters_and_behind_converters() -> None:
    """A counter adds, reads and writes its word, and sets its DAC; a capacitor that is read through an ADC converts."""
    updates = 5 * OUT
    by = {storage: done(table=unit_table(), circuit=CircuitConditions({}, storage, 6)).by(lambda i: (i.part, i.event))
          for storage in ("counter", "capacitor")}  # fmt: skip
    event = "target", "homeostasis_updates"
    assert by["counter"][event].nominal == updates * (1 + 1 + 2 * 6)
    assert by["capacitor"][event].nominal == updates * (1 + 1)
    bias = {storage: any(part == "homeostasis.power" for part, _ in found) for storage, found in by.items()}
    assert bias == {"counter": False, "capacitor": True}


@pytest.mark.parametrize(("output", "each"), [("digital", 2), ("current", 1)])
def test_a_target_of_currents_has_no_comparators(output: str, each: int) -> None:
    parameters = {"decision.output": output} | ({"decision.early_voltage": 5.0} if output == "current" else {})
    sections = {"network": {"layers": [IN, OUT]}, "target": {"circuit": "analog", "parameters": parameters}}
    circuit = circuit_conditions(OnChipExperiment.model_validate(sections))
    found = done(table=unit_table(), circuit=circuit).by(lambda i: i.event)
    assert found["comparisons"].nominal == each * sum(c.get("comparisons", 0) for c in COUNTS["target"].values())


def test_trains_that_end_early_take_less_time() -> None:
    found = done(table=unit_table(), schedule=Schedule(standby="none")).latency.phases["update"]
    pulse = DEVICE.figures["write.pulse_time"].range
    digital = 20 + 7  # operations of 1 s
    assert found.nominal - digital == approx(12 * IMAGES * pulse.nominal)
    assert found.high - 2 * digital == approx(31 * IMAGES * pulse.high)


def test_leakage_runs_over_the_simulated_or_the_busy_time() -> None:
    simulated = done(table=unit_table(), schedule=Schedule(standby="simulated")).by(lambda i: (i.part, i.phase))
    converters = -(-OUT // 8)
    assert simulated["static.adc", "free"].nominal == approx(converters * 4e-3)
    assert simulated["homeostasis.power", "free"].nominal == approx(OUT * 4e-3)
    busy = done(table=unit_table(), schedule=Schedule(standby="busy"))
    by = busy.by(lambda i: (i.part, i.phase))
    assert by["static.tile", "inference"].nominal == approx(busy.latency.phases["inference"].nominal)


def test_a_part_of_a_run_stands_by_as_the_whole_chip_does() -> None:
    """Before any threshold has moved, and before the array was read from its outputs, both are there."""
    whole = {**COUNTS, "W1": {**COUNTS["W1"], "nudged": {"reads_transposed": 1.0}}}
    part = {"W1": {"free": COUNTS["W1"]["free"]}, "clock": {"free": COUNTS["clock"]["free"]}}
    simulated = Schedule(standby="simulated")
    by = done(counts=part, whole=whole, table=unit_table(), schedule=simulated).by(lambda i: (i.part, i.phase))
    assert by["homeostasis.power", "free"].nominal == approx(OUT * 4e-3)
    assert by["static.adc", "free"].nominal == approx((-(-OUT // 8) + -(-IN // 8)) * 4e-3)
    alone = done(counts=part, table=unit_table(), schedule=simulated).by(lambda i: (i.part, i.phase))
    assert ("homeostasis.power", "free") not in alone


def test_area_has_all_parts() -> None:
    found = done(table=unit_table())
    assert found.area["W1 cells"].nominal == 2 * IN * OUT
    assert found.area["W1 adc"].nominal == -(-OUT // 8)
    assert found.area["W1 dac"].nominal == IN
    assert found.area["target"].nominal == found.area["homeostasis"].nominal == OUT
    assert found.cells_used == 1


def test_cells_die_after_their_endurance() -> None:
    device = dataclasses.replace(DEVICE, endurance=Figure("endurance", Range(1e5, 1e6, 1e7), "test"))
    (wear,) = done(device=device).lifetimes
    assert (wear.mean, wear.p999, wear.max) == (3, 20, 44)
    assert wear.images == approx(1e6 / (20 / IMAGES))
    assert (wear.images_low, wear.images_high) == approx((1e5 / (20 / IMAGES), 1e7 / (20 / IMAGES)))
    (unknown,) = done(device=dataclasses.replace(DEVICE, endurance=None)).lifetimes
    assert unknown.images is None


@pytest.mark.parametrize(("p999", "most", "lives"), [(20.0, 44.0, 1e6 / 20), (0.0, 44.0, 1e6 / 44), (0.0, 0.0, None)])
def test_few_cells_that_are_written_wear_out_too(p999: float, most: float, lives: float | None) -> None:
    """Of fewer than one cell in a thousand the most written one says when; only what nobody writes lives for ever."""
    facts = dataclasses.replace(ArrayFacts(OUT, IN), writes_per_cell=WritesPerCell(0.0, p999, most))
    wear = lifetime("W1", facts, IMAGES, Figure("endurance", Range(1e5, 1e6, 1e7), "test"))
    assert wear is not None
    assert wear.images == (None if lives is None else approx(lives * IMAGES))


def test_a_digital_accelerator_does_the_same_products() -> None:
    facts = facts_from(FACTS, COUNTS)
    small = digital_baseline(COUNTS, facts, TABLE, Digital("int8", dram=False))
    outer = IMAGES * IN * OUT + 7  # a product an image, and some that were formed digitally
    assert small.macs == 2 * IMAGES * STEPS * IN * OUT + outer
    each = TABLE.figure("digital.add_int8").range * 4 + TABLE.figure("digital.multiply_int8").range  # 32-bit sums
    assert small.parts["arithmetic"].nominal == approx(small.macs * each.nominal)
    bit = TABLE.figure("sram.energy").range.nominal  # all weights fit into 8 kB
    assert small.parts["sram"].nominal == approx(bit * 8 * (2 * small.macs / 16 + 2 * IN * OUT * 5))
    assert small.parts["dram"].nominal == 0
    fetched = digital_baseline(COUNTS, facts, TABLE, Digital("int8", dram=True))
    bits = 2 * 8 * IN * OUT * 5
    assert fetched.parts["dram"].nominal == approx(bits * 14e-12)
    assert fetched.total.nominal > small.total.nominal
    adam = digital_baseline(COUNTS, facts_from(FACTS | {"optimizer": "adam"}, COUNTS), TABLE, Digital("int8"))
    words = (
        4 * IN * OUT * 5
    )  # both moments read and written, a batch; not the 9 of this ledger, which a remedy may keep
    assert adam.parts["dram"].nominal == approx((bits + 32 * words) * 14e-12)
    assert adam.parts["optimiser"].nominal == approx(bit * 32 * words * (2 * 32 * IN * OUT / (8192 * 8)) ** 0.5)
    wide = digital_baseline(COUNTS, facts, TABLE, Digital("fp32", dram=False))
    assert wide.total.nominal > 4 * small.total.nominal


def test_the_facts_of_a_ledger_are_checked() -> None:
    found = facts_from(FACTS, COUNTS)
    assert found.arrays["W1"] == ArrayFacts(OUT, IN, (1, 1), 2, 8, 8, WritesPerCell(3, 20, 44))
    by_clock = facts_from({"arrays": {}}, COUNTS)
    assert (by_clock.trained, by_clock.inferred) == (IMAGES, IMAGES)
    without = {key: value for key, value in ARRAY.items() if key not in ("tiles", "n_pre")}
    for given, message in (
        ({}, "ledger facts: arrays: missing"),
        ({"arrays": {"W1": without}}, "ledger facts: arrays.W1: missing n_pre, tiles; needed: n_post"),
        ({"arrays": {"W1": ARRAY | {"n_post": -1}}}, "ledger facts: arrays.W1.n_post: got -1"),
        ({"arrays": {"W1": ARRAY | {"tiles": 3}}}, "ledger facts: arrays.W1.tiles: got 3"),
        (
            {"arrays": {"W1": ARRAY | {"writes_per_cell": {"mean": 1}}}},
            "arrays.W1.writes_per_cell.p999: missing",
        ),
    ):
        with pytest.raises(InputError) as error:
            facts_from(given, {})
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no ledger: nothing was counted"),
        ({"W7": {"free": {"reads": 1.0}}}, "ledger: W7: no such component; known: W1, target"),
        ({"W1": {"free": {"redas": 1.0}}}, "ledger: W1.free.redas: no rule for this event; known of W1: reads"),
        ({"buffer": {"free": {"bytes": 1.0}}}, "ledger: buffer.free.bytes: no rule for this event"),
        ({"W1": {"free": 3}}, "ledger: W1.free: got 3; allowed: counts by component, phase and event"),
        ({"W1": 3}, "ledger: W1: got 3; allowed: counts by component, phase and event"),
        ({"buffer": {"free": {"bits": -1.0}}}, "ledger: buffer.free.bits: got -1.0"),
        ({"buffer": {"free": {"bits": "many"}}}, "ledger: buffer.free.bits: got 'many'"),
    ],
)
def test_wrong_counts_are_named(counts: Any, message: str) -> None:
    with pytest.raises(InputError) as error:
        done(counts=counts)
    assert message in str(error.value)


def test_what_the_table_lacks_is_named_with_what_was_counted() -> None:
    entries = {key: entry for key, entry in TABLE.entries.items() if key != "buffer.energy"}
    table = EnergyTable(TABLE.name, "", TABLE.node, entries, "t.toml")
    with pytest.raises(InputError, match=r"t\.toml: buffer\.energy: missing \(the ledger counted 10000 buffer bits"):
        done(table=table)


@pytest.mark.parametrize(
    ("device", "key"),
    [
        ("reram_es", "write.potentiation_voltage and write.pulse_time, or write.potentiation_energy"),
        ("ecram_mo", "write.potentiation_energy: missing"),
        ("stt_mram", "write.potentiation_voltage"),
    ],
)
def test_what_the_device_lacks_is_named(device: str, key: str) -> None:
    tables = {key: value for key, value in load_device(device).tables().items() if key != "write"}
    bare = conditions(device_from_tables(tables, device), f"{device}.toml")
    with pytest.raises(InputError) as error:
        done(device=bare)
    assert f"{device}.toml: {key}" in str(error.value)
    assert "the ledger counted 1000 W1 pulses_up" in str(error.value)
    assert "600 W1 pulses_down" in str(error.value)  # all complaints at once


def test_converters_that_do_not_quantise_need_a_resolution() -> None:
    facts = copy.deepcopy(FACTS)
    facts["arrays"]["W1"] |= {"dac_bits": 0, "adc_bits": None}  # type: ignore[index]
    with pytest.raises(InputError, match="did not quantise"):
        done(facts=facts)
    assert done(facts=facts, schedule=Schedule(unquantised_bits=8)).total == done().total


def test_wrong_schedules_are_refused() -> None:
    with pytest.raises(InputError, match="standby: got 'bussy'; allowed: busy, simulated, none"):
        Schedule(standby="bussy")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="polarities: got 'both'; allowed: in-turn, together"):
        Schedule(polarities="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="columns_per_adc: got 0"):
        Parallelism(columns_per_adc=0)


def record(**changed: Any) -> RunRecord:
    fields: dict[str, Any] = {
        "schema": 1, "name": "r", "kind": "onchip", "config_hash": "0" * 12, "seed": 3, "versions": {}, "git": None,
        "config": {"hardware": {"device": "taox_hfox"}, "network": {"rule": "ep"}}, "status": "finished",
        "metrics": {}, "timing": {}, "ledger": {"counts": COUNTS, "facts": FACTS}, "peak_memory_bytes": 1,
    }  # fmt: skip
    return RunRecord.model_validate(fields | changed)


def test_a_finished_record_is_accounted_without_running() -> None:
    found = accounted(record(), TABLE)
    assert found.schedule.parallelism.arrays_overlap
    assert found.device == "taox_hfox"
    assert found.total.nominal == approx(done().total.nominal)
    hardware = {"backend": "analog", "device": "taox_hfox"}
    energy = energy_of(record(config={"hardware": hardware, "network": {"rule": "ep"}}), TABLE)
    assert isinstance(energy, ChipAccount)
    assert energy.by_component_and_phase["adc"]["free"].nominal > 0
    assert energy.widest == found.widest


@pytest.mark.parametrize("ledger", [{}, {"counts": COUNTS}, {"counts": {}, "facts": FACTS}])
def test_a_record_without_a_ledger_is_named(ledger: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"record 'r', seed 3: .*ledger"):
        accounted(record(ledger=ledger), TABLE)


def test_a_run_without_images_has_no_figures_per_image() -> None:
    found = done(facts=RunFacts({"W1": facts_from(FACTS, COUNTS).arrays["W1"]}))
    assert found.per_inference is found.per_training_image is found.per_epoch is None


def test_counts_are_checked() -> None:
    assert checked(COUNTS) is COUNTS
    with pytest.raises(InputError):
        checked(None)


def test_a_run_counts_what_an_account_needs() -> None:
    sections = {"network": {"rule": "ep", "layers": [64, 20]}, "training": {"epochs": 1, "learning_rate": [0.01]},
                "hardware": {"backend": "analog", "device": "taox_hfox", "step_seconds": 1e-3},
                "data": {"dataset": "digits", "train_limit": 32, "test_limit": 16}}  # fmt: skip
    done = run(OnChipExperiment.model_validate({"name": "small", **sections}))
    found = accounted(done, TABLE)
    assert {"adc", "dac", "conduction", "write", "digital", "target"} <= found.by_component().keys()
    assert found.per_inference is not None
    assert found.per_training_image is not None
    assert found.uncounted() == []
    curve = training_energy(done, TABLE)
    assert len(curve) == 1
    assert curve[0].nominal == approx(found.of(*TRAINING_PHASES).nominal)
    settled = accounted(done, TABLE, Schedule(ep="continuous", standby="none"))
    assert "neurons" in settled.by_component()
    assert digital_baseline(done.ledger["counts"], found.facts, TABLE).training.nominal > 0

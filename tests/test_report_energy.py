"""Energies of points against each other, from hand-made accounts: every number here can be checked by hand."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from rich.console import Console

from neurohw.config import config_hash
from neurohw.energy.account import ArrayFacts, RunFacts, account
from neurohw.energy.conditions import Conditions
from neurohw.energy.neurosim import NeuroSimArray, array_models, conduction_energy, read_energy
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.recorded import ByModel
from neurohw.energy.schedule import Parallelism, Schedule
from neurohw.energy.table import EnergyTable
from neurohw.loading import nested, validated
from neurohw.report.energy.answers import answers
from neurohw.report.energy.bounds import digits, ratio_of
from neurohw.report.energy.compare import foremost, pareto_front
from neurohw.report.energy.comparison_tables import digital_table, equal_table, reached_table
from neurohw.report.energy.frame import energy_frame
from neurohw.report.energy.learning import best_settings, first_reached, levels, reached
from neurohw.report.energy.notes import basis
from neurohw.report.energy.sections import Energies, energies_of
from neurohw.report.energy.tables import (
    assumed_table,
    models_table,
    phases_table,
    time_table,
    trust_table,
    wear_table,
)
from neurohw.report.energy.terminal import folded, print_energies
from neurohw.report.points import group_records
from neurohw.runs.record import RunRecord
from tests.approximately import approx

EPOCHS = 4
DEVICE = {"hardware.backend": "analog", "hardware.device": "taox_hfox", "hardware.periphery": "32nm"}


def bounds(nominal: float) -> dict[str, float]:
    """Return a figure that may be half or three times as much."""
    return {"low": nominal / 2, "nominal": nominal, "high": nominal * 3}


def digital(joules: float) -> list[dict[str, Any]]:
    """Return the digital side: int8 on chip, and ten times that from DRAM; fp16 four times either."""
    return [
        {"precision": precision, "dram": dram, "node": 32.0, "total": bounds(joules * factor), "parts": {},
         "training": bounds(joules * factor), "per_training_image": bounds(joules * factor / 100)}
        for precision, dram, factor in (("int8", False, 1), ("int8", True, 10), ("fp16", False, 4), ("fp16", True, 40))
    ]  # fmt: skip


def on_chip(joules: float, seconds: float, writes: float) -> dict[str, Any]:
    """Return an account: so many joules, seconds and writes per epoch, evaluation takes as much again as one epoch."""
    training = joules * EPOCHS
    return {
        "table": "periphery_32nm", "device": "taox_hfox", "schedule": asdict(Schedule(standby="busy")),
        "per_inference": bounds(joules / 10), "per_training_image": bounds(training / 100),
        "per_epoch": bounds(joules), "total": bounds(training + joules), "average_power": bounds(2e-3),
        "tops_per_watt": bounds(5.0), "useful_tops_per_watt": bounds(0.5), "training_latency": bounds(seconds * EPOCHS),
        "inference_latency": bounds(seconds / 10), "latency": bounds(seconds * (EPOCHS + 1)), "area": bounds(2e-8),
        "by_component_and_phase": {
            "adc": {"forward": bounds(0.75 * training), "inference": bounds(joules)},
            "write": {"update": bounds(0.25 * training)},
        },
        "latency_by_phase": {"forward": bounds(seconds * EPOCHS / 2), "update": bounds(seconds * EPOCHS / 2),
                             "inference": bounds(seconds)},
        "area_by_part": {"W1 cells": bounds(2e-8)}, "utilisation": {"W1": 0.25}, "cells_used": 1.0,
        "provenance": {"published": 0.5, "scaled": 0.3, "assumed": 0.2}, "assumed": {"periphery_32nm kwta.energy": 0.2},
        "uncounted": [], "widest": "adc",
        "lifetime": [{"array": "W1", "mean": writes, "p999": writes * EPOCHS, "max": 2 * writes * EPOCHS,
                      "endurance": 1e6, "endurance_low": 1e5, "endurance_high": 1e7,
                      "images": 1e8 / (writes * EPOCHS), "images_low": 1e7 / (writes * EPOCHS),
                      "images_high": 1e9 / (writes * EPOCHS), "source": "a paper"}],
        "images": {"trained": 100.0, "inferred": 50.0, "epochs": EPOCHS},
        "training_by_epoch": [bounds(joules * (i + 1)) for i in range(EPOCHS)],
        "by_training_phase": {"pretraining": {"images": 40.0, **bounds(training / 4)},
                              "unlabelled": {"images": 60.0, **bounds(training * 3 / 4)}},
        "array_models": [{"array": "W1", "vectors": 300.0, "pulses": 70.0,
                          "read": {"ours": bounds(2e-6), "ohmic": bounds(1e-6), "neurosim": bounds(1e-9)},
                          "write": {"ours": bounds(4e-6), "neurosim": bounds(8e-6), "ohmic": bounds(8e-6)}}],
    }  # fmt: skip


def record(rule: str, seed: int, accuracies: list[float], energy: dict[str, Any], **keys: Any) -> RunRecord:
    """Return a record whose epochs ended at these accuracies."""
    experiment = validated(nested({"name": "made", "training.epochs": EPOCHS, "network.rule": rule, **keys}), "test")
    return RunRecord.model_validate({
        "schema": 1, "name": "made", "kind": "onchip", "config": experiment.canonical(),
        "config_hash": config_hash(experiment, {}), "seed": seed, "versions": {}, "git": None, "status": "finished",
        "metrics": {"direct_accuracy": accuracies[-1]}, "timing": {"epochs": EPOCHS}, "peak_memory_bytes": 1,
        "energy": energy,
        "curve": [{"epoch": i + 1, "phase": "unlabelled", "direct_accuracy": a} for i, a in enumerate(accuracies)],
    })  # fmt: skip


@pytest.fixture(scope="module")
def energies() -> Energies:
    """BP reaches 80 % and EP 70 % with both seeds, on one device; ideal BP reaches 85 %."""
    bp, ep = on_chip(1e-6, 1e-3, 5.0), on_chip(3e-6, 2e-3, 10.0)
    for account_of, joules in ((bp, 2e-6), (ep, 6e-6)):
        account_of["digital"] = digital(joules)
    ideal = {"table": "periphery_32nm", "digital": digital(2e-6)}
    return energies_of(group_records([
        record("bp", 0, [0.5, 0.71, 0.8, 0.82], bp, **DEVICE), record("bp", 1, [0.5, 0.6, 0.71, 0.81], bp, **DEVICE),
        record("ep", 0, [0.4, 0.72, 0.81, 0.7], ep, **DEVICE), record("ep", 1, [0.72, 0.73, 0.74, 0.7], ep, **DEVICE),
        record("bp", 0, [0.8, 0.83, 0.85, 0.86], ideal), record("bp", 1, [0.85, 0.85, 0.85, 0.86], ideal),
    ]))  # fmt: skip


def test_what_had_been_spent_when_an_accuracy_was_first_reached() -> None:
    spent = [Range(1, 2, 3) * n for n in (1, 2, 3, 4)]
    assert first_reached(0.8, [0.5, 0.8, 0.9, 0.7], spent) == spent[1]
    assert first_reached(0.8, [0.5, 0.8, 0.9, 0.7], (10, 20, 30, 40)) == 20
    assert first_reached(0.95, [0.5, 0.8, 0.9, 0.7], spent) is None


def test_energy_to_an_accuracy_is_a_mean_over_the_seeds_that_reached_it(energies: Energies) -> None:
    ideal, bp, ep = energies.learnings
    assert (ideal.digital, bp.digital, ep.digital) == (True, False, False)
    assert levels(energies.learnings) == [0.7, 0.75, 0.8]  # BP's seeds reach 80 %, no chip 85 %
    took = reached(bp, 0.7)  # seed 0 after two epochs, seed 1 after three
    assert took is not None
    assert took.energy.nominal == approx(2.5e-6)
    assert (took.epochs, took.seeds, took.of) == (2.5, 2, 2)
    took = reached(ep, 0.8)  # one seed only, after three epochs of 3 uJ
    assert took is not None
    assert (took.energy.low, took.energy.nominal, took.energy.high) == approx((4.5e-6, 9e-6, 27e-6))
    assert (took.seeds, took.of) == (1, 2)
    assert reached(ep, 0.85) is None
    took = reached(ideal, 0.85)  # 2 uJ in four equal parts; seed 0 after three, seed 1 after one
    assert took is not None
    assert took.energy.nominal == approx(1e-6)
    table = reached_table(energies.learnings, energies.accounts)
    assert table.columns == ("Point", "To 70 %", "To 75 %", "To 80 %")
    assert [row.cells[0] for row in table.rows] == ["BP · ideal, digital int8", "BP · taox_hfox", "EP · taox_hfox"]
    assert table.rows[1].cells[1] == "2.5 uJ (1.25 to 7.5), 2 of 2"
    assert table.rows[2].cells[3] == "9 uJ (4.5 to 27), 1 of 2"


def test_what_is_never_reached_is_a_dash(energies: Energies) -> None:
    chips = [learning for learning in energies.learnings if not learning.digital]
    low = [record("ep", 0, [0.4, 0.4, 0.4, 0.4], on_chip(1e-6, 1e-3, 1.0), **DEVICE, **{"hardware.adc_bits": 4})]
    (slow,) = energies_of(group_records(low)).learnings
    assert reached_table([*chips, slow], energies.accounts).rows[-1].cells[1:] == ("–", "–", "–")


def test_bp_and_ep_at_equal_accuracy(energies: Energies) -> None:
    (pair,) = energies.equals
    assert pair.wanted == 0.7  # EP's second seed never reaches 75 %
    # BP after 2.5 epochs of 1 uJ, 1 ms and 5 writes; EP after 1.5 of 3 uJ, 2 ms and 10 writes
    assert (pair.bp.energy.nominal, pair.ep.energy.nominal) == approx((2.5e-6, 4.5e-6))
    assert (pair.bp.seconds.nominal, pair.ep.seconds.nominal) == approx((2.5e-3, 3e-3))
    assert (pair.bp.writes, pair.ep.writes) == approx((12.5, 15.0))
    rows = [row.cells for row in equal_table(energies.equals).rows]
    assert rows[0] == ("taox_hfox", "Epochs to 70 %", "2.5", "1.5", "0.6")
    assert rows[1] == ("", "Energy", "2.5 uJ (1.25 to 7.5)", "4.5 uJ (2.25 to 13.5)", "1.8 (1.8 to 1.8)")
    assert rows[2][-1] == "1.2 (1.2 to 1.2)"
    assert rows[3] == ("", "Writes per cell", "12.5", "15", "1.2")


def test_the_digital_side_of_chips_and_of_ideal_points(energies: Energies) -> None:
    (ideal,) = energies.ideals
    assert ideal.point.label == "BP · ideal"
    table = digital_table(energies.digitals, energies.accounts)
    rows = {row.cells[0]: row.cells[1:] for row in table.rows}
    assert rows["BP · ideal"] == ("–", "20 nJ", "–", "200 nJ", "–", "80 nJ", "–", "800 nJ", "–")
    # a chip's image takes 4 uJ / 100
    assert rows["BP · taox_hfox"] == ("40 nJ (20 to 120)", "20 nJ", "2", "200 nJ", "0.2", "80 nJ", "0.5", "800 nJ",
                                      "0.05")  # fmt: skip


def test_the_other_tables(energies: Energies) -> None:
    accounts = energies.accounts
    assert time_table(accounts).rows[0].cells == (
        "BP · taox_hfox", "5 ms (2.5 to 15)", "100 us (50 to 300)", "2 mW (1 to 6)", "5 (2.5 to 15)",
        "0.5 (0.25 to 1.5)", "0.02 mm2 (0.01 to 0.06)", "W1 25 %", "100 %",
    )  # fmt: skip
    assert trust_table(accounts).rows[0].cells[1:] == ("50.0 %", "30.0 %", "20.0 %", "adc")
    assert assumed_table(accounts).rows[0].cells == ("periphery_32nm kwta.energy", "20.0 %", "BP · taox_hfox")
    assert wear_table(accounts).rows[0].cells[1:] == (
        "W1", "5", "20", "40", "1e6 (1e5 to 1e7)", "5e6 (5e5 to 5e7)", "50,000",
    )  # fmt: skip
    first, second = phases_table(accounts).rows[:2]
    assert first.cells == ("BP · taox_hfox", "pretraining", "40", "1 uJ (0.5 to 3)", "25.0 %", "25 nJ (12.5 to 75)")
    assert second.cells[0] == ""
    models = models_table(energies.models).rows[0].cells
    assert models[1:] == ("300", "2 uJ (1 to 6)", "1 uJ", "1 nJ", "70", "4 uJ (2 to 12)", "8 uJ")


def test_the_answers_come_first(energies: Energies) -> None:
    images, accuracies, rules, doubts = answers(energies)
    assert "40 nJ (20 to 120) on BP · taox_hfox, the cheapest chip here, and 120 nJ (60 to 360) on EP" in images
    assert "(int8, on chip) 20 nJ to 60 nJ" in images
    # BP's seeds reach 80 % after three and four epochs; ideal ones after one and one, of half a microjoule each
    assert "To 80 % accuracy with every seed, BP · taox_hfox takes least: 3.5 uJ (1.75 to 10.5)" in accuracies
    assert "BP · ideal takes least: 500 nJ" in accuracies
    assert rules.startswith("EP takes 3 times the energy of BP per training image (1 pair on like devices and settings")
    assert "1.8 times until both have the same accuracy" in rules
    assert doubts.startswith("20 % of a chip's nominal energy rests on assumed figures")
    console = Console(width=100, record=True)
    print_energies(console, energies)
    said = console.export_text()
    for column in ("Reads: V² G t, NeuroSim's cell", "fp16 with DRAM", "Lifetime, images"):  # wrapped, not cut
        assert set(column.split()) <= set(said.split())
    assert said.index("A training image costs") < said.index("What each point costs") < said.index("Assumed figures")


def test_not_to_learn_is_cheap_and_no_merit() -> None:
    """A chip of a third of the energy whose network is at chance: neither the cheapest nor on the front."""
    other = {**DEVICE, "hardware.remedy": "differential"}
    idle = [record("bp", seed, [0.1, 0.1, 0.1, 0.12], on_chip(1e-7, 1e-4, 5.0), **other) for seed in (0, 1)]
    able = [record("bp", seed, [0.5, 0.6, 0.7, 0.8], on_chip(3e-7, 3e-4, 5.0), **DEVICE) for seed in (0, 1)]
    data = energies_of(group_records(idle + able))
    images = answers(data)[0]
    assert images.startswith("A training image costs 12 nJ (6 to 36) on BP · taox_hfox; 1 point at chance left out")
    assert [e.accuracy.mean for e in pareto_front(data.accounts)] == [approx(0.8)]
    assert not any("cheapest" in said for said in answers(energies_of(group_records(idle))))


def test_the_basis_names_table_schedule_and_seeds(energies: Energies) -> None:
    told = basis(energies.accounts, energies.digitals)
    assert told.startswith("Basis: table periphery_32nm; seeds 0, 1; 8 columns per ADC, all tiles of an array at once")
    assert "leakage and bias over the busy time" in told
    assert basis((), energies.ideals) == "Basis: table periphery_32nm; seeds 0, 1."
    assert basis([replace(e, seeds=(3,)) for e in energies.accounts]).startswith("Basis: table periphery_32nm; seed 3;")


def test_the_basis_tells_what_only_some_points_of_a_rule_have(energies: Energies) -> None:
    bp, ep = energies.accounts
    pipelined = replace(bp, schedule=Schedule(Parallelism(phases_overlap=True), standby="busy"))
    assert basis([bp, pipelined, ep]).endswith("read one after the other; BP: in part phases of images pipelined.")
    assert basis([pipelined, ep]).endswith("read one after the other; BP: phases of images pipelined.")


def test_the_csv_has_every_seed_that_reached_an_accuracy(energies: Energies) -> None:
    frame = energy_frame(energies)
    found = frame[(frame["quantity"] == "energy_to_0.8") & (frame["part"] == "chip")]
    assert found[["seed", "epoch"]].to_numpy().tolist() == [[0, 3], [1, 4], [0, 3]]
    assert found["nominal"].tolist() == approx([3e-6, 4e-6, 9e-6])


def test_a_ratio_takes_both_sides_at_one_end() -> None:
    assert ratio_of(Range(2, 6, 30), Range(1, 2, 5)) == Range(2, 3, 6)
    assert ratio_of(Range(1, 2, 3), Range(0, 0, 0)) is None
    assert [digits(v) for v in (1234567.0, 100.4, 12.34, 0.01234)] == ["1,230,000", "100", "12.3", "0.0123"]


def test_of_too_many_points_those_that_matter_are_drawn() -> None:
    records = [record("bp", 0, [0.5, 0.5, 0.5, 0.5 + bits / 100], on_chip(bits * 1e-6, 1e-3, 1.0), **DEVICE,
                      **{"hardware.adc_bits": bits}) for bits in range(3, 11)]  # fmt: skip
    worst = record("bp", 0, [0.2] * 4, on_chip(2e-5, 1e-3, 1.0), **DEVICE, **{"hardware.adc_bits": 11})
    many = energies_of(group_records([*records, worst]))
    kept = foremost(many.accounts, 8)
    assert "adc_bits=11" not in " ".join(e.point.label for e in kept)
    assert [e.point.label for e in kept] == [e.point.label for e in many.accounts if e in kept]
    (best,) = best_settings(many.learnings, 3)
    assert best.point.label == "BP · taox_hfox, adc_bits=10"


def test_a_wide_table_is_folded_and_keeps_what_names_a_row(energies: Energies) -> None:
    parts = list(folded(equal_table(energies.equals), 70))
    assert all(part.columns[:2] == ("Point", "Quantity") for part in parts)
    assert [column for part in parts for column in part.columns[2:]] == ["BP", "EP", "EP / BP"]
    digital_parts = list(folded(digital_table(energies.digitals, energies.accounts), 60))
    assert len(digital_parts) > 1
    assert all(part.columns[1] != "×" for part in digital_parts)


def test_neurosims_side_of_an_array() -> None:
    """200 inputs and 100 outputs with two cells a weight: two times two of its arrays, less at the edges."""
    device = Conditions("d", "d", {
        "read.voltage": Figure("v", Range.of(0.2), "test"), "read.time": Figure("t", Range.of(1e-8), "test"),
        "write.up": Figure("u", Range.of(2e-12), "test"), "write.down": Figure("w", Range.of(1e-12), "test"),
    })  # fmt: skip
    events = {"reads": 10.0, "reads_transposed": 3.0, "read_conductance": 5.0, "dac_conversions": 10 * 200 + 3 * 100.0,
              "pulses_up": 7.0, "pulses_down": 5.0}  # fmt: skip
    facts = RunFacts({"W1": ArrayFacts(100, 200, devices_per_weight=2, dac_bits=7, adc_bits=9, read_passes=2)})
    counts = {"W1": {"forward": events}}
    breakdown = account(counts, facts, EnergyTable.load("32nm"), device, Schedule(standby="none"))
    (found,) = array_models(breakdown, counts)
    assert (found.vectors, found.pulses) == (2 * 13, 12)
    forward = sum(read_energy(NeuroSimArray(rows=r, columns=c)) for r in (128, 72) for c in (128, 72))
    assert forward == approx(3.3e-15 * (0.25 * 200 * 2 + 0.81 * 0.5 * 200 * 2))
    assert found.read.neurosim.nominal == approx(2 * 13 * forward)  # as high as wide, so either way
    assert found.read.ohmic.nominal == approx(26 * 0.25 / 240e3 * 10e-9 * 200 * 200 * 0.5)
    whole = conduction_energy(NeuroSimArray(rows=200, columns=200))  # conduction does not feel where arrays are cut
    assert found.read.ohmic.nominal == approx(26 * whole)
    by = breakdown.by_component()
    assert found.read.ours.nominal == approx(by["conduction"].nominal + by["rows"].nominal)
    assert found.write.ours.nominal == approx(7 * 2e-12 + 5 * 1e-12)
    assert found.write.neurosim.nominal == approx(12 * 16 / 240e3 * 50e-9)


def test_neurosims_side_reads_what_ours_reads() -> None:
    """Of tiki-taka's two arrays the visible one; columns of the other, and verified cells, are no vectors on either."""
    device = Conditions("d", "d", {
        "read.voltage": Figure("v", Range.of(0.2), "test"), "read.time": Figure("t", Range.of(1e-8), "test"),
    })  # fmt: skip
    vectors = {"reads": 10.0, "read_conductance": 5.0, "dac_conversions": 10 * 100.0}
    columns = {"reads": 40.0, "read_conductance": 3.0, "dac_conversions": 40.0, "verifying_reads": 7.0}
    facts = RunFacts({"W1": ArrayFacts(50, 100, devices_per_weight=2, devices_on_line=1, dac_bits=7, adc_bits=9)})
    found = []
    for counts in ({"W1": {"forward": vectors}}, {"W1": {"forward": vectors, "update": columns}}):
        (each,) = array_models(account(counts, facts, EnergyTable.load("32nm"), device), counts)
        found.append(each)
    assert found[0] == found[1]
    assert found[0].vectors == 10
    assert found[0].read.neurosim.nominal == approx(10 * read_energy(NeuroSimArray(rows=100, columns=50)))


def test_neurosim_has_no_settling_network_and_no_uncounted_pulses() -> None:
    device = Conditions("d", "d", {"write.up": Figure("u", Range.of(2e-12), "test")})
    counts = {"W1": {"update": {"pulses_up": 7.0}}, "clock": {"free": {"steps": 20.0, "images": 1.0}}}
    facts = RunFacts({"W1": ArrayFacts(10, 20, dac_bits=7, adc_bits=9, pulses="unknown")})
    schedule = Schedule(standby="none", ep="continuous")
    (found,) = array_models(account(counts, facts, EnergyTable.load("32nm"), device, schedule), counts)
    assert found.read == found.write == ByModel(ours=None, neurosim=None, ohmic=None)

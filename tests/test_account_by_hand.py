"""The account of a small two-layer network that is read from both sides, and of a softmax, number by number."""

from __future__ import annotations

from typing import Any

import pytest

from neurohw.energy.account import EnergyBreakdown, Parallelism, Schedule, account, facts_from
from neurohw.energy.baseline import Digital, digital_baseline
from neurohw.energy.conditions import CircuitConditions, Conditions
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.schedule import EPMode
from neurohw.energy.schema import ENTRIES
from neurohw.energy.table import EnergyTable, table_from
from neurohw.runs.accounts import schedule_of
from tests.approximately import approx

IMAGES = 10.0
SHAPES = {"W1": (6, 20), "W2": (3, 6)}  # 20-6-3, [n_post, n_pre]
DEVICE = Conditions("a device", "here", {key: Figure(key, Range.of(1.0), "test") for key in (
    "read.voltage", "read.time", "write.up", "write.down", "write.half_up", "write.half_down",
    "write.pulse_time", "cell.area")})  # fmt: skip


def table(**scaling: Any) -> EnergyTable:
    """Ones, but for what scales."""
    sections: dict[str, Any] = {"name": "ones", "description": "ones", "node": 32}
    for key, kind in ENTRIES.items():
        section, _, name = key.partition(".")
        figure = {"low": 1.0, "nominal": 1.0, "high": 1.0, "unit": kind.dimension, "source": "test"}
        sections.setdefault(section, {})[name] = figure | scaling.get(key, {})
    return table_from(sections, "ones.toml")


ONES = table(**{"row.energy": {"columns": 1, "scaling": ["columns"]}})


def reads(name: str, transposed: bool = False) -> dict[str, float]:
    n_post, n_pre = SHAPES[name]
    lines, outputs = (n_post, n_pre) if transposed else (n_pre, n_post)
    return {"reads_transposed" if transposed else "reads": IMAGES, "dac_conversions": IMAGES * lines,
            "adc_conversions": IMAGES * outputs, "read_conductance": IMAGES}  # fmt: skip


def slots(number: float) -> dict[str, float]:
    return {"pulses_up": 1.0, "pulse_slots_in_turn": number, "longest_slots_in_turn": number,
            "line_pulses_in_turn": 2.0, "half_selected_up_in_turn": 1.0, "outer_products": IMAGES,
            "train_bits": 1.0}  # fmt: skip


COUNTS: dict[str, Any] = {
    "W1": {"forward": reads("W1"), "update": slots(40.0)},
    "W2": {"forward": reads("W2"), "backward": reads("W2", transposed=True), "update": slots(70.0)},
    "clock": {"forward": {"images": IMAGES}, "backward": {"images": IMAGES}},
}


def done(
    counts: dict[str, Any] = COUNTS, tiles: tuple[int, int] = (1, 1), ep: EPMode = "clocked", **parallelism: Any
) -> EnergyBreakdown:
    arrays = {name: {"n_post": n_post, "n_pre": n_pre, "tiles": list(tiles), "devices_per_weight": 2, "dac_bits": 8,
                     "adc_bits": 8}
              for name, (n_post, n_pre) in SHAPES.items()}  # fmt: skip
    schedule = Schedule(Parallelism(**parallelism), ep, standby="none")
    return account(counts, {"arrays": arrays, "images": {"batches": 1.0}}, ONES, DEVICE, schedule)


def test_a_line_is_charged_for_the_cells_along_it() -> None:
    """An input's line crosses all outputs, an output's line, which a transposed read drives, all inputs."""
    rows = done().by(lambda item: (item.component, item.part, item.phase))
    assert rows["rows", "W1", "forward"].nominal == IMAGES * 20 * (6 * 2)
    assert rows["rows", "W2", "forward"].nominal == IMAGES * 6 * (3 * 2)
    assert rows["rows", "W2", "backward"].nominal == IMAGES * 3 * (6 * 2)


@pytest.mark.parametrize("columns", [2, 4, 8])
def test_a_read_takes_the_conversions_of_the_side_that_it_comes_out_of(columns: int) -> None:
    """A read, then the outputs that share a converter, in turn; BP's layers are read in turn, too."""
    phases = done(columns_per_adc=columns).latency.phases
    assert phases["forward"].nominal == IMAGES * ((1 + min(columns, 6)) + (1 + min(columns, 3)))
    assert phases["backward"].nominal == IMAGES * (1 + min(columns, 6))


def test_all_arrays_are_written_at_once() -> None:
    latency = done().latency
    assert latency.phases["update"].nominal == 70
    assert latency.arrays["W1"].nominal == IMAGES * (1 + 6) + 40


def test_layers_that_learn_one_after_the_other_are_written_so() -> None:
    assert done(writes_overlap=False).latency.phases["update"].nominal == 40 + 70
    stack, single, end_to_end = ("hebbian-wta", [9, 5, 5]), ("hebbian-wta", [9, 5]), ("bp", [9, 5, 5])
    for (rule, layers), at_once in ((stack, False), (single, True), (end_to_end, True)):
        schedule = schedule_of({"network": {"rule": rule, "layers": layers}})
        assert schedule.parallelism.writes_overlap is at_once


def test_an_array_that_is_read_from_both_sides_has_drivers_and_converters_on_both() -> None:
    area = done(columns_per_adc=2).area
    assert (area["W1 dac"].nominal, area["W1 adc"].nominal) == (20, 3)
    assert (area["W2 dac"].nominal, area["W2 adc"].nominal) == (6 + 3, 2 + 3)
    assert (area["W1 cells"].nominal, area["W2 cells"].nominal) == (2 * 120, 2 * 18)


def test_a_hidden_array_has_drivers_of_its_own_and_shares_converters() -> None:
    """Tiki-taka's 200 x 100 on 2 x 2 tiles of 100 x 50: 50 lines of either array; 100 outputs, 8 a converter."""
    array = {"n_post": 200, "n_pre": 100, "tiles": [2, 2], "devices_per_weight": 2, "dac_bits": 8, "adc_bits": 8}
    counts = {"W1": {"forward": {"reads": 1.0, "dac_conversions": 200.0, "adc_conversions": 400.0}}}
    for on_line, drivers in ((1, 4 * 2 * 50), (2, 4 * 50), (0, 4 * 50)):  # 0: from before it was told
        facts = {"arrays": {"W1": {**array, "devices_on_line": on_line}}}
        area = account(counts, facts, ONES, DEVICE).area
        assert (area["W1 dac"].nominal, area["W1 adc"].nominal) == (drivers, 4 * 13)
        assert area["W1 cells"].nominal == 2 * 200 * 100


def test_a_threshold_takes_the_room_of_where_it_is_kept() -> None:
    """Of 3 outputs: capacitors; these and a third of a converter each; counters, which are memory, and their DACs."""
    sizes = {"homeostasis.area": 5.0, "dac.area": 7.0, "adc.area": 12.0}
    small = table(**{key: {"low": size, "nominal": size, "high": size} for key, size in sizes.items()})
    moved = {**COUNTS, "target": {"homeostasis": {"homeostasis_updates": 3.0}}}
    facts = {"arrays": {"W1": {"n_post": 3, "n_pre": 20, "tiles": [1, 1], "devices_per_weight": 1, "dac_bits": 8,
                               "adc_bits": 8}}}  # fmt: skip
    counts = {key: part for key, part in moved.items() if key != "W2"}
    for storage, bits, room in (("capacitor", 0, 5), ("capacitor", 6, 5 + 12 / 3), ("counter", 6, 7)):
        circuit = CircuitConditions({}, storage, bits)
        found = account(counts, facts, small, DEVICE, Schedule(Parallelism(columns_per_adc=3)), circuit)
        assert found.area["homeostasis"].nominal == approx(3 * room)


def test_columns_that_are_read_one_by_one_need_one_pass() -> None:
    """Of a hidden array, bit-serial inputs of 7 bits: a vector takes 6 passes, a column at full scale one."""
    array = {"n_post": 6, "n_pre": 20, "tiles": [1, 1], "devices_per_weight": 2, "dac_bits": 7, "adc_bits": 8,
             "coding": "bit-serial", "read_passes": 6}  # fmt: skip
    counts = {"W1": {"forward": {"reads": 10.0}, "update": {"reads": 10.0}, "compensation": {"reads": 10.0}}}
    phases = account(counts, {"arrays": {"W1": array}}, ONES, DEVICE).latency.phases
    assert phases["forward"].nominal == 10 * 6 * (1 + 6)
    assert phases["update"].nominal == phases["compensation"].nominal == 10 * (1 + 6)


def test_a_tile_that_is_not_filled_has_all_its_lines() -> None:
    """6 x 20 on two tiles that are built with 8 x 16 lines, of which they use 6 x 10."""
    array = {"n_post": 6, "n_pre": 20, "tiles": [1, 2], "tile_size": [8, 16], "devices_per_weight": 2, "dac_bits": 8,
             "adc_bits": 8}  # fmt: skip
    schedule = Schedule(Parallelism(columns_per_adc=2))
    found = account({"W1": {"forward": reads("W1")}}, {"arrays": {"W1": array}}, ONES, DEVICE, schedule)
    assert found.area["W1 cells"].nominal == 2 * 2 * 8 * 16
    assert (found.area["W1 dac"].nominal, found.area["W1 adc"].nominal) == (2 * 16, 2 * 4)
    assert found.cells_used == 120 / 256
    by = found.by(lambda item: (item.component, item.figures[0].key))
    seconds = found.latency.total.nominal
    assert by["rows", "ones row.energy"].nominal == IMAGES * 20 * (8 * 2)
    assert by["standby", "ones static.adc"].nominal == approx(2 * 4 * seconds)


def test_a_softmax_waits_for_no_winners() -> None:
    """Its exponentials are digital operations; no competitors settle, and none take room."""
    soft = {**COUNTS, "target": {"target": {"decisions": IMAGES, "exponentials": IMAGES * 3}}}
    hard = {**COUNTS, "target": {"target": {"decisions": IMAGES, "comparisons": IMAGES * 3}}}
    assert done(soft).latency.phases["target"].nominal == approx(IMAGES * 3)
    assert done(hard).latency.phases["target"].nominal == approx(IMAGES)
    assert "target" in done(hard).area
    assert "target" not in done(soft).area


def test_a_digital_accelerator_keeps_out_layers_that_do_not_learn_yet() -> None:
    """W1 of 120 weights learns for 4 batches, then W2 of 18 for 3; or both in all 7. At int8, from DRAM and back."""
    for updates, fetched, rewritten in (((4, 3), 7 * 120 + 3 * 18, 4 * 120 + 3 * 18), ((None, None), 7 * 138, 7 * 138)):
        arrays = {name: {"n_post": n_post, "n_pre": n_pre, "tiles": [1, 1], "devices_per_weight": 1, "dac_bits": 8,
                         "adc_bits": 8, "updates": number}
                  for (name, (n_post, n_pre)), number in zip(SHAPES.items(), updates, strict=True)}  # fmt: skip
        facts = facts_from({"arrays": arrays, "images": {"batches": 7.0}}, COUNTS)
        parts = digital_baseline({"W1": {"forward": {"reads": 1.0}}}, facts, ONES, Digital("int8", dram=True)).parts
        assert parts["dram"].nominal == 8 * (fetched + rewritten)
        assert parts["sram"].nominal == 2 * 8 * rewritten + 2 * 8 / 16 * 120  # and both operands of 120 products


def test_an_optimisers_memory_holds_all_its_words() -> None:
    """Adam's has two words of 32 bits a weight, and its bits cost as the root of its size, from 8 kB on."""
    array = {"n_post": 100, "n_pre": 90, "tiles": [1, 1], "devices_per_weight": 1, "dac_bits": 8, "adc_bits": 8}
    counts = {"digital": {"update": {"optimizer_words": 5.0}}}
    for optimizer, words in (("adam", 2), ("sgd", 1)):  # what a remedy sums up has one
        facts = {"arrays": {"W1": array}, "images": {"batches": 1.0}, "optimizer": optimizer}
        spent = account(counts, facts, ONES, DEVICE, Schedule(standby="none")).by_component()["optimiser"]
        assert spent.nominal == approx(5 * 32 * (words * 9000 * 32 / 65536) ** 0.5)


def test_a_neuron_that_settles_is_converted_once_however_many_tiles_drive_it() -> None:
    """2 x 3 tiles: the held input's lines drive 2 rows of tiles; neurons are states, not reads."""
    relaxed = {"W1": {"free": reads("W1")}, "W2": {"free": reads("W2") | reads("W2", transposed=True)},
               "clock": {"free": {"images": IMAGES, "steps": 40 * IMAGES}}}  # fmt: skip
    found = done(relaxed, (2, 3), "continuous").by(lambda item: (item.component, item.part))
    assert found["dac", "W1"].nominal == IMAGES * 20 * 2
    assert ("dac", "W2") not in found
    assert (found["adc", "W1"].nominal, found["adc", "W2"].nominal) == (IMAGES * 6, IMAGES * 3)
    codes = 20 * 2 * 8 + (6 + 3) * 8  # bits, to DACs and from ADCs
    assert found["buffer", "buffer"].nominal == IMAGES * codes
    assert found["neurons", "neurons"].nominal == IMAGES * (6 + 3)

"""What is driven in an update whose cells shall rise and fall: hand accounts, and voltages line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.anatomy import Driving, Trains
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.tiled import TiledArray
from neurohw.devices.laws import ConstantStep
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.metering.polarities import LINE_EVENTS, POLARITIES, as_written
from tests.approximately import approx

STEP, LENGTH = ConstantStep().granularity, 5
Counted = dict[str, float]


def counted(post: Tensor, pre: Tensor, polarities: Any, slots: int = 1, tile: Any = None, **trains: Any) -> Counted:
    """The line events of one term whose lines pulse for certain in each of `slots` slots: values are 0, 1 or -1."""
    device = DevicePopulation(ConstantStep(), zero=-0.7, siemens=1e-6)
    zero = torch.zeros(post.shape[1], pre.shape[1])
    make: Callable[[Tensor, str], AnalogArray] = lambda block, place: AnalogArray(block, device)  # noqa: E731
    ledger = EnergyLedger()
    array = MeteredArray(make(zero, "") if tile is None else TiledArray(zero, tile, make), ledger, Clock(), "W1",
                         ArraySettings(trains=Trains(Driving(STEP, **trains), length=LENGTH)))  # fmt: skip
    array.update(OuterProducts((Product(post, pre),), 1.0), slots * STEP)
    events = as_written(ledger.counts(), polarities)["W1"]["inference"]
    return {event: events.get(event, 0.0) for event in LINE_EVENTS}


def test_a_tiny_batch_by_hand() -> None:
    """Inputs (1, 1) and outputs (1, -1, 0): two cells rise, two fall, two shall not move.

    In turn. Sub-phase 1: both inputs at +V/2, output 1 at -V/2: 3 lines; its two cells rise, the inputs' other four are
    half selected. Sub-phase 2: both inputs at -V/2, output 2 at +V/2: again 3 lines, 2 cells, 4 half selected.
    Together. Both inputs open their gates, output 1 has one polarity, output 2 the other: 4 lines; the two cells of
    output 3, whose gates are open, are half selected.
    """
    post, pre = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    assert counted(post, pre, "in-turn") == {
        "pulse_slots": 2, "longest_slots": 2 * LENGTH, "line_pulses": 6,
        "half_selected_up": 4, "half_selected_down": 4,
    }  # fmt: skip
    assert counted(post, pre, "together") == {
        "pulse_slots": 1, "longest_slots": LENGTH, "line_pulses": 4,
        "half_selected_up": 1, "half_selected_down": 1,
    }  # fmt: skip


def sub_phases(x: list[int], d: list[int], polarities: str) -> Iterator[tuple[list[float], list[float]]]:
    """Yield voltages of the inputs' and of the outputs' lines; a cell rises at 1 and falls at -1, their sum."""
    for sx in (1, -1):
        if polarities == "together":  # gates, at 1 where open: `line_counts` multiplies
            yield [float(value == sx) for value in x], [float(sx * value) for value in d]
            continue
        for sd in (1, -1):
            half = sx * sd / 2
            yield [half * (value == sx) for value in x], [half * (value == sd) for value in d]


def line_counts(post: Tensor, pre: Tensor, polarities: str) -> Counted:
    """Set every line of every sub-phase, look at every cell, and see that each moves as it shall."""
    found = dict.fromkeys(LINE_EVENTS, 0.0)
    for x, d in zip(pre.int().tolist(), post.int().tolist(), strict=True):
        moved = torch.zeros(len(d), len(x))
        for inputs, outputs in sub_phases(x, d, polarities):
            if not (any(inputs) and any(outputs)):
                continue
            found["pulse_slots"] += 1
            found["line_pulses"] += sum(map(bool, inputs)) + sum(map(bool, outputs))
            for i, output in enumerate(outputs):
                for j, gate in enumerate(inputs):
                    volts = gate * output if polarities == "together" else gate + output
                    assert abs(volts) in (0, 0.5, 1)
                    moved[i, j] += volts if abs(volts) == 1 else 0
                    if bool(gate) == bool(output):
                        continue
                    if polarities == "in-turn":  # of lines whose voltage rises with the others, or falls
                        found["half_selected_up" if gate + output > 0 else "half_selected_down"] += 1
                    else:  # an output's pulse, or a gate that is open for all of them
                        rising = sum(volts > 0 for volts in outputs) / sum(map(bool, outputs))
                        share = float(output > 0) if output else rising
                        found["half_selected_up"] += share
                        found["half_selected_down"] += 1 - share
        assert torch.equal(moved, torch.tensor(d)[:, None] * torch.tensor(x).float())
    found["longest_slots"] = LENGTH * found["pulse_slots"]
    return found


@pytest.mark.parametrize("polarities", POLARITIES)
@pytest.mark.parametrize("signs", ["x", "d", "both", "neither"])
def test_every_line_and_every_cell_of_small_batches(polarities: str, signs: str) -> None:
    generator = torch.Generator().manual_seed(0)
    low_x, low_d = -(signs in ("x", "both")), -(signs in ("d", "both"))
    for _ in range(5):
        pre = torch.randint(low_x, 2, (3, 6), generator=generator).float()
        post = torch.randint(low_d, 2, (3, 5), generator=generator).float()
        pre[:, 0], post[:, 0] = 1.0, 1.0  # no sample without any
        assert counted(post, pre, polarities) == approx(line_counts(post, pre, polarities))
        many = counted(post, pre, polarities, slots=3)
        assert many["longest_slots"] == counted(post, pre, polarities)["longest_slots"]
        for event in ("pulse_slots", "line_pulses", "half_selected_up", "half_selected_down"):
            assert many[event] == approx(3 * counted(post, pre, polarities)[event])


@pytest.mark.parametrize("polarities", POLARITIES)
def test_the_two_crossbars_of_a_pair_rise_at_the_same_time(polarities: str) -> None:
    """Inputs (1, 1), outputs (1, -1, 0): w+ of output 1 and w- of output 2 rise in one slot; inputs pulse on both."""
    post, pre = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    found = counted(post, pre, polarities, pair=True)
    nothing = {"half_selected_down": 0}  # no device of such a pair is ever lowered
    assert (
        found == {"pulse_slots": 1, "longest_slots": LENGTH, "line_pulses": 2 * 3, "half_selected_up": 2 * 4} | nothing
    )
    both = counted(post, torch.tensor([[1.0, -1.0]]), polarities, pair=True)  # one input after the other
    slots = {"pulse_slots": 2, "longest_slots": 2 * LENGTH}
    assert both == slots | {"line_pulses": 4 * 2, "half_selected_up": 4 * 3} | nothing


def test_inputs_whose_signs_are_chopped_have_both() -> None:
    post, pre = torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    assert counted(post, pre, "in-turn", chopped=True)["pulse_slots"] == 4


def test_tiles_pulse_at_the_same_time() -> None:
    """Tiles of one output each: those of outputs 1 and 2 need one sub-phase, and take it together."""
    post, pre = torch.tensor([[1.0, -1.0]]), torch.tensor([[1.0, 1.0]])
    assert counted(post, pre, "in-turn", tile=(1, 2)) == {
        "pulse_slots": 1, "longest_slots": LENGTH, "line_pulses": 2 * 3,
        "half_selected_up": 0, "half_selected_down": 0,
    }  # fmt: skip


@pytest.mark.parametrize("rule", ["bp", "two-phase", "difference"])
def test_only_products_of_one_sign_need_no_turns(rule: str) -> None:
    """BP's errors, and EP's difference, have both signs; EP's two products none: twice the slots, or as many."""
    draw = torch.Generator().manual_seed(0)
    x, free, nudged = (torch.rand(8, n, generator=draw) for n in (20, 10, 10))
    terms = {"bp": (Product(nudged - free, x),), "difference": (Product(nudged - free, x),),
             "two-phase": (Product(free, x, -1), Product(nudged, x))}[rule]  # fmt: skip
    ledger = EnergyLedger()
    device = DevicePopulation(ConstantStep(), zero=-0.7, siemens=1e-6)
    array = MeteredArray(AnalogArray(torch.zeros(10, 20), device), ledger, Clock(), "W1",
                         ArraySettings(trains=Trains(Driving(STEP))))  # fmt: skip
    array.update(OuterProducts(terms, 1 / 8), 0.1)
    events = ledger.counts()["W1"]["inference"]
    ratios = {event: events[f"{event}_in_turn"] / events[event] for event in LINE_EVENTS}
    if rule == "two-phase":
        assert set(ratios.values()) == {1.0}
    else:
        assert ratios["pulse_slots"] == ratios["longest_slots"] == 2
        assert 1 < ratios["line_pulses"] < min(ratios["half_selected_up"], ratios["half_selected_down"])

"""Half-selected cells, each at half of the voltage of the pulse that half selects it, counted and priced by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.devices.laws import ConstantStep
from neurohw.devices.library import load_device
from neurohw.energy.account import Schedule, account
from neurohw.energy.table import EnergyTable
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.ledger import EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.metering.polarities import as_written
from neurohw.runs.operating_points import conditions
from tests.approximately import approx

LAW = ConstantStep(step_dtod=0.0, step_ctoc=0.0, w_max_dtod=0.0, w_min_dtod=0.0, asymmetry_dtod=0.0, step=0.01)
SINGLE = DevicePopulation(LAW)


def metered(shape: tuple[int, int], **given: Any) -> tuple[MeteredArray, EnergyLedger]:
    built = build_array("analog", torch.zeros(shape), **{"device": SINGLE, **given})
    ledger = EnergyLedger()
    return MeteredArray(built, ledger, Clock(), "W1", ArraySettings.of(built)), ledger


def halves(ledger: EnergyLedger, polarities: Any) -> tuple[float, float]:
    events = as_written(ledger.counts(), polarities)["W1"]["inference"]
    return events.get("half_selected_up", 0.0), events.get("half_selected_down", 0.0)


def one_slot(post: Tensor, pre: Tensor, sign: int = 1, **given: Any) -> dict[Any, tuple[float, float]]:
    """Of trains whose lines pulse for certain in one slot."""
    array, ledger = metered((post.shape[1], pre.shape[1]), **given)
    trains = array.anatomy.trains
    assert trains is not None
    array.update(OuterProducts((Product(post, pre, sign),), 1.0), trains.driving.granularity * trains.output_scale)
    return {way: halves(ledger, way) for way in ("in-turn", "together")}


@pytest.mark.parametrize("batch", [1, 16, 128])
@pytest.mark.parametrize(
    ("x", "d", "in_turn", "together"),
    [
        ((1, 1), (1, -1, 0), (4, 4), (1, 1)),
        ((1, 0), (1, 1, -1), (3, 3), (2, 1)),  # 2 pulses up and 1 down: shares of pulses are not those of cells
        ((1, -1), (1, 1, 0), (3, 3), (3, 3)),
        ((-1, -1), (1, 1, 0), (0, 2 * 3 + 2 * 2 - 8), (0, 2)),
    ],
)
def test_a_small_array_by_hand(batch: int, x: Any, d: Any, in_turn: Any, together: Any) -> None:
    """3 x 2. X inputs and D outputs that pulse with one polarity half select 3 X + 2 D - 2 X D cells at its voltage.

    Together: gates are open for the pulses of all outputs, and their cells are shared by these.
    """
    post, pre = torch.tensor([d] * batch).float(), torch.tensor([x] * batch).float()
    found, lowered = one_slot(post, pre), one_slot(post, pre, -1)
    for way, (up, down) in (("in-turn", in_turn), ("together", together)):
        assert found[way] == approx((batch * up, batch * down))
        assert lowered[way] == approx((batch * down, batch * up))


def test_a_large_array_on_tiles_by_hand() -> None:
    """200 x 100 on four of 100 x 50; all inputs, 150 outputs up and 50 down: the first 100 rows half select nothing."""
    d = torch.ones(1, 200)
    d[:, 150:] = -1
    rest = 50 * 100 + 50 * 50 - 2 * 50 * 50  # of the other tiles: 50 outputs either way, all 50 inputs
    assert one_slot(d, torch.ones(1, 100), tile=(100, 50))["in-turn"] == approx((2 * rest, 2 * rest))


@pytest.mark.parametrize("cell", ["differential", "several-cells"])
def test_devices_of_a_pair_that_go_opposite_ways(cell: str) -> None:
    """Of 3 rises to 1 fall of weights, the second device of a pair falls and rises; equal devices go all one way."""
    post, pre = torch.tensor([[1.0, 1.0, -1.0], [1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    whole = sum(one_slot(post, pre)["in-turn"])
    (up, down), devices = one_slot(post, pre, cell=cell)["in-turn"], {"differential": 2, "several-cells": 4}[cell]
    weights_up = (3 + 3) / whole  # in three outputs up or down, in the second sample 3 + 2 - 2
    wanted = (0.5, 0.5) if cell == "differential" else (weights_up, 1 - weights_up)
    assert (up, down) == approx(tuple(devices * whole * share for share in wanted))


def test_refreshed_pairs_half_select_at_the_voltage_of_their_resets() -> None:
    """Pairs only potentiate by trains; both devices of a full one are reset, one after the other, and rewritten."""
    pair = {"device": "pcm", "cell": "one-sided", "cell_parameters": {"refresh_every": 1, "refresh_at": 0.5}}
    array, ledger = metered((3, 2), **pair)
    both = OuterProducts((Product(torch.ones(60, 3), torch.ones(60, 2)),
                          Product(torch.ones(60, 3), torch.ones(60, 2), -1)), 1.0)  # fmt: skip
    array.update(both, 1.0)
    events = ledger.counts()["W1"]["inference"]
    assert events["pulses_down"] == 2 * 6
    assert halves(ledger, "in-turn")[1] == 12 * (3 + 2 - 2)


def test_columns_of_a_hidden_array_half_select_by_polarity() -> None:
    """Tiki-taka of 3 x 2: one column of the slow array is written, first its rises, then its falls."""
    array, ledger = metered((3, 2), remedy="tiki-taka", remedy_parameters={"fast_rate": 1.0})
    products = OuterProducts((Product(torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([[1.0, 1.0]])),), 1.0)
    array.update(products, LAW.granularity)
    up, down = halves(ledger, "in-turn")
    assert up == down > 4  # as many as of the fast array's trains and of one column more


@pytest.mark.parametrize("name", ["epiram", "pcm"])
def test_joules_are_those_of_each_polarity(name: str) -> None:
    """5 V up and 3 V down (EpiRAM), 1.5 V and 2 V (PCM): (V / 2)^2 G t of the cells at each."""
    device = load_device(name).model_copy(update={"cell": "1R"})
    volts = {key: abs(number.value) for key, number in device.numbers() if key.startswith("write.")}
    seconds = dict(device.numbers())["write.pulse_time"].bounds("s")[1]
    per_square = (device.g_min + device.g_max) / 2 * seconds / 4
    facts = {"arrays": {"W1": {"n_post": 3, "n_pre": 2, "tiles": [1, 1], "devices_per_weight": 1, "dac_bits": 8,
                               "adc_bits": 8}}}  # fmt: skip
    up, down = (volts[f"write.{side}_voltage"] ** 2 * per_square for side in ("potentiation", "depression"))
    for events, wanted in (
        ({"half_selected_up_in_turn": 40.0, "half_selected_down_in_turn": 10.0}, 40 * up + 10 * down),
        ({"half_selected_in_turn": 50.0, "pulses_up": 3.0, "pulses_down": 1.0}, 50 * (0.75 * up + 0.25 * down)),
    ):  # the second as ledgers had it before: as the pulses were
        counts = {"W1": {"update": {"line_pulses_in_turn": 1.0, **events}}}
        found = account(counts, facts, EnergyTable.load("32nm"), conditions(device), Schedule(standby="none"))
        assert found.by_component()["half-select"].nominal == approx(wanted)

"""A line of biases is no neuron's: what a transposed read gives on it is not converted, moved, waited for or built."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from neurohw.clock import Clock
from neurohw.crossbar.build import build_array
from neurohw.energy.account import Parallelism, Schedule, account
from neurohw.energy.facts import ArrayFacts
from neurohw.loading import load_experiment
from neurohw.metering.array_meter import ArraySettings
from neurohw.metering.ledger import Counts, EnergyLedger
from neurohw.metering.metered_array import MeteredArray
from neurohw.runs.run import run
from tests.test_account_by_hand import DEVICE, ONES


def read_back(n_post: int, n_pre: int, batch: int, tile: tuple[int, int] | None, bias_line: bool) -> Counts:
    array = build_array("analog", torch.zeros(n_post, n_pre), device="ecram", tile=tile)
    ledger, clock = EnergyLedger(), Clock()
    metered = MeteredArray(array, ledger, clock, "W1", ArraySettings.of(array, bias_line=bias_line))
    with clock.during("backward"):
        metered.read_transposed(torch.ones(batch, n_post))
    return ledger.counts()


@pytest.mark.parametrize("batch", [1, 16, 128])
@pytest.mark.parametrize(
    ("shape", "tile", "rows", "columns"), [((3, 2 + 1), None, 1, 1), ((200, 100 + 1), (100, 51), 2, 2)]
)
def test_a_transposed_read_converts_neurons_only(
    batch: int, shape: tuple[int, int], tile: tuple[int, int] | None, rows: int, columns: int
) -> None:
    """Each of the neurons' outputs once in every tile of a column (7 bits in, 9 out); all cells conduct."""
    n_post, n_pre = shape
    whole, less = (read_back(n_post, n_pre, batch, tile, line) for line in (False, True))
    events = less["W1"]["backward"]
    assert events["adc_conversions"] == batch * (n_pre - 1) * rows
    assert whole["W1"]["backward"]["adc_conversions"] == batch * n_pre * rows
    assert events["dac_conversions"] == batch * n_post * columns
    assert events["read_conductance"] == whole["W1"]["backward"]["read_conductance"] > 0
    moved = 1 + (rows if rows > 1 else 0)
    bits = less["buffer"]["backward"]
    assert bits["bits"] == 7 * batch * n_post * columns + 9 * batch * (n_pre - 1) * rows
    assert bits["interconnect_bits"] == 9 * batch * (n_pre - 1) * moved
    assert less.get("digital", {}).get("backward", {}).get("adds", 0.0) == batch * (n_pre - 1) * (rows - 1)


@pytest.mark.parametrize(
    ("n_pre", "tiles", "outputs"), [(3, 1, 2), (101, 2, 50), (7, 3, 2), (8, 4, 2), (9, 4, 2), (2, 2, 1)]
)
def test_the_largest_tile_without_the_line(n_pre: int, tiles: int, outputs: int) -> None:
    """Tiles are cut as evenly as can be, and the last has the line: 7 lines are 2, 2 and 3."""
    facts = ArrayFacts(n_post=4, n_pre=n_pre, tiles=(1, tiles), bias_line=True)
    assert facts.read_back == outputs
    assert ArrayFacts(n_post=4, n_pre=n_pre, tiles=(1, tiles)).read_back == -(-n_pre // tiles)


def test_nothing_waits_for_it_and_no_converter_is_there_for_it() -> None:
    """3 x (2 + 1), 16 vectors: a read and two conversions each; converters for 3 outputs and, on the way back, 2."""
    array = {"n_post": 3, "n_pre": 3, "tiles": [1, 1], "devices_per_weight": 1, "dac_bits": 8, "adc_bits": 8}
    counts = read_back(3, 3, 16, None, bias_line=True)
    for line, outputs, converters, products in ((True, 2, 2 + 1, 6), (False, 3, 2 + 2, 9)):
        schedule = Schedule(Parallelism(columns_per_adc=2), standby="none")
        found = account(counts, {"arrays": {"W1": {**array, "bias_line": line}}}, ONES, DEVICE, schedule)
        assert found.area["W1 adc"].nominal == converters
        assert found.macs["backward"] == 16 * products
        waits = account(counts, {"arrays": {"W1": {**array, "bias_line": line}}}, ONES, DEVICE)
        assert waits.latency.phases["backward"].nominal == 16 * (1 + outputs)


@pytest.mark.parametrize("rule", ["bp", "ep"])
def test_runs_with_biases_on_lines_do_so(tmp_path: Path, rule: str) -> None:
    """64-20-30: the error of 20 hidden neurons comes back, through 21 lines of the second array."""
    keys = {"network.rule": rule, "network.layers": [64, 20, 30], "network.bias": "line", "hardware.device": "ecram",
            "training.dropout": [0.0, 0.0, 0.0], "training.learning_rate": [0.01, 0.01], "training.epochs": 1,
            "data.train_limit": 64, "target.k": 2}  # fmt: skip
    record = run(load_experiment("quickstart", keys), 0, tmp_path)
    facts = record.ledger["facts"]["arrays"]["W2"]
    assert (facts["n_pre"], facts["bias_line"]) == (21, True)
    events = record.ledger["counts"]["W2"]["free" if rule == "ep" else "backward"]
    forward = events.get("reads", 0.0) * 30
    assert events["adc_conversions"] - forward == events["reads_transposed"] * 20 > 0

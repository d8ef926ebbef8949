"""Convolutional networks as runs: what an account makes of them, resumed to the bit, and the published ones by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import neurohw as nh
from neurohw.clock import Clock
from neurohw.energy.baseline import digital_baseline
from neurohw.energy.table import EnergyTable
from neurohw.loading import load_experiment
from neurohw.report.naming import flatten, name_points
from neurohw.runs.accounts import accounted
from neurohw.runs.build import build_network
from neurohw.runs.looking import Looking
from neurohw.runs.record import RunRecord
from neurohw.seeding import Streams
from tests.approximately import approx

IMAGES, TESTED, POSITIONS = 48, 20, 64
THERE = 40  # of 6 x 9 cells: round(0.25 * 54) = 14 are absent
CONV = {"channels": 6, "kernel": 3, "padding": 1, "pool": "average", "pool_size": 2, "prune": 0.25}
ON_CHIP: dict[str, Any] = {
    "network.layers": [64, 10], "network.neurons": ["relu", "sigmoid"], "network.conv": [CONV], "training.epochs": 1,
    "training.mode": "supervised", "training.learning_rate": [0.2, 0.2], "training.dropout": [], "target.k": 1,
    "data.train_limit": IMAGES, "data.test_limit": TESTED, "hardware.device": "ecram", "hardware.weight_range": 0.6,
    "hardware.recommended": False, "hardware.periphery": "32nm",
}  # fmt: skip


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return nh.run(load_experiment("quickstart", ON_CHIP), out=tmp_path_factory.mktemp("conv") / "run")


def test_a_convolution_takes_a_read_for_each_position(learnt: RunRecord) -> None:
    """Time by hand: of a position a read and the conversions of its channels, one after the other; of pulses, slots."""
    found, table = accounted(learnt, EnergyTable.load("32nm")), EnergyTable.load("32nm")
    counts = learnt.ledger["counts"]
    assert counts["W1"]["inference"]["reads"] == TESTED * POSITIONS
    per_adc = found.schedule.parallelism.columns_per_adc
    converted = table.figure("adc.time", bits=9).range.nominal
    one, other = (counts[name]["inference"]["reads"] for name in ("W1", "W2"))
    seconds = found.latency.crossbars["inference"].nominal
    reading = table.figure("read.time").range.nominal
    assert seconds == approx((one + other) * reading + converted * (one * min(per_adc, 6) + other * min(per_adc, 10)))
    assert found.latency.arrays["W1"].nominal > 10 * found.latency.arrays["W2"].nominal
    macs = POSITIONS * THERE + 6 * 16 * 10
    assert found.macs["inference"] == TESTED * macs
    assert found.useful_tops_per_watt == found.tops_per_watt("inference") is not None  # each is read once, and useful
    assert {"W1", "W2"} <= {part.partition(" ")[0] for part in found.area}
    assert learnt.energy.per_training_image.nominal > 0


@pytest.mark.parametrize("tile", [None, [4, 5]])
def test_cells_that_are_not_there_are_none_of_what_is_known_of_cells(
    tile: list[int] | None, learnt: RunRecord, tmp_path: Path
) -> None:
    """Neither worn, nor in a histogram, nor read or updated by a digital accelerator; by hand, from 40 cells."""
    record = learnt
    if tile is not None:
        record = nh.run(load_experiment("quickstart", ON_CHIP | {"hardware.tile": tile}), out=tmp_path / "run")
    counts, facts = record.ledger["counts"], record.ledger["facts"]["arrays"]["W1"]
    assert (facts["cells"], facts["vectors"]) == (THERE, POSITIONS)
    pulses = counts["W1"]["update"]["pulses_up"] + counts["W1"]["update"]["pulses_down"]
    assert pulses > 0
    assert facts["writes_per_cell"]["mean"] * THERE == approx(pulses)
    assert record.looks is not None
    for kind in record.looks.conductances["W1"].values():
        assert sum(kind.now) == sum(kind.before) == THERE
    found = accounted(record, EnergyTable.load("32nm"))
    baseline = digital_baseline(counts, found.facts, EnergyTable.load("32nm"))
    read = IMAGES * (POSITIONS * THERE + 2 * 960) + TESTED * (POSITIONS * THERE + 960)
    assert baseline.macs == read + IMAGES * (POSITIONS * THERE + 960)


def test_a_digital_optimiser_forms_the_same_products_for_cells_that_are_there(tmp_path: Path) -> None:
    adam = ON_CHIP | {"training.optimizer": "adam", "hardware.backend": "ideal", "hardware.device": None,
                      "hardware.weight_range": None}  # fmt: skip
    record = nh.run(load_experiment("quickstart", adam), out=tmp_path / "run")
    facts = accounted(record, EnergyTable.load("32nm")).facts
    baseline = digital_baseline(record.ledger["counts"], facts, EnergyTable.load("32nm"))
    read = IMAGES * (POSITIONS * THERE + 2 * 960) + TESTED * (POSITIONS * THERE + 960)
    assert baseline.macs == read + IMAGES * (POSITIONS * THERE + 960)


@pytest.mark.parametrize("bias", ["digital", "line"])
def test_kernels_as_large_as_the_image_are_shown_as_images(bias: str) -> None:
    """Channels, rows and columns of each in their places, what is padded left out."""
    ideal = {"hardware.backend": "ideal", "hardware.device": None, "hardware.weight_range": None, "network.bias": bias}
    conv = [{"channels": 5, "kernel": 6, "padding": 1, "prune": 0.1}]
    layers = {"network.layers": [48, 10], "network.image": [3, 4, 4], "network.conv": conv}
    network = build_network(load_experiment("quickstart", ON_CHIP | ideal | layers), Streams(0), Clock())
    maps = Looking(network, (3, 4, 4)).now().weights
    assert maps is not None
    answers = network.layers[0].read(torch.cat([torch.zeros(1, 48), torch.eye(48)]))  # to one pixel at a time
    wanted = (answers[1:] - answers[0]).t().reshape(5, 3, 4, 4)
    torch.testing.assert_close(torch.from_numpy(maps.weights).float(), wanted, rtol=0, atol=maps.scale / 200)


def test_a_run_that_was_stopped_goes_on_to_the_same_record(learnt: RunRecord, tmp_path: Path) -> None:
    """Convolutions, absent cells and all: what is kept of a chip is enough."""
    experiment = load_experiment("quickstart", {**ON_CHIP, "training.epochs": 2})
    whole = nh.run(experiment, out=tmp_path / "whole")
    nh.run(experiment, out=tmp_path / "parts", stop_after=1)
    resumed = nh.run(experiment, out=tmp_path / "parts", resume=True)
    assert resumed.metrics == whole.metrics
    assert resumed.ledger["counts"] == whole.ledger["counts"]


def test_the_same_seed_prunes_alike_on_ideal_arrays_and_on_devices() -> None:
    absent = []
    for changes in ({}, {"hardware.device": None, "hardware.weight_range": None, "hardware.backend": "ideal"}):
        experiment = load_experiment("quickstart", {**ON_CHIP, **changes})
        network = build_network(experiment, Streams(3), Clock())
        absent.append(network.layers[0].array.present)
    assert torch.equal(*absent)


@pytest.mark.parametrize("name", ["cnn_mnist", "cnn_fashion", "cnn_svhn", "experiments/cnn_svhn/cifar10.toml"])
def test_published_networks_are_of_the_published_size(name: str) -> None:
    """Multiplications of an answer, counted by hand from the paper's code."""
    macs = {"cnn_mnist": 26_668_544, "cnn_fashion": 26_668_544, "cnn_svhn": 36_470_784}
    experiment: Any = load_experiment(name)
    assert sum(stage.weights * stage.vectors for stage in experiment.network.stages) == macs.get(name, 215_187_456)
    if name in macs:
        supervised: Any = load_experiment(name, {"training.mode": "supervised"})
        assert sum(stage.weights * stage.vectors for stage in supervised.network.stages) == macs[name] + 30_000
        assert supervised.network.depth == 4


def test_reports_name_convolutions_as_papers_do() -> None:
    """Channels and kernel; padding, pooling and pruning tell them apart."""
    one: Any = load_experiment("cnn_mnist")
    halves = [section.model_dump() | {"pool": "max", "prune": 0.0} for section in one.network.conv]
    other: Any = load_experiment("cnn_mnist", {"network.conv": halves})
    names = [name.group + name.variant for name in name_points([flatten(each.canonical()) for each in (one, other)])]
    assert "32f5+2 average4/2+1 pruned 0.5-128f3+1 average4/2+1 pruned 0.5" in names[0]
    assert "32f5+2 max4/2+1-128f3+1 max4/2+1" in names[1]

"""Weights as images and conductances as histograms: what a record keeps of how arrays look."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from neurohw.crossbar.base import SynapseArray
from neurohw.loading import load_experiment
from neurohw.runs.job import Job, job_class
from neurohw.runs.looking import Looking, _beside, _binned
from neurohw.runs.looks import BINS, MOST_NEURONS, MOST_PIXELS, Histogram, WeightMaps
from neurohw.runs.record import read_record
from neurohw.runs.run import run
from neurohw.seeding import Streams

FAST = {"data.train_limit": 100, "data.test_limit": 50, "training.epochs": 1}
ECRAM = {**FAST, "hardware.device": "ecram"}


def built(keys: dict[str, Any], name: str = "quickstart") -> Job[Any]:
    experiment = load_experiment(name, keys)
    job = job_class(experiment)(experiment, Streams(0))
    job.build()
    return job


def array_of(job: Any) -> SynapseArray:
    return job.network.layers[0].array


@pytest.mark.parametrize("bias", ["digital", "line"])
def test_images_are_the_weights_of_every_neuron_to_half_a_level(bias: str) -> None:
    job = built({**ECRAM, "network.bias": bias, "network.layers": [64, 40], "target.k": 2})
    looks = job.looks()
    assert looks is not None
    assert looks.weights is not None
    weights = array_of(job).snapshot()[:, :64].double().numpy().reshape(40, 1, 8, 8)
    assert looks.weights.neurons == list(range(40))
    assert looks.weights.image == (1, 8, 8)
    half = np.abs(weights).max() / 254 * (1 + 1e-6)
    np.testing.assert_allclose(looks.weights.weights, weights, rtol=0, atol=half)
    assert base64.b64decode(looks.weights.pixels)[:64] == looks.weights.levels[0].tobytes()


def test_of_many_neurons_some_at_even_distances_are_kept() -> None:
    looks = built({**ECRAM, "network.layers": [64, 200]}).looks()
    assert looks is not None
    assert looks.weights is not None
    assert len(looks.weights.neurons) == MOST_NEURONS
    assert looks.weights.neurons[:4] == [0, 3, 6, 9]
    assert looks.weights.neurons[-1] == 63 * 200 // 64


def test_large_images_are_fewer() -> None:
    weights = torch.rand(5, 3, 32, 32).flatten(1).numpy()
    assert 2 * 3 * 32 * 32 <= MOST_PIXELS < 3 * 3 * 32 * 32
    maps = WeightMaps.of("W1", [0, 1, 2, 3, 4], (3, 32, 32), weights)
    assert maps.levels.shape == (5, 3, 32, 32)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"hardware.tile": [30, 30]},
        {"hardware.remedy": "differential"},
        {"hardware.backend": "aihwkit"},
        {"network.layers": [64, 30, 10], "training.learning_rate": [1.0, 1.0], "training.dropout": []},
    ],
)
def test_every_device_is_in_a_bin_of_its_conductance(keys: dict[str, Any]) -> None:
    job: Any = built(ECRAM | keys)
    looks = job.looks()
    assert looks is not None
    for i, layer in enumerate(job.network.layers):
        banks = layer.array.conductances()
        kinds = looks.conductances[f"W{i + 1}"]
        assert set(kinds) == {name.split(".")[-1] for name in banks}
        for kind, histogram in kinds.items():
            siemens = torch.cat([g.flatten() for name, g in banks.items() if name.split(".")[-1] == kind]).double()
            counts, _ = np.histogram(siemens.numpy(), bins=histogram.width * np.arange(BINS + 1))
            assert histogram.before == list(counts)
            assert sum(histogram.now) == siemens.numel()


def test_bins_are_joined_until_they_reach_what_conducts_most_now() -> None:
    before = torch.tensor([1e-6, 2e-6, 3e-6])
    now = torch.tensor([1e-6, 4e-6, 20e-6])
    width, counts = _binned(before)
    histogram = _beside(width, counts, now)
    assert histogram.width == pytest.approx(8 * width)
    assert histogram.width * BINS > 20e-6 >= histogram.width * BINS / 2
    edges = histogram.width * np.arange(BINS + 1)
    for siemens, found in ((before, histogram.before), (now, histogram.now)):
        assert found == list(np.histogram(siemens.double().numpy(), bins=edges)[0])


def test_cells_without_conductance_are_in_the_first_bin() -> None:
    width, counts = _binned(torch.zeros(5))
    assert counts[0] == 5
    assert _beside(width, counts, torch.full((5,), 1e-6)).before[0] == 5


def test_a_record_keeps_looks_small_and_is_read_back(tmp_path: Path) -> None:
    found = run(load_experiment("quickstart", ECRAM), 0, tmp_path)
    assert found.looks is not None
    assert len(json.dumps(found.looks.model_dump())) < 9_000
    again = read_record(tmp_path).looks
    assert again == found.looks
    histogram = found.looks.conductances["W1"]["cell"]
    assert histogram.before != histogram.now  # it has learnt


def test_before_is_before_training_in_a_run_that_goes_on_too(tmp_path: Path) -> None:
    experiment = load_experiment("quickstart", {**ECRAM, "training.epochs": 2})
    whole = run(experiment, 0, tmp_path / "whole").looks
    run(experiment, 0, tmp_path / "cut", stop_after=1)
    assert run(experiment, 0, tmp_path / "cut", resume=True).looks == whole


def test_a_look_leaves_no_trace(tmp_path: Path) -> None:
    keys = {**ECRAM, "hardware.device": "pcm_drift"}
    job: Any = built(keys)
    before = job.network.state_dict()
    job.looks()
    assert all(torch.equal(value, before[name]) for name, value in job.network.state_dict().items())


def test_ideal_arrays_have_weights_and_no_conductances(tmp_path: Path) -> None:
    looks = run(load_experiment("quickstart", FAST), 0, tmp_path).looks
    assert looks is not None
    assert looks.weights is not None
    assert looks.conductances == {}
    assert isinstance(built(FAST), Job)
    assert Looking is not None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pixels": "???"}, "no base64"),
        ({"pixels": ""}, "got 0 bytes"),
        ({"neurons": []}, "neurons"),
        ({"neurons": list(range(65))}, "neurons"),
        ({"scale": -1.0}, "scale"),
    ],
)
def test_maps_that_are_none_are_refused(change: dict[str, Any], said: str) -> None:
    maps = WeightMaps.of("W1", [0], (1, 2, 2), np.ones((1, 4))).model_dump()
    with pytest.raises(ValueError, match=said):
        WeightMaps.model_validate(maps | change)


def test_weights_that_are_all_nought_are_images_of_nought() -> None:
    assert not WeightMaps.of("W1", [0], (1, 2, 2), np.zeros((1, 4))).weights.any()


def test_tensorboard_gets_the_histogram_of_now() -> None:
    summary = Histogram(width=2.0, before=[4, 0, 0], now=[1, 0, 3]).summary()
    assert (summary["num"], summary["min"], summary["max"]) == (4, 1.0, 5.0)
    assert (summary["sum"], summary["sum_squares"]) == (1 + 15, 1 + 75)
    assert summary["bucket_limits"] == [2.0, 4.0, 6.0]

"""Experiments of kind "stdp": Diehl and Cook's layer, against Brian2 and on a crossbar, from a file to its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from neurohw.config import STDPExperiment
from neurohw.deepstdp.brian_reference import BrianNetwork
from neurohw.deepstdp.poisson import spike_trains
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.runs.run import run
from neurohw.runs.stdp import STDPLayer
from neurohw.seeding import Streams
from tests.test_checkpoint import run_in_pieces

SMALL = {"data.train_limit": 96, "data.test_limit": 40, "network.neurons": 12, "stdp.gain": 12.0,
         "stdp.timesteps": 100}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layer.toml"
    path.write_text('kind = "stdp"\n')
    return path


def small(file: Path, **over: Any) -> STDPExperiment:
    experiment = load_experiment(file, SMALL | over)
    assert isinstance(experiment, STDPExperiment)
    return experiment


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_is_the_network_in_brian2(file: Path) -> None:
    """Four digits, presented to the job's network and to Brian2's, with the same spikes, weights and numbers."""
    job = STDPLayer(small(file), Streams(0))
    job.build()
    stdp, k = job.experiment.stdp, job.experiment.network.neurons
    weights = job.network.weights.numpy().copy()
    reference = BrianNetwork(weights, stdp, stdp.timesteps)
    pixels = job.training.images[:4].float() / job.dataset.levels
    spikes = spike_trains(pixels, stdp.rate_scale, stdp.timesteps, torch.Generator().manual_seed(0))[:, :, :64]
    for image in spikes:
        reference.rest()
        counts = job.network.present(image[None].contiguous()).counts[0]
        then = reference.present(image.numpy())
        assert counts.tolist() == then.spikes.sum(0).tolist()
        reference.rest()  # after a sample weights are normalised
        assert_allclose(job.network.weights.numpy(), reference.weights, atol=1e-9)
    assert np.abs(job.network.weights.numpy() - weights).max() > 0.01
    assert len(counts) == k


def test_digits_are_learnt_without_labels(file: Path) -> None:
    more = {"data.train_limit": None, "data.test_limit": None, "network.neurons": 30, "stdp.timesteps": 150}
    record = run(small(file, **more))
    assert record.metrics["direct_accuracy"] > 0.5
    assert record.chance < 0.15


@pytest.mark.parametrize("hardware", ["ideal", "ecram"])
def test_it_goes_on_where_it_was_interrupted(file: Path, tmp_path: Path, hardware: str) -> None:
    keys: dict[str, Any] = {"data.train_limit": 80, "data.test_limit": 20, "stdp.timesteps": 40, "stdp.gain": 36.0}
    if hardware != "ideal":
        keys |= {"hardware.device": hardware, "hardware.periphery": "32nm"}
    experiment = small(file, **keys)
    whole = run(experiment, 3, tmp_path / "whole")
    cut, cuts = run_in_pieces(experiment, 3, tmp_path / "cut", 2)
    assert cuts > 0
    assert cut.metrics == whole.metrics
    assert cut.ledger == whole.ledger
    assert (whole.energy is None) == (hardware == "ideal")
    if hardware != "ideal":
        assert whole.ledger["counts"]["W1"]["forward"]["reads"] == 80 * 40  # a vector a step
        assert whole.ledger["counts"]["W1"]["update"]["pulses_up"] > 0


def test_the_engine_in_torch_learns_what_the_compiled_one_does(file: Path, tmp_path: Path) -> None:
    keys = {"data.train_limit": 40, "stdp.timesteps": 60, "stdp.gain": 36.0}
    one, other = (run(small(file, **keys, **{"stdp.engine": engine}), 0) for engine in ("auto", "torch"))
    assert one.metrics == other.metrics
    experiment = small(file, **keys, **{"stdp.engine": "torch"})
    whole = run(experiment, 3, tmp_path / "whole")
    cut, cuts = run_in_pieces(experiment, 3, tmp_path / "cut", 2)
    assert cuts > 0
    assert cut.metrics == whole.metrics


def test_a_gpu_is_for_the_engine_in_torch(file: Path) -> None:
    with pytest.raises(InputError, match=r'"stdp" whose stdp\.engine is \'auto\'; "torch" runs there'):
        STDPLayer.check(small(file), "cuda")
    STDPLayer.check(small(file, **{"stdp.engine": "torch"}), "cuda")


def test_evaluation_changes_nothing(file: Path) -> None:
    job = STDPLayer(small(file), Streams(0))
    job.build()
    for _ in job.train(job.plan[0], 0):
        pass
    before = job.network.state_dict()
    first = job.evaluate("1", final=False)
    assert all(torch.equal(before[name], value) for name, value in job.network.state_dict().items())
    assert job.evaluate("1", final=False) == first


@pytest.mark.parametrize(("keys", "message"), [
    ({"stdp.passes": 2}, r'stdp\.passes: got 2, which experiments of kind "stdp" do not read'),
    ({"stdp.v_reset": -50.0}, r"stdp\.v_reset: got -50; allowed: at most v_threshold"),
    ({"network.circuit": "analog"}, r"network\.circuit: got 'analog', but hardware\.backend 'ideal' has no devices"),
    ({"network.rule": "bp"}, r"network\.rule: unknown key"),
    ({"network.neurons": 0}, r"network\.neurons: got 0"),
    ({"stdp.engine": "torch", "hardware.device": "ecram"}, r"stdp\.engine: got 'torch', which synapses of devices"),
    ({"hardware.off_chip": "pcm"}, r"hardware\.off_chip: got 'pcm'"),
    ({"evaluation.label_fraction": 0.01}, r"evaluation\.label_fraction: got 0\.01, which is 1 of 96 images"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(file: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        STDPLayer(small(file, **keys), Streams(0)).build()

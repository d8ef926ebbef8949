"""Images that drive output neurons most: closed forms of hand-set weights, runs by command, what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn.functional import cosine_similarity
from typer.testing import CliRunner

from neurohw.ascent import ascend, of_norm
from neurohw.circuits.neuron import NEURONS
from neurohw.cli.app import app
from neurohw.crossbar.ideal import IdealArray
from neurohw.loading import load_experiment
from neurohw.networks.bp import BPNetwork
from neurohw.networks.ep import Dynamics, EPNetwork
from neurohw.networks.layer import Layer
from neurohw.runs.maximum_activation import maximum_activation
from neurohw.runs.onchip import OnChip
from neurohw.runs.restored import read_exactly, restored_chip
from neurohw.runs.run import run
from neurohw.seeding import Streams
from neurohw.training.phases import Samples
from tests.gpu_folders import as_of_a_gpu

SHORT = {"training.epochs": 2, "data.train_limit": 300, "evaluation.association": ["direct"]}


def chip(**over: object) -> OnChip:
    settings = {"network.layers": [64, 6], "target.k": 1} | {key.replace("__", "."): v for key, v in over.items()}
    job = OnChip(load_experiment("quickstart", SHORT | settings), Streams(0))
    job.build()
    return job


def layer(weights: list[list[float]]) -> Layer:
    return Layer(IdealArray(torch.tensor(weights)))


def command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output if result.exception is None else str(result.exception)


def test_ascent_finds_the_direction_of_a_linear_unit_and_keeps_the_norm() -> None:
    w = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, -2.0]])
    begun = of_norm(torch.rand(2, 3, generator=torch.Generator().manual_seed(0)), 7.0)
    found = ascend(lambda x: (x * w).sum(1), begun, 200, 0.1)
    assert torch.allclose(found, torch.tensor([[4.2, 5.6, 0.0], [0.0, 0.0, -7.0]]), atol=1e-3)


def test_a_hidden_unit_that_is_off_passes_nothing_on() -> None:
    # y = relu(x0) + 2 relu(x1) - 5 relu(-x0): at |x| = 1 the most is at (1, 2) / sqrt(5), with sqrt(5); the first image
    # begins where x1 is off, and stays
    hidden, output = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [[1.0, 2.0, -5.0]]
    network = BPNetwork([layer(hidden), layer(output)], [NEURONS["relu"], NEURONS["identity"]])
    found = ascend(lambda x: network.output_drive(x)[:, 0], torch.tensor([[1.0, 0.0], [-0.6, 0.8]]), 300, 0.05)
    assert torch.allclose(found, torch.tensor([[1.0, 0.0], [5**-0.5, 2 * 5**-0.5]]), atol=1e-3)
    assert network.output_drive(found)[1, 0] == pytest.approx(5**0.5, rel=1e-4)
    assert torch.equal(network.respond(found).hidden[0], torch.relu(found @ torch.tensor(hidden).T))


def test_the_drive_of_an_ep_network_is_that_of_its_equilibrium() -> None:
    # h = x + 0.5 y and y = 0.5 h at rest, within [0, 1]: h = x / (1 - 0.25), drive of y = 0.5 h
    network = EPNetwork([layer([[1.0]]), layer([[0.5]])], dynamics=Dynamics(free_steps=200))
    x = torch.tensor([[0.3], [0.6]], requires_grad=True)
    assert torch.allclose(network.output_drive(x), 0.5 * x / 0.75, atol=1e-5)
    (gradient,) = torch.autograd.grad(network.output_drive(x).sum(), x)
    assert torch.allclose(gradient, torch.full((2, 1), 0.5 / 0.75), atol=1e-5)
    assert network.respond(x).hidden[0].shape == (2, 1)
    alone = EPNetwork([layer([[2.0, -1.0]])])
    assert alone.output_drive(torch.tensor([[1.0, 5.0]])).tolist() == [[-3.0]]  # not clipped


@pytest.mark.parametrize("rule", ["bp", "ep"])
def test_neurons_with_templates_for_weights_are_found_with_their_class_and_image(rule: str) -> None:
    job = chip(**{"network__rule": rule, "training__learning_rate": [0.1]})
    images, labels = job.task.train.images.float() / job.task.levels, job.task.train.labels
    assert labels is not None
    templates = torch.stack([images[labels == c].mean(0) for c in (0, 1, 4, 4, 6, 7)])
    templates -= images.mean(0)
    templates[3] *= 0.5  # answers to fours, too, but less
    job.network.layers[0].array.program(templates)
    found = maximum_activation(job, 2, norm=3.0, seed=0)
    of_fours = [n for n, c in zip(found.neurons, found.classes, strict=True) if c == 4]
    assert of_fours == [2, 3]
    assert dict(zip(found.neurons, found.classes, strict=True)) | {2: 4, 3: 4} == {0: 0, 1: 1, 2: 4, 3: 4, 4: 6, 5: 7}
    rows = templates[list(found.neurons)]
    assert (cosine_similarity(found.images.flatten(1), rows) > 0.9999).all()
    assert torch.allclose(found.drives, 3 * rows.norm(dim=1), rtol=1e-4)
    assert (found.noise < found.drives).all()
    drives = images @ rows.T  # by hand, over all training images
    assert found.best_index.tolist() == drives.argmax(0).tolist()
    assert torch.allclose(found.best_drives, drives.amax(0), rtol=1e-5)
    assert torch.equal(found.best.flatten(1), images[found.best_index])


def test_blocks_stand_for_classes_where_labels_were_learnt() -> None:
    job = chip(**{"network__layers": [64, 20], "training__mode": "supervised"})
    found = maximum_activation(job, 1, norm=None, seed=0)
    assert found.classes == tuple(range(10))
    assert [n // 2 for n in found.neurons] == list(range(10))
    mean = (job.task.train.images.float() / job.task.levels).norm(dim=1).mean()
    assert found.norm == pytest.approx(float(mean), rel=1e-5)


def test_the_seed_gives_the_noise_and_nothing_of_the_chip_changes() -> None:
    job = chip(**{"network__layers": [64, 12, 20], "training__mode": "supervised", "training__dropout": []})
    before = [a.clone() for a in job.network.state_dict().values()]
    first, again, other = (maximum_activation(job, 1, None, seed) for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.noise, other.noise)
    assert all(torch.equal(a, b) for a, b in zip(before, job.network.state_dict().values(), strict=True))


def test_devices_are_read_exactly() -> None:
    job = chip(**{"hardware__backend": "analog", "hardware__device": "ecram", "hardware__adc_bits": 4})
    x = torch.rand(3, 64, generator=torch.Generator().manual_seed(0))
    expected = x @ job.network.layers[0].array.snapshot().T
    assert torch.allclose(read_exactly(job).respond(x).output, expected.clamp(0, 1), atol=1e-5)
    assert maximum_activation(job, 1, None, 0).drives.isfinite().all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    run(load_experiment("quickstart", SHORT), 3, folder)
    return folder


def test_the_command_draws_neurons_of_a_run_and_writes_their_numbers(trained: Path, tmp_path: Path) -> None:
    status, text = command("filters", trained, "--count", "1", "--norm", "5", "--out", tmp_path)
    assert status == 0, text
    numbers = pd.read_csv(tmp_path / "filters.csv")
    found, record = restored_chip(trained)
    weights = found.network.layers[0].array.snapshot()[numbers["neuron"].tolist()]
    bias = found.network.layers[0].bias
    assert bias is not None
    expected = 5 * weights.norm(dim=1) + bias[numbers["neuron"].tolist()]
    assert np.allclose(numbers["drive"], expected, rtol=1e-3)
    assert set(numbers["run"]) == {f"{record.name}-{record.config_hash}"}
    assert set(numbers["seed"]) == {3}
    assert numbers["class"].is_unique
    drawn = np.asarray(Image.open(tmp_path / "filters.png").convert("RGB"), dtype=int)
    assert ((drawn[..., 0] - drawn[..., 2]) > 60).sum() > 100  # red
    assert ((drawn[..., 2] - drawn[..., 0]) > 60).sum() > 100  # blue
    assert (tmp_path / "filters.svg").read_text().count("class ") == len(numbers)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--layers", "1"), "--layers: got '1' for output neurons"),
        (("--norm", "0"), "--norm: got 0; allowed: more than 0"),
        (("--norm", "nan"), "--norm: got nan"),
    ],
)
def test_wrong_options_are_refused(trained: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in command("filters", trained, *arguments)[1]


def edited(run: Path, folder: Path, **values: object) -> Path:
    """Return a copy of a run with other values in its record."""
    shutil.copytree(run, folder)
    record = json.loads((folder / "record.json").read_text()) | values
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def test_runs_that_have_no_such_neurons_are_refused(trained: Path, tmp_path: Path) -> None:
    assert "nowhere" in command("filters", tmp_path / "nowhere")[1]
    hebb = tmp_path / "hebb"
    run(load_experiment("quickstart", SHORT | {"network.rule": "softhebb", "training.epochs": 1}), 0, hebb)
    assert "that run has 'softhebb'" in command("filters", hebb)[1]
    (hebb / "record.json").unlink()
    assert "that run is not over; allowed: one that is" in command("filters", hebb)[1]
    failed = edited(trained, tmp_path / "failed", status="failed")
    assert "that run failed; allowed: one that is finished" in command("filters", failed)[1]
    interrupted = edited(trained, tmp_path / "interrupted", status="stopped", message="interrupted")
    assert "that run is not over (interrupted); allowed" in command("filters", interrupted)[1]
    (interrupted / "checkpoint.pt").unlink()
    without = edited(interrupted, tmp_path / "without", status="finished", message=None)
    assert "has no checkpoint" in command("filters", without)[1]


@pytest.mark.parametrize("hardware", [{}, {"hardware.backend": "analog", "hardware.device": "ecram"}])
def test_what_was_learnt_on_a_gpu_is_seen_on_a_cpu(
    tmp_path: Path, hardware: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(load_experiment("quickstart", SHORT | hardware), 0, tmp_path / "cpu")
    shutil.copytree(tmp_path / "cpu", tmp_path / "gpu")
    as_of_a_gpu(tmp_path / "gpu", monkeypatch)
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load(tmp_path / "gpu" / "checkpoint.pt")
    here, there = (restored_chip(tmp_path / name)[0] for name in ("cpu", "gpu"))
    assert torch.equal(here.network.layers[0].array.snapshot(), there.network.layers[0].array.snapshot())
    assert command("filters", tmp_path / "gpu")[0] == 0
    csv = [(tmp_path / name / "filters" / "filters.csv") for name in ("cpu", "gpu")]
    assert command("filters", tmp_path / "cpu")[0] == 0
    assert csv[0].read_bytes() == csv[1].read_bytes()


def test_a_class_without_training_images_has_neurons_that_answer_nothing() -> None:
    job = chip(**{"network__layers": [64, 20], "training__mode": "supervised"})
    images, labels = job.task.train.images, job.task.train.labels
    assert labels is not None
    some = labels != 3
    job.task = replace(job.task, train=Samples(images[some], labels[some]))
    found = maximum_activation(job, 2, norm=None, seed=0)
    assert found.classes == tuple(c for c in range(10) for _ in range(2))
    assert found.responses.isfinite().all()
    assert found.responses[6:8].tolist() == [0.0, 0.0]


def test_of_many_classes_the_first_with_neurons_are_drawn(trained: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("neurohw.cli.filters._MOST_CLASSES", 3)
    status, text = command("filters", trained, "--count", "1", "--out", tmp_path)
    assert status == 0, text
    classes = pd.read_csv(tmp_path / "filters.csv")["class"].tolist()
    svg = (tmp_path / "filters.svg").read_text()
    assert svg.count("class ") == 3
    assert f"3 of {len(classes)} classes are drawn" in svg

"""Embeddings of trained runs: separation of known blobs, activities by hand, the command, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import silhouette_samples
from typer.testing import CliRunner

from neurohw.cli.app import app
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.bp import BPNetwork
from neurohw.runs.embedding import embedded, layer_activity, separation
from neurohw.runs.onchip import OnChip
from neurohw.runs.restored import read_exactly, restored_chip
from neurohw.runs.run import run
from neurohw.seeding import Streams
from neurohw.training.phases import Samples

SHORT = {"training.epochs": 1, "data.train_limit": 300, "evaluation.association": ["direct"]}


def command(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return result.exit_code, result.output if result.exception is None else str(result.exception)


def blobs(distance: float, dimensions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    classes = np.repeat([0, 1, 2], 40)
    values = np.random.default_rng(0).normal(size=(120, dimensions)).astype(np.float32)
    values[np.arange(120), classes] += distance
    return values, classes


def test_separation_of_points_on_a_line() -> None:
    # two classes of five equal points each, one apart: a = 0, b = 1
    line, classes = np.repeat([[0.0], [1.0]], 12, axis=0).astype(np.float32), np.repeat([0, 1], 12)
    found = separation(line, classes, seed=0)
    assert found.silhouette == pytest.approx(1.0)
    assert found.knn_accuracy == 1.0


def test_separation_grows_with_the_distance_and_agrees_with_the_definition() -> None:
    apart = [separation(*blobs(distance), seed=0) for distance in (0.0, 2.0, 6.0, 30.0)]
    silhouettes = [each.silhouette for each in apart]
    assert silhouettes == sorted(silhouettes)
    assert abs(silhouettes[0]) < 0.05
    assert silhouettes[-1] > 0.9
    assert apart[0].knn_accuracy == pytest.approx(1 / 3, abs=0.12)
    assert apart[-1].knn_accuracy == 1.0
    values, classes = blobs(2.0)
    assert silhouettes[1] == pytest.approx(silhouette_samples(values, classes).mean(), abs=1e-6)
    distances = np.linalg.norm(values[:, None] - values[None], axis=2)  # by hand
    by_class = np.stack([distances[:, classes == c].sum(1) for c in range(3)], 1)
    own = by_class[np.arange(120), classes] / 39
    others = (by_class / 40)[np.arange(3) != classes[:, None]].reshape(120, 2).min(1)
    assert silhouettes[1] == pytest.approx(((others - own) / np.maximum(own, others)).mean(), abs=1e-4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "two_layers"
    over = {"network.layers": [64, 30, 20], "training.dropout": [], "training.mode": "supervised"}
    run(load_experiment("quickstart", SHORT | over), 1, folder)
    return folder


@pytest.mark.parametrize("rule", ["bp", "ep"])
def test_activities_are_those_of_each_layer(rule: str) -> None:
    over = {"network.rule": rule, "network.layers": [64, 12, 10], "training.dropout": [0.5, 0.5, 0.5]}
    chip = OnChip(load_experiment("quickstart", SHORT | over | {"training.learning_rate": [0.1, 0.1]}), Streams(0))
    chip.build()
    (images, chosen), (hidden, _), (output, _) = (layer_activity(chip, layer, 100) for layer in (0, 1, 2))
    expected = chip.task.test.images[chosen].float() / chip.task.levels
    assert images == pytest.approx(expected.numpy(), abs=1e-6)
    assert len(set(chosen.tolist())) == 100
    first, second = (layer.array.snapshot().numpy() for layer in chip.network.layers)
    network = read_exactly(chip)
    if isinstance(network, BPNetwork):  # relu or hardsigm of the drive, nothing dropped
        assert hidden == pytest.approx(
            network.stages[0].neuron.rho(torch.from_numpy(images @ first.T)).numpy(), abs=1e-5
        )
        assert output == pytest.approx((hidden @ second.T).clip(0, 1), abs=1e-5)
    else:  # at rest each state is its clipped drive
        assert hidden == pytest.approx((images @ first.T + output @ second).clip(0, 1), abs=0.02)
    assert (layer_activity(chip, None, 100)[0] == output).all()


@pytest.mark.timeout(900)  # umap is compiled first
def test_an_embedding_is_the_same_again_and_keeps_what_the_layer_separates(trained: Path) -> None:
    pytest.importorskip("umap")
    chip, _ = restored_chip(trained)
    threads = torch.get_num_threads()
    first, again = (embedded(chip, None, 100, "umap", seed=3) for _ in range(2))
    assert torch.get_num_threads() == threads
    assert (first.places == again.places).all()
    assert first.inside == separation(first.activity, first.classes, 3)
    assert first.places.shape == (100, 2)
    assert first.seen.knn_accuracy > first.inside.knn_accuracy - 0.2
    assert (embedded(chip, None, 100, "tsne", seed=3).places != first.places).any()


def test_the_command_draws_a_panel_per_run_and_writes_the_numbers(trained: Path, tmp_path: Path) -> None:
    run(load_experiment("quickstart", SHORT), 0, tmp_path / "one_layer")
    status, text = command("embedding", trained, tmp_path / "one_layer", "--method", "tsne", "--images", 120,
                           "--out", tmp_path / "o")  # fmt: skip
    assert status == 0, text
    apart = pd.read_csv(tmp_path / "o" / "separation.csv")
    assert apart["run"].tolist() == ["two_layers", "one_layer"]
    assert apart["dimensions"].tolist() == [20, 100]
    for folder, row in zip((trained, tmp_path / "one_layer"), apart.itertuples(), strict=True):
        chip, record = restored_chip(folder)
        assert row.experiment == f"{record.name}-{record.config_hash}"
        activity, chosen = layer_activity(chip, None, 120)
        assert chip.task.test.labels is not None
        expected = separation(activity, chip.task.test.labels[chosen].numpy(), 0)
        assert row.silhouette == pytest.approx(expected.silhouette, rel=1e-4)
        assert row.knn_accuracy == pytest.approx(expected.knn_accuracy, rel=1e-4)
    places = pd.read_csv(tmp_path / "o" / "embedding.csv")
    assert len(places) == 240
    assert places.groupby("run")["class"].nunique().tolist() == [10, 10]
    svg = (tmp_path / "o" / "embedding.svg").read_text()
    assert all(name in svg for name in ("two_layers", "one_layer", "t-SNE of outputs"))


def test_runs_in_folders_of_one_name_are_called_by_their_paths(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "copy" / "two_layers")
    both = trained, tmp_path / "copy" / "two_layers"
    options = "--method", "tsne", "--images", 60, "--out", tmp_path / "o"
    status, text = command("embedding", *both, *options)
    assert status == 0, text
    assert pd.read_csv(tmp_path / "o" / "separation.csv")["run"].tolist() == list(map(str, both))
    assert "RUN: got" in command("embedding", trained, trained / "..", trained, *options)[1]
    assert "twice; allowed: each once" in command("embedding", trained, trained, *options)[1]


def test_the_figure_says_on_which_images_runs_were_evaluated(tmp_path: Path) -> None:
    run(load_experiment("quickstart", SHORT | {"data.evaluate_on": "validation"}), 0, tmp_path / "run")
    assert command("embedding", tmp_path / "run", "--method", "tsne", "--images", 60)[0] == 0
    assert "60 validation images" in (tmp_path / "run" / "embedding" / "embedding.svg").read_text()


def test_a_class_with_fewer_images_than_folds_is_refused(trained: Path) -> None:
    chip, _ = restored_chip(trained)
    images, labels = chip.task.test.images, chip.task.test.labels
    assert labels is not None
    some = torch.cat([(labels != 7).nonzero()[:100], (labels == 7).nonzero()[:3]]).flatten()
    chip.task = replace(chip.task, test=Samples(images[some], labels[some]))
    with pytest.raises(InputError, match="got 103, of 10 classes, with 3 of class 7; allowed: two classes or more, 5"):
        embedded(chip, None, None, "tsne", 0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--layer", "5"), "--layer: got 5; allowed: 0 (the images) to 2"),
        (("--images", "20"), "--images: got 20; allowed: 50 to 500"),
        (("--images", "999"), "--images: got 999; allowed: 50 to 500"),
        (("--method", "pca"), "--method: got 'pca'; allowed: 'umap', 'tsne'"),
    ],
)
def test_wrong_options_are_refused(trained: Path, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    assert says in command("embedding", trained, "--method", "tsne", "--out", tmp_path, *arguments)[1]


def test_runs_that_cannot_be_embedded_are_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(load_experiment("quickstart", SHORT | {"data.test_limit": 100}), 0, tmp_path / "fewer")
    status, text = command("embedding", trained, tmp_path / "fewer", "--method", "tsne")
    assert status != 0
    assert "has data.test_limit = 100" in text
    (tmp_path / "fewer" / "checkpoint.pt").unlink()
    with pytest.raises(InputError, match="has no checkpoint"):
        restored_chip(tmp_path / "fewer")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'neurohw[figures]'" in command("embedding", trained)[1]


def test_a_layer_that_answers_all_alike_is_refused() -> None:
    chip = OnChip(load_experiment("quickstart", SHORT), Streams(0))
    chip.build()
    chip.network.layers[0].array.program(torch.zeros(100, 64))
    with pytest.raises(InputError, match="answers all images alike"):
        embedded(chip, None, 60, "tsne", 0)

"""CIFAR-10 and SVHN in the form in which they are distributed, CIFAR-10 unpacked and in its archive."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import CIFAR10, SVHN

from neurohw.clock import Clock
from neurohw.data import as_input, load, load_dataset, locate, lookup, registry, summary
from neurohw.data.registry import Extent, WholeFile
from neurohw.errors import DataError
from neurohw.loading import load_experiment
from neurohw.runs.build import build_network
from neurohw.seeding import Streams
from neurohw.training.rules import build_rule

ARCHIVE = "cifar-10-python.tar.gz"


def described(path: Path, name: str) -> WholeFile:
    return WholeFile(name, (hashlib.md5(path.read_bytes()).hexdigest(),), 1 << 20)


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small CIFAR-10, have registry and reader know it, and return its folder."""
    random = np.random.default_rng(0)
    folder = tmp_path / "cifar10" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number, (name, _) in enumerate(CIFAR10.train_list + CIFAR10.test_list):
        data = random.integers(0, 256, (4, 3072), dtype=np.uint8)
        batch = {"data": data, "labels": [number, 9, 0, 1], "batch_label": "a batch"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {"label_names": [f"class {i}" for i in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    for part in ("train_list", "test_list"):
        md5s = [[name, hashlib.md5((folder / name).read_bytes()).hexdigest()] for name, _ in getattr(CIFAR10, part)]
        monkeypatch.setattr(CIFAR10, part, md5s)
    meta = hashlib.md5((folder / "batches.meta").read_bytes()).hexdigest()
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    registered(monkeypatch, "cifar10", tmp_path, Extent(20, 4, (3, 32, 32)))
    return folder


@pytest.fixture
def svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a small SVHN, have registry and reader know it, and return its folder."""
    folder = tmp_path / "svhn"
    folder.mkdir()
    parts = dict(SVHN.split_list)
    for seed, part in enumerate(("train", "test")):
        images = np.random.default_rng(seed).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
        path = folder / parts[part][1]
        savemat(path, {"X": images, "y": np.array([[10], [1], [2], [9], [10]], np.uint8)})
        parts[part] = [*parts[part][:2], hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", parts)
    registered(monkeypatch, "svhn", tmp_path, Extent(5, 5, (3, 32, 32)))
    return folder


def registered(monkeypatch: pytest.MonkeyPatch, name: str, root: Path, extent: Extent) -> None:
    entry = registry.WHOLE_DATASETS[name]
    files = tuple(described(root / name / file.name, file.name) for file in entry.files)
    monkeypatch.setitem(registry.WHOLE_DATASETS, name, registry.WholeDataset(name, entry.licence, extent, files))
    monkeypatch.setenv("NEUROHW_DATA", str(root))
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    monkeypatch.setattr(lookup, "SYSTEM", root / "system")


def test_cifar_is_read(cifar: Path) -> None:
    data = load_dataset("cifar10")
    assert data.train_images.shape == (20, 3072)
    assert data.train_labels[::4].tolist() == [0, 1, 2, 3, 4]
    assert data.test_labels.tolist() == [5, 9, 0, 1]
    assert (data.image_shape, data.class_names[3], len(data.checksums)) == ((3, 32, 32), "class 3", 7)
    first = pickle.loads((cifar / "data_batch_1").read_bytes())["data"]
    np.testing.assert_array_equal(data.train_images[:4].numpy(), first)


def state_of(name: str) -> tuple[str, str, str]:
    (row,) = (row for row in summary() if row.name == name)
    return row.state, row.sizes, row.place


def test_a_list_of_what_is_there_checks_files_and_decodes_none(
    cifar: Path, svhn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_READERS", {})
    assert state_of("cifar10") == ("ok", "20 train, 4 test, 32 x 32 in colour", str(cifar.parent))
    assert state_of("svhn") == ("ok", "5 train, 5 test, 32 x 32 in colour", str(svhn))
    (cifar / "test_batch").write_bytes(b"another")
    state, sizes, _ = state_of("cifar10")
    assert state.startswith(f"{cifar / 'test_batch'}: found content with MD5")
    assert sizes == "-"


def test_svhn_is_read_with_its_tens_as_zeros(svhn: Path) -> None:
    data = load_dataset("svhn")
    assert (data.train_labels.tolist(), data.n_classes) == ([0, 1, 2, 9, 0], 10)
    images = np.random.default_rng(1).integers(0, 256, (32, 32, 3, 5), dtype=np.uint8)
    np.testing.assert_array_equal(data.test_images.view(-1, *data.image_shape).numpy(), images.transpose(3, 2, 0, 1))


def test_a_pickle_that_is_not_cifars_is_never_unpickled(cifar: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(cifar / "made"),)

    (cifar / "test_batch").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(DataError, match=r"test_batch: found content with MD5 \w+, expected MD5 \w+"):
        load_dataset("cifar10")
    assert not (cifar / "made").exists()


def test_fetching_brings_files_into_their_folder(
    cifar: Path, neurohw: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "new"))
    status, out, _ = neurohw("data", "fetch", "cifar10", "--from", str(cifar.parent))
    assert (status, len(out.split())) == (0, 7)
    assert locate("cifar10") == tmp_path / "new" / "cifar10"
    shutil.rmtree(cifar)
    assert len(load_dataset("cifar10").train_labels) == 20


@pytest.fixture
def packed(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the small CIFAR-10 in its archive alone, as distributed, and return that."""
    pack(monkeypatch, cifar, lambda tar: tar.add(cifar, cifar.name))
    shutil.rmtree(cifar)
    return cifar.parent / ARCHIVE


def pack(monkeypatch: pytest.MonkeyPatch, cifar: Path, fill: Callable[[tarfile.TarFile], object]) -> None:
    """Write an archive beside the batches, and have the registry know it."""
    path = cifar.parent / ARCHIVE
    with tarfile.open(path, "w:gz") as tar:
        fill(tar)
    entry = registry.WHOLE_DATASETS["cifar10"]
    monkeypatch.setitem(registry.WHOLE_DATASETS, "cifar10", replace(entry, archive=described(path, ARCHIVE)))


def test_cifars_archive_is_read_as_it_is(packed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    data = load_dataset("cifar10")
    assert data.test_labels.tolist() == [5, 9, 0, 1]
    assert sorted(data.checksums) == sorted(file.name for file in registry.WHOLE_DATASETS["cifar10"].files)
    assert state_of("cifar10")[:2] == ("ok", "20 train, 4 test, 32 x 32 in colour")
    assert [*temporary.iterdir()] == []
    assert [*packed.parent.iterdir()] == [packed]


def test_unpacked_and_in_its_archive_it_is_the_same_data(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = load_dataset("cifar10").checksums
    pack(monkeypatch, cifar, lambda tar: tar.add(cifar, cifar.name))
    shutil.rmtree(cifar)
    assert load_dataset("cifar10").checksums == unpacked


def hostile(made: Path) -> bytes:
    class Hostile:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(made),)

    return pickle.dumps(Hostile())


def test_an_archive_that_is_not_cifars_is_not_unpacked(packed: Path, cifar: Path, tmp_path: Path) -> None:
    with tarfile.open(packed, "w:gz") as tar:
        add(tar, f"{cifar.name}/data_batch_1", hostile(tmp_path / "made"))
    with pytest.raises(DataError, match=rf"{ARCHIVE}: found content with MD5 \w+, expected MD5 \w+") as caught:
        load_dataset("cifar10")
    assert "neurohw data fetch cifar10" in str(caught.value)
    assert not (tmp_path / "made").exists()
    assert state_of("cifar10")[0].startswith(f"{packed}: found content with MD5")


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "") -> None:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = len(content), kind, link
    tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("kind", ["pickle", "link", "missing"])
def test_of_an_archive_only_the_right_batches_are_unpacked(
    kind: str, cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if somebody's registry knew it: what leads elsewhere is left out, each batch has the right checksum."""

    def fill(tar: tarfile.TarFile) -> None:
        add(tar, "../outside", b"x")
        add(tar, f"/{tmp_path}/absolute", b"x")
        for path in sorted(cifar.iterdir())[:-1]:
            tar.add(path, f"{cifar.name}/{path.name}")
        if kind == "pickle":
            add(tar, f"{cifar.name}/test_batch", hostile(tmp_path / "made"))
        if kind == "link":
            add(tar, f"{cifar.name}/test_batch", kind=tarfile.SYMTYPE, link=str(cifar / "test_batch"))

    pack(monkeypatch, cifar, fill)
    (cifar / "batches.meta").unlink()
    batch = "cifar-10-batches-py/test_batch"
    message = f"{batch}: found content with MD5" if kind == "pickle" else f"lacks {batch}"
    with pytest.raises(DataError, match=f"{ARCHIVE}: {message}"):
        load_dataset("cifar10")
    assert not {"made", "outside", "absolute"} & {path.name for path in tmp_path.rglob("*")}


@pytest.mark.parametrize("damaged", [False, True], ids=["bare", "damaged batches"])
def test_an_archive_is_fetched_as_it_is_distributed(
    damaged: bool,
    packed: Path,
    neurohw: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = tmp_path / "new" / "cifar10"
    if damaged:
        for file in registry.WHOLE_DATASETS["cifar10"].files:
            (there / file.name).parent.mkdir(parents=True, exist_ok=True)
            (there / file.name).write_bytes(b"damaged")
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "new"))
    status, out, _ = neurohw("data", "fetch", "cifar10", "--from", str(packed.parent))
    assert (status, out.split()) == (0, [str(there / ARCHIVE)])
    packed.unlink()
    assert len(load_dataset("cifar10").train_labels) == 20
    status, out, _ = neurohw("data", "fetch", "cifar10", "--from", str(packed.parent))
    assert (status, out.split()) == (0, [str(there / ARCHIVE)])  # it is here


def test_what_is_missing_of_cifar_is_said_in_the_form_that_lacks_least(cifar: Path) -> None:
    (cifar / "data_batch_2").unlink()
    with pytest.raises(DataError, match=f"{cifar.parent}: lacks cifar-10-batches-py/data_batch_2\n"):
        load_dataset("cifar10")


def test_the_registrys_checksums_are_torchvisions() -> None:
    cifar = {Path(file.name).name: file.md5s[0] for file in registry.WHOLE_DATASETS["cifar10"].files}
    assert cifar == dict(CIFAR10.train_list + CIFAR10.test_list) | {"batches.meta": CIFAR10.meta["md5"]}
    archive = registry.WHOLE_DATASETS["cifar10"].archive
    assert archive is not None
    assert (archive.name, archive.md5s) == (CIFAR10.filename, (CIFAR10.tgz_md5,))
    svhn = [(file.name, *file.md5s) for file in registry.WHOLE_DATASETS["svhn"].files]
    assert svhn == [tuple(SVHN.split_list[part][1:]) for part in ("train", "test")]


@pytest.mark.parametrize(("folder", "data", "name", "maps"), [
    ("svhn", "svhn", "cnn_svhn", (3, 32, 128)),
    ("cifar", "cifar10", "experiments/cnn_svhn/cifar10.toml", (3, 96, 384)),
])  # fmt: skip
def test_the_published_convolutional_networks_learn_these_images(
    folder: str, data: str, name: str, maps: tuple[int, ...], request: pytest.FixtureRequest
) -> None:
    """At the published size: the error of a batch falls, and 8192, or 24576, inputs are left for the dense layer."""
    request.getfixturevalue(folder)
    dataset, experiment = load_dataset(data), load_experiment(name)
    network = build_network(experiment, Streams(0), Clock(), image=dataset.image_shape)
    assert [layer.array.shape[1] for layer in network.layers] == [25 * maps[0], 9 * maps[1], 64 * maps[2]]
    rule = build_rule("adam", network.layers, [1e-6] * 3)
    x = as_input(dataset.train_images, dataset.levels, torch.float32)
    target = torch.eye(experiment.network.layers[-1])[dataset.train_labels]
    errors = []
    for _ in range(3):
        state = network.respond(x)
        errors.append(float((state.output - target).square().mean()))
        for layer, products in network.contrast(state, target):
            rule.apply(layer, products)
    assert errors[2] < errors[1] < errors[0]

"""Datasets: reading and refusing files, finding them, loading them, dividing them."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.utils import resample

from neurohw.data import (
    Dataset,
    IdxFile,
    as_input,
    balanced_subset,
    complement,
    load_dataset,
    locate,
    lookup,
    places,
    read_idx,
    registry,
    stratified_subset,
    summary,
)
from neurohw.errors import DataError, InputError
from neurohw.loading import load_experiment
from neurohw.runs.task import build_task
from neurohw.seeding import Streams

with_real_data = pytest.mark.skipif("NEUROHW_DATA" not in os.environ, reason="NEUROHW_DATA is not set")

IMAGES = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2)
LABELS = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
COMMAND = "neurohw data fetch mnist --from DIR|URL"


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    """Return the IDX file of an array of bytes, written independently of the reader."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def described(array: NDArray[np.uint8], name: str = "train-images-idx3-ubyte") -> IdxFile:
    """Return what the registry would say of the file of `array`."""
    return IdxFile("mnist", name, array.shape, hashlib.md5(idx_bytes(array)).hexdigest())


def refusal(path: Path, content: bytes, expected: IdxFile) -> str:
    """Return the message with which a file of this content is refused, after checking what all of them share."""
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path, expected)
    message = str(caught.value)
    first_line = message.splitlines()[0]
    assert first_line.startswith(f"{path}: found")
    assert COMMAND in message
    return first_line


# IDX files


@settings(deadline=None)
@given(data=st.data(), packed=st.booleans())
def test_an_idx_file_reads_back_as_written(data: st.DataObject, packed: bool) -> None:
    shape = tuple(
        data.draw(st.lists(st.integers(1, 5), min_size=3, max_size=3) | st.lists(st.integers(1, 9), max_size=1))
    )
    count = int(np.prod(shape))
    array = np.frombuffer(data.draw(st.binary(min_size=count, max_size=count)), np.uint8).reshape(shape)
    content = idx_bytes(array)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(gzip.compress(content) if packed else content)
        read = read_idx(path, described(array))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def test_compression_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    packed, plain = tmp_path / "images", tmp_path / "images.gz"
    packed.write_bytes(gzip.compress(idx_bytes(IMAGES)))
    plain.write_bytes(idx_bytes(IMAGES))
    np.testing.assert_array_equal(read_idx(packed, described(IMAGES)), IMAGES)
    np.testing.assert_array_equal(read_idx(plain, described(IMAGES)), IMAGES)


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(idx_bytes(IMAGES))
    message = refusal(tmp_path / "x.gz", packed[:-9], described(IMAGES))
    assert f"truncated or corrupt gzip file of {len(packed) - 9} bytes" in message


def test_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(idx_bytes(IMAGES)))
    packed[-6] ^= 0xFF  # in the CRC
    assert "corrupt gzip file" in refusal(tmp_path / "x.gz", bytes(packed), described(IMAGES))


def test_truncated_plain_file_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "x", idx_bytes(IMAGES)[:-1], described(IMAGES))
    assert "found 45 bytes, expected the 46 that its header promises" in message


def test_trailing_bytes_are_refused(tmp_path: Path) -> None:
    assert "found 47 bytes, expected the 46" in refusal(tmp_path / "x", idx_bytes(IMAGES) + b"!", described(IMAGES))


def test_file_shorter_than_its_header_is_refused(tmp_path: Path) -> None:
    assert "found 0 bytes, expected at least the 16" in refusal(tmp_path / "x", b"", described(IMAGES))


def test_labels_in_the_place_of_images_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "x", idx_bytes(np.resize(LABELS, 60)), described(IMAGES))
    assert "found labels (magic number 2049), expected images (magic number 2051)" in message


def test_images_in_the_place_of_labels_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "x", idx_bytes(IMAGES), described(LABELS))
    assert "found images (magic number 2051), expected labels (magic number 2049)" in message


def test_something_else_altogether_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "x", b"<!DOCTYPE html><html></html>", described(IMAGES))
    assert "found something else (magic number 1008813135), expected images" in message


def test_test_set_in_the_place_of_the_training_set_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "x", idx_bytes(IMAGES[:2]), described(IMAGES))
    assert "found 2 x 3 x 2 values, expected 5 x 3 x 2" in message


def test_one_wrong_byte_is_refused(tmp_path: Path) -> None:
    changed = IMAGES.copy()
    changed[2, 1, 1] += 1
    message = refusal(tmp_path / "x", idx_bytes(changed), described(IMAGES))
    assert f"MD5 {described(changed).md5}, expected MD5 {described(IMAGES).md5}" in message


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone: found a file that cannot be read \(No such file"):
        read_idx(tmp_path / "gone", described(IMAGES))


# A small "mnist" in a folder of its own


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small set into the registry as "mnist" and its files where they are looked for; return their folder."""
    arrays = {
        "train-images-idx3-ubyte": IMAGES,
        "train-labels-idx1-ubyte": LABELS,
        "t10k-images-idx3-ubyte": IMAGES[:2] + 100,
        "t10k-labels-idx1-ubyte": LABELS[:2],
    }
    entry = registry.IdxDataset("mnist", "a licence", *(described(array, name) for name, array in arrays.items()))
    monkeypatch.setitem(registry.IDX_DATASETS, "mnist", entry)
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lookup, "SYSTEM", tmp_path / "system")
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    return folder


def test_loading_flattens_images_and_keeps_bytes(small_mnist: Path) -> None:
    data = load_dataset("mnist")
    assert data.train_images.dtype == data.test_images.dtype == torch.uint8
    assert data.train_labels.dtype == data.test_labels.dtype == torch.int64
    np.testing.assert_array_equal(data.train_images.numpy(), IMAGES.reshape(5, 6))
    np.testing.assert_array_equal(data.test_images.numpy(), IMAGES[:2].reshape(2, 6) + 100)
    assert data.train_labels.tolist() == [3, 1, 4, 1, 5]
    assert data.test_labels.tolist() == [3, 1]
    assert (data.name, data.image_shape, data.levels, data.n_classes) == ("mnist", (1, 3, 2), 255, 10)
    assert data.checksums["train-labels-idx1-ubyte"] == hashlib.md5(idx_bytes(LABELS)).hexdigest()
    assert len(data.checksums) == 4


def test_plain_and_dotted_names_are_found(small_mnist: Path) -> None:
    for path in list(small_mnist.iterdir()):
        path.with_name(path.stem.replace("-idx", ".idx")).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert load_dataset("mnist").train_labels.tolist() == [3, 1, 4, 1, 5]


def test_places_are_tried_in_order(small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, cache, system = places("mnist")
    assert chosen == small_mnist
    assert cache.is_relative_to(tmp_path / "cache")
    assert cache.parts[-2:] == ("data", "mnist")
    assert system == tmp_path / "system" / "mnist"
    assert locate("mnist") == chosen
    cache.mkdir(parents=True)
    system.parent.mkdir()
    small_mnist.rename(system)
    assert locate("mnist") == system
    for path in system.iterdir():
        (cache / path.name).write_bytes(path.read_bytes())
    assert locate("mnist") == cache
    monkeypatch.setenv("NEUROHW_DATA", "")
    assert places("mnist") == [cache, system]


def test_missing_data_says_where_it_was_looked_for_and_how_to_get_it(small_mnist: Path) -> None:
    (small_mnist / "t10k-labels-idx1-ubyte.gz").unlink()
    assert locate("mnist") is None
    with pytest.raises(DataError) as caught:
        load_dataset("mnist")
    lines = str(caught.value).splitlines()
    assert lines[0] == "dataset 'mnist' was not found; looked in"
    assert lines[1] == f"  {small_mnist}: lacks t10k-labels-idx1-ubyte"
    assert lines[2:4] == [f"  {place}: no such folder" for place in places("mnist")[1:]]
    assert COMMAND in lines[4]


def test_summary_tells_right_wrong_and_missing_apart(small_mnist: Path) -> None:
    digits, mnist, fashion, *coloured = summary()
    assert (digits.name, digits.state, digits.sizes) == ("digits", "ok", "1297 train, 500 test, 8 x 8")
    assert (mnist.place, mnist.state, mnist.licence) == (str(small_mnist), "ok", "a licence")
    assert mnist.sizes == "5 train, 2 test, 3 x 2"
    assert (fashion.name, fashion.place, fashion.state) == ("fashion-mnist", "-", "missing")
    assert [(row.name, row.state) for row in coloured] == [
        (name, "missing") for name in ("tiny-imagenet-10", "cifar10", "svhn")
    ]
    path = small_mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(b"garbage")
    _, mnist, *_ = summary()
    assert mnist.state == f"{path}: found 7 bytes, expected at least the 16 of an IDX header."


@pytest.mark.parametrize("name", ["imagenet", "cifar-10", "MNIST", ""])
def test_unknown_names_are_refused_with_what_is_allowed(name: str) -> None:
    with pytest.raises(
        InputError,
        match=f"'{name}'.*allowed: digits, mnist, fashion-mnist, tiny-imagenet-10, cifar10, svhn, or the path",
    ):
        load_dataset(name)


def test_digits_have_no_places() -> None:
    with pytest.raises(InputError, match="bundled"):
        places("digits")


# The real files


@with_real_data
@pytest.mark.parametrize(
    ("name", "mean", "first"), [("mnist", 0.1307, [5, 0, 4]), ("fashion-mnist", 0.2860, [9, 0, 0])]
)
def test_real_files_have_the_published_mean_and_labels(name: str, mean: float, first: list[int]) -> None:
    data = load_dataset(name)
    assert data.train_images.shape == (60000, 784)
    assert data.test_images.shape == (10000, 784)
    assert data.train_labels[:3].tolist() == first
    assert data.train_images.double().mean().item() / 255 == pytest.approx(mean, abs=5e-5)
    assert data.test_labels.bincount().sum() == 10000


@with_real_data
def test_fashion_mnist_in_the_folder_of_mnist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fashion = locate("fashion-mnist")
    assert fashion is not None
    (tmp_path / "mnist").symlink_to(fashion)
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"fashion-mnist's train-images-idx3-ubyte\), expected MD5 6bbc9ace"):
        load_dataset("mnist")


# Digits and inputs


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_are_the_bundled_ones_split_once_for_all(digits: Dataset) -> None:
    assert digits.train_images.shape == (1297, 64)
    assert digits.test_images.shape == (500, 64)
    assert (digits.image_shape, digits.levels, digits.n_classes) == ((1, 8, 8), 16, 10)
    assert digits.train_images.max() == digits.test_images.max() == 16
    assert digits.train_labels.bincount().tolist() == [128, 131, 128, 132, 131, 131, 131, 129, 126, 130]
    assert digits.checksums["train_images"] == hashlib.md5(digits.train_images.numpy().tobytes()).hexdigest()
    assert digits.checksums == load_dataset("digits").checksums
    assert digits.checksums["test_images"] == "f6846d51c1c51d7157c823ea32faa136"


def test_no_digit_is_in_both_sets(digits: Dataset) -> None:
    train = {bytes(row) for row in digits.train_images.numpy()}
    assert not train & {bytes(row) for row in digits.test_images.numpy()}


def test_moving_a_dataset_moves_every_tensor(digits: Dataset) -> None:
    moved = digits.to("meta")
    for tensor in (moved.train_images, moved.train_labels, moved.test_images, moved.test_labels):
        assert tensor.device.type == "meta"
    assert moved.checksums == digits.checksums
    assert digits.train_images.device.type == "cpu"


def test_inputs_run_from_zero_to_one() -> None:
    pixels = torch.tensor([[0, 4, 16]], dtype=torch.uint8)
    assert torch.equal(as_input(pixels, 16), torch.tensor([[0.0, 0.25, 1.0]]))
    assert as_input(pixels, 16, torch.float64).dtype == torch.float64
    assert pixels.tolist() == [[0, 4, 16]]


# Subsets

classed = st.lists(st.integers(0, 4), min_size=5, max_size=80).map(torch.tensor)


@settings(deadline=None)
@given(labels=classed, data=st.data(), seed=st.integers(0, 2**63 - 1))
def test_stratified_subsets_keep_the_proportions(labels: torch.Tensor, data: st.DataObject, seed: int) -> None:
    size = data.draw(st.integers(len(labels.unique()), len(labels)))
    chosen = stratified_subset(labels, size, seed)
    assert len(chosen.unique()) == len(chosen) == size
    assert torch.equal(chosen, chosen.sort().values)
    counts = labels.bincount()
    got = labels[chosen].bincount(minlength=len(counts))
    assert ((got > 0) == (counts > 0)).all()
    assert all(more >= less for more, m in zip(got, counts, strict=True) for less, n in zip(got, counts, strict=True)
               if m > n)  # fmt: skip
    wanted = counts.double() * size / len(labels)
    if wanted[counts > 0].min() >= 1:
        assert (got - wanted).abs().max() < 1
    assert torch.equal(chosen, stratified_subset(labels, size, seed))


@pytest.mark.parametrize(("counts", "size", "expected"), [
    ([100, 1, 1, 1], 10, [7, 1, 1, 1]),  # in proportion: 10 of the first and no others
    ([1, 60, 40, 2], 12, [1, 6, 4, 1]),
    ([5, 100, 1, 1, 1], 10, [1, 6, 1, 1, 1]),  # of the 7 left none would be of the first
    ([1000, 1, 1, 1], 4, [1, 1, 1, 1]),
])  # fmt: skip
def test_classes_too_rare_for_their_share_have_a_sample_each(counts: list[int], size: int, expected: list[int]) -> None:
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    drawn = {seed: stratified_subset(labels, size, seed) for seed in range(5)}
    assert {tuple(labels[chosen].bincount().tolist()) for chosen in drawn.values()} == {tuple(expected)}
    assert len({tuple(chosen.tolist()) for chosen in drawn.values()}) > 1


@pytest.mark.parametrize("counts", [[30] * 10, [30, 28, 33, 31, 29]])
def test_subsets_without_rare_classes_are_those_of_scikit_learn(counts: list[int]) -> None:
    """Committed records were trained with these labels."""
    order = np.random.default_rng(0).permutation(sum(counts))
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[order]
    for size in (len(counts), 20, 67):
        drawn = resample(np.arange(len(labels)), replace=False, n_samples=size, stratify=labels.numpy(),
                         random_state=np.random.RandomState(np.random.PCG64(7)))  # fmt: skip
        assert stratified_subset(labels, size, 7).tolist() == sorted(drawn)


def test_subsets_differ_between_seeds() -> None:
    labels = torch.arange(10).repeat(30)
    for subset in (stratified_subset, balanced_subset):
        assert not torch.equal(subset(labels, 100, 1), subset(labels, 100, 2))


@settings(deadline=None)
@given(counts=st.lists(st.integers(4, 12), min_size=2, max_size=5), data=st.data(), seed=st.integers(0, 2**63 - 1))
def test_balanced_subsets_have_as_many_of_each_class(counts: list[int], data: st.DataObject, seed: int) -> None:
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    size = data.draw(st.integers(len(counts), 4 * len(counts)))
    chosen = balanced_subset(labels, size, seed)
    share, remainder = divmod(size, len(counts))
    expected = [share + 1] * remainder + [share] * (len(counts) - remainder)
    assert labels[chosen].bincount().tolist() == expected
    assert len(chosen.unique()) == size
    assert torch.equal(chosen, chosen.sort().values)
    assert torch.equal(chosen, balanced_subset(labels, size, seed))


@pytest.mark.parametrize("subset", [stratified_subset, balanced_subset])
@pytest.mark.parametrize("size", [-1, 0, 2, 13])
def test_impossible_sizes_are_refused_with_the_values(subset: object, size: int) -> None:
    assert callable(subset)
    with pytest.raises(InputError, match=rf"{size} samples.*allowed is 3 .* to 12 "):
        subset(torch.arange(3).repeat(4), size, 0)


def test_whole_set_is_a_subset() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2])
    assert stratified_subset(labels, 5, 0).tolist() == [0, 1, 2, 3, 4]


def test_class_too_small_for_balance_is_named() -> None:
    with pytest.raises(InputError, match="6 samples needs 2 of class 7, which has 1"):
        balanced_subset(torch.tensor([3, 3, 3, 7, 9, 9]), 6, 0)


@settings(deadline=None)
@given(st.integers(1, 40), st.data())
def test_complement_is_all_the_rest(n: int, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, n - 1)))
    rest = complement(n, torch.tensor(sorted(chosen), dtype=torch.int64))
    assert rest.tolist() == sorted(set(range(n)) - chosen)


def test_what_is_held_out_is_the_published_codes_seed() -> None:
    """Seed 34, whatever the run's: drawn here by scikit-learn itself."""
    labels = load_dataset("digits").train_labels.numpy()
    generator = np.random.RandomState(np.random.PCG64(34))
    held_out = resample(
        np.arange(len(labels)), replace=False, n_samples=round(0.2 * len(labels)), stratify=labels,
        random_state=generator,
    )  # fmt: skip
    task = build_task(
        load_experiment("quickstart", {"data": {"evaluate_on": "validation", "validation_fraction": 0.2}}), Streams(7)
    )
    assert task.test.labels.tolist() == labels[np.sort(held_out)].tolist()

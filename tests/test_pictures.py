"""Folders and zips of images: what they become, and what is refused by name."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from neurohw.config.data import DATASETS
from neurohw.data import data_checksums, load_dataset, locate, registry, tree
from neurohw.data.pictures import load_pictures
from neurohw.data.registry import Extent
from neurohw.errors import DataError, InputError
from neurohw.loading import load_experiment
from neurohw.runs.task import build_task
from neurohw.seeding import Streams

with_real_data = pytest.mark.skipif("NEUROHW_DATA" not in os.environ, reason="NEUROHW_DATA is not set")

Files = dict[str, bytes]
NOTES = "t/val/val_annotations.txt"


def pixels(seed: int, size: tuple[int, int] = (5, 4)) -> np.ndarray:
    """Return colours [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def encoded(array: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(stream, kind)
    return stream.getvalue()


def tiny_layout() -> Files:
    """Return two classes as Tiny ImageNet is distributed, in a folder of its name."""
    files = {f"t/train/n{c}/images/n{c}_{i}.PNG": encoded(pixels(10 * c + i)) for c in (2, 1) for i in (0, 1, 2)}
    files |= {"t/wnids.txt": b"n2\nn1\n", "t/train/n1/n1_boxes.txt": b"n1_0.PNG\t0\t0\t3\t3\n"}
    files |= {f"t/val/images/val_{i}.PNG": encoded(pixels(100 + i)) for i in (0, 1, 2)}
    return files | {NOTES: b"val_0.PNG\tn2\t0\t0\t3\t3\nval_1.PNG\tn1\t0\nval_2.PNG\tn2\n"}


def split_layout() -> Files:
    parts = {"train": 2, "test": 1}
    return {
        f"{part}/{c}/{i}.png": encoded(pixels(10 * "ab".index(c) + i + 100 * (part == "test")))
        for part, count in parts.items() for c in "ab" for i in range(count)
    }  # fmt: skip


def plain_layout() -> Files:
    return {f"{c}/{i}.png": encoded(pixels(10 * "ab".index(c) + i)) for c in "ab" for i in range(10)}


def write(files: Files, place: Path) -> Path:
    """Write files as a zip, if the place is called so, or below a folder; names that end in a slash are folders."""
    if place.suffix == ".zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return place
    for name, content in files.items():
        path = place / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return place


@pytest.fixture(params=["folder", "images.zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return where images are to be written: a folder or a zip."""
    return tmp_path / str(request.param)


# What they become


def test_tiny_imagenets_layout_is_read_in_naming_order(place: Path) -> None:
    data = load_dataset(str(write(tiny_layout(), place)))
    assert (data.class_names, data.n_classes, data.image_shape, data.levels) == (("n1", "n2"), 2, (3, 5, 4), 255)
    assert data.train_images.dtype == torch.uint8
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_labels.tolist() == [0, 1, 1]
    for image, seed in zip(data.train_images.view(-1, *data.image_shape), (10, 11, 12, 20, 21, 22), strict=True):
        np.testing.assert_array_equal(image.numpy().transpose(1, 2, 0), pixels(seed))
    for image, seed in zip(data.test_images.view(-1, *data.image_shape), (101, 100, 102), strict=True):
        np.testing.assert_array_equal(image.numpy().transpose(1, 2, 0), pixels(seed))


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_class_folders_of_a_training_and_a_test_set(place: Path, held_out: str) -> None:
    files = {name.replace("test/", f"{held_out}/"): content for name, content in split_layout().items()}
    data = load_dataset(str(write(files, place)))
    assert (data.train_labels.tolist(), data.test_labels.tolist()) == ([0, 0, 1, 1], [0, 1])
    np.testing.assert_array_equal(
        data.test_images.view(-1, *data.image_shape)[1].numpy().transpose(1, 2, 0), pixels(110)
    )


def test_undivided_class_folders_give_a_fifth_of_each_class_to_the_test_set(place: Path) -> None:
    data = load_dataset(str(write(plain_layout(), place)))
    assert (data.train_labels.bincount().tolist(), data.test_labels.bincount().tolist()) == ([8, 8], [2, 2])
    every = {row.numpy().tobytes() for part in (data.train_images, data.test_images) for row in part}
    assert len(every) == 20


def test_a_folder_and_its_zip_are_the_same_data(tmp_path: Path) -> None:
    folder, packed = write(tiny_layout(), tmp_path / "t"), write(tiny_layout(), tmp_path / "t.zip")
    one, other = load_dataset(str(folder)), load_dataset(str(packed))
    assert one.checksums == other.checksums == data_checksums(str(folder)) == data_checksums(str(packed))
    assert torch.equal(one.train_images, other.train_images)


def test_grey_images_become_rgb_with_equal_channels(place: Path) -> None:
    files = plain_layout()
    grey = pixels(7)[:, :, 0]
    files["a/0.png"] = encoded(grey)
    files["a/1.png"] = encoded(pixels(8), "JPEG", "L")
    files["a/2.png"] = encoded(pixels(9), "PNG", "P")
    files = {f"train/{name}": content for name, content in files.items()} | {"val/a/x.png": encoded(pixels(1))}
    data = load_dataset(str(write(files, place)))
    images = data.train_images.view(-1, *data.image_shape)
    for channel in images[0]:
        np.testing.assert_array_equal(channel.numpy(), grey)
    assert torch.equal(images[1, 0], images[1, 2])
    assert not torch.equal(images[3, 0], images[3, 2])


def test_some_classes_of_a_larger_set_are_the_same_data_as_they_alone(place: Path) -> None:
    """As the first ten classes of the whole Tiny ImageNet."""
    more = {f"t/train/n0/images/{i}.PNG": encoded(pixels(i)) for i in (0, 1)} | {
        "t/val/images/0.PNG": encoded(pixels(3)), "t/test/images/0.PNG": encoded(pixels(4)),
        NOTES: b"0.PNG\tn0\n" + tiny_layout()[NOTES],
    }  # fmt: skip
    alone = load_dataset(str(write(tiny_layout(), place)))
    larger = write(tiny_layout() | more, place.with_name(f"larger-{place.name}"))
    chosen = load_pictures(larger, "chosen", only=("n1", "n2"))
    assert chosen.checksums == alone.checksums
    assert (chosen.class_names, chosen.train_labels.tolist()) == (alone.class_names, alone.train_labels.tolist())
    assert torch.equal(chosen.train_images, alone.train_images)
    assert torch.equal(chosen.test_labels, alone.test_labels)
    assert load_dataset(str(larger)).n_classes == 3


def test_what_systems_leave_behind_is_left_out(place: Path) -> None:
    files = tiny_layout() | {"t/train/.DS_Store": b"x", "__MACOSX/t/._x": b"x", "t/train/n1/images/Thumbs.db": b"x"}
    assert len(load_dataset(str(write(files, place))).train_labels) == 6


@pytest.mark.parametrize(
    "change", ["t/train/n1/images/n1_1.PNG", "t/val/val_annotations.txt", "t/train/n2/images/z.PNG"]
)
def test_checksums_change_with_an_image_a_class_and_a_name(place: Path, change: str) -> None:
    before = data_checksums(str(write(tiny_layout(), place)))
    new = {"t/val/val_annotations.txt": b"val_0.PNG\tn1\nval_1.PNG\tn1\nval_2.PNG\tn2\n"}
    after = data_checksums(str(write(tiny_layout() | {change: new.get(change, encoded(pixels(99)))}, place)))
    changed = "test" if "val" in change else "train"
    assert [part for part in before if before[part] != after[part]] == [changed]


def test_a_run_takes_all_channels_and_says_so_where_the_network_does_not_fit(place: Path) -> None:
    name = str(write(plain_layout(), place))
    small = {"data": {"dataset": name, "train_limit": None, "test_limit": None}}
    experiment = load_experiment("quickstart", small | {"network": {"layers": (60, 100)}})
    task = build_task(experiment, Streams(0))
    assert task.image == (3, 5, 4)
    assert task.train.images.shape == (16, 60)
    experiment = load_experiment("quickstart", small | {"network": {"layers": (20, 100)}})
    with pytest.raises(InputError, match=r"network.layers: got 20 inputs; allowed: 60, the values of 3 x 5 x 4"):
        build_task(experiment, Streams(0))


def test_a_run_on_a_folder_changes_its_hash_with_an_image(
    neurohw: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    folder = write(plain_layout(), tmp_path / "images")
    run = ("run", "quickstart", "--set", "network.layers=[60,20]", "--set", f"data.dataset={folder}", "--set",
           "training.epochs=1", "--set", "target.k=2", "--seed", "1")  # fmt: skip
    for seed in (3, 4):
        (folder / "a" / "0.png").write_bytes(encoded(pixels(50 + seed)))
        status, _, err = neurohw(*run, "--out", f"out/{seed}")
        assert (status, "error" in err) == (0, False), err
    records = [json.loads(path.read_text()) for path in (tmp_path / "out").rglob("record.json")]
    assert len({record["config_hash"] for record in records}) == len(records) == 2


# What is refused


def without(files: Files, *names: str) -> Files:
    return {name: content for name, content in files.items() if not name.startswith(names)}


def jpeg() -> bytes:
    return encoded(pixels(3, (40, 40)), "JPEG")


def header(height: int, width: int) -> bytes:
    """Return a PPM file that promises many pixels."""
    return f"P6 {width} {height} 255\n".encode() + bytes(100)


REFUSED = {
    "sizes": ({"a/3.png": encoded(pixels(1, (6, 4)))}, r"a/3.png: found 6 x 4 px, but 5 x 4 in a/\d.png"),
    "truncated": ({"b/3.png": encoded(pixels(3))[:-30]}, "b/3.png: found an image that cannot be decoded"),
    "truncated JPEG": ({"b/3.png": jpeg()[:-200]}, "b/3.png: found an image that cannot be decoded .*truncated"),
    "no image": ({"b/3.txt": b"hello"}, "b/3.txt: found no image; allowed: JPEG, PNG, BMP, PPM"),
    "empty file": ({"b/3.png": b""}, "b/3.png: found no image"),
    "GIF": ({"b/3.gif": encoded(pixels(3), "GIF")}, "b/3.gif: found no image"),
    "transparent": ({"b/3.png": encoded(pixels(3), "PNG", "RGBA")}, "b/3.png: found RGBA; allowed: 8 bits of grey"),
    "16 bits": ({"b/3.png": encoded(pixels(3)[:, :, 0].astype(np.uint16) * 99)}, "b/3.png: found I;16; allowed"),
    "many pixels": ({"b/3.png": header(5000, 10)}, "b/3.png: found 5000 x 10 px; allowed: at most 4096 a side"),
    "very many": ({"b/3.png": header(60000, 60000)}, "b/3.png: found"),
    "empty class": ({"c/": b""}, "found no images in c; allowed: at least one for each class"),
    "deeper": ({"a/more/1.png": b"x"}, "found the folder a/more in the class a; allowed: images only"),
    "one image": ({"c/0.png": encoded(pixels(3))}, "found one image of the class c; allowed: at least 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_named(place: Path, case: str) -> None:
    more, message = REFUSED[case]
    write(plain_layout() | more, place)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(str(place))
    assert str(caught.value).startswith(f"{place}: ")


def test_few_classes_are_refused(place: Path) -> None:
    write(without(plain_layout(), "b/"), place)
    with pytest.raises(DataError, match="found one class, a, in it; allowed: at least 2"):
        load_dataset(str(place))


@pytest.mark.parametrize("files", [{"x.png": b""}, {"a/": b"", "x.txt": b""}, {}])
def test_no_classes_are_refused(place: Path, files: Files) -> None:
    place.suffix or place.mkdir()
    write(files, place)
    with pytest.raises(DataError, match=r"found (no|one) class"):
        load_dataset(str(place))


ANNOTATED = {
    "lacking": (None, "found t/val/images without t/val/val_annotations.txt"),
    "unknown class": (b"val_0.PNG\tn9\n", "val_annotations.txt: line 1: got .*n9.*; allowed: an image, a tab, one of"),
    "no tab": (b"val_0.PNG n1\n", "line 1: got 'val_0.PNG n1'"),
    "twice": (b"val_0.PNG\tn1\nval_0.PNG\tn2\n", "line 2: 'val_0.PNG' has a class already"),
    "not annotated": (b"val_0.PNG\tn1\nval_1.PNG\tn2\n", "'val_2.PNG' has no class, but is in t/val/images"),
    "no such image": (
        b"val_0.PNG\tn1\nval_1.PNG\tn1\nval_2.PNG\tn1\n../x.PNG\tn1\n", "'../x.PNG' is no image of t/val/images",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ANNOTATED)
def test_annotations_must_say_the_class_of_each_image(place: Path, case: str) -> None:
    notes, message = ANNOTATED[case]
    files = without(tiny_layout(), NOTES) | ({} if notes is None else {NOTES: notes})
    with pytest.raises(DataError, match=message):
        load_dataset(str(write(files, place)))


def test_a_training_set_alone_and_strange_test_classes_are_refused(place: Path) -> None:
    write(split_layout() | {"test/c/0.png": encoded(pixels(0))}, place)
    with pytest.raises(DataError, match="found the class c in test, but not in train"):
        load_dataset(str(place))
    alone = place.with_name(f"alone-{place.name}")
    with pytest.raises(DataError, match="found train without images to evaluate"):
        load_dataset(str(write(without(split_layout(), "test/"), alone)))


# Hostile ones


@pytest.mark.parametrize(
    "name", ["../x.png", "/etc/x.png", "a/../../x.png", "a\\..\\x.png", "a//x.png", "a/\x1b[2J.png"]
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    packed = write(plain_layout() | {name: encoded(pixels(1))}, tmp_path / "x.zip")
    with pytest.raises(DataError, match=r"found the name .*; allowed: relative names") as caught:
        load_dataset(str(packed))
    assert "\x1b" not in str(caught.value)


def test_a_name_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    packed = write(plain_layout(), tmp_path / "x.zip")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(packed, "a") as more:
        more.writestr("a/1.png", encoded(pixels(99)))
    with pytest.raises(DataError, match=r"a/1.png: found twice; allowed: each name once"):
        load_dataset(str(packed))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    packed = write(plain_layout(), tmp_path / "x.zip")
    link = zipfile.ZipInfo("a/link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(packed, "a") as more:
        more.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"a/link.png: found a link"):
        load_dataset(str(packed))


def test_links_out_of_a_folder_and_to_folders_are_refused_and_links_within_are_read(tmp_path: Path) -> None:
    folder = write(plain_layout(), tmp_path / "x")
    (folder / "a" / "link.png").symlink_to(folder / "a" / "0.png")
    assert len(load_dataset(str(folder)).train_labels) == 17
    outside = tmp_path / "secret.png"
    outside.write_bytes(encoded(pixels(1)))
    (folder / "b" / "link.png").symlink_to(outside)
    with pytest.raises(DataError, match=f"b/link.png: found a link to {outside}"):
        load_dataset(str(folder))
    (folder / "b" / "link.png").unlink()
    (folder / "c").symlink_to(folder / "a")
    with pytest.raises(DataError, match="c: found a link to"):
        load_dataset(str(folder))


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    folder = write(plain_layout(), tmp_path / "x")
    os.mkfifo(folder / "a" / "pipe.png")
    with pytest.raises(DataError, match=r"a/pipe.png: found a device or a pipe"):
        load_dataset(str(folder))


def test_bombs_are_refused_before_they_are_unpacked(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(plain_layout() | {"a/3.png": bytes(1 << 20)}, place)
    monkeypatch.setattr(tree, "LARGEST_FILE", 1 << 19)
    with pytest.raises(DataError, match=r"a/3.png: unpacks to 1 MiB; allowed: at most 524,288 bytes"):
        load_dataset(str(place))
    monkeypatch.setattr(tree, "LARGEST_FILE", 1 << 21)
    monkeypatch.setattr(tree, "LARGEST_TREE", 1 << 20)
    with pytest.raises(DataError, match=r"unpacks to 1,\d+,\d+ bytes; allowed: at most 1 MiB"):
        load_dataset(str(place))
    monkeypatch.setattr(tree, "MOST_FILES", 5)
    with pytest.raises(DataError, match="found more than 5 files"):
        load_dataset(str(place))


def test_a_zip_that_understates_what_it_holds_is_refused(tmp_path: Path) -> None:
    packed = write(plain_layout() | {"a/3.png": bytes(1 << 20)}, tmp_path / "x.zip")
    content = packed.read_bytes()
    packed.write_bytes(content.replace((1 << 20).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(DataError, match=r"a/3.png: cannot be read .*CRC"):
        load_dataset(str(packed))


@pytest.mark.parametrize("damage", [lambda c: c[:-40], lambda c: b"", lambda c: b"PK" * 50])
def test_a_file_that_is_no_whole_zip_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    packed = write(plain_layout(), tmp_path / "x.zip")
    packed.write_bytes(damage(packed.read_bytes()))
    with pytest.raises(DataError, match=r"x.zip: found no readable zip"):
        load_dataset(str(packed))


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    packed = tmp_path / "x.zip"
    with zipfile.ZipFile(packed, "w") as stored:
        for name, content in plain_layout().items():
            stored.writestr(name, content)
    image = plain_layout()["b/4.png"]
    packed.write_bytes(packed.read_bytes().replace(image, image[:-20] + bytes(20)))
    with pytest.raises(DataError, match=r"b/4.png: cannot be read .*CRC"):
        load_dataset(str(packed))


def test_what_is_not_there_is_said_with_status_2(neurohw: Callable[..., tuple[int, str, str]]) -> None:
    status, _, err = neurohw("run", "quickstart", "--set", "data.dataset=no/such.zip")
    assert (status, "no/such.zip: no such folder or zip" in err) == (2, True)
    status, _, err = neurohw("run", "quickstart", "--set", "data.dataset=mnits")
    assert (status, "data.dataset: got 'mnits' (did you mean mnist?); allowed: digits," in err) == (2, True)


def test_a_configuration_names_what_the_registry_has() -> None:
    assert (registry.DIGITS, *registry.file_datasets()) == DATASETS


# The real ten classes


@with_real_data
def test_tiny_imagenet_is_the_papers() -> None:
    data = load_dataset("tiny-imagenet-10")
    assert data.train_labels.bincount().tolist() == [500] * 10
    assert data.test_labels.bincount().tolist() == [50] * 10
    assert (data.image_shape, data.class_names) == ((3, 64, 64), registry.TINY_CLASSES)
    assert registry.WHOLE_DATASETS["tiny-imagenet-10"].extent == Extent(5000, 500, data.image_shape)
    images = torch.cat([data.train_images, data.test_images]).view(-1, *data.image_shape)
    grey = (images == images[:, :1]).flatten(1).all(1)
    assert grey.sum() == 27
    assert data.checksums == data_checksums(str(Path(locate("tiny-imagenet-10"), "tiny-imagenet-200.zip")))


@with_real_data
def test_tiny_imagenet_is_listed_and_fetched(
    neurohw: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = locate("tiny-imagenet-10")
    status, out, _ = neurohw("data", "list")
    assert status == 0
    assert "5000 train, 500 test, 64 x 64 in colour" in out
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "data"))
    status, out, _ = neurohw("data", "fetch", "tiny-imagenet-10", "--from", str(source))
    assert (status, out.strip()) == (0, str(tmp_path / "data" / "tiny-imagenet-10" / "tiny-imagenet-200.zip"))
    corrupt = tmp_path / "data" / "tiny-imagenet-10" / "tiny-imagenet-200.zip"
    corrupt.write_bytes(corrupt.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"found content with MD5 \w+, expected MD5 60e6957"):
        load_dataset("tiny-imagenet-10")

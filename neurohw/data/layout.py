"""Which files of a folder or zip are images of which class, to be trained on or evaluated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter

import numpy as np

from neurohw.data.tree import Tree

TEST_SHARE = 0.2  # of each class, where nothing is said to be for evaluation
TEST_SEED = 0
ANNOTATIONS = "val_annotations.txt"

Samples = list[tuple[str, int]]  # an image's file, and its class


@dataclass(frozen=True)
class Layout:
    """The images of a data set.

    Args:
        classes: their names, in naming order; a label is an index here.
        train, test: file and label of each image, class after class, in naming order.
    """

    classes: tuple[str, ...]
    train: Samples
    test: Samples

    def only(self, classes: tuple[str, ...]) -> Layout:
        """Return the layout of some of the classes, in the order in which they are given."""
        label = {self.classes.index(name): position for position, name in enumerate(classes)}
        chosen = {
            part: [(file, label[old]) for file, old in getattr(self, part) if old in label]
            for part in ("train", "test")
        }
        return replace(self, classes=classes, **chosen)


def layout_of(tree: Tree) -> Layout:
    """Return what the names of folders say.

    Either `CLASS/image` for every image, where a fifth of each class, drawn with a fixed seed, is the test set. Or
    `train/CLASS/image`, with `test/CLASS/image` or `val/CLASS/image`. Or Tiny ImageNet's `train/CLASS/images/image`,
    with `val/images/image`, whose classes stand in `val/val_annotations.txt`. All of it may be in one folder more.

    Raises:
        DataError: there are fewer than two classes, one without images, something else among images, or images without
            a class.
    """
    root = _root(tree)
    parts = [folder.removeprefix(root) for folder in tree.folders_in(root.rstrip("/"))]
    if "train" not in parts or (len(parts) > 1 and not {"val", "test"} & {*parts}):
        return _divided(*_by_class(tree, root.rstrip("/")), tree)
    classes, train = _by_class(tree, f"{root}train")
    val = f"{root}val"
    if f"{val}/images" in tree.folders_in(val) or f"{val}/{ANNOTATIONS}" in tree.files_in(val):
        return Layout(classes, train, _annotated(tree, val, classes))
    held_out = next((part for part in ("test", "val") if part in parts), None)
    if held_out is None:
        raise tree.wrong(f"found {root}train without images to evaluate; allowed: {root}val or {root}test beside it")
    seen, test = _by_class(tree, f"{root}{held_out}", least=1)
    if strange := sorted({*seen} - {*classes}):
        raise tree.wrong(f"found the class {strange[0]} in {root}{held_out}, but not in {root}train")
    return Layout(classes, train, [(file, classes.index(seen[label])) for file, label in test])


def _root(tree: Tree) -> str:
    """Return the one folder that holds all others, with its slash, or nothing."""
    tops = tree.folders_in("")
    alone = len(tops) == 1 and tops[0] != "train" and tree.folders_in(tops[0])
    return f"{tops[0]}/" if alone else ""


def _by_class(tree: Tree, folder: str, least: int = 2) -> tuple[tuple[str, ...], Samples]:
    """Return the classes, a folder each, and the images below: in a folder `images`, if there is one."""
    places = tree.folders_in(folder)
    where = folder or "it"
    if not places:
        raise tree.wrong(f"found no classes; allowed: a folder of images for each class in {where}")
    classes = tuple(place.removeprefix(f"{folder}/") for place in places)
    if len(classes) < least:
        raise tree.wrong(f"found one class, {classes[0]}, in {where}; allowed: at least {least}")
    samples: Samples = []
    for label, place in enumerate(places):
        within = f"{place}/images" if f"{place}/images" in tree.folders_in(place) else place
        if deeper := tree.folders_in(within):
            raise tree.wrong(f"found the folder {deeper[0]} in the class {classes[label]}; allowed: images only")
        files = tree.files_in(within)
        if not files:
            raise tree.wrong(f"found no images in {within}; allowed: at least one for each class")
        samples += [(file, label) for file in files]
    return classes, samples


def _divided(classes: tuple[str, ...], samples: Samples, tree: Tree) -> Layout:
    random = np.random.default_rng(TEST_SEED)
    train: Samples = []
    test: Samples = []
    for label, group in groupby(samples, key=itemgetter(1)):
        own = list(group)
        if len(own) < 2:
            raise tree.wrong(f"found one image of the class {classes[label]}; allowed: at least 2, one of them to "
                             "evaluate, unless there are folders train and test")  # fmt: skip
        held_out = {*random.choice(len(own), max(1, round(TEST_SHARE * len(own))), replace=False).tolist()}
        train += [sample for index, sample in enumerate(own) if index not in held_out]
        test += [sample for index, sample in enumerate(own) if index in held_out]
    return Layout(classes, train, test)


def _annotated(tree: Tree, val: str, classes: tuple[str, ...]) -> Samples:
    """Return the images of `val/images` with the classes that the annotations give: a line `file TAB class` each."""
    notes = f"{val}/{ANNOTATIONS}"
    if notes not in tree.files_in(val):
        raise tree.wrong(f"found {val}/images without {notes}, which says the class of each image")
    labels = {name: label for label, name in enumerate(classes)}
    given: dict[str, int] = {}
    for number, line in enumerate(tree.read(notes).decode(errors="replace").splitlines(), 1):
        file, *rest = line.split("\t")
        if not rest or rest[0] not in labels:
            raise tree.wrong(f"line {number}: got {line[:100]!r}; allowed: an image, a tab, one of the classes", notes)
        if file in given:
            raise tree.wrong(f"line {number}: {file!r} has a class already; allowed: each image once", notes)
        given[file] = labels[rest[0]]
    present = {file.rpartition("/")[2]: file for file in tree.files_in(f"{val}/images")}
    for file in sorted(given.keys() ^ present.keys()):
        what = "is no image of" if file in given else "has no class, but is in"
        raise tree.wrong(f"{file!r} {what} {val}/images; allowed: a class for each image", notes)
    if not given:
        raise tree.wrong(f"found no images in {val}/images; allowed: at least one")
    return sorted(((present[file], label) for file, label in given.items()), key=lambda sample: (sample[1], sample[0]))

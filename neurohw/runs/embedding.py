"""What a trained chip makes of images, in two dimensions, and how far its classes are apart."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurohw.data import stratified_subset
from neurohw.errors import InputError
from neurohw.runs.onchip import OnChip
from neurohw.runs.restored import read_exactly
from neurohw.runs.task import SUBSET_SEED, labels_of
from neurohw.seeding import Streams
from neurohw.threads import threads

NEIGHBOURS = 10  # of the nearest-neighbour classifier
LEAST = 50  # images: UMAP looks at 15 neighbours, t-SNE at 90
_BATCH, _FOLDS = 512, 5

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Separation:
    """How far classes are apart.

    Args:
        silhouette: mean of (b - a) / max(a, b), -1 to 1, where a is the mean distance to the own class, and b to the
            nearest other one (Rousseeuw 1987).
        knn_accuracy: share of images that their 10 nearest neighbours among four fifths of the others name right.
    """

    silhouette: float
    knn_accuracy: float


@dataclass(frozen=True)
class Embedding:
    """Images of a run's test set.

    Args:
        images: which of them, [N].
        classes: theirs, [N].
        activity: of the layer, [N, n].
        places: in two dimensions, [N, 2].
        inside, seen: separation of the classes in the layer's n dimensions, and in these two.
    """

    images: NDArray[np.int64]
    classes: NDArray[np.int64]
    activity: Values
    places: Values
    inside: Separation
    seen: Separation


def embedded(chip: OnChip, layer: int | None, images: int | None, method: str, seed: int) -> Embedding:
    """Return images of the test set as a layer of the network answers them, embedded in two dimensions.

    Weights are read exactly, whatever devices hold them. UMAP (McInnes et al. 2018) and t-SNE (van der Maaten & Hinton
    2008) are those of umap-learn and scikit-learn, with their defaults and this seed.

    Args:
        chip: trained.
        layer: 0 for the images themselves, 1 for the first layer of neurons; None: the output.
        images: how many, the same in every run; None: 2000, or all where there are fewer.
        method: "umap" or "tsne".
        seed: of the embedding and of the folds.

    Raises:
        InputError: a layer or a number of images that is not there, fewer than five images of a class, a layer that
            answers all images alike, or umap-learn is missing.
    """
    activity, chosen = layer_activity(chip, layer, images)
    classes = labels_of(chip.task.test)[chosen].numpy()
    _check_classes(classes)
    places = _places(activity, method, seed)
    apart = [separation(values, classes, seed) for values in (activity, places)]
    return Embedding(chosen.numpy(), classes, activity, places, *apart)


def layer_activity(chip: OnChip, layer: int | None, images: int | None) -> tuple[Values, torch.Tensor]:
    """Return what a layer puts out for images of the test set, [N, n], and which they are, [N]; see `embedded`."""
    network, task = read_exactly(chip), chip.task
    labels, depth = labels_of(task.test), len(network.layers)
    if layer is not None and not 0 <= layer <= depth:
        raise InputError(f"--layer: got {layer}; allowed: 0 (the images) to {depth} (the output)")
    number = min(2000, len(labels)) if images is None else images
    if not LEAST <= number <= len(labels):
        raise InputError(f"--images: got {number}; allowed: {LEAST} to {len(labels)}, the images of the test set")
    everything = number == len(labels)
    chosen = torch.arange(number) if everything else stratified_subset(labels, number, SUBSET_SEED)
    parts = []
    for batch in task.as_input(network.dtype)(task.test.images[chosen]).split(_BATCH):
        state = network.respond(batch)
        values = [batch, *state.hidden, state.output]
        if layer not in (None, 0, depth) and len(values) != depth + 1:
            raise InputError(
                f"--layer: got {layer}, which {chip.experiment.network.rule!r} keeps not; allowed: 0, {depth}"
            )
        parts.append(values[-1 if layer is None else min(layer, len(values) - 1)])
    return torch.cat(parts).float().numpy(), chosen


def _check_classes(classes: NDArray[np.int64]) -> None:
    """Refuse images among which a class is in fewer than each of the folds, or which are of one class only."""
    there, counts = np.unique(classes, return_counts=True)
    least = int(counts.argmin())
    if len(there) < 2 or counts[least] < _FOLDS:
        raise InputError(f"--images: got {len(classes)}, of {len(there)} classes, with {counts[least]} of class "
                         f"{there[least]}; allowed: two classes or more, {_FOLDS} images of each")  # fmt: skip


def separation(values: Values, classes: NDArray[np.int64], seed: int) -> Separation:
    """Return how far classes are apart in any number of dimensions.

    Args:
        values: [N, n].
        classes: [N], at least two, with five images of each.
        seed: of the five folds.
    """
    from sklearn.metrics import silhouette_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=Streams(seed).integer("folds"))
    named = cross_val_predict(KNeighborsClassifier(NEIGHBOURS), values, classes, cv=folds)
    return Separation(float(silhouette_score(values, classes)), float((named == classes).mean()))


def require_umap() -> None:
    """Refuse to go on without umap-learn."""
    if importlib.util.find_spec("umap") is None:
        raise InputError("--method umap: umap-learn is not installed; get it with: pip install 'neurohw[figures]', or "
                         "take --method tsne")  # fmt: skip


def _places(activity: Values, method: str, seed: int) -> Values:
    number = Streams(seed).integer("embedding")
    if not np.ptp(activity, axis=0).any():
        raise InputError("that layer answers all images alike: there is nothing to embed")
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(activity) - 1) / 3)
        return np.asarray(
            TSNE(random_state=number, init="pca", perplexity=perplexity).fit_transform(activity), np.float32
        )
    require_umap()
    as_now = threads(torch.get_num_threads())  # numba, in umap, gives all that share its OpenMP a thread for each core
    with as_now, warnings.catch_warnings():  # umap speaks of parts that need TensorFlow, scipy of several clusters
        warnings.simplefilter("ignore")
        umap: Any = importlib.import_module("umap")
        places = umap.UMAP(random_state=number, n_jobs=1).fit_transform(activity)
    return np.asarray(places, np.float32)

"""From a configuration of kind "deep-stdp" to its parts: what prepares images, the network, and what clusters."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.config import DeepSTDPExperiment
from neurohw.data.augment import channel_statistics
from neurohw.data.dataset import Dataset
from neurohw.deepstdp.clusterers import Clusterer, KMeansClusterer, RandomLabels, STDPClusterer, TrueClasses
from neurohw.deepstdp.convnets import ConvNet, Dropout, small, vgg_15, with_head
from neurohw.deepstdp.engines import build_network, engine_device
from neurohw.deepstdp.preparation import Preparation
from neurohw.errors import InputError
from neurohw.metering.ledger import EnergyLedger
from neurohw.runs.clustering_chip import ClusteringChip
from neurohw.seeding import Streams
from neurohw.training.phases import Samples


def preparation(experiment: DeepSTDPExperiment, dataset: Dataset, training: Samples) -> Preparation:
    """Return what becomes of images.

    Raises:
        InputError: crops that are larger than the images.
    """
    section, shape = experiment.preprocessing, dataset.image_shape
    size = section.size or min(shape[1:])
    if size > min(shape[1:]):
        raise InputError(f"preprocessing.size: got {size}; allowed: at most the {min(shape[1:])} px of {dataset.name}")
    if section.normalisation == "channel":
        mean, std = channel_statistics(training.images.view(-1, *shape))
    else:
        mean, std = torch.zeros(shape[0]), torch.full((shape[0],), float(dataset.levels))
    return Preparation(
        shape, mean.to(training.images.device), std.to(training.images.device), size,
        augmented=section.augmentation == "crop-and-flip", area=section.crop_area, aspect=section.crop_aspect,
        flip=section.flip, gradients=section.sobel,
    )  # fmt: skip


def build_convnet(experiment: DeepSTDPExperiment, images: Preparation, streams: Streams) -> ConvNet:
    """Return the network, fresh; what it drops in training is drawn from stream "dropout"."""
    section, generator = experiment.network, streams.fresh("weights")
    dropout = Dropout(section.dropout, streams.generator("dropout"))
    if section.architecture == "vgg-15":
        body = vgg_15(images.channels, images.size, section.features, dropout, generator)
    else:
        body = small(images.channels, images.size, section.channels, section.stride, section.features, generator)
    return with_head(body, section.features, experiment.clustering.clusters, dropout, generator)


def clusterer(
    experiment: DeepSTDPExperiment,
    classes: Tensor,
    n_classes: int,
    device: torch.device,
    chip: ClusteringChip | None = None,
) -> Clusterer:
    """Return what makes pseudo-labels.

    Args:
        experiment: complete configuration.
        classes: of the training images.
        n_classes: how many there are.
        device: of the run.
        chip: whose synapses learn by STDP; None: exact ones.

    Raises:
        InputError: fewer clusters than classes, where these are the pseudo-labels.
    """
    section = experiment.clustering
    if section.method == "k-means":
        return KMeansClusterer(section.clusters, section.iterations)
    if section.method == "random":
        return RandomLabels(section.clusters)
    if section.method == "classes":
        if section.clusters < n_classes:
            raise InputError(f"clustering.clusters: got {section.clusters}; allowed: at least the {n_classes} classes, "
                             'which are the clusters of clustering.method "classes"')  # fmt: skip
        return TrueClasses(classes.cpu())
    if chip is not None:
        return STDPClusterer(chip.network)
    return STDPClusterer(
        lambda inputs, draws: build_network(inputs, section.clusters, experiment.stdp, draws, device),
        engine_device(experiment.stdp, device),
    )


def clustering_chip(
    experiment: DeepSTDPExperiment, samples: int, streams: Streams, ledger: EnergyLedger
) -> ClusteringChip | None:
    """Return the crossbar of the clustering network, two lines per component; None where its synapses are exact.

    Args:
        experiment: complete configuration.
        samples: training images.
        streams: of the run.
        ledger: where it counts.
    """
    if not experiment.on_crossbar:
        return None
    clustering, lines = experiment.clustering, 2 * components(experiment, samples)
    return ClusteringChip(
        experiment.hardware, experiment.stdp, clustering.clusters, lines, streams, ledger, clustering.neurons
    )


def components(experiment: DeepSTDPExperiment, samples: int) -> int:
    """Return how many principal components are clustered at most."""
    return min(experiment.clustering.components, experiment.network.features, samples)

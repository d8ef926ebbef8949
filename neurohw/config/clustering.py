"""How features are clustered, and how a convolutional network learns from the clusters: sections of "deep-stdp"."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from neurohw.config.section import Count, NonNegative, Positive, Probability, Section

_LARGEST = 1e9  # beyond it nothing is learnt, and single precision ends


class ConvNetSection(Section):
    """The network whose features are clustered.

    Args:
        architecture: "small", one 3x3 convolution with batch norm per number in `channels`; or "vgg-15".
        channels: of each convolution of "small".
        stride: of the first convolution of "small".
        features: outputs of the dense layer that is clustered; 256, of vgg-15 4096, unless given.
        dropout: of the dense layers and between the convolutions of vgg-15 (0.1 there, unless given).
    """

    architecture: Literal["small", "vgg-15"] = "small"
    channels: Annotated[tuple[Count, ...], Field(min_length=1)] = (32, 64, 128)
    stride: Count = 1
    features: Annotated[int, Field(strict=True, ge=2)] = 256
    dropout: Probability = 0.0


class ClusteringSection(Section):
    """How pseudo-labels are made, once an epoch.

    Args:
        method: "stdp" or "k-means"; or what bounds them: "random", labels at random, and "classes", the true ones.
        clusters: how many there are at most.
        components: principal components of the features that are clustered, at most.
        whitening: of the components to unit variance.
        unit_norm: of each sample.
        iterations: of k-means, at most.
        neurons: of STDP on a crossbar: "digital", behind converters, or "analog" ones that integrate currents; they
            behave alike, and are accounted as what they are.
    """

    method: Literal["stdp", "k-means", "random", "classes"] = "stdp"
    clusters: Annotated[int, Field(strict=True, ge=2)] = 100
    components: Annotated[int, Field(strict=True, ge=2)] = 256
    whitening: StrictBool = True
    unit_norm: StrictBool = True
    iterations: Count = 20
    # younger than the first records: who does without it keeps the hash
    neurons: Annotated[Literal["digital", "analog"], Field(exclude_if=lambda kind: kind == "digital")] = "digital"


class PseudoTrainingSection(Section):
    """How the network learns from pseudo-labels, by backpropagation in full precision (SGD).

    Args:
        epochs: each begins with a clustering.
        passes: through the data in an epoch (1 in the paper, 2 of its k-means baseline).
        sampling: "uniform" over the clusters that have members (DeepCluster), or "shuffled" images.
        batch_size, learning_rate, momentum, weight_decay: of SGD; the head, made anew, has no momentum.
    """

    epochs: Count = 50
    passes: Count = 1
    sampling: Literal["uniform", "shuffled"] = "uniform"
    batch_size: Count = 64
    learning_rate: Annotated[Positive, Field(le=_LARGEST)] = 0.01
    momentum: Probability = 0.9
    weight_decay: Annotated[NonNegative, Field(le=_LARGEST)] = 1e-5


class ProbeSection(Section):
    """What is measured of the network, with labels that it never sees.

    Args:
        every: epochs from one evaluation to the next.
        fisher_samples: training images in the trace of the Fisher information; 0: it is not measured.
        spiking_steps: time steps of the network as a spiking one, at the end; 0: it is not converted.
    """

    every: Count = 1
    fisher_samples: Annotated[int, Field(strict=True, ge=0)] = 500
    spiking_steps: Annotated[int, Field(strict=True, ge=0)] = 0

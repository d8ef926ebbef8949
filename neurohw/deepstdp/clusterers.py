"""Ways to make pseudo-labels of features: by STDP, by k-means, and what bounds both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from neurohw.deepstdp.kmeans import k_means
from neurohw.deepstdp.stdp_clustering import cluster
from neurohw.deepstdp.stdp_network import ClusteringNetwork
from neurohw.energy.deep_stdp import ADD, STDP, KMeans

Progress = Callable[[int, int], None]  # called with how much is done, of how much


@dataclass(frozen=True)
class Assignment:
    """Pseudo-labels, and what they cost.

    Args:
        labels: [N]; -1 without one.
        joules: of the additions and multiplications that took place, in digital arithmetic.
        formula_joules: by Eqs. 16 to 18 of Lu & Sengupta 2024.
        remarks: what else an epoch's row says, name -> value.
    """

    labels: Tensor
    joules: float = 0.0
    formula_joules: float = 0.0
    remarks: dict[str, float] = field(default_factory=dict)


class Clusterer(Protocol):
    """Makes pseudo-labels."""

    def __call__(self, features: Tensor, seed: int, progress: Progress | None = None) -> Assignment:
        """Return the pseudo-labels of features [N, d]; all draws come from the seed.

        Args:
            features: what is clustered.
            seed: of all draws.
            progress: called now and then, with how much is done, of how much.
        """


@dataclass(frozen=True)
class STDPClusterer:
    """A network that learns by STDP, made anew for each clustering, and is shown the samples in random order.

    Data sets come sorted by class, and a network that learns from one class after the other forgets the first: images
    are "shuffled to avoid any bias" (Lu & Sengupta 2024, Sec. 5.1).

    Args:
        make_network: of 2 d inputs, with a generator on the CPU for what it draws.
        device: where input spikes are drawn: that of the network; None: the CPU.
    """

    make_network: Callable[[int, torch.Generator], ClusteringNetwork]
    device: torch.device | None = None

    def __call__(self, features: Tensor, seed: int, progress: Progress | None = None) -> Assignment:
        """Return the most active neuron of each sample."""
        generator = torch.Generator().manual_seed(seed)
        network = self.make_network(2 * features.shape[1], generator)
        order = torch.randperm(len(features), generator=generator)
        there = self.device is not None and self.device.type != "cpu"
        spikes = torch.Generator(self.device).manual_seed(seed) if there else generator
        clustering = cluster(features[order], network, spikes, progress=progress)
        p_in, p_exc = clustering.input_probabilities, clustering.excitatory_probabilities
        samples, dimensions = features.shape
        neurons, timesteps = clustering.spike_counts.shape[1], network.parameters.timesteps
        return Assignment(
            labels=clustering.labels[order.argsort()],
            joules=ADD * sum(float(events.additions.sum()) for events in clustering.events),
            formula_joules=sum(
                STDP(*p, neurons, dimensions, timesteps, samples, learns=i < network.parameters.passes).energy()
                for i, p in enumerate(zip(p_in, p_exc, strict=True))
            ),
            remarks={
                "input_probability": p_in[-1],
                "excitatory_probability": p_exc[-1],
                "silent_samples": float(clustering.silent.double().mean()),
            },
        )


@dataclass(frozen=True)
class KMeansClusterer:
    """Lloyd's algorithm.

    Args:
        clusters: k.
        iterations: at most.
    """

    clusters: int
    iterations: int

    def __call__(self, features: Tensor, seed: int, progress: Progress | None = None) -> Assignment:
        """Return the nearest centre of each sample."""
        found = k_means(features, self.clusters, self.iterations, seed)
        samples, dimensions = features.shape

        def joules(iterations: int) -> float:
            return KMeans(self.clusters, dimensions, iterations, samples).energy()

        return Assignment(
            found.labels, joules(found.iterations), joules(self.iterations), {"iterations": float(found.iterations)}
        )


@dataclass(frozen=True)
class RandomLabels:
    """No clustering at all, the lower bound: each sample gets any cluster, another in each epoch.

    Args:
        clusters: k.
    """

    clusters: int

    def __call__(self, features: Tensor, seed: int, progress: Progress | None = None) -> Assignment:
        """Return labels that have nothing to do with the features."""
        generator = torch.Generator().manual_seed(seed)
        return Assignment(torch.randint(self.clusters, (len(features),), generator=generator))


@dataclass(frozen=True)
class TrueClasses:
    """The labels that no clustering knows: the upper bound.

    Args:
        classes: [N].
    """

    classes: Tensor

    def __call__(self, features: Tensor, seed: int, progress: Progress | None = None) -> Assignment:
        """Return the classes."""
        return Assignment(self.classes)

"""STDP clustering of features (Lu & Sengupta 2024, Algorithm 2): the most active neuron is a sample's pseudo-label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.deepstdp.poisson import check_features, spike_trains
from neurohw.deepstdp.stdp_network import ClusteringNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.errors import InputError

UNLABELLED = -1
_CHUNK = 32  # samples whose spikes are held at once: 6.6 MB for 512 inputs and 400 steps
_ON_A_GPU = 512  # which labels them side by side


@dataclass(frozen=True)
class ClusterEvents:
    """What happened in a pass, per sample, [N].

    Args:
        input_spikes, output_spikes: of all inputs, and of all neurons.
        integrations: additions of a weight to a potential, p_in |w| in Eq. 18 where no neuron is at rest.
        depressions: additions to a weight at input spikes, of neurons whose trace is not zero; none if eta_pre is.
        potentiations: additions to a weight at output spikes, of inputs whose trace is not zero.
        inhibitions: additions of w_inh to a potential.
    """

    input_spikes: Tensor
    output_spikes: Tensor
    integrations: Tensor
    depressions: Tensor
    potentiations: Tensor
    inhibitions: Tensor

    @property
    def additions(self) -> Tensor:
        """Return all additions, [N]."""
        return self.integrations + self.depressions + self.potentiations + self.inhibitions


@dataclass(frozen=True)
class Clustering:
    """The last pass of a clustering.

    Args:
        labels: index of each sample's most active neuron, the lowest of several; -1 without any, [N].
        spike_counts: [N, k].
        events: per sample, of each pass, the last of which gave the labels.
        input_probabilities: spikes per step of a feature, either sign (p_input of Eq. 18), in each pass.
        excitatory_probabilities: spikes per step of a neuron (p_exc), in each pass.
        silent: samples without an output spike, [N].
    """

    labels: Tensor
    spike_counts: Tensor
    events: tuple[ClusterEvents, ...]
    input_probabilities: tuple[float, ...]
    excitatory_probabilities: tuple[float, ...]
    silent: Tensor


def cluster(
    features: Tensor,
    network: ClusteringNetwork,
    generator: torch.Generator,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Clustering:
    """Cluster features by a network that learns while it labels, in the order of the samples.

    Everything that the next sample depends on is in the network and the generator: features given in two calls, with
    the state of both kept in between, get the labels of one call.

    Args:
        features: signed, [N, d]; the defaults suit rows of norm 1 with d = 256.
        network: of 2 d inputs and a neuron for each cluster; a new one in each epoch of the paper.
        generator: source of input spikes, which are drawn on its device: best that of the network.
        progress: called after some samples with how many are done, of how many, all passes together.

    Raises:
        InputError: features that are no matrix of finite numbers, a network for another number of features, no neuron
            that ever spikes (or, with `silent_neurons` "refuse", one that does not).
    """
    check_features(features)
    features = features.to(generator.device)
    n, d = features.shape
    parameters = network.parameters
    if network.weights.shape[1] != 2 * d:
        raise InputError(f"features: got {d} per sample; the network takes {network.weights.shape[1] // 2}")
    events = []
    passes = [True] * parameters.passes + [False] * (parameters.labels == "frozen")
    for i, learn in enumerate(passes):
        trains = _Trains(features, parameters, generator, learn, _shifted(progress, i * n, len(passes) * n))
        counts, closest, counted = _one_pass(trains, network)
        events.append(_events(counts, counted))
    _check_silence(counts, parameters)
    steps = n * parameters.timesteps
    return Clustering(
        labels=_labels(counts, closest, parameters),
        spike_counts=counts,
        events=tuple(events),
        input_probabilities=tuple(float(e.input_spikes.sum()) / (steps * d) for e in events),
        excitatory_probabilities=tuple(float(e.output_spikes.sum()) / (steps * counts.shape[1]) for e in events),
        silent=counts.sum(1) == 0,
    )


@dataclass(frozen=True)
class _Trains:
    """What a pass presents, whether the network learns from it, and whom it tells how many samples are done."""

    features: Tensor
    parameters: STDPParameters
    generator: torch.Generator
    learn: bool
    report: Callable[[int], None]

    def chunks(self) -> Iterator[Tensor]:
        done = 0
        for chunk in self.features.split(_CHUNK if self.features.device.type == "cpu" else _ON_A_GPU):
            yield spike_trains(chunk, self.parameters.rate_scale, self.parameters.timesteps, self.generator)
            done += len(chunk)
            self.report(done)


def _one_pass(trains: _Trains, network: ClusteringNetwork) -> tuple[Tensor, Tensor, Tensor]:
    """Return spike counts and nearness to the threshold, [N, k], and counted events, [N, 5]."""
    responses = [network.present(spikes, learn=trains.learn) for spikes in trains.chunks()]
    parts = zip(*((r.counts, r.closest, r.events) for r in responses), strict=True)
    counts, closest, events = (torch.cat([torch.from_numpy(array) for array in part]) for part in parts)
    return counts, closest, events


def _shifted(progress: Callable[[int, int], None] | None, before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total) if progress else None


def _events(counts: Tensor, counted: Tensor) -> ClusterEvents:
    input_spikes, integrations, depressions, potentiations, inhibitions = counted.unbind(1)
    return ClusterEvents(input_spikes, counts.sum(1), integrations, depressions, potentiations, inhibitions)


def _labels(counts: Tensor, closest: Tensor, parameters: STDPParameters) -> Tensor:
    """Return the most active neuron of each sample, and for those without a spike what the parameters say."""
    if parameters.silent_samples == "closest":
        silent_ones = closest.argmax(1)
    else:
        silent_ones = torch.full((len(counts),), UNLABELLED)
    return torch.where(counts.sum(1) > 0, counts.argmax(1), silent_ones)


def _check_silence(counts: Tensor, parameters: STDPParameters) -> None:
    silent = counts.sum(0) == 0
    remedy = f"raise stdp.gain (now {parameters.gain:g}) or stdp.rate_scale (now {parameters.rate_scale:g})"
    if bool(silent.all()):
        raise InputError(f"stdp: no neuron spiked for any sample; {remedy}")
    if parameters.silent_neurons == "refuse" and bool(silent.any()):
        raise InputError(
            f"stdp: {int(silent.sum())} of {len(silent)} neurons never spiked; {remedy}, or "
            'have stdp.silent_neurons = "empty" leave their clusters empty'
        )

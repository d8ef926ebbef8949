"""From a configuration to the network on its arrays, and the checksums of all files that it names."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence

import torch
from torch import Tensor

from neurohw.circuits.kinds import CIRCUITS
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.config.rules import network_settings
from neurohw.crossbar.aihwkit.programmed import find_noise_model
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.build import build_array
from neurohw.errors import InputError
from neurohw.networks.base import Network
from neurohw.networks.layer import Layer
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.circuit import circuit_parameters
from neurohw.runs.fault_maps import Contents, layer_maps, named_maps, read_fault_maps
from neurohw.runs.hardware import array_spec, hardware_contents
from neurohw.runs.learnt import Learnt, read_learnt
from neurohw.seeding import Streams

ImageShape = tuple[int, int, int]


def build_network(
    experiment: OnChipExperiment,
    streams: Streams,
    clock: Clock,
    fault_maps: Contents | None = None,
    image: ImageShape | None = None,
    learnt: Learnt | None = None,
) -> Network:
    """Return the network with fresh arrays.

    Args:
        experiment: complete configuration.
        streams: of the run.
        clock: of the network.
        fault_maps: what the files of `hardware.fault_maps` hold; they are read unless given.
        image: channels, height and width of an input, for networks that look at it as one.
        learnt: what the arrays are to hold; None: weights are drawn.

    Raises:
        InputError: a name or a combination that no back-end has, or a network that does not fit the image.
    """
    _check_memory(experiment)
    _check_off_chip(experiment)
    maps = read_fault_maps(experiment) if fault_maps is None else fault_maps
    network, settings = LEARNING_RULES[experiment.network.rule].network_class(), network_settings(experiment, image)
    number = itertools.count()

    def make(n_post: int, n_pre: int) -> SynapseArray:
        i = next(number)
        absent = _absent(settings.stages[i].absent, n_post, n_pre, streams.generator(f"pruning.{i}"))
        weights = None if learnt is None else learnt.weights[i].to(streams.device)
        return _fresh_array(experiment, streams, i, n_pre, n_post, maps, absent, weights)

    layers = network.layers_for(settings, make)
    if learnt is not None:
        _take_biases(layers, learnt)
    elif experiment.network.init == "torch":
        _draw_biases(layers, streams)
    _check_optimizer(experiment, layers)
    return network.built(layers, settings, streams, clock)


def _check_memory(experiment: OnChipExperiment) -> None:
    """Refuse weights that no memory of this machine holds, before any is taken: each once, and its change."""
    needed = 8 * sum(stage.weights for stage in experiment.network.stages)
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise InputError(f"network.layers: got {list(experiment.network.layers)}, whose weights take at least "
                         f"{needed >> 30:,} GiB; allowed: what fits into "
                         f"the {there >> 30} GiB of this machine")  # fmt: skip


def _check_off_chip(experiment: OnChipExperiment) -> None:
    """Refuse before the first epoch what would fail after the last."""
    if experiment.hardware.off_chip is not None:
        try:
            find_noise_model(experiment.hardware.off_chip)
        except InputError as error:
            raise InputError(f"hardware.off_chip: {error}") from None


def _check_optimizer(experiment: OnChipExperiment, layers: list[Layer]) -> None:
    """Refuse digital changes of weights that are written through hidden arrays only."""
    optimizer, rule = experiment.training.optimizer, experiment.network.rule
    hidden = any(layer.array.anatomy.transfers for layer in layers)
    if hidden and LEARNING_RULES[rule].greedy and experiment.network.parameters.get("decay", True):
        raise InputError(f"hardware.writing: got {experiment.hardware.writing!r}, whose hidden arrays take no "
                         f"increments, as the decay of network.rule {rule!r} is one; allowed: another")  # fmt: skip
    if optimizer != "pulsed-sgd" and hidden:
        raise InputError(f"training.optimizer: got {optimizer!r}, but hardware.writing {experiment.hardware.writing!r} "
                         "writes through its own transfers; allowed: pulsed-sgd")  # fmt: skip


def _absent(number: int, n_post: int, n_pre: int, generator: torch.Generator) -> Tensor | None:
    """Return which cells are left out, [n_post, n_pre], so many at random; None: none."""
    if not number:
        return None
    absent = torch.zeros(n_post * n_pre, dtype=torch.bool, device=generator.device)
    places = torch.randperm(len(absent), generator=generator, device=generator.device)
    absent[places[:number]] = True
    return absent.view(n_post, n_pre)


def _draw_biases(layers: Sequence[Layer], streams: Streams) -> None:
    """Draw digital biases as torch has them, U(-b, b), b = 1 / sqrt(n_pre); those on lines are among the weights."""
    for i, layer in enumerate(layers):
        if layer.bias is not None:
            bound = layer.array.shape[1] ** -0.5
            layer.bias.uniform_(-bound, bound, generator=streams.generator(f"biases.{i}"))


def _take_biases(layers: Sequence[Layer], learnt: Learnt) -> None:
    """Give layers the digital biases of a trained network."""
    for layer, bias in zip(layers, learnt.biases, strict=True):
        if layer.bias is not None and bias is not None:
            layer.bias.copy_(bias)


def _fresh_array(
    experiment: OnChipExperiment,
    streams: Streams,
    i: int,
    n_pre: int,
    n_post: int,
    maps: Contents,
    absent: Tensor | None = None,
    weights: Tensor | None = None,
) -> SynapseArray:
    name = f"W{i + 1}"
    programmed = weights is not None
    if weights is None:
        weights, absent = _drawn_weights(experiment, streams, i, n_pre, n_post, absent)
    with named_maps(experiment, name):
        own = layer_maps(experiment, maps, name, (weights.shape[0], weights.shape[1]))
        spec = array_spec(experiment.hardware, own, absent, programmed)
        seed = streams.integer(f"devices.{name}")
        return build_array(spec, weights, construction_seed=seed, torch_device=streams.device)


def _drawn_weights(
    experiment: OnChipExperiment, streams: Streams, i: int, n_pre: int, n_post: int, absent: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return initial weights, a bias line included, and which cells are left out of them."""
    network = experiment.network
    bound = network.initial_bound(n_post, n_pre)
    weights = uniform(n_post, n_pre, bound, streams.generator(f"weights.{i}"), network.init == "positive")
    if network.bias == "line":
        biases = torch.zeros_like(weights[:, :1])
        if network.init == "torch":
            biases.uniform_(-bound, bound, generator=streams.generator(f"biases.{i}"))
        weights = torch.cat([weights, biases], dim=1)
        absent = None if absent is None else torch.cat([absent, torch.zeros_like(absent[:, :1])], dim=1)
    return weights, absent


def file_contents(
    experiment: OnChipExperiment,
    data: dict[str, str],
    fault_maps: Contents | None = None,
    learnt: Learnt | None = None,
) -> dict[str, str]:
    """Return the checksums of every file that the experiment names: of data, device, circuit, table and fault maps.

    Args:
        experiment: complete configuration.
        data: checksums of the data set.
        fault_maps: what the files of `hardware.fault_maps` hold; they are read unless given.
        learnt: what the run of `network.weights` has learnt; it is read unless given.
    """
    contents = data | hardware_contents(experiment.hardware)
    if CIRCUITS[experiment.target.circuit].file:
        contents["circuit"] = circuit_parameters(experiment).checksum()
    maps = read_fault_maps(experiment) if fault_maps is None else fault_maps
    if (trained := learnt or read_learnt(experiment)) is not None:
        contents["weights"] = trained.sha256
    return contents | {f"fault_map.{layer}": hashlib.md5(content).hexdigest() for layer, content in maps.items()}


def uniform(n_post: int, n_pre: int, bound: float, generator: torch.Generator, positive: bool = False) -> Tensor:
    """Return weights [n_post, n_pre] from U(-bound, bound), or from U(0, bound)."""
    weights = torch.empty(n_post, n_pre, device=generator.device)
    return weights.uniform_(0.0 if positive else -bound, bound, generator=generator)

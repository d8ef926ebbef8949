"""From a configuration to concrete parts: arrays, network, target circuit, and the plan of epochs."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neurohw.circuits.kinds import CIRCUITS
from neurohw.circuits.library import load_circuit
from neurohw.circuits.target import TargetCircuit, TargetRule
from neurohw.clock import Clock
from neurohw.config import HardwareSection, OnChipExperiment, ScheduleSection
from neurohw.config.rules import network_settings
from neurohw.crossbar.aihwkit.programmed import find_noise_model
from neurohw.crossbar.backends import find_backend
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.spec import ArraySpec
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.networks.base import Network
from neurohw.networks.layer import Layer
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.fault_maps import Contents, layer_maps, named_maps, read_fault_maps
from neurohw.runs.learnt import Learnt, read_learnt
from neurohw.runs.task import Task
from neurohw.seeding import Streams
from neurohw.training.phases import Epoch, Phase, Samples, alternation_plan, greedy_plan, plain_plan, pretraining_plan
from neurohw.training.rules import build_rule
from neurohw.training.schedules import Schedule, WeightedSchedule

ImageShape = tuple[int, int, int]

_IDEAL_DEVICE = "ideal"  # aihwkit's device without a law: no file describes it


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
        absent = _absent(settings.stages[i].prune, n_post, n_pre, streams.generator(f"pruning.{i}"))
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


def _absent(share: float, n_post: int, n_pre: int, generator: torch.Generator) -> Tensor | None:
    """Return which cells are left out, [n_post, n_pre], so many of all at random; None: none."""
    if not share:
        return None
    absent = torch.zeros(n_post * n_pre, dtype=torch.bool, device=generator.device)
    places = torch.randperm(len(absent), generator=generator, device=generator.device)
    absent[places[: round(share * len(absent))]] = True
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


def array_spec(
    section: HardwareSection,
    fault_maps: Mapping[str, Tensor] | None = None,
    absent: Tensor | None = None,
    programmed: bool = False,
) -> ArraySpec:
    """Return what arrays are asked to be.

    Args:
        section: of the experiment.
        fault_maps: of one layer, see `layer_maps`.
        absent: which of its cells are left out, [n_post, n_pre]; None: none.
        programmed: whether weights are those of a trained network, see `ArraySpec`.

    Raises:
        InputError: the back-end cannot leave cells out.
    """
    backend = find_backend(section.backend)
    settings: dict[str, Any] = {
        "device": device_model(section) or section.device,
        "remedy": section.remedy,
        "read_path": read_path(section),
        "pulses": PulseScheme(length=section.pulse_length, kind=section.pulse_kind),
        "weight_range": section.weight_range,
        "tile": section.tile,
        "increments": section.increments,
        "compensation": section.compensation,
        "reference": section.reference,
        "fault_map": fault_maps,
        "wire_resistance": section.wire_resistance,
        "precision": section.precision,
        "batch_seconds": section.step_seconds,
        "programmed": programmed,
    }
    read = {key: value for key, value in settings.items() if key in backend.reads}
    if absent is not None and "absent" not in backend.reads:
        raise InputError(f"network.conv: got prune, but arrays of backend {section.backend!r} cannot leave cells out; "
                         "allowed: prune = 0, or backend ideal or analog")  # fmt: skip
    return ArraySpec(section.backend, absent=absent, **read)


def device_model(section: HardwareSection) -> DeviceModel | None:
    """Return the device of an experiment, its overrides applied; None on ideal arrays.

    Raises:
        InputError: no such device or parameter, or a temperature that nothing depends on.
    """
    if section.device is None or section.device == _IDEAL_DEVICE or not find_backend(section.backend).devices:
        if section.kelvin is not None:
            raise InputError(f"hardware.kelvin: got {section.kelvin:g}, but device {section.device} has no temperature")
        return None
    overrides: dict[str, Any] = dict(section.device_parameters)
    if section.stuck_fraction:
        overrides |= {f"faults.stuck_{side}": section.stuck_fraction / 2 for side in ("low", "high")}
    try:
        device = load_device(section.device)
    except InputError as error:
        raise InputError(f"hardware.device: {error}") from None
    try:
        device = device.with_parameters(overrides) if overrides else device
    except InputError as error:
        raise InputError(f"hardware.device_parameters: {error}") from None
    return device if section.kelvin is None else _at_temperature(device, section.kelvin)


def _at_temperature(device: DeviceModel, kelvin: float) -> DeviceModel:
    if device.retention.activation_energy is None:
        raise InputError(f"hardware.kelvin: got {kelvin:g}, but nothing of device {device.name} depends on it; "
                         "allowed: with devices that have a retention.activation_energy")  # fmt: skip
    return device.with_parameters({"retention.temperature": kelvin})


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


def check_backend(backend: str, device: str) -> None:
    """Refuse a GPU for arrays that run on the CPU.

    Raises:
        InputError: it is one.
    """
    if device != "cpu" and "torch_device" not in find_backend(backend).reads:
        raise InputError(f"--device: got {device!r}, but {backend}'s arrays run on the CPU; allowed: cpu")


def hardware_contents(section: HardwareSection) -> dict[str, str]:
    """Return the checksums of the device's file and of the table's, as far as they are named."""
    device = device_model(section)
    contents = {} if device is None else {"device": device.checksum()}
    if section.periphery is not None:
        contents["periphery"] = EnergyTable.load(section.periphery).checksum()
        contents |= {} if device is None else {"device, for accounts": device.checksum_for_accounts()}
    return contents


def uniform(n_post: int, n_pre: int, bound: float, generator: torch.Generator, positive: bool = False) -> Tensor:
    """Return weights [n_post, n_pre] from U(-bound, bound), or from U(0, bound)."""
    weights = torch.empty(n_post, n_pre, device=generator.device)
    return weights.uniform_(0.0 if positive else -bound, bound, generator=generator)


def build_circuit(experiment: OnChipExperiment, streams: Streams, n_classes: int) -> TargetCircuit:
    """Return the target circuit of the output layer.

    Raises:
        InputError: a circuit file or a parameter that does not fit.
    """
    circuit = CIRCUITS[experiment.target.circuit].circuit_class()
    rule, ties = target_rule(experiment, n_classes), experiment.target.ties
    return circuit.built(rule, circuit_parameters(experiment), ties, streams)


def target_rule(experiment: OnChipExperiment, n_classes: int) -> TargetRule:
    """Return what is asked of the target circuit."""
    target = experiment.target
    return TargetRule(
        n_out=experiment.network.layers[-1],
        k=target.k,
        gamma=target.gamma,
        activity_target=activity_target(experiment),
        average=target.average,
        eta=target.eta,
        average_of=target.average_of,
        smoothing=target.smoothing,
        n_classes=n_classes,
    )


def circuit_parameters(experiment: OnChipExperiment) -> Any:
    """Return what the target circuit is made of: its file's, and the experiment's own on top; None: of nothing.

    Raises:
        InputError: no such circuit, or a parameter that it cannot have.
    """
    target = experiment.target
    kind = CIRCUITS[target.circuit]
    if kind.parameters is None:
        return None
    try:
        base = kind.ideal() if target.model is None else load_circuit(target.model, target.circuit)
    except InputError as error:
        raise InputError(f"target.model: {error}") from None
    try:
        return base.with_values(target.parameters)
    except InputError as error:
        raise InputError(f"target.parameters: {error}") from None


def activity_target(experiment: OnChipExperiment) -> float:
    """Return T: k/n_out (paper); of the code by the rule, which multiplies by 1 - p_out, or divides (EP)."""
    frequency = experiment.target.k / experiment.network.layers[-1]
    if experiment.target.activity_target == "paper" or not experiment.training.dropout:
        return frequency
    return LEARNING_RULES[experiment.network.rule].frequency(frequency, 1 - experiment.training.dropout[-1])


def build_plan(experiment: OnChipExperiment, task: Task, network: Network) -> tuple[list[Phase], list[Epoch]]:
    """Return the phases (their rules hold state) and the epochs in order."""
    phases, epochs = _learning(experiment, task, network)
    if experiment.network.weights is None:
        return phases, epochs
    rounds = experiment.training.epochs  # which the network has had
    return phases, [Epoch("programming", 0, 1, rounds, closes_round=True, images=0)]


def _learning(experiment: OnChipExperiment, task: Task, network: Network) -> tuple[list[Phase], list[Epoch]]:
    """Return the phases and epochs of a network that learns."""
    training, every = experiment.training, experiment.evaluation.every

    def schedule(section: ScheduleSection, epochs: int) -> Schedule:
        return Schedule(section.kind, section.start, section.end, section.over or max(1, epochs), section.decay)

    def greedy(phase: Phase, layers: int) -> tuple[list[Phase], list[Epoch]]:
        own = schedule(training.schedule, training.epochs // layers)
        phases = [replace(phase, name=f"W{i + 1}", schedule=own, layer=i) for i in range(layers)]
        return phases, greedy_plan(phases, training.epochs, every)

    main = build_rule(training.optimizer, network.layers, training.learning_rate)
    main_schedule = schedule(training.schedule, training.epochs)
    if training.mode != "semi-supervised":
        samples = task.train if training.mode == "supervised" else Samples(task.train.images, None)
        phase = Phase(training.mode, samples, training.batch_size, main, main_schedule)
        if LEARNING_RULES[experiment.network.rule].greedy and len(network.layers) > 1:
            return greedy(phase, len(network.layers))
        return [phase], plain_plan(phase, training.epochs, every)
    assert task.labelled is not None
    assert task.unlabelled is not None
    pretrain = training.pretrain
    first = Phase(
        "pretraining",
        task.labelled,
        pretrain.batch_size,
        build_rule(training.optimizer, network.layers, pretrain.learning_rate),
        schedule(pretrain.schedule, pretrain.epochs),
    )
    labelled_schedule, weight = schedule(training.supervised_schedule, training.epochs), training.unlabelled_weight
    unlabelled_schedule = main_schedule if weight.final is None else WeightedSchedule(
        labelled_schedule, weight.start, weight.full, weight.final, pretrain.epochs
    )  # fmt: skip
    unsupervised = Phase("unsupervised", task.unlabelled, training.batch_size, main, unlabelled_schedule)
    supervised = Phase(
        "supervised",
        task.labelled,
        pretrain.batch_size,
        build_rule(training.optimizer, network.layers, training.learning_rate),
        labelled_schedule,
    )
    alternation = alternation_plan(unsupervised, supervised, training.epochs, every, training.alternate_every)
    return [first, unsupervised, supervised], [*pretraining_plan(first, pretrain.epochs), *alternation]


def read_path(section: HardwareSection) -> ReadPath:
    """Return the converters and the noise of every read."""
    return ReadPath(
        dac_bits=section.dac_bits or None,
        adc_bits=section.adc_bits or None,
        read_noise=section.read_noise,
        weight_noise=section.weight_noise,
        output_bound=section.output_bound,
        relative_noise=section.relative_noise,
        input_noise=section.input_noise,
        coding=section.input_coding,
        input_scale=section.input_scale,
        signed_passes=section.signed_passes,
        column_gain=section.column_gain,
        column_offset=section.column_offset,
        nonlinearity=section.read_nonlinearity,
    )

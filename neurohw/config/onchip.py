"""Learning on the chip: the experiment of kind "onchip", a section per part, and what must fit together in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from neurohw.circuits.kinds import CIRCUITS
from neurohw.config.crossbar import CrossbarExperiment
from neurohw.config.data import DataSection
from neurohw.config.energy import EnergySection
from neurohw.config.evaluation import EvaluationSection
from neurohw.config.hardware import HardwareSection, hardware_complaints, is_read
from neurohw.config.network import EPSection, NetworkSection
from neurohw.config.readers import ONCHIP
from neurohw.config.rules import rule_complaints
from neurohw.config.target import TargetSection
from neurohw.config.training import TrainingSection
from neurohw.config.unread import Read
from neurohw.errors import InputError
from neurohw.variants import published


class OnChipExperiment(CrossbarExperiment):
    """An experiment of kind "onchip": a network learns on the chip; what is not given takes its default.

    A default may be the variant's (`variants`).

    Args:
        variant: where the publication's code and its text disagree, all settings follow the one or the other.
    """

    readers: ClassVar[tuple[Read, ...]] = ONCHIP

    kind: Literal["onchip"] = "onchip"
    variant: Literal["code", "paper"] = "code"
    data: DataSection = DataSection()
    network: NetworkSection = NetworkSection()
    target: TargetSection = TargetSection()
    training: TrainingSection = TrainingSection()
    ep: EPSection = EPSection()
    hardware: HardwareSection = HardwareSection()
    energy: EnergySection = EnergySection()
    evaluation: EvaluationSection = EvaluationSection()

    @classmethod
    def implied(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Return what follows from the rule, the mode and the variant."""
        return published(given)

    def complaints(self) -> list[str]:
        """Return what does not fit together."""
        return _complaints(self)


def _complaints(e: OnChipExperiment) -> list[str]:
    """Return what does not fit together, each as `key: got value; allowed: ...`."""
    n_layers, n_out = e.network.depth, e.network.layers[-1]
    wrong = sorted(_network(e))
    circuit = CIRCUITS[e.target.circuit]
    reads = {"model": circuit.file, "parameters": circuit.parameters is not None}
    wrong += [f'target.{key}: got {given!r}, which target.circuit "{e.target.circuit}" does not read'
              for key, read in reads.items() if (given := getattr(e.target, key)) and not read]  # fmt: skip
    if circuit.graded and e.target.smoothing:
        wrong.append(f"target.smoothing: got {e.target.smoothing:g}; allowed: 0, since targets of target.circuit "
                     f'"{e.target.circuit}" are graded')  # fmt: skip
    if e.target.circuit == "softmax" and e.target.k != 1:
        wrong.append(f"target.k: got {e.target.k}; allowed: 1, since the shares of a softmax add up to 1")
    wrong += _pseudo_labels(e)
    timed = circuit.timed & e.target.parameters.keys()
    if timed and not e.hardware.step_seconds:
        wrong.append(f"hardware.step_seconds: got 0; target.parameters {sorted(timed)[0]} needs the time of a batch")
    if e.target.k > n_out:
        wrong.append(f"target.k: got {e.target.k}; allowed: 1 to {n_out}, the outputs of network.layers")
    lengths = {
        "training.learning_rate": (len(e.training.learning_rate), n_layers, "one per layer of synapses"),
        "training.dropout": (len(e.training.dropout) or n_layers + 1, n_layers + 1, "one per layer of neurons"),
    }
    if e.training.mode == "semi-supervised":
        rates = len(e.training.pretrain.learning_rate)
        lengths["training.pretrain.learning_rate"] = (rates, n_layers, "one per layer of synapses")
        if e.data.labels is None:
            wrong.append("data.labels: not given; semi-supervised learning needs the number of labelled images")
    wrong += _unlabelled_weight(e)
    for key, (got, wanted, why) in lengths.items():
        if got != wanted:
            wrong.append(f"{key}: got {got} values; allowed: {wanted} ({why})")
    wrong += rule_complaints(e)
    return wrong + hardware_complaints(e.hardware, e.energy) + sorted(_off_chip(e)) + list(_read_out(e))


def _read_out(e: OnChipExperiment) -> Iterator[str]:
    """Yield what does not fit the shares of the labels that a read-out sees."""
    section = e.evaluation
    per_fraction = section.classifier.learning_rate
    if isinstance(per_fraction, tuple) and len(per_fraction) != len(section.label_fraction):
        yield f"evaluation.classifier.learning_rate: got {len(per_fraction)} values; allowed: one per label_fraction"
    if section.label_draw == "own" and (e.training.mode != "unsupervised" or min(section.label_fraction) == 1):
        yield ('evaluation.label_draw: got "own", but no share of the labels is drawn; allowed: "same", or '
               'training.mode "unsupervised" with an evaluation.label_fraction below 1')  # fmt: skip


def _pseudo_labels(e: OnChipExperiment) -> Iterator[str]:
    """Yield what does not fit a circuit that takes the network's answer for the label."""
    if e.target.circuit != "pseudo-label":
        return
    if e.training.mode != "semi-supervised":
        yield (f'training.mode: got "{e.training.mode}"; allowed: "semi-supervised", since target.circuit '
               '"pseudo-label" takes the answers of a network that has learnt from labels')  # fmt: skip
    if e.target.k != 1:
        yield f'target.k: got {e.target.k}; allowed: 1, since target.circuit "pseudo-label" names one class'
    if e.target.gamma:
        yield f'target.gamma: got {e.target.gamma:g}; allowed: 0, since target.circuit "pseudo-label" has no thresholds'


def _unlabelled_weight(e: OnChipExperiment) -> Iterator[str]:
    """Yield what does not fit the weight of images without labels."""
    weight, usual = e.training.unlabelled_weight, published(e.canonical())["training"]["schedule"]
    if weight.final is None:
        if weight != type(weight)():
            yield "training.unlabelled_weight.final: not given, but start or full of it are; allowed: 0 or more"
        return
    if e.training.mode != "semi-supervised":
        yield 'training.unlabelled_weight: given, but only training.mode "semi-supervised" reads it'
    elif e.training.schedule != type(e.training.schedule).model_validate(usual):
        yield ("training.schedule: given beside training.unlabelled_weight, which says the learning rate of unlabelled "
               "images: a multiple of that of training.supervised_schedule; allowed: one of both")  # fmt: skip
    if weight.full <= weight.start:
        yield (f"training.unlabelled_weight.full: got {weight.full}; allowed: more than {weight.start}, "
               "training.unlabelled_weight.start")  # fmt: skip


def _network(e: OnChipExperiment) -> Iterator[str]:
    """Yield what does not fit together in the network's shape and its initial weights."""
    network = e.network
    try:
        _ = network.stages
    except InputError as error:
        yield str(error)
    usual = published(e.canonical())["network"].get("init_gain", type(network)().init_gain)
    if network.image is not None and not network.conv:
        yield f"network.image: got {list(network.image)}, which only a network with network.conv reads"
    if network.init == "torch" and network.init_gain != usual:
        yield f'network.init_gain: got {network.init_gain}, which network.init "torch" does not read'
    if network.weights and any(section.prune for section in network.conv):
        yield ("network.weights: given with network.conv prune, but which cells are absent is drawn for each chip; "
               "allowed: prune = 0")  # fmt: skip


def _off_chip(e: OnChipExperiment) -> list[str]:
    """Return what does not fit together about networks that age, or are programmed into other devices."""
    hardware, wrong = e.hardware, []
    if hardware.off_chip is not None and not e.evaluation.age_seconds:
        wrong.append(f"hardware.off_chip: got {hardware.off_chip!r}, but evaluation.age_seconds names no age")
    if e.evaluation.age_seconds and hardware.off_chip is None and not e.on_crossbar:
        wrong.append("evaluation.age_seconds: ideal weights do not age; name hardware.off_chip, or another back-end")
    if e.network.weights and hardware.periphery is not None:
        wrong.append(f"hardware.periphery: got {hardware.periphery!r}, but with network.weights nothing is trained, "
                     "and accounts are of training; allowed: none")  # fmt: skip
    return wrong + _of_ages(e)


def _of_ages(e: OnChipExperiment) -> list[str]:
    """Return what cannot be done to the network at the ages that are named."""
    section, hardware, wrong = e.evaluation, e.hardware, []
    given = {key: getattr(section, key) for key in ("compensation", "recovery_images") if getattr(section, key)}
    if not section.age_seconds:
        shown = {key: [*value] if isinstance(value, tuple) else value for key, value in given.items()}
        none = "but evaluation.age_seconds names no age"
        wrong += [f"evaluation.{key}: got {value}, {none}" for key, value in shown.items()]
    allowed = _compensations(hardware)
    if others := [way for way in section.compensation if way not in allowed]:
        wrong.append(f"evaluation.compensation: got {others}; allowed here: {', '.join(allowed)}")
    if len(set(section.compensation)) < len(section.compensation):
        wrong.append(f"evaluation.compensation: got {list(section.compensation)}; allowed: each way once")
    if section.recovery_images and hardware.off_chip is not None:
        wrong.append(f"evaluation.recovery_images: got {section.recovery_images}, but devices of hardware.off_chip "
                     "are programmed once and take no updates; allowed: 0")  # fmt: skip
    if section.recovery_images and e.training.mode == "supervised":
        wrong.append(f"evaluation.recovery_images: got {section.recovery_images}, but training.mode supervised learns "
                     "nothing without labels; allowed: 0, or unsupervised or semi-supervised training")  # fmt: skip
    return wrong


def _compensations(hardware: HardwareSection) -> tuple[str, ...]:
    """Return how the drift of what has been trained can be compensated."""
    if hardware.off_chip is not None:
        return "none", "global"
    if not is_read(hardware.backend, "hardware.compensation"):
        return ("none",)
    every = ("none", "global", "per-column")
    return every if hardware.compensation == "none" else ("none", hardware.compensation)

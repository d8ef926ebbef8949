"""Networks that age after training, in their own arrays or programmed off-chip, and learn on the aged chip again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from neurohw.circuits.target import Homeostasis, TargetCircuit
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.config.rules import network_settings
from neurohw.crossbar.aihwkit.programmed import ProgrammedArray
from neurohw.crossbar.base import SynapseArray
from neurohw.energy.facts import COMPENSATING
from neurohw.metering.ledger import of_training
from neurohw.metering.metered_array import MeteredArray
from neurohw.networks.base import Network
from neurohw.networks.layer import Layer
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.evaluate import evaluate
from neurohw.runs.meters import Metered, metered
from neurohw.runs.task import Task
from neurohw.seeding import Streams, derived_seed
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Epoch, Leg, Phase, greedy_lengths
from neurohw.training.rules import build_rule


@dataclass(frozen=True)
class Chip:
    """A chip as training has left it.

    Args:
        experiment, network, task, streams: of the run.
        circuit, homeostasis: its target circuit, unmetered, and the thresholds.
        phases: that learn without labels: one, or one of each layer where layers learn one after the other.
    """

    experiment: OnChipExperiment
    network: Network
    task: Task
    streams: Streams
    circuit: TargetCircuit
    homeostasis: Homeostasis
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class Aged:
    """What came out at some ages.

    Args:
        metrics: `by_age_seconds`, age -> metrics, and beside them those after re-training, `retrained`; where ways to
            compensate drift are named, the metrics of the first, and all of all of them, `by_compensation`.
        ledgers: of each age and way, what compensation and re-training took.
    """

    metrics: dict[str, Any]
    ledgers: list[dict[str, Any]]


def evaluate_ages(chip: Chip, moment: str) -> Aged:
    """Evaluate at each age: the trained arrays themselves, or their weights programmed with `hardware.off_chip`.

    Each age, and each way to compensate drift, begins at the same trained state, and leaves no trace in it (but for
    aihwkit's tiles, which cannot be put back to the last bit).

    Args:
        chip: trained.
        moment: see `evaluate`.
    """
    section = chip.experiment.evaluation
    layers = [layer.over(_to_age(chip, i)) for i, layer in enumerate(chip.network.layers)]
    ways = section.compensation or (_usual(chip.experiment),)
    by_age: dict[str, Any] = {}
    ledgers = []
    for age in sorted(set(section.age_seconds)):
        by_way = {}
        for way in ways:
            with _as_trained(chip, layers, way, moment) as aged:
                by_way[way] = _at_age(chip, aged, age, moment)
            if way != "none" or section.recovery_images:
                counts = of_training(aged.ledger.counts())
                ledgers.append({"age_seconds": age, "compensation": way, "counts": counts, "facts": aged.facts(0.0)})
        first = by_way[ways[0]]
        if section.compensation:
            first = {name: value for name, value in first.items() if name != "retrained"}
            first["by_compensation"] = by_way
        by_age[f"{age:g}"] = first
    return Aged({"by_age_seconds": by_age}, ledgers)


@contextmanager
def _as_trained(chip: Chip, layers: list[Layer], way: str, moment: str) -> Iterator[Metered]:
    """Yield the network with a ledger of its own; arrays and streams are put back as they were."""
    own = Streams(derived_seed(chip.streams.seed, f"recovery {moment}"), chip.streams.device)
    settings = network_settings(chip.experiment, chip.task.image)
    build = LEARNING_RULES[chip.experiment.network.rule].network_class().built
    network = build([layer.over(layer.array) for layer in layers], settings, own, Clock())
    drawn = chip.streams.state_dict()
    with network.compensating(way), network.aside(derived_seed(chip.streams.seed, f"ageing {moment}")):
        yield metered(chip.experiment, network, chip.circuit)
    chip.streams.load_state_dict(drawn)


def _at_age(chip: Chip, aged: Metered, age: float, moment: str) -> dict[str, Any]:
    """Let the chip age, and return its metrics, and those after it has learnt again."""
    parts = (chip.experiment, aged.network, chip.task, chip.streams, f"{moment}, {age:g} s later")
    with aged.network.clock.during(COMPENSATING):
        aged.network.elapse(age)
    metrics = evaluate(*parts, final=False)
    if images := chip.experiment.evaluation.recovery_images:
        old = replace(chip, homeostasis=chip.circuit.rested(chip.homeostasis, age))
        with aged.network.compensating(chip.experiment.hardware.compensation):  # what was found at this age, it keeps
            learn_again(old, aged, images, moment)
        metrics["retrained"] = evaluate(*parts, final=False)
    return metrics


def learn_again(chip: Chip, aged: Metered, images: int, moment: str) -> int:
    """Learn from images without labels on the aged chip, at the learning rate of the last epoch scheduled.

    Layers that learn one after the other have equal shares of the images, each at the rate of its own last epoch.

    Args:
        chip: its thresholds, as they are at this age, are where learning goes on, its rule's memory, too.
        aged: the network on the aged arrays.
        images: how many, to the next whole batch.
        moment: see `evaluate`; the order of the images is its own.

    Returns:
        How many images were presented.
    """
    order = Streams(derived_seed(chip.streams.seed, f"recovery {moment}"), chip.streams.device).generator("batches")
    share = -(-images // len(chip.phases))
    lengths = greedy_lengths(len(chip.phases), chip.experiment.training.epochs)
    return sum(_learn_part(chip, aged, phase, last, share, order)
               for phase, last in zip(chip.phases, lengths, strict=True))  # fmt: skip


def _learn_part(chip: Chip, aged: Metered, phase: Phase, last: int, images: int, order: torch.Generator) -> int:
    """Learn what a phase learns, from so many images to the next whole batch, and return how many were presented.

    Args:
        chip, aged, order: see `learn_again`.
        phase: of the chip.
        last: number of its epochs, of whose last one the learning rate is.
        images: how many.
    """
    experiment = chip.experiment
    rule = build_rule(experiment.training.optimizer, aged.network.layers, phase.rule.learning_rates)
    rule.load_state_dict(phase.rule.state_dict())
    batches = phase.batches_of(images)
    leg = Leg(replace(phase, rule=rule), batches)
    epoch = Epoch("recovery", last - 1, last, last, False, phase.images_in(batches), False, (leg,))
    anew = experiment.target.reset == "epoch" or phase.layer is not None  # thresholds were of another layer
    begin = aged.circuit.initial() if anew else chip.homeostasis
    as_input, seconds = chip.task.as_input(aged.network.dtype), experiment.hardware.step_seconds
    trained = train_epoch(aged.network, aged.circuit, begin, epoch, as_input, order, seconds)
    return sum(presented for presented, _ in trained)


def _usual(experiment: OnChipExperiment) -> str:
    """Return how drift is compensated where the ages do not say."""
    hardware = experiment.hardware
    if hardware.off_chip is None:
        return hardware.compensation
    return "global" if hardware.drift_compensation else "none"


def _to_age(chip: Chip, i: int) -> SynapseArray:
    """Return the unmetered array of a layer, or its weights programmed into other devices."""
    section, array = chip.experiment.hardware, chip.network.layers[i].array
    if section.off_chip is None:
        return array.array if isinstance(array, MeteredArray) else array
    return ProgrammedArray(
        array.snapshot(),
        noise_model=section.off_chip,
        drift_compensation=section.drift_compensation,
        generator=torch.Generator().manual_seed(derived_seed(chip.streams.seed, f"programming.{i}")),
        present=array.present,
    )

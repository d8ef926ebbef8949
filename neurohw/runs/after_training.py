"""Networks that age after training: in their own arrays, or programmed off-chip into noisy devices."""

from __future__ import annotations

from typing import Any

import torch

from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.config.rules import network_settings
from neurohw.crossbar.aihwkit.programmed import ProgrammedArray
from neurohw.networks.base import Network
from neurohw.networks.layer import Layer
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.evaluate import evaluate
from neurohw.runs.task import Task
from neurohw.seeding import Streams, derived_seed


def evaluate_ages(
    experiment: OnChipExperiment, network: Network, task: Task, streams: Streams, moment: str
) -> dict[str, Any]:
    """Evaluate at each age: the trained arrays themselves, or their weights programmed with `hardware.off_chip`.

    The arrays are as young as before when it is done (but for aihwkit's tiles, which cannot be put back).

    Args:
        experiment, network, task, streams, moment: see `evaluate`.

    Returns:
        `by_age_seconds`: age -> metrics.
    """
    aged = network
    if experiment.hardware.off_chip is not None:
        layers = [_programmed(experiment, layer, i, streams) for i, layer in enumerate(network.layers)]
        settings = network_settings(experiment, task.image)
        aged = LEARNING_RULES[experiment.network.rule].network_class().built(layers, settings, streams, Clock())
    by_age = {}
    age = 0.0
    with aged.aside(derived_seed(streams.seed, f"ageing {moment}")):
        for wanted in sorted(experiment.evaluation.age_seconds):
            aged.elapse(wanted - age)
            age = wanted
            by_age[f"{age:g}"] = evaluate(experiment, aged, task, streams, f"{moment}, {age:g} s later", final=False)
    return {"by_age_seconds": by_age}


def _programmed(experiment: OnChipExperiment, layer: Layer, i: int, streams: Streams) -> Layer:
    section = experiment.hardware
    assert section.off_chip is not None
    array = ProgrammedArray(
        layer.array.snapshot(),
        noise_model=section.off_chip,
        drift_compensation=section.drift_compensation,
        generator=torch.Generator().manual_seed(derived_seed(streams.seed, f"programming.{i}")),
    )
    return layer.over(array)

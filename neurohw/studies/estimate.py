"""How long a run will take: a few batches are timed, the rest is arithmetic."""

from __future__ import annotations

import time

from neurohw.clock import Clock
from neurohw.config import Experiment
from neurohw.runs.build import build_circuit, build_network, build_plan
from neurohw.runs.task import build_task
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Epoch, Phase, Samples

_WARM_UP, _BATCHES = 2, 6


def estimate_seconds(experiment: Experiment, stop_after: int | None = None) -> float:
    """Return the seconds a run will take on this machine, from six timed batches of each phase and of inference.

    What comes first is not timed: it loads libraries and warms caches, and would count 60,000-fold.

    Args:
        experiment: what would run.
        stop_after: epochs of the main phase that would run, all unless given.
    """
    streams = Streams(0)
    task = build_task(experiment, streams)
    network = build_network(experiment, streams, Clock())
    circuit = build_circuit(experiment, streams, task.n_classes)
    _, plan = build_plan(experiment, task, network)
    per_image: dict[str, float] = {}
    total = 0.0
    rounds = min(stop_after or experiment.training.epochs, experiment.training.epochs)
    images_evaluated = len(task.test.images)
    if experiment.training.mode == "unsupervised":
        images_evaluated += round(max(experiment.evaluation.label_fraction) * len(task.train.images))
    few_images = task.as_input(network.dtype)(task.test.images[:256])
    network.respond(few_images)
    began = time.perf_counter()
    network.respond(few_images)
    inference = (time.perf_counter() - began) / 256
    for epoch in plan:
        if epoch.round > rounds:
            break
        phase = epoch.phase
        if phase.name not in per_image:
            for batches in (_WARM_UP, _BATCHES):
                few = _few(phase, batches)
                began = time.perf_counter()
                train_epoch(network, circuit, circuit.initial(), Epoch(few, 0, 0, False),
                            task.as_input(network.dtype), streams.generator("batches"))  # fmt: skip
                per_image[phase.name] = (time.perf_counter() - began) / len(few.samples.images)
        total += per_image[phase.name] * len(phase.samples.images)
        if epoch.closes_round and epoch.round % experiment.evaluation.every == 0:
            total += inference * images_evaluated
    return total


def _few(phase: Phase, batches: int) -> Phase:
    n = batches * phase.batch_size
    labels = phase.samples.labels
    few = Samples(phase.samples.images[:n], None if labels is None else labels[:n])
    return Phase(phase.name, few, phase.batch_size, phase.rule, phase.schedule)

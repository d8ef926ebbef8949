"""What do the meters cost? The same batches on metered and on plain parts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from neurohw.bench.rounds import Figure, in_rounds
from neurohw.circuits.target import TargetCircuit
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.networks.base import Network
from neurohw.runs.build import build_network
from neurohw.runs.circuit import build_circuit
from neurohw.runs.meters import metered
from neurohw.runs.plan import build_plan
from neurohw.runs.task import build_task
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Samples, one_pass

_RULES = {"bp": ("mnist_unsupervised_bp_1layer", "<= 1.03"), "ep": ("mnist_unsupervised_ep_1layer", "<= 1.05")}
_ANALOG = {"hardware.backend": "analog", "hardware.device": "ecram"}
_BACKENDS: dict[str, dict[str, Any]] = {"ideal": {}, "analog": _ANALOG}
_WARM_UP = 110  # batches; the first 100 updates are looked at one by one


def meter(
    rules: tuple[str, ...] = ("bp", "ep"),
    backends: tuple[str, ...] = ("ideal", "analog"),
    neurons: int = 2000,
    batches: int = 10,
    rounds: int = 30,
) -> list[Figure]:
    """Return the time with meters over that without, 784-2000 on MNIST.

    Times are of the processor, which other work on the machine disturbs less than the clock on the wall.

    Args:
        rules, backends: what is timed.
        neurons: of the output layer.
        batches: timed at once.
        rounds: many, for what is looked for is 3 %.
    """
    return [_measured(rule, backend, neurons, batches, rounds) for rule in rules for backend in backends]


def _measured(rule: str, backend: str, neurons: int, batches: int, rounds: int) -> Figure:
    experiment_name, goal = _RULES[rule]
    overrides = {"network.layers": [784, neurons], **_BACKENDS[backend]}
    plain, with_meters = _sides(load_experiment(experiment_name, overrides), batches)
    calls = {"plain": plain.run, "metered": with_meters.run}
    warm_up = math.ceil(_WARM_UP / batches)
    timed = in_rounds(calls, rounds, warm_up, clock=time.process_time)
    name = f"{rule.upper()} 784-{neurons}, {backend} arrays: with meters over without"
    return timed.figure(name, "metered", "plain", goal, batches)


class _Side:
    """The training to time: with meters around the parts, or on the same parts without them."""

    def __init__(
        self, network: Network, circuit: TargetCircuit, train: Callable[[Network, TargetCircuit], None]
    ) -> None:
        self.network, self.circuit, self._train = network, circuit, train
        self._arrays = [layer.array for layer in network.layers]

    def run(self) -> None:
        """Train the batches."""
        for layer, array in zip(self.network.layers, self._arrays, strict=True):
            layer.array = array
        self._train(self.network, self.circuit)


def _sides(experiment: OnChipExperiment, batches: int) -> tuple[_Side, _Side]:
    """Return the training without meters and with them; both on the same memory, whose place decides speed as well."""
    streams = Streams(0)
    task = build_task(experiment, streams)
    network = build_network(experiment, streams, Clock(), image=task.image)
    circuit = build_circuit(experiment, streams, task.n_classes)
    (phase, *_), _ = build_plan(experiment, task, network)
    samples = Samples(phase.samples.images[: batches * phase.batch_size], None)
    phase = replace(phase, samples=samples)
    epoch = one_pass(phase, 0, 1, 1, closes_round=True, evaluated=False)

    def train(network: Network, circuit: TargetCircuit) -> None:
        order = streams.generator("batches")
        for _ in train_epoch(network, circuit, circuit.initial(), epoch, task.as_input(), order, 1.0):
            pass

    plain = _Side(network, circuit, train)
    parts = metered(experiment, network, circuit)
    return plain, _Side(parts.network, parts.circuit, train)

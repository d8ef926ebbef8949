"""What do the meters cost? The same batches on metered and on plain parts, one after the other in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from neurohw.circuits.target import TargetCircuit
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.networks.base import Network
from neurohw.runs.build import build_circuit, build_network, build_plan
from neurohw.runs.meters import metered
from neurohw.runs.task import build_task
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Samples, one_pass

_RULES = {"bp": "mnist_unsupervised_bp_1layer", "ep": "mnist_unsupervised_ep_1layer"}
_ANALOG = {"hardware.backend": "analog", "hardware.device": "ecram"}
_BACKENDS: dict[str, dict[str, Any]] = {"ideal": {}, "analog": _ANALOG}
GOAL = 1.05
_WARM_UP = 110  # batches; the first 100 updates are looked at one by one


def meter(
    rules: tuple[str, ...] = ("bp", "ep"),
    backends: tuple[str, ...] = ("ideal", "analog"),
    neurons: int = 2000,
    batches: int = 10,
    repeats: int = 30,
) -> list[dict[str, Any]]:
    """Return time per batch with meters and without, 784-2000 on MNIST: the median of the ratios of `repeats` pairs.

    Times are of the processor, which other work on the machine disturbs less than the clock on the wall.

    Args:
        rules, backends: what is timed.
        neurons: of the output layer.
        batches: timed at once.
        repeats: pairs of timings, the order of the two alternating.
    """
    return [_measure(rule, backend, neurons, batches, repeats) for rule in rules for backend in backends]


def _measure(rule: str, backend: str, neurons: int, batches: int, repeats: int) -> dict[str, Any]:
    overrides = {"network.layers": [784, neurons], **_BACKENDS[backend]}
    experiment = load_experiment(_RULES[rule], overrides)
    sides = _sides(experiment, batches)
    pairs, warm_up = [], -(-_WARM_UP // batches)
    for i in range(repeats + warm_up):
        order = sides if i % 2 else sides[::-1]
        seconds = {side: side.seconds() for side in order}
        pairs.append((seconds[sides[0]], seconds[sides[1]]))
    plain, with_meters = zip(*pairs[warm_up:], strict=True)
    return {
        "rule": rule,
        "backend": backend,
        "plain_ms_per_batch": 1e3 * statistics.median(plain) / batches,
        "metered_ms_per_batch": 1e3 * statistics.median(with_meters) / batches,
        "ratio": statistics.median(m / p for p, m in pairs[warm_up:]),
        "goal": GOAL,
        "threads": torch.get_num_threads(),
    }


class _Side:
    """The training to time: with meters around the parts, or on the same parts without them."""

    def __init__(
        self, network: Network, circuit: TargetCircuit, train: Callable[[Network, TargetCircuit], None]
    ) -> None:
        self.network, self.circuit, self._train = network, circuit, train
        self._arrays = [layer.array for layer in network.layers]

    def seconds(self) -> float:
        """Train the batches, and return how long it took."""
        for layer, array in zip(self.network.layers, self._arrays, strict=True):
            layer.array = array
        began = time.process_time()
        self._train(self.network, self.circuit)
        return time.process_time() - began


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

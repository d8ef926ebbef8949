"""Some batches of a shipped experiment, trained again and again: what the benchmarks time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.networks.layer import Layer
from neurohw.runs.build import build_network
from neurohw.runs.circuit import build_circuit
from neurohw.runs.onchip import OnChip
from neurohw.runs.plan import build_plan
from neurohw.runs.products import float32_products
from neurohw.runs.task import build_task
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Samples, one_pass


class Batches:
    """The first batches of an epoch, of a network that learns on as they are trained.

    Args:
        experiment: what is trained; count: batches; device: "cpu" or "cuda".
    """

    def __init__(self, experiment: OnChipExperiment, count: int, device: str = "cpu") -> None:
        streams = Streams(0, device)
        task = build_task(experiment, streams)
        network = build_network(experiment, streams, Clock(), image=task.image)
        phases, _ = build_plan(experiment, task, network)
        self.layers: Sequence[Layer] = network.layers
        self.levels, self.count = task.levels, count
        self._multiplications = OnChip.multiplications(experiment) if device == "cpu" else 0
        self._phase = phases[min(1, len(phases) - 1)]  # of a semi-supervised run the one after its pre-training
        self._network, self._circuit = network, build_circuit(experiment, streams, task.n_classes)
        self._as_input, self._order = task.as_input(), streams.generator("batches")

    @property
    def images(self) -> Tensor:
        """The images [count x batch size, ...]."""
        return self._phase.samples.images[: self.count * self._phase.batch_size]

    @property
    def labels(self) -> Tensor | None:
        """Their labels [count x batch size]; None where it learns without."""
        labels = self._phase.samples.labels
        return None if labels is None else labels[: len(self.images)]

    def train(self, count: int | None = None) -> None:
        """Train all batches once, or the first `count` of them."""
        whole = self._phase
        n = (self.count if count is None else count) * whole.batch_size
        labels = whole.samples.labels
        part = replace(whole, samples=Samples(whole.samples.images[:n], None if labels is None else labels[:n]))
        epoch = one_pass(part, 0, 1, 1, closes_round=True, evaluated=False)
        parts = (self._network, self._circuit, self._circuit.initial(), epoch, self._as_input, self._order)
        with float32_products(self._multiplications):
            for _ in train_epoch(*parts):
                pass

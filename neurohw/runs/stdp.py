"""Spiking neurons that learn images by STDP (Diehl & Cook 2015), on exact synapses or on a crossbar, as a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from neurohw.config import STDPExperiment
from neurohw.config.unread import unread
from neurohw.data import as_input, stratified_subset
from neurohw.deepstdp.engines import build_network
from neurohw.deepstdp.poisson import spike_trains
from neurohw.deepstdp.stdp_network import ClusteringNetwork
from neurohw.errors import Diverged, InputError
from neurohw.networks.readout import associate
from neurohw.runs.accountable import check_clustering_accountable
from neurohw.runs.clustering_chip import ClusteringChip
from neurohw.runs.hardware import check_backend
from neurohw.runs.spiking_job import SpikingJob
from neurohw.runs.task import SUBSET_SEED, labels_of, part
from neurohw.runs.warnings import slow_samples
from neurohw.seeding import Streams
from neurohw.training.phases import Epoch, Samples

_BATCH = 32  # images whose spikes are held at once


class STDPLayer(SpikingJob[STDPExperiment]):
    """A layer learns images by STDP; see Job."""

    @classmethod
    def check(cls, experiment: STDPExperiment, device: str) -> None:
        """Refuse a GPU for what runs on the CPU, and a chip that the named table cannot account."""
        if device != "cpu" and experiment.stdp.engine != "torch":
            raise InputError(f'--device: got {device!r}; allowed: cpu, for experiments of kind "stdp" whose '
                             f'stdp.engine is {experiment.stdp.engine!r}; "torch" runs there')  # fmt: skip
        check_backend(experiment.hardware.backend, device)
        check_clustering_accountable(experiment, experiment.network.circuit)

    def build(self) -> None:
        """Make the network, its crossbar if it has one, and the plan."""
        experiment, n = self.experiment, len(self.training.images)
        fraction = experiment.evaluation.label_fraction
        if round(fraction * n) < self.dataset.n_classes:
            raise InputError(f"evaluation.label_fraction: got {fraction}, which is {round(fraction * n)} of {n} images"
                             f"; allowed: at least one for each of {self.dataset.n_classes} classes")  # fmt: skip
        labelled = stratified_subset(labels_of(self.training), round(fraction * n), SUBSET_SEED)
        self._labelled = self.training if fraction == 1 else part(self.training, labelled)
        inputs, neurons = self.training.images.shape[1], experiment.network.neurons
        draws = Streams(self.streams.seed).fresh("weights")  # on the CPU: engines begin with the same weights
        self.chip = None
        self.network: ClusteringNetwork
        if experiment.on_crossbar:
            self.chip = ClusteringChip(experiment.hardware, experiment.stdp, neurons, inputs, self.streams, self.ledger,
                                       experiment.network.circuit)  # fmt: skip
            self.network = self.chip.network(inputs, draws)
        else:
            self.network = build_network(inputs, neurons, experiment.stdp, draws, self.streams.device)
        epochs, every = experiment.training.epochs, experiment.evaluation.every
        self.plan = [Epoch("stdp", i, epochs, i + 1, True, n, (i + 1) % every == 0) for i in range(epochs)]
        self.warnings = unread(experiment, "warning") + slow_samples(experiment)

    def train(self, epoch: Epoch, done: int) -> Iterator[int]:
        """Present images in another order each epoch."""
        images = self.training.images
        generator = self.streams.generator("batches")
        order = torch.randperm(len(images), generator=generator, device=generator.device)
        for indices in order.split(_BATCH)[done:]:
            self._spikes_of(images[indices], self.streams.generator("spikes"), learn=True)
            yield len(indices)

    def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
        """Return the accuracies of direct association, of spike counts while nothing is learnt."""
        state = self.network.state_dict()
        generator = Streams(self.streams.seed, self.streams.device).fresh(f"evaluation {moment}")
        association = associate(self._counts(self._labelled, generator, "association"), self.dataset.n_classes)
        tests = list(self._counts(self.test, generator, "inference"))
        self.network.load_state_dict(state)
        ways = {"direct_accuracy": association.predict_class_mean,
                "single_neuron_accuracy": association.predict_single_neuron}  # fmt: skip
        return {name: _accuracy(tests, predict) for name, predict in ways.items()}

    def _counts(self, samples: Samples, generator: torch.Generator, phase: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield spike counts [B, k] and labels [B] of samples."""
        for images, labels in zip(samples.images.split(_BATCH), labels_of(samples).split(_BATCH), strict=True):
            if self.chip is None:
                counts = self._spikes_of(images, generator, learn=False)
            else:
                with self.chip.clock.during(phase):
                    counts = self._spikes_of(images, generator, learn=False)
            yield counts, labels.cpu()

    def _spikes_of(self, images: Tensor, generator: torch.Generator, learn: bool) -> Tensor:
        """Present images [B, n_in] as Poisson trains; return spike counts, [B, k]."""
        stdp, pixels = self.experiment.stdp, as_input(images, self.dataset.levels)
        spikes = spike_trains(pixels, stdp.rate_scale, stdp.timesteps, generator)[:, :, : pixels.shape[1]]
        return torch.from_numpy(self.network.present(spikes.contiguous(), learn=learn).counts).float()

    def require_numbers(self) -> None:
        """Check weights and thresholds."""
        for name, values in (("weights", self.network.weights), ("thresholds", self.network.thresholds)):
            if not bool(torch.isfinite(values).all()):
                raise Diverged(f"the {name} are not finite: learning has diverged")

    def state_dict(self) -> dict[str, Any]:
        """Return the network."""
        return {"network": self.network.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.network.load_state_dict(_State.model_validate(dict(state)).network)

    def inference_seconds(self) -> float:
        """Return the time of an evaluation from that of some images."""
        generator, images = torch.Generator(self.streams.device).manual_seed(0), self.test.images[:_BATCH]
        began = time.perf_counter()
        self._spikes_of(images, generator, learn=False)
        seconds = (time.perf_counter() - began) / len(images)
        return seconds * (len(self._labelled.images) + len(self.test.images))


def _accuracy(tests: list[tuple[Tensor, Tensor]], predict: Callable[[Tensor], Tensor]) -> float:
    right = sum(int((predict(counts) == labels).sum()) for counts, labels in tests)
    return right / sum(len(labels) for _, labels in tests)


class _State(BaseModel):
    """What a checkpoint has of the job."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    network: dict[str, Tensor]

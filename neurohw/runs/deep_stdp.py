"""Learning from clusters of one's own features: network, clustering and measures, as a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import isfinite, isnan
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

from neurohw.config import DeepSTDPExperiment
from neurohw.config.unread import unread
from neurohw.deepstdp.clusterers import Assignment
from neurohw.deepstdp.conversion import convert
from neurohw.deepstdp.convnets import ConvNet
from neurohw.deepstdp.fisher import batch_fisher_trace, fisher_trace
from neurohw.deepstdp.learner import Learner
from neurohw.deepstdp.measures import cluster_entropy, nmi
from neurohw.deepstdp.probe import accuracy, linear_probe
from neurohw.deepstdp.reduction import reduced
from neurohw.deepstdp.sampling import order_of
from neurohw.deepstdp.spiking_network import accuracy_over_time
from neurohw.errors import Diverged, InputError
from neurohw.runs.accountable import check_clustering_accountable
from neurohw.runs.clusters import build_convnet, clusterer, clustering_chip, components, preparation
from neurohw.runs.hardware import check_backend
from neurohw.runs.job import Progress
from neurohw.runs.spiking_job import SpikingJob
from neurohw.runs.task import labels_of
from neurohw.runs.warnings import slow_samples
from neurohw.seeding import derived_seed
from neurohw.training.phases import Epoch
from neurohw.values import Amount

_TIMED = 64  # images
_BALANCED = 500  # training images whose activations set the thresholds of the spiking network
_SHOWN_STEPS = (5, 10, 20, 50, 100, 200, 500, 1000)


class DeepSTDP(SpikingJob[DeepSTDPExperiment]):
    """A network learns from clusters of its features; see Job."""

    @classmethod
    def check(cls, experiment: DeepSTDPExperiment, device: str) -> None:
        """Refuse a GPU for a crossbar that runs on the CPU, and a chip that the named table cannot account."""
        check_backend(experiment.hardware.backend, device)
        check_clustering_accountable(experiment, experiment.clustering.neurons)

    def build(self) -> None:
        """Make the network, what prepares its images, what clusters its features, and the plan."""
        experiment, n = self.experiment, len(self.training.images)
        if experiment.clustering.clusters > n:
            raise InputError(f"clustering.clusters: got {experiment.clustering.clusters}; allowed: at most the {n} "
                             "training images")  # fmt: skip
        self.preparation = preparation(experiment, self.dataset, self.training)
        network = build_convnet(experiment, self.preparation, self.streams)
        training = experiment.training
        self.learner = Learner(network, training.learning_rate, training.momentum, training.weight_decay)
        self.chip = clustering_chip(experiment, n, self.streams, self.ledger)
        self.cluster = clusterer(
            experiment, labels_of(self.training), self.dataset.n_classes, self.streams.device, self.chip
        )
        self.labels = torch.full((n,), -1)
        self.before = self.labels
        self._held: Tensor | None = None  # features of all training images, until the network learns
        self.measured: dict[str, float] = {}
        self.plan = _plan(experiment, n)
        self.warnings = unread(experiment, "warning") + slow_samples(experiment)

    def begin(self, epoch: Epoch, progress: Progress) -> None:
        """Cluster, and give the network a new head."""
        self._reassign(epoch.index, progress)

    def train(self, epoch: Epoch, done: int) -> Iterator[int]:
        """Learn from the clusters."""
        training = self.experiment.training
        order = order_of(self.labels, training.passes, training.sampling, self.streams.generator("batches"))
        augmentation = self.streams.generator("augmentation")
        self._held = None
        for indices in list(order.split(training.batch_size))[done:]:
            images = self.preparation.for_learning(self.training.images[indices], augmentation)
            self.learner.step(images, self.labels[indices].to(images.device))
            yield len(indices)

    def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
        """Return the probe's accuracy, the Fisher information, and what was measured of the last clustering.

        At the end also the accuracy of the network and its probe as a spiking network, if it is asked for.
        """
        of_test = self.learner.features(self.test.images, self.preparation.for_evaluation)
        train, test = (self._seen_by_a_head(features) for features in (self._features(), of_test))
        probe = linear_probe(train, labels_of(self.training), self.dataset.n_classes)
        metrics: dict[str, Any] = {"probe_accuracy": accuracy(probe, test, labels_of(self.test))}
        metrics |= self._fisher() | self.measured
        for name, value in metrics.items():
            if not isfinite(value):
                raise Diverged(f"{name} is not finite: learning has diverged")
        if final and self.experiment.evaluation.spiking_steps:
            metrics |= self._spiking(probe)
        return metrics

    def begin_seconds(self) -> float:
        """Return about how long features and clusters take, from some images and as many random features."""
        n, clusters = len(self.training.images), self.experiment.clustering.clusters
        images = self.training.images[:_TIMED]
        some = min(n, max(_TIMED, 2 * clusters))
        generator = torch.Generator().manual_seed(0)
        features = normalize(torch.randn(some, components(self.experiment, n), generator=generator))
        self._clustered(features, 0)  # compiles
        began = time.perf_counter()
        self._clustered(features, 0)
        clustered = time.perf_counter()
        self.learner.features(images, self.preparation.for_evaluation)
        ended = time.perf_counter()
        self.labels = torch.randint(clusters, (n,), generator=generator)
        return n * ((clustered - began) / some + (ended - clustered) / len(images))

    def epoch_row(self) -> dict[str, float]:
        """Return what was measured of the epoch's clustering."""
        return self.measured

    def require_numbers(self) -> None:
        """Check the network's weights and statistics."""
        for name, values in self.learner.network.state_dict().items():
            if not bool(torch.isfinite(values).all()):
                raise Diverged(f"{name} of the convolutional network is not finite: learning has diverged")

    def state_dict(self) -> dict[str, Any]:
        """Return the network, its momenta, the clusters of this epoch and of the one before, and their measures."""
        return {"learner": self.learner.state_dict(), "labels": self.labels, "before": self.before,
                "measured": self.measured, "chip": self.chip.state_dict() if self.chip else {}}  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore all of it."""
        saved = _State.model_validate(dict(state))
        if len(saved.labels) != len(self.labels) or len(saved.before) != len(self.labels):
            raise ValueError(f"it has {len(saved.labels)} pseudo-labels, this run {len(self.labels)} images")
        if self.chip:
            self.chip.load_state_dict(saved.chip)
        self.learner.load_state_dict(saved.learner)
        self._held = None
        self.labels, self.before, self.measured = saved.labels, saved.before, saved.measured

    def _reassign(self, epoch: int, progress: Progress) -> None:
        """Cluster the features of all training images, and measure the clusters."""
        clustering = self.experiment.clustering
        features = self._features(partial(progress, "features"))
        features = reduced(features, clustering.components, clustering.whitening, clustering.unit_norm)
        seed = self.streams.integer(f"clustering.{epoch}")
        found = self._clustered(features, seed, partial(progress, "clusters"))
        self.before, self.labels = self.labels, found.labels
        self.learner.new_head(self.streams.fresh(f"head.{epoch}"))
        measures = {
            "nmi_truth": nmi(self.labels, labels_of(self.training).cpu()),
            "nmi_consecutive": nmi(self.labels, self.before),
            "cluster_entropy": cluster_entropy(self.labels, clustering.clusters),
        }
        spent = {"clustering_joules": found.joules, "clustering_joules_formula": found.formula_joules}
        spent = {key: self.measured.get(key, 0.0) + joules for key, joules in spent.items() if joules}
        self.measured = {key: value for key, value in measures.items() if not isnan(value)} | spent | found.remarks

    def _clustered(self, features: Tensor, seed: int, progress: Callable[[int, int], None] | None = None) -> Assignment:
        """Return the pseudo-labels; a crossbar has lines for all components, those without variance are silent."""
        if self.chip is None:
            return self.cluster(features, seed, progress)
        lines = components(self.experiment, len(features))
        with self.chip.clock.during("forward"):  # the pass that labels is part of training
            return self.cluster(pad(features, (0, lines - features.shape[1])), seed, progress)

    def _features(self, progress: Callable[[int, int], None] | None = None) -> Tensor:
        """Return the features of all training images: those of an evaluation serve the next clustering, too."""
        if self._held is None:
            self._held = self.learner.features(self.training.images, self.preparation.for_evaluation, progress)
        return self._held

    def _seen_by_a_head(self, features: Tensor) -> Tensor:
        """Return what a head sees of features: what is left after the ReLU."""
        with torch.no_grad():
            return self.learner.network.after(features)  # type: ignore[no-any-return]

    def _spiking(self, probe: nn.Linear) -> dict[str, Any]:
        """Return the accuracy of the network, with the probe as its head, in spikes: at the end, and by time steps."""
        steps = self.experiment.evaluation.spiking_steps
        generator = torch.Generator().manual_seed(derived_seed(self.streams.seed, "conversion"))
        some = torch.randperm(len(self.training.images), generator=generator)[:_BALANCED]
        network = ConvNet(self.learner.network.body, self.learner.network.after, probe)
        spiking = convert(network.eval(), self.preparation.for_evaluation(self.training.images[some]))
        images = self.preparation.for_evaluation(self.test.images)
        over_time = accuracy_over_time(spiking, images, labels_of(self.test), steps).tolist()
        shown = {t: over_time[t - 1] for t in (*_SHOWN_STEPS, steps) if t <= steps}
        by_steps = {str(t): {"spiking_accuracy": value} for t, value in sorted(shown.items())}
        return {"spiking_accuracy": over_time[-1], "by_time_steps": by_steps}

    def _fisher(self) -> dict[str, float]:
        count = self.experiment.evaluation.fisher_samples
        chosen = (self.labels >= 0).nonzero()[:, 0]
        if not count or not len(chosen):
            return {}
        generator = torch.Generator().manual_seed(derived_seed(self.streams.seed, "fisher"))
        chosen = chosen[torch.randperm(len(chosen), generator=generator)[:count]]
        images = self.preparation.for_evaluation(self.training.images[chosen])
        labels = self.labels[chosen].to(images.device)
        network = self.learner.network
        return {
            "fisher_trace": fisher_trace(network, images, labels),
            "fisher_trace_batch": batch_fisher_trace(network, images, labels),
        }


def _plan(experiment: DeepSTDPExperiment, samples: int) -> list[Epoch]:
    epochs, every = experiment.training.epochs, experiment.evaluation.every
    images = experiment.training.passes * samples
    return [Epoch("clusters", i, epochs, i + 1, True, images, (i + 1) % every == 0) for i in range(epochs)]


class _State(BaseModel):
    """What a checkpoint has of the job."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    learner: dict[str, Any]
    labels: Tensor
    before: Tensor
    measured: dict[str, Amount]
    chip: dict[str, Tensor] = {}  # the first checkpoints had none

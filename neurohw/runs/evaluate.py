"""Evaluation: what fraction of the test images the network gets right, labels used as the experiment says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neurohw.config import ClassifierSection, OnChipExperiment
from neurohw.data import stratified_subset
from neurohw.networks.base import Network
from neurohw.networks.readout import ClassifierSettings, associate, block_prediction, train_linear_classifier
from neurohw.runs.task import SUBSET_SEED, Task, part
from neurohw.seeding import Streams, derived_seed
from neurohw.training.phases import Samples

Outputs = Iterable[tuple[Tensor, Tensor]]

_BATCH = 512


def evaluate(
    experiment: OnChipExperiment, network: Network, task: Task, streams: Streams, moment: str, final: bool
) -> dict[str, Any]:
    """Return the metrics of the network as it stands, with no dropout and nothing learnt.

    Reads leave no trace in the arrays (`SynapseArray.aside`), and their noise comes from streams of the moment's own:
    training is the same however often and with whichever shares of the labels it is evaluated. No target circuit takes
    part.

    Unsupervised runs report `direct_accuracy` (class-mean response), `single_neuron_accuracy` and, at the end,
    `linear_accuracy`, each at the largest label fraction, with all fractions under `by_label_fraction` at the end.
    Runs that saw labels report `test_accuracy`. What of each class is answered right stands under `by_class` at the
    end: of `test_accuracy`, or of `direct_accuracy`.

    Args:
        experiment: configuration.
        network: trained so far.
        task: data.
        streams: of the run; this moment's and the classifier's are taken from their seed.
        moment: what tells this evaluation's noise from that of others, as the epochs that are done.
        final: whether the run ends here.
    """
    with network.clock.during("inference"):
        if experiment.training.mode != "unsupervised":
            answers = _answers(network, task, derived_seed(streams.seed, f"evaluation {moment}"))
            return answers.metrics("test_accuracy", by_class=final)
        fractions = sorted(set(experiment.evaluation.label_fraction))
        if not final:
            return _associated(experiment, network, task, streams, moment, fractions[-1], final=False)
        by_fraction = {
            f"{fraction:g}": _associated(experiment, network, task, streams, moment, fraction, final=True)
            for fraction in fractions
        }
        by_class = [metrics.pop("by_class", {}) for metrics in by_fraction.values()][-1]
        metrics = by_fraction[f"{fractions[-1]:g}"] | {"by_label_fraction": by_fraction}
        return metrics | ({"by_class": by_class} if by_class else {})


@dataclass(frozen=True)
class _Answers:
    """How many samples of each class there were, and how many were answered right, [n_classes]."""

    right: Tensor
    seen: Tensor

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return int(self.right.sum()) / int(self.seen.sum())

    def metrics(self, name: str, by_class: bool) -> dict[str, Any]:
        """Return the accuracy under its name, and that of each class that there is under `by_class`."""
        if not by_class:
            return {name: self.accuracy}
        classes = zip(self.right.tolist(), self.seen.tolist(), strict=True)
        own = {str(label): {name: right / seen} for label, (right, seen) in enumerate(classes) if seen}
        return {name: self.accuracy, "by_class": own}


def _answers(network: Network, task: Task, seed: int) -> _Answers:
    with network.aside(seed):
        return _answered(_outputs(network, task.test, task), lambda y: block_prediction(y, task.n_classes), task)


def _associated(
    experiment: OnChipExperiment,
    network: Network,
    task: Task,
    streams: Streams,
    moment: str,
    fraction: float,
    final: bool,
) -> dict[str, Any]:
    methods = experiment.evaluation.association
    linear = final and "linear" in methods
    own = experiment.evaluation.label_draw == "own"
    draw = derived_seed(streams.seed, "label draw") if own else SUBSET_SEED
    with network.aside(derived_seed(streams.seed, f"evaluation {moment}, {fraction:g} of the labels")):
        with network.clock.during("association"):
            labelled = _fraction_of(task.train, fraction, draw)
            responses: Outputs = _outputs(network, labelled, task)
            if linear:
                features, labels = _gathered(responses)
                responses = zip(features.split(_BATCH), labels.split(_BATCH), strict=True)
            association = associate(responses, task.n_classes)
        tests = list(_outputs(network, task.test, task))
    metrics: dict[str, Any] = {}
    if "direct" in methods:
        metrics |= _answered(tests, association.predict_class_mean, task).metrics("direct_accuracy", by_class=final)
        metrics["single_neuron_accuracy"] = _answered(tests, association.predict_single_neuron, task).accuracy
    if linear:
        settings = _classifier_settings(experiment, fraction)
        generator = streams.fresh(f"classifier.{fraction:g}")
        predict = train_linear_classifier(features, labels, task.n_classes, settings, generator)
        metrics["linear_accuracy"] = _answered(tests, predict, task).accuracy
    return metrics


def _fraction_of(samples: Samples, fraction: float, draw: int) -> Samples:
    if fraction == 1:
        return samples
    assert samples.labels is not None
    size = round(fraction * len(samples.images))
    return part(samples, stratified_subset(samples.labels, size, draw))


def _outputs(network: Network, samples: Samples, task: Task) -> Iterator[tuple[Tensor, Tensor]]:
    as_input = task.as_input(network.dtype)
    assert samples.labels is not None
    for images, labels in zip(samples.images.split(_BATCH), samples.labels.split(_BATCH), strict=True):
        yield network.respond(as_input(images)).output, labels


def _gathered(outputs: Outputs) -> tuple[Tensor, Tensor]:
    pairs = list(outputs)
    return torch.cat([y for y, _ in pairs]), torch.cat([labels for _, labels in pairs])


def _answered(outputs: Outputs, predict: Callable[[Tensor], Tensor], task: Task) -> _Answers:
    labels, right = zip(*((labels, predict(y) == labels) for y, labels in outputs), strict=True)
    seen, correct = torch.cat(labels), torch.cat(right)
    counts = (torch.bincount(which, minlength=task.n_classes) for which in (seen[correct], seen))
    return _Answers(*counts)


def _classifier_settings(experiment: OnChipExperiment, fraction: float) -> ClassifierSettings:
    section: ClassifierSection = experiment.evaluation.classifier
    rate = section.learning_rate
    if isinstance(rate, tuple):
        rate = rate[experiment.evaluation.label_fraction.index(fraction)]
    return ClassifierSettings(**{**section.model_dump(), "learning_rate": rate})

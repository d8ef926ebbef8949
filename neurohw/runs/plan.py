"""From a configuration to the plan: phases with their rules, and the epochs in order."""

from __future__ import annotations

from dataclasses import replace

from neurohw.config import OnChipExperiment, ScheduleSection
from neurohw.networks.base import Network
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.task import Task
from neurohw.training.phases import Epoch, Phase, Samples, alternation_plan, greedy_plan, plain_plan, pretraining_plan
from neurohw.training.rules import build_rule
from neurohw.training.schedules import Schedule, WeightedSchedule


def build_plan(experiment: OnChipExperiment, task: Task, network: Network) -> tuple[list[Phase], list[Epoch]]:
    """Return the phases (their rules hold state) and the epochs in order."""
    phases, epochs = _learning(experiment, task, network)
    if experiment.network.weights is None:
        return phases, epochs
    rounds = experiment.training.epochs  # which the network has had
    return phases, [Epoch("programming", 0, 1, rounds, closes_round=True, images=0)]


def _learning(experiment: OnChipExperiment, task: Task, network: Network) -> tuple[list[Phase], list[Epoch]]:
    """Return the phases and epochs of a network that learns."""
    training, every = experiment.training, experiment.evaluation.every

    def schedule(section: ScheduleSection, epochs: int) -> Schedule:
        return Schedule(section.kind, section.start, section.end, section.over or max(1, epochs), section.decay)

    def greedy(phase: Phase, layers: int) -> tuple[list[Phase], list[Epoch]]:
        own = schedule(training.schedule, training.epochs // layers)
        phases = [replace(phase, name=f"W{i + 1}", schedule=own, layer=i) for i in range(layers)]
        return phases, greedy_plan(phases, training.epochs, every)

    main = build_rule(training.optimizer, network.layers, training.learning_rate)
    main_schedule = schedule(training.schedule, training.epochs)
    if training.mode != "semi-supervised":
        samples = task.train if training.mode == "supervised" else Samples(task.train.images, None)
        phase = Phase(training.mode, samples, training.batch_size, main, main_schedule)
        if LEARNING_RULES[experiment.network.rule].greedy and len(network.layers) > 1:
            return greedy(phase, len(network.layers))
        return [phase], plain_plan(phase, training.epochs, every)
    assert task.labelled is not None
    assert task.unlabelled is not None
    pretrain = training.pretrain
    first = Phase(
        "pretraining",
        task.labelled,
        pretrain.batch_size,
        build_rule(training.optimizer, network.layers, pretrain.learning_rate),
        schedule(pretrain.schedule, pretrain.epochs),
    )
    labelled_schedule, weight = schedule(training.supervised_schedule, training.epochs), training.unlabelled_weight
    unlabelled_schedule = main_schedule if weight.final is None else WeightedSchedule(
        labelled_schedule, weight.start, weight.full, weight.final, pretrain.epochs
    )  # fmt: skip
    unsupervised = Phase("unsupervised", task.unlabelled, training.batch_size, main, unlabelled_schedule)
    supervised = Phase(
        "supervised",
        task.labelled,
        pretrain.batch_size,
        build_rule(training.optimizer, network.layers, training.learning_rate),
        labelled_schedule,
    )
    alternation = alternation_plan(unsupervised, supervised, training.epochs, every, training.alternate_every)
    return [first, unsupervised, supervised], [*pretraining_plan(first, pretrain.epochs), *alternation]

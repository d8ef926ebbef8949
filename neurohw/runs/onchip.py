"""Learning on the chip: a network on arrays, a target circuit, and meters around both, as a job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from neurohw.circuits.target import DecisionEvents, Homeostasis
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.config.unread import unread
from neurohw.data import data_checksums
from neurohw.energy.recorded import Account, ChipAccount
from neurohw.energy.table import EnergyTable
from neurohw.metering.array_watch import ArrayWatch
from neurohw.metering.metered_array import MeteredArray
from neurohw.runs import symptoms
from neurohw.runs.accountable import check_accountable, check_work
from neurohw.runs.accounts import energy_of
from neurohw.runs.after_training import Chip, evaluate_ages
from neurohw.runs.build import build_network, file_contents
from neurohw.runs.circuit import build_circuit
from neurohw.runs.divergence import require_numbers
from neurohw.runs.evaluate import evaluate
from neurohw.runs.fault_maps import read_fault_maps
from neurohw.runs.hardware import check_backend
from neurohw.runs.job import Job, Progress, Together
from neurohw.runs.learnt import read_learnt
from neurohw.runs.looking import Looking
from neurohw.runs.looks import Looks
from neurohw.runs.meters import metered
from neurohw.runs.plan import build_plan
from neurohw.runs.record import RunRecord
from neurohw.runs.stack import Stack, chips_at_once
from neurohw.runs.symptoms import Symptom
from neurohw.runs.task import Task, build_task
from neurohw.runs.warnings import (
    ages,
    ages_without_change,
    forgetful_thresholds,
    lost_classes,
    misfits,
    rounded_products,
    single_devices_drift,
    without_a_cause,
)
from neurohw.seeding import Streams
from neurohw.training.loop import train_epoch
from neurohw.training.phases import Epoch
from neurohw.values import Amount, Whole

_IMAGES_TIMED = 256


class OnChip(Job[OnChipExperiment]):
    """A network learns on simulated arrays; see Job."""

    def __init__(self, experiment: OnChipExperiment, streams: Streams, task: Task | None = None) -> None:
        super().__init__(experiment, streams)
        self.task = task or build_task(experiment, streams)
        self.chance = self.task.chance
        self._fault_maps, self._learnt = read_fault_maps(experiment), read_learnt(experiment)
        self._single, self._ages = single_devices_drift(experiment), ages(experiment)

    @classmethod
    def check(cls, experiment: OnChipExperiment, device: str) -> None:
        """Refuse a GPU for arrays that run on the CPU, and a chip that the named table cannot account."""
        check_backend(experiment.hardware.backend, device)
        check_accountable(experiment)

    @classmethod
    def at_once(cls, experiment: OnChipExperiment) -> int:
        """Return how many small networks on ideal arrays are one batch."""
        return chips_at_once(experiment)

    @classmethod
    def of_seeds(cls, experiment: OnChipExperiment, streams: Sequence[Streams]) -> Sequence[OnChip]:
        """Return jobs that share their data, but where each chooses labelled images of its own."""
        if experiment.training.mode == "semi-supervised":
            return super().of_seeds(experiment, streams)
        first = cls(experiment, streams[0])
        return [first, *(cls(experiment, own, first.task) for own in streams[1:])]

    @classmethod
    def together(cls, jobs: Sequence[OnChip]) -> Together:
        """Return several as a stack."""
        return Stack(jobs) if len(jobs) > 1 else super().together(jobs)

    @classmethod
    def checksums(cls, experiment: OnChipExperiment) -> dict[str, str]:
        """Return the checksums of data, device, circuit, table and fault maps."""
        return file_contents(experiment, data_checksums(experiment.data.dataset))

    @classmethod
    def multiplications(cls, experiment: OnChipExperiment) -> int:
        """Return those of a batch's read of the largest layer."""
        batch = experiment.training.batch_size
        return batch * max(stage.weights * stage.vectors for stage in experiment.network.stages)

    def contents(self) -> dict[str, str]:
        """Return the checksums of what this run has read."""
        return file_contents(self.experiment, self.task.checksums, self._fault_maps, self._learnt)

    def sources(self) -> dict[str, str]:
        """Return the run whose weights are programmed, and their hash."""
        learnt = self._learnt
        return {} if learnt is None else {"weights": f"{learnt.origin}, sha256 {learnt.sha256[:16]}"}

    def build(self) -> None:
        """Make arrays, network, target circuit and meters, and the plan."""
        experiment, streams = self.experiment, self.streams
        network = build_network(experiment, streams, Clock(), self._fault_maps, self.task.image, self._learnt)
        if experiment.hardware.periphery is not None:
            check_work(network.operations())
        self._metered = metered(experiment, network, build_circuit(experiment, streams, self.task.n_classes))
        self.network, self.circuit = self._metered.network, self._metered.circuit
        self.ledger = self._metered.ledger
        self.warnings = (
            unread(experiment, "warning")
            + misfits(experiment)
            + ages_without_change(experiment)
            + forgetful_thresholds(experiment)
            + rounded_products(experiment, self.network)
        )
        self.phases, self.plan = build_plan(experiment, self.task, self.network)
        self.homeostasis, self.events = self.circuit.initial(), DecisionEvents(0, 0)
        self._looking = Looking(self.network, self.task.image)
        self._aged: list[dict[str, Any]] = []

    def begin(self, epoch: Epoch, progress: Progress) -> None:
        """Let thresholds begin anew with an epoch that learns without labels, if reset then, or with another layer."""
        another = epoch.index == 0 and any(leg.phase.layer is not None for leg in epoch.legs)
        if epoch.unlabelled and (self.experiment.target.reset == "epoch" or another):
            self.homeostasis = self.circuit.initial()

    def train(self, epoch: Epoch, done: int) -> Iterator[int]:
        """Train batch by batch."""
        step_seconds = self.experiment.hardware.step_seconds
        as_input, order = self.task.as_input(self.network.dtype), self.streams.generator("batches")
        batches = train_epoch(self.network, self.circuit, self.homeostasis, epoch, as_input, order, step_seconds, done)
        for images, decision in batches:
            self.homeostasis = decision.homeostasis
            self.events += decision.events
            yield images

    def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
        """Return the accuracies, at the end also those of the network as it ages."""
        metrics = evaluate(self.experiment, self.network, self.task, self.streams, moment, final)
        if final and self.experiment.evaluation.age_seconds:
            aged = evaluate_ages(self._as_trained(), moment)
            self._aged = aged.ledgers
            metrics |= aged.metrics
        return metrics

    def _as_trained(self) -> Chip:
        learning = tuple(phase for phase in self.phases if phase.samples.labels is None)
        return Chip(
            self.experiment, self.network, self.task, self.streams, self.circuit.circuit, self.homeostasis, learning
        )

    def counted_apart(self) -> dict[str, Any]:
        """Return what was counted of the aged chip."""
        return {"aged": self._aged} if self._aged else {}

    def epoch_row(self) -> dict[str, float]:
        """Return the shares of the circuit's events in the epoch, and count them anew."""
        shares, self.events = self.events.shares(), DecisionEvents(0, 0)
        return shares

    def require_numbers(self) -> None:
        """Check weights, biases and thresholds."""
        require_numbers(self.network, self.homeostasis)

    def symptoms(self, metrics: dict[str, Any]) -> list[Symptom]:
        """Return which accuracies are near chance, and what was counted that may be why."""
        causes = [symptom for i, watch in enumerate(self._watches()) for symptom in self._of_array(f"W{i + 1}", watch)]
        named = ", ".join(f"{cause.kind} ({cause.where})" for cause in causes)
        advice = f"; what may be why: {named}" if causes else without_a_cause(self.experiment)
        lost = symptoms.unanswered(metrics, self.chance, lost_classes(self.experiment))
        return [*symptoms.near_chance(metrics, self.chance, advice), *lost, *causes]

    def _watches(self) -> list[ArrayWatch]:
        arrays = [layer.array for layer in self.network.layers]
        return [array.watch for array in arrays if isinstance(array, MeteredArray)]

    def _of_array(self, where: str, watch: ArrayWatch) -> Iterator[Symptom]:
        yield from symptoms.of_initial_weights(where, watch.clipped, self._learnt is not None)
        if signs := watch.signs():
            yield from symptoms.of_array(where, signs)
            yield from symptoms.of_drift(where, signs, self.experiment.hardware.step_seconds, self._single)

    def accounted_symptoms(self, record: RunRecord) -> list[Symptom]:
        """Return whether devices that age are given another time per batch than the chip takes for one."""
        account, batches = record.energy, record.ledger["facts"]["images"]["batches"]
        if not isinstance(account, ChipAccount) or not account.training_latency or not batches:
            return []
        on_chip = account.training_latency.nominal / batches
        given = self.experiment.hardware.step_seconds
        return [*symptoms.of_step_time(given, on_chip)] if self._ages else []

    def facts(self, epochs: float) -> dict[str, Any]:
        """Return the facts of arrays and circuits."""
        return self._metered.facts(epochs)

    def looks(self) -> Looks:
        """Return weights of the first layer, and conductances."""
        return self._looking.now()

    def account(self, record: RunRecord) -> Account | None:
        """Return the account with `hardware.periphery`."""
        if self.experiment.hardware.periphery is None:
            return None
        return energy_of(record, EnergyTable.load(self.experiment.hardware.periphery))

    def state_dict(self) -> dict[str, Any]:
        """Return the network, the memory of its update rules, the thresholds, and the chip's clock.

        A network that was programmed is not kept: it is made again of its seed, and nothing is trained.
        """
        learns = self._learnt is None
        return {
            "threshold": self.homeostasis.threshold,
            "activity": self.homeostasis.activity,
            "events": list(astuple(self.events)),
            "clock_seconds": self.network.clock.seconds,
            "network": self.network.state_dict() if learns else {},
            "rules": [phase.rule.state_dict() for phase in self.phases if learns],
            "watches": [watch.state_dict() for watch in self._watches()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore all of it."""
        saved = _State.model_validate(dict(state))
        self.network.clock.seconds = saved.clock_seconds
        if self._learnt is None:
            self.network.load_state_dict(saved.network)
            for phase, memory in zip(self.phases, saved.rules, strict=True):
                phase.rule.load_state_dict(memory)
        for watch, seen in zip(self._watches(), saved.watches, strict=False):  # the first checkpoints had none
            watch.load_state_dict(seen)
        self.homeostasis = Homeostasis(saved.threshold, saved.activity)
        self.events = DecisionEvents(*saved.events)

    def inference_seconds(self) -> float:
        """Return the time of an evaluation from that of some images, the first time left out."""
        images = len(self.task.test.images)
        if self.experiment.training.mode == "unsupervised":
            images += round(max(self.experiment.evaluation.label_fraction) * len(self.task.train.images))
        few = self.task.as_input(self.network.dtype)(self.task.test.images[:_IMAGES_TIMED])
        self.network.respond(few)
        began = time.perf_counter()
        self.network.respond(few)
        return (time.perf_counter() - began) / len(few) * images

    def after_training(self) -> tuple[int, int]:
        """Return the evaluations at all ages and by all ways to compensate, and the images of recovery."""
        section = self.experiment.evaluation
        aged = len(set(section.age_seconds)) * max(1, len(section.compensation))
        return aged * (2 if section.recovery_images else 1), aged * section.recovery_images


class _State(BaseModel):
    """What a checkpoint has of the job."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    threshold: Tensor
    activity: Tensor
    events: Annotated[list[Whole], Field(min_length=2, max_length=5)] = [0, 0]  # the first checkpoints had none
    clock_seconds: Amount
    network: dict[str, Tensor]
    rules: list[dict[str, Tensor]]
    watches: list[dict[str, Tensor]] = []

"""Chips of one experiment, whose runs differ in their seed only, trained at once where networks are small.

Each stays a job of its own: it is evaluated, saved and accounted alone, and draws from its own streams. While an epoch
is trained, all their arrays lie one behind the other in one memory, [S, n_post, n_pre], so that one product reads, and
one writes, all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from neurohw.circuits.target import DecisionEvents, Homeostasis, IdealTarget
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.config.rules import network_settings
from neurohw.crossbar.ideal import IdealArray
from neurohw.metering.metered_array import MeteredArray
from neurohw.networks.base import Network
from neurohw.networks.bp import BPNetwork
from neurohw.networks.ep import EPNetwork
from neurohw.networks.layer import Layer
from neurohw.runs.circuit import target_rule
from neurohw.runs.meters import metered
from neurohw.runs.plan import build_plan
from neurohw.seeding import StackedStreams
from neurohw.training.loop import train_epoch

if TYPE_CHECKING:
    from neurohw.runs.onchip import OnChip

_MOST_CHIPS = 32
_MOST_WEIGHTS = 3 * 2**18  # of all chips of a stack: more leave the cache, and win nothing
_FEWEST = 3  # of so large networks that fewer of them are one stack the products take nearly all the time
_NETWORKS: dict[str, type[BPNetwork] | type[EPNetwork]] = {
    "bp": BPNetwork,
    "ep": EPNetwork,
}  # which compute with chips before the batch


def chips_at_once(experiment: OnChipExperiment) -> int:
    """Return how many chips are best trained at once; 1: each by itself, as far as they could be stacked at all.

    Arrays and target must be ideal, and pulses have no memory: what is counted of a chip then depends on no number of
    its own, and one count stands for all of them.
    """
    training, hardware = experiment.training, experiment.hardware
    fits = (
        experiment.network.rule in _NETWORKS
        and not (experiment.network.conv or experiment.network.weights)
        and hardware.backend == "ideal"
        and experiment.target.circuit == "ideal"
        and training.optimizer == "pulsed-sgd"
        and training.mode != "semi-supervised"
    )
    weights = sum(stage.weights for stage in experiment.network.stages)
    chips = min(_MOST_CHIPS, _MOST_WEIGHTS // weights)
    return chips if fits and chips >= _FEWEST else 1


class Stack:
    """Jobs that stand between the same two batches, as one while an epoch is trained.

    Args:
        jobs: of one experiment, of which `chips_at_once` allows several.
    """

    def __init__(self, jobs: Sequence[OnChip]) -> None:
        self.jobs = jobs
        first, streams = jobs[0], StackedStreams([job.streams for job in jobs])
        experiment = first.experiment
        layers = [_stacked(layers) for layers in zip(*(job.network.layers for job in jobs), strict=True)]
        settings = network_settings(experiment, first.task.image)
        network = _NETWORKS[experiment.network.rule].built(layers, settings, streams, Clock())
        wanted = target_rule(experiment, first.task.n_classes)
        self._metered = metered(experiment, network, IdealTarget.built(wanted, None, experiment.target.ties, streams))
        self._order = streams.generator("batches")
        _, self._plan = build_plan(experiment, first.task, self._metered.network)
        self._begin()

    def _begin(self) -> None:
        """Take over thresholds and counts; weights and biases lie here already."""
        first, mine = self.jobs[0], self._metered
        self._homeostasis = Homeostasis(
            torch.stack([job.homeostasis.threshold for job in self.jobs]),
            torch.stack([job.homeostasis.activity for job in self.jobs]),
        )
        self._events, self._before = DecisionEvents(0, 0), [job.events for job in self.jobs]
        mine.network.clock.seconds = first.network.clock.seconds
        mine.ledger.load_state_dict(first.ledger.state_dict())
        for array, of_first in zip(_arrays(mine.network), _arrays(first.network), strict=True):
            array.watch.load_state_dict(of_first.watch.state_dict())

    def train(self, epoch: int, done: int) -> Iterator[int]:
        """Train an epoch of the plan, or what is left after `done` batches; yield the images of each chip's batch."""
        first, mine = self.jobs[0], self._metered
        as_input, seconds = first.task.as_input(mine.network.dtype), first.experiment.hardware.step_seconds
        parts = (mine.network, mine.circuit, self._homeostasis, self._plan[epoch], as_input, self._order)
        for images, decision in train_epoch(*parts, seconds, done):
            self._homeostasis = decision.homeostasis
            self._events += decision.events
            yield images

    def settle(self) -> None:
        """Give each job its thresholds and counts as they are now."""
        mine, ledger = self._metered, self._metered.ledger.state_dict()
        watches = [array.watch.state_dict() for array in _arrays(mine.network)]
        for i, job in enumerate(self.jobs):
            threshold, activity = self._homeostasis.threshold[i].clone(), self._homeostasis.activity[i].clone()
            job.homeostasis = Homeostasis(threshold, activity)
            job.events = self._before[i] + self._events.of_chip(i)
            job.network.clock.seconds = mine.network.clock.seconds
            job.ledger.load_state_dict(ledger)
            for array, watch in zip(_arrays(job.network), watches, strict=True):
                array.watch.load_state_dict(watch)


def _stacked(layers: Sequence[Layer]) -> Layer:
    arrays = [layer.array.array for layer in layers if isinstance(layer.array, MeteredArray)]
    return Layer.stacked(layers, IdealArray.stacked([array for array in arrays if isinstance(array, IdealArray)]))


def _arrays(network: Network) -> Iterator[MeteredArray]:
    return (layer.array for layer in network.layers if isinstance(layer.array, MeteredArray))

"""The main line that all learning rules share: respond, decide the target, contrast, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from neurohw.circuits.target import Decision, Homeostasis, TargetCircuit
from neurohw.errors import Diverged
from neurohw.networks.base import Network
from neurohw.seeding import Source
from neurohw.training.phases import Epoch


def train_epoch(
    network: Network,
    circuit: TargetCircuit,
    homeostasis: Homeostasis,
    epoch: Epoch,
    as_input: Callable[[Tensor], Tensor],
    order: Source,
    step_seconds: float = 0.0,
    done: int = 0,
) -> Iterator[tuple[int, Decision]]:
    """Train one epoch, or what is left of it; yield the images and the decision after each batch, all parts at rest.

    Of several chips that are stacked, each gets a batch of its own at once: images, labels, states and thresholds are
    those of all, [S, B, ...].

    Args:
        network: of any learning rule.
        circuit: gives the target, from the outputs or from the label.
        homeostasis: thresholds before the first batch that is trained; each decision has those after it.
        epoch: its legs, and where it is on their schedules.
        as_input: uint8 images [B, n_in] to inputs in [0, 1].
        order: shuffles the samples.
        step_seconds: simulated time of one batch.
        done: batches of the epoch that are done; the same `order` draws them again, and they are skipped.

    Raises:
        Diverged: an array is to be written what is not finite; the message names the layer.
    """
    clock = network.clock
    for phase, indices in epoch.batches(order, done):
        rule = phase.rule
        rule.factor = phase.schedule.factor(epoch.index)
        network.teach(phase.layer)
        images, labels = phase.samples.at(indices)
        state = network.respond(as_input(images), train=True)
        with clock.during("target"):
            decision = circuit(state.competition, homeostasis, active=state.active, labels=labels, seconds=step_seconds)
        homeostasis = decision.homeostasis
        contrast = network.contrast(state, decision.target)
        with clock.during("update"):
            for layer, products in contrast if phase.schedule.counts(epoch.index) else ():
                try:
                    rule.apply(layer, products)
                except Diverged as error:
                    raise Diverged(f"W{network.layers.index(layer) + 1}: {error}") from None
        network.elapse(step_seconds)
        yield images.shape[-2], decision

"""The main line that BP and EP share: respond, decide the target, contrast, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from neurohw.circuits.target import Decision, Homeostasis, TargetCircuit
from neurohw.errors import Diverged
from neurohw.networks.base import Network
from neurohw.training.phases import Epoch, Samples


def train_epoch(
    network: Network,
    circuit: TargetCircuit,
    homeostasis: Homeostasis,
    epoch: Epoch,
    as_input: Callable[[Tensor], Tensor],
    order: torch.Generator,
    step_seconds: float = 0.0,
    done: int = 0,
    after_batch: Callable[[int, Decision], None] | None = None,
) -> Homeostasis:
    """Train one epoch, or what is left of it, and return the thresholds after it.

    Args:
        network: BP or EP.
        circuit: gives the target, from the outputs or from the label.
        homeostasis: thresholds before the first batch that is trained.
        epoch: which phase, and where on its schedule.
        as_input: uint8 images [B, n_in] to inputs in [0, 1].
        order: shuffles the samples.
        step_seconds: simulated time of one batch.
        done: batches of the epoch that are done; the same `order` draws them again, and they are skipped.
        after_batch: told the images and the decision after each batch, when every part is at rest.

    Raises:
        Diverged: an array is to be written what is not finite; the message names the layer.
    """
    phase = epoch.phase
    phase.rule.factor = phase.schedule.factor(epoch.index)
    clock = network.clock
    for images, labels in shuffled_batches(phase.samples, phase.batch_size, order, done):
        state = network.respond(as_input(images), train=True)
        with clock.during("target"):
            decision = circuit(state.competition, homeostasis, active=state.active, labels=labels, seconds=step_seconds)
        homeostasis = decision.homeostasis
        contrast = network.contrast(state, decision.target)
        with clock.during("update"):
            for layer, products in contrast:
                try:
                    phase.rule.apply(layer, products)
                except Diverged as error:
                    raise Diverged(f"W{network.layers.index(layer) + 1}: {error}") from None
        network.elapse(step_seconds)
        if after_batch is not None:
            after_batch(len(images), decision)
    return homeostasis


def shuffled_batches(
    samples: Samples, batch_size: int, generator: torch.Generator, done: int = 0
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield shuffled batches, less the first `done`; the incomplete last one is kept, as in the published code."""
    images, labels = samples.images, samples.labels
    order = torch.randperm(len(images), generator=generator, device=generator.device)
    for indices in order.split(batch_size)[done:]:
        yield images.index_select(0, indices), None if labels is None else labels.index_select(0, indices)

"""A feed-forward network of integrate-and-fire neurons, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Coding = Literal["current", "poisson"]

_BATCH = 128  # images presented together


@dataclass(frozen=True)
class SpikingStage:
    """Synapses, and the neurons that they lead to.

    Args:
        synapses: from what comes in (spikes of 0 and 1; the image, of the first) to currents.
        threshold: of the neurons; None: they integrate and never spike, as outputs do.
    """

    synapses: nn.Sequential
    threshold: float | None


@dataclass(frozen=True)
class SpikingResponse:
    """What a network did with some images.

    Args:
        potentials: of the output neurons after each step, [T, B, k].
        counts: spikes of each neuron of each spiking stage, [B, ...].
    """

    potentials: Tensor
    counts: tuple[Tensor, ...]


@dataclass(frozen=True)
class SpikingNetwork:
    """Integrate-and-fire neurons without leak or rest, reset by subtraction, in stages.

    Per step V <- V + current; where V >= threshold a spike, and V <- V - threshold: the rate of a constant current a
    is min(max(a / threshold, 0), 1) within 1 / T (Sengupta et al. 2019, with the soft reset of Rueckauer et al. 2017).
    A spike reaches every later stage in its own step.

    Args:
        stages: in order; the last, and only that, has no threshold.
        coding: of images: "current": the pixels, of either sign, as the same current in every step; "poisson": a spike
            with probability |x| / largest_input (at most 1) that has the sign of x, as if of one of two inputs with
            opposite weights.
        largest_input: the |pixel| that spikes in every step.
        initial: potential at the start of an image, in thresholds. From a half, rates are right within 1 / (2 T), and
            too low as often as too high (Bu et al. 2022); from 0 they are too low, and deep stages wait for early ones.
    """

    stages: tuple[SpikingStage, ...]
    coding: Coding = "current"
    largest_input: float = 1.0
    initial: float = 0.0

    @torch.no_grad()
    def present(self, images: Tensor, timesteps: int, generator: torch.Generator | None = None) -> SpikingResponse:
        """Present images for some steps.

        Args:
            images: [B, channels, height, width], or whatever the first stage takes.
            timesteps: T.
            generator: of Poisson spikes; "current" needs none.
        """
        if self.coding == "poisson" and generator is None:
            raise ValueError("a generator is needed for Poisson spikes")
        if images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        constant = self.stages[0].synapses(images) if self.coding == "current" else None
        potentials: list[Tensor | None] = [None] * len(self.stages)
        counts: list[Tensor | None] = [None] * (len(self.stages) - 1)
        outputs = []
        for _ in range(timesteps):
            signal = self._spikes(images, generator) if constant is None else images
            for i, stage in enumerate(self.stages):
                current = stage.synapses(signal) if i > 0 or constant is None else constant
                potential = _added(potentials[i], current, self.initial * (stage.threshold or 0.0))
                potentials[i] = potential
                if stage.threshold is not None:
                    signal = (potential >= stage.threshold).to(potential.dtype)
                    potential.sub_(signal, alpha=stage.threshold)
                    counts[i] = _added(counts[i], signal)
            outputs.append(potential.clone())
        return SpikingResponse(torch.stack(outputs), tuple(c for c in counts if c is not None))

    def _spikes(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        draws = torch.rand(images.shape, generator=generator, device=images.device)
        return (draws * self.largest_input < images.abs()) * images.sign()


def accuracy_over_time(
    network: SpikingNetwork,
    images: Tensor,
    labels: Tensor,
    timesteps: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the share of images whose class has the highest potential after 1, 2, ..., T steps, [T].

    Args:
        network: one whose outputs are classes.
        images: [N, ...].
        labels: classes [N].
        timesteps: T.
        generator: of Poisson spikes; "current" needs none.
    """
    right = torch.zeros(timesteps, dtype=torch.int64, device=images.device)
    for x, y in zip(images.split(_BATCH), labels.split(_BATCH), strict=True):
        right += (network.present(x, timesteps, generator).potentials.argmax(2) == y).sum(1)
    return right.double() / len(labels)


def _added(total: Tensor | None, value: Tensor, start: float = 0.0) -> Tensor:
    return value + start if total is None else total.add_(value)

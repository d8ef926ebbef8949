"""What a network does around its arrays, from its shape: neurons, errors and steps of relaxation.

Counted per image, as hardware would do it, whatever shortcut the simulation takes. Events: under "digital"
`activations`, `adds` and `macs` (multiplications count as one); under "clock" `images` presented and `steps` of
relaxation (images times T or K). Reads, and the biases that are added to them, are counted with the arrays.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

Operation = tuple[str, str, str, float]  # component, phase, event, number


class Operations(abc.ABC):
    """The work of answering and of learning; each kind of network has its own.

    Attributes:
        phase: of an answer that is trained on.
        relaxes: all layers are read together, step after step, not one after the other.
    """

    phase: ClassVar[str]
    relaxes: ClassVar[bool] = False

    @property
    def free_reads(self) -> int | None:
        """Reads in that phase that stand for more than so many stand for those of the nudged phase too; None: none do.

        One read of a constant input stands for both.
        """
        return None

    @abc.abstractmethod
    def of_answers(self, phase: str, images: float) -> Iterator[Operation]:
        """Yield the work of answers to images, in whatever phase they are asked for."""

    @abc.abstractmethod
    def of_contrasts(self, images: float) -> Iterator[Operation]:
        """Yield the work of finding what should be written."""

    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what a record says of them: free_steps, nudged_steps and nudged_phases."""


@dataclass(frozen=True)
class FeedForward(Operations):
    """Backpropagation's: forward, an activation per neuron; backward, the output's error and hidden products with rho'.

    The output's error is a subtraction and a product with rho'; of a cross-entropy a softmax too, without that product
    where it is over the drives.

    Args:
        sizes: neurons per layer, the input first.
        softmax: the error is that of a cross-entropy; logits: over the drives of the outputs.
        adds: additions, or comparisons, of pooling and of competing neurons per image; adds_back: additions of these on
            the way back, and where errors of several patches make that of a neuron.
    """

    sizes: tuple[int, ...]
    softmax: bool = False
    adds: int = 0
    adds_back: int = 0
    logits: bool = False
    phase = "forward"

    def of_answers(self, phase: str, images: float) -> Iterator[Operation]:
        """Yield an activation per neuron."""
        yield "clock", phase, "images", images
        yield "digital", phase, "activations", images * sum(self.sizes[1:])
        if self.adds:
            yield "digital", phase, "adds", images * self.adds

    def of_contrasts(self, images: float) -> Iterator[Operation]:
        """Yield the output's error, and a product with rho' per neuron whose error is not that of its drive already."""
        n_out = self.sizes[-1]
        yield "clock", "backward", "images", images
        yield "digital", "backward", "adds", images * (n_out + self.adds_back)
        yield "digital", "backward", "activations", images * n_out if self.softmax else 0
        yield "digital", "backward", "macs", images * (sum(self.sizes[1:]) - n_out * self.logits)

    def facts(self) -> dict[str, Any]:
        """Return that nothing relaxes."""
        return {"free_steps": 0, "nudged_steps": 0, "nudged_phases": 0}


@dataclass(frozen=True)
class Relaxation(Operations):
    """Equilibrium Propagation's, per step and dynamical neuron.

    An activation, two additions (leak, step), one more where a layer above drives it too, a product with dt, and one
    with rho' where that is not 1; nudged outputs an addition and a product more, a softmax read-out its softmax and
    subtraction.

    Args:
        sizes: neurons per layer, the input first.
        free_steps, nudged_steps: T, and K of all nudged phases together.
        nudged_phases: 1, or 2 where both signs of the nudge are relaxed.
        formed: sums and differences of two states that the contrast of a sample is made of.
        readout: the last layer is a softmax read-out, not dynamical.
        slopes: rho' of the neurons is not 1.
        held: the clamped input is read once and held.
    """

    sizes: tuple[int, ...]
    free_steps: int
    nudged_steps: int
    nudged_phases: int = 1
    formed: int = 0
    readout: bool = False
    slopes: bool = False
    held: bool = True
    phase = "free"
    relaxes = True

    @property
    def free_reads(self) -> int | None:
        """T where the input is read in every step."""
        return None if self.held else self.free_steps

    @property
    def dynamical(self) -> tuple[int, ...]:
        """Neurons of the dynamical layers."""
        return self.sizes[1:-1] if self.readout else self.sizes[1:]

    def of_answers(self, phase: str, images: float) -> Iterator[Operation]:
        """Yield T steps of relaxation, and the softmax of a read-out."""
        yield "clock", phase, "images", images
        yield from self._relaxed(phase, images, self.free_steps)
        if self.readout:
            yield "digital", phase, "activations", images * self.sizes[-1]

    def of_contrasts(self, images: float) -> Iterator[Operation]:
        """Yield K steps of nudged relaxation, and what is formed of the states for the contrast."""
        steps, nudged = self.nudged_steps, self.sizes[-1]
        yield from self._relaxed("nudged", images, steps)
        yield "clock", "nudged", "images", images
        last = self.dynamical[-1] if self.readout else nudged  # what feels the nudge
        yield "digital", "nudged", "adds", images * steps * nudged
        yield "digital", "nudged", "macs", images * steps * last
        if self.readout:  # a softmax in every step, and one more error at each end for the read-out itself
            ends = self.nudged_phases
            yield "digital", "nudged", "activations", images * (steps + ends) * nudged
            yield "digital", "nudged", "adds", images * (ends * nudged + steps * last)
        yield "digital", "update", "adds", images * self.formed

    def facts(self) -> dict[str, Any]:
        """Return the steps."""
        steps = {"free_steps": self.free_steps, "nudged_steps": self.nudged_steps}
        return {**steps, "nudged_phases": self.nudged_phases}

    def _relaxed(self, phase: str, images: float, steps: int) -> Iterator[Operation]:
        neurons, driven = sum(self.dynamical), sum(self.dynamical[:-1])
        times = images * steps
        yield "clock", phase, "steps", times
        yield "digital", phase, "activations", times * neurons
        yield "digital", phase, "adds", times * (2 * neurons + driven)
        yield "digital", phase, "macs", times * neurons * (2 if self.slopes else 1)

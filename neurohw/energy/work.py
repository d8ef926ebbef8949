"""The work around the arrays: neurons, errors, relaxation steps, biases and optimisers, from the network's shape.

Counted per image, as hardware would do it, whatever shortcut the simulation takes. Events: under "digital"
`activations`, `adds`, `macs` (multiplications count as one), `bias_updates`, `optimizer_words`; under "clock" `images`
presented, `steps` of relaxation (images times T or K) and `seconds` of simulated time.

BP, forward: an activation per neuron. Backward: the output's error (a subtraction, and rho' for the squared error, or
the softmax) and a product with rho' per hidden neuron. EP, per step and dynamical neuron: an activation, two additions
(leak, step), one more where a layer above drives it too, a product with dt, and one with rho' where it is not 1; nudged
outputs an addition and a product more, a softmax read-out its softmax and subtraction. Reads and their biases are
counted with the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurohw.energy.ledger import Entry

ADAM_MACS = 8  # per cell: two moving averages (2 and 3), two corrections, root and division (2), step (1)
ADAM_WORDS = 4  # per cell: both averages read and written


@dataclass(frozen=True)
class NetworkWork:
    """What a network does besides reading and writing its arrays.

    Args:
        sizes: neurons per layer, the input first.
        rule: "bp" or "ep".
        free_steps, nudged_steps: T, and K of all nudged phases together; 0 under BP.
        nudged_phases: 1, or 2 where both signs of the nudge are relaxed; 0 under BP.
        difference: EP's contrast is written as a difference, which its neurons form.
        readout: EP's last layer is a softmax read-out, not dynamical.
        softmax: BP's error is that of a cross-entropy.
        slopes: rho' of EP's neurons is not 1.
        digital_bias: biases are digital.
        optimizer: "pulsed-sgd", "sgd" or "adam".
        cells: weights per layer.
    """

    sizes: tuple[int, ...]
    rule: str = "bp"
    free_steps: int = 0
    nudged_steps: int = 0
    nudged_phases: int = 0
    difference: bool = False
    readout: bool = False
    softmax: bool = False
    slopes: bool = False
    digital_bias: bool = True
    optimizer: str = "pulsed-sgd"
    cells: tuple[int, ...] = ()

    @property
    def dynamical(self) -> tuple[int, ...]:
        """Neurons of EP's dynamical layers."""
        return self.sizes[1:-1] if self.readout else self.sizes[1:]

    def of_answers(self, phase: str, images: float) -> Iterator[Entry]:
        """Yield the work of answers to images: the forward pass, or the free phase."""
        yield "clock", phase, "images", images
        if self.rule == "bp":
            yield "digital", phase, "activations", images * sum(self.sizes[1:])
            return
        yield from self._relaxed(phase, images, self.free_steps)
        if self.readout:
            yield "digital", phase, "activations", images * self.sizes[-1]

    def of_contrasts(self, images: float, batches: float, outer: float) -> Iterator[Entry]:
        """Yield the work of the backward pass, or of the nudged phases, and of the digital side of updates.

        Args:
            images, batches: learnt from.
            outer: products that a digital optimiser forms, summed over images, terms and cells.
        """
        yield from self._errors(images) if self.rule == "bp" else self._nudged(images)
        post = sum(self.sizes[1:])
        if self.digital_bias:
            yield "digital", "update", "adds", images * post
            yield "digital", "update", "bias_updates", batches * post
        if self.difference:  # b1 - b0; between dynamical layers b1 + b0 too
            yield "digital", "update", "adds", images * sum(self.dynamical) * min(2, len(self.dynamical))
        yield "digital", "update", "macs", outer
        if self.optimizer == "adam":
            yield "digital", "update", "macs", batches * ADAM_MACS * sum(self.cells)
            yield "digital", "update", "optimizer_words", batches * ADAM_WORDS * sum(self.cells)

    def _errors(self, images: float) -> Iterator[Entry]:
        *hidden, n_out = self.sizes[1:]
        yield "clock", "backward", "images", images
        yield "digital", "backward", "adds", images * n_out
        yield "digital", "backward", "activations", images * n_out if self.softmax else 0
        yield "digital", "backward", "macs", images * (sum(hidden) + n_out)

    def _nudged(self, images: float) -> Iterator[Entry]:
        steps, nudged = self.nudged_steps, self.sizes[-1]
        yield from self._relaxed("nudged", images, steps)
        yield "clock", "nudged", "images", images
        last = self.dynamical[-1] if self.readout else nudged  # what feels the nudge
        yield "digital", "nudged", "adds", images * steps * nudged
        yield "digital", "nudged", "macs", images * steps * last
        if self.readout:  # a softmax in every step, and one more error at the end for the read-out itself
            yield "digital", "nudged", "activations", images * (steps + 1) * nudged
            yield "digital", "nudged", "adds", images * (nudged + steps * last)

    def _relaxed(self, phase: str, images: float, steps: int) -> Iterator[Entry]:
        neurons, driven = sum(self.dynamical), sum(self.dynamical[:-1])
        times = images * steps
        yield "clock", phase, "steps", times
        yield "digital", phase, "activations", times * neurons
        yield "digital", phase, "adds", times * (2 * neurons + driven)
        yield "digital", phase, "macs", times * neurons * (2 if self.slopes else 1)


class WorkMeter:
    """Counts images, batches and simulated time, and says what work that was; a source of the ledger.

    Args:
        work: of the network.
    """

    name = "work"

    def __init__(self, work: NetworkWork) -> None:
        self.work = work
        self._answered: dict[str, float] = {}
        self._learnt = {"images": 0.0, "batches": 0.0, "outer": 0.0, "seconds": 0.0}

    def answered(self, phase: str, images: int) -> None:
        """A batch was answered."""
        self._answered[phase] = self._answered.get(phase, 0.0) + images

    def learnt(self, images: int, terms: Sequence[int]) -> None:
        """A batch was learnt from; terms: outer products per layer."""
        learnt = self._learnt
        learnt["images"] += images
        learnt["batches"] += 1
        if self.work.optimizer != "pulsed-sgd":
            learnt["outer"] += images * sum(n * cells for n, cells in zip(terms, self.work.cells, strict=True))

    def passed(self, seconds: float) -> None:
        """The time of a batch passed."""
        self._learnt["seconds"] += seconds

    def entries(self) -> Iterator[Entry]:
        """Return the work so far."""
        for phase, images in self._answered.items():
            yield from self.work.of_answers(phase, images)
        learnt = self._learnt
        yield from self.work.of_contrasts(learnt["images"], learnt["batches"], learnt["outer"])
        yield "clock", "update", "seconds", learnt["seconds"]

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted."""
        return {"answered": dict(self._answered), "learnt": dict(self._learnt)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self._answered, self._learnt = dict(state["answered"]), dict(state["learnt"])

"""The work around the arrays: what the network does there, and the digital side of updates.

Events beside those of `neurohw.networks.operations`: under "digital" `bias_updates` and `optimizer_words`; under
"clock" `seconds` of simulated time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurohw.metering.ledger import Entry
from neurohw.networks.operations import Operations

ADAM_MACS = 8  # per cell: two moving averages (2 and 3), two corrections, root and division (2), step (1)
ADAM_WORDS = 4  # per cell: both averages read and written


@dataclass(frozen=True)
class DigitalUpdates:
    """What is digital of an update: biases, and the optimiser.

    Args:
        biases: digital ones; optimizer: "pulsed-sgd", "sgd" or "adam"; cells: weights per layer.
    """

    biases: int
    optimizer: str
    cells: tuple[int, ...]

    def of(self, images: float, batches: float, outer: float) -> Iterator[Entry]:
        """Yield the work of updates.

        Args:
            images, batches: learnt from.
            outer: products that a digital optimiser forms, summed over images, terms and cells.
        """
        if self.biases:
            yield "digital", "update", "adds", images * self.biases
            yield "digital", "update", "bias_updates", batches * self.biases
        yield "digital", "update", "macs", outer
        if self.optimizer == "adam":
            yield "digital", "update", "macs", batches * ADAM_MACS * sum(self.cells)
            yield "digital", "update", "optimizer_words", batches * ADAM_WORDS * sum(self.cells)


class WorkMeter:
    """Counts images, batches and simulated time, and says what work that was; a source of the ledger.

    Args:
        operations: of the network; updates: their digital side.
    """

    name = "work"

    def __init__(self, operations: Operations, updates: DigitalUpdates) -> None:
        self.operations, self.updates = operations, updates
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
        if self.updates.optimizer != "pulsed-sgd":
            learnt["outer"] += images * sum(n * cells for n, cells in zip(terms, self.updates.cells, strict=True))

    def passed(self, seconds: float) -> None:
        """The time of a batch passed."""
        self._learnt["seconds"] += seconds

    def entries(self) -> Iterator[Entry]:
        """Return the work so far."""
        for phase, images in self._answered.items():
            yield from self.operations.of_answers(phase, images)
        learnt = self._learnt
        yield from self.operations.of_contrasts(learnt["images"])
        yield from self.updates.of(learnt["images"], learnt["batches"], learnt["outer"])
        yield "clock", "update", "seconds", learnt["seconds"]

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted."""
        return {"answered": dict(self._answered), "learnt": dict(self._learnt)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self._answered, self._learnt = dict(state["answered"]), dict(state["learnt"])

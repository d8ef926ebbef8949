"""The work around the arrays: what the network does there, and the digital side of updates.

Events beside those of `neurohw.networks.operations`: under "digital" `bias_updates` and `optimizer_words`; under
"buffer" `bits` of what outer products are formed of; under "clock" `seconds` of simulated time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurohw.crossbar.base import OuterProducts
from neurohw.metering.ledger import Entry
from neurohw.networks.operations import Operations

ADAM_MACS = 8  # per cell: two moving averages (2 and 3), two corrections, root and division (2), step (1)
ADAM_WORDS = 4  # per cell: both averages read and written


@dataclass(frozen=True)
class LayerWork:
    """A layer, as far as its updates are digital.

    Args:
        outputs: of its array; cells: weights.
        vectors: presented to the array per image.
        biases: digital ones.
        operands: bits of the codes of a vector's inputs and outputs.
    """

    outputs: int
    cells: int
    vectors: int = 1
    biases: int = 0
    operands: int = 0


@dataclass(frozen=True)
class DigitalUpdates:
    """What is digital of an update: biases, what weights shrink by, and the optimiser.

    Args:
        layers: input to output; optimizer: "pulsed-sgd", "sgd" or "adam".
    """

    layers: tuple[LayerWork, ...]
    optimizer: str

    def learnt(self, contrast: Sequence[OuterProducts]) -> dict[str, float]:
        """Return what a batch adds up: `outer` products by an optimiser, bits of their `operands`, `sums` and `decays`.

        Sums are of biases, decays of rows. Biases add up every term whose bias line is not 0: two phases that are
        written apart are summed apart.
        """
        outer = operands = sums = decays = 0
        digital = self.optimizer != "pulsed-sgd"
        for layer, products in zip(self.layers, contrast, strict=True):
            vectors = products.batch * layer.vectors
            outer += vectors * layer.cells * len(products.terms) * digital
            operands += vectors * layer.operands * len(products.terms) * digital  # each is fetched once a vector
            if layer.biases:
                sums += vectors * layer.outputs * sum(term.line != 0 for term in products.terms)
            decays += vectors * layer.outputs * (products.decay is not None)
        return {"outer": outer, "operands": operands, "sums": sums, "decays": decays}

    def of(self, batches: float, outer: float, operands: float, sums: float, decays: float) -> Iterator[Entry]:
        """Yield the work of updates.

        Args:
            batches: learnt from.
            outer, operands, sums, decays: of all batches, see `learnt`.
        """
        cells = sum(layer.cells for layer in self.layers)
        if biases := sum(layer.biases for layer in self.layers):
            yield "digital", "update", "adds", sums
            yield "digital", "update", "bias_updates", batches * biases
        yield "digital", "update", "adds", decays
        yield "digital", "update", "macs", outer
        yield "buffer", "update", "bits", operands
        if self.optimizer == "adam":
            yield "digital", "update", "macs", batches * ADAM_MACS * cells
            yield "digital", "update", "optimizer_words", batches * ADAM_WORDS * cells


class WorkMeter:
    """Counts images, batches and simulated time, and says what work that was; a source of the ledger.

    Args:
        operations: of the network; updates: their digital side.
        name: by which the ledger tells meters apart.
    """

    def __init__(self, operations: Operations, updates: DigitalUpdates, name: str = "work") -> None:
        self.operations, self.updates, self.name = operations, updates, name
        self._answered: dict[str, float] = {}
        self._learnt = dict.fromkeys(("images", "batches", "outer", "operands", "sums", "decays", "seconds"), 0.0)

    def answered(self, phase: str, images: int) -> None:
        """A batch was answered."""
        self._answered[phase] = self._answered.get(phase, 0.0) + images

    def learnt(self, images: int, contrast: Sequence[OuterProducts]) -> None:
        """A batch was learnt from; contrast: what is to be written into each layer."""
        for what, number in {"images": images, "batches": 1, **self.updates.learnt(contrast)}.items():
            self._learnt[what] += number

    def passed(self, seconds: float) -> None:
        """The time of a batch passed."""
        self._learnt["seconds"] += seconds

    def entries(self) -> Iterator[Entry]:
        """Return the work so far."""
        for phase, images in self._answered.items():
            yield from self.operations.of_answers(phase, images)
        learnt = self._learnt
        yield from self.operations.of_contrasts(learnt["images"])
        yield from self.updates.of(*(learnt[what] for what in ("batches", "outer", "operands", "sums", "decays")))
        yield "clock", "update", "seconds", learnt["seconds"]

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted."""
        return {"answered": dict(self._answered), "learnt": dict(self._learnt)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self._answered, self._learnt = dict(state["answered"]), self._learnt | state["learnt"]

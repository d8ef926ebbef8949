"""The one interface of every crossbar, and the products that learning asks it to write.

Axes, fixed here for the whole project: a weight matrix W is [n_post, n_pre]; batches come first. Where an array is that
of several chips at once, chips come before all, [S, n_post, n_pre] and [S, B, n].
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import reduce
from operator import add

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Anatomy, Tiles
from neurohw.crossbar.standing import Standing
from neurohw.errors import Diverged, InputError

StateDict = dict[str, Tensor]


@dataclass(frozen=True)
class Product:
    """One signed outer product summed over a batch: sign * sum_b post_b (x) pre_b.

    Args:
        post: [B, n_post], the factor on the output side.
        pre: [B, n_pre], the factor on the input side.
        sign: +1 to potentiate, -1 to depress.
        line: what the always-on bias line holds in this term: 1, or 0 where the line's contributions cancel.
    """

    post: Tensor
    pre: Tensor
    sign: int = 1
    line: float = 1.0


@dataclass(frozen=True)
class OuterProducts:
    """What learning wants written: scale * (sum_t sign_t sum_b post_tb (x) pre_tb - diag(sum_b d_b) W).

    Pulses are given sample after sample, and those of a sample term after term. The last term is no outer product: an
    array reads the rows of W that shrink, and writes the change as an increment, before any pulse.

    Args:
        terms: outer products, at least one.
        scale: digital (1/B, 1/(beta B), 2/(B N)); it rides on the learning rate and never passes a DAC.
        decay: d, [B, n_post], by what an output's weights shrink (y^2 in Oja's rule); None: no such term.
    """

    terms: tuple[Product, ...]
    scale: float
    decay: Tensor | None = None

    @property
    def batch(self) -> int:
        """Number of samples in each term."""
        return self.terms[0].post.shape[-2]

    def in_turn(self) -> tuple[Tensor, Tensor]:
        """Return post (signs included) and pre as they are written, [T B, n_post] and [T B, n_pre]."""
        if len(self.terms) == 1 and self.terms[0].sign > 0:
            return self.terms[0].post, self.terms[0].pre
        post = torch.stack([term.post if term.sign > 0 else -term.post for term in self.terms], 1)
        return post.flatten(0, 1), torch.stack([term.pre for term in self.terms], 1).flatten(0, 1)

    def dense(self, out: Tensor | None = None) -> Tensor:
        """Return the wanted change of W per unit learning rate, decay apart, [n_post, n_pre]; written to `out`."""
        first, *others = self.terms
        change = torch.mm((first.post if first.sign > 0 else -first.post).t(), first.pre, out=out)
        for term in others:
            change.add_(term.post.t() @ term.pre, alpha=term.sign)
        return change.mul_(self.scale)

    def post_sum(self) -> Tensor:
        """Return the wanted change of the biases per unit learning rate, decay apart, [n_post]."""
        return self.scale * reduce(add, ((term.sign * term.line) * term.post.sum(-2) for term in self.terms))

    def shrinkage(self) -> Tensor | None:
        """Return by what share each output's weights shrink per unit learning rate, [n_post]; None: by nothing."""
        return None if self.decay is None or not self.decay.any() else self.scale * self.decay.sum(0)


@dataclass(frozen=True)
class Serial:
    """What a write does one after the other, apart from the trains that all lines get at once.

    Args:
        cell_pulses: of the pulses, those given to one cell after the other (write and verify, carry, refresh);
            cell_falls: of these, those that depress.
        readings: of one cell after the other (to verify it, to look whether it is full).
        columns: of a hidden array, read one after the other, each over all outputs.
        column_pulses: of the pulses, those given to the cells of one column after the other (transfers); column_falls:
            of these, those that depress.
        column_slots, column_slots_in_turn: time slots of these, where rises and falls of a column are given at the same
            time, or one after the other; column_slots_falling: of the latter, those of falls.
        half_readings: of the readings, those of one device of a pair, not of both at once.
    """

    cell_pulses: int = 0
    readings: int = 0
    columns: int = 0
    column_pulses: int = 0
    column_slots: int = 0
    column_slots_in_turn: int = 0
    half_readings: int = 0
    cell_falls: int = 0
    column_falls: int = 0
    column_slots_falling: int = 0

    def __add__(self, other: Serial) -> Serial:
        """Return what both do."""
        return Serial(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Serial)))


_NOTHING = Serial()


@dataclass(frozen=True)
class Writes:
    """What a write cost, as far as the array can tell.

    Args:
        pulses_up: potentiating pulses given to cells, or None where the back-end cannot count them.
        pulses_down: depressing pulses, likewise.
        serial: what was done apart from the trains of all lines.
    """

    pulses_up: int | None = None
    pulses_down: int | None = None
    serial: Serial = _NOTHING

    def __add__(self, other: Writes) -> Writes:
        """Return the pulses of both; None where one of them cannot count."""

        def added(a: int | None, b: int | None) -> int | None:
            return None if a is None or b is None else a + b

        ours, theirs = self.serial, other.serial
        serial = ours if theirs is _NOTHING else theirs if ours is _NOTHING else ours + theirs
        return Writes(added(self.pulses_up, other.pulses_up), added(self.pulses_down, other.pulses_down), serial)

    @staticmethod
    def total(parts: Iterable[Writes]) -> Writes:
        """Return the pulses of all parts."""
        return sum(parts, start=Writes(0, 0))


def require_finite(what: str, *values: Tensor) -> None:
    """Raise `Diverged` where a number that is to be written is not finite.

    Args:
        what: the write, for the message.
        values: of any shape.
    """
    # a sum that is finite has finite terms, and takes a tenth of the time of looking at each
    if not all(bool(value.sum().isfinite()) or bool(value.isfinite().all()) for value in values):
        raise Diverged(f"{what} asks for weights that are not finite: learning has diverged")


class SynapseArray(abc.ABC):
    """A crossbar: physical and stateful, the only thing that mutates, because the device does.

    Attributes:
        shape: (n_post, n_pre).
        exact: reads are noiseless and linear, so callers may use algebraic shortcuts of reads.
        exact_writes: updates are arithmetic, so callers may write a sum of products by fewer ones of the same sum.
        clipped: share of the initial weights that lay beyond what their cells can hold.
        dtype, device: of the tensors that are read in and out.
        keeps_layout: a read is laid out in memory as its input is, sample after sample or neuron after neuron.
        by_columns: W is kept column by column in memory, as is then an increment that is written fastest.
        present: which cells are there, [n_post, n_pre]; None: all of them.
    """

    shape: tuple[int, int]
    exact: bool
    exact_writes: bool = False
    clipped: float = 0.0
    dtype: torch.dtype
    device: torch.device
    keeps_layout: bool = False
    by_columns: bool = False
    present: Tensor | None = None

    @property
    def n_cells(self) -> int:
        """How many weights there are."""
        return self.shape[0] * self.shape[1] if self.present is None else int(self.present.sum())

    @property
    def anatomy(self) -> Anatomy:
        """What it is made of, and how it is read and written."""
        return Anatomy()

    @property
    def tiles(self) -> Tiles:
        """How it is cut into crossbars: not at all."""
        n_post, n_pre = self.shape
        return Tiles((slice(0, n_post),), (slice(0, n_pre),))

    @property
    def readouts(self) -> float:
        """How often all cells of a crossbar have been read to compensate drift."""
        return 0.0

    def conductances(self) -> dict[str, Tensor]:
        """Return every device's conductance now, siemens, [n_post, n_pre] by name; empty where they are not known."""
        return {}

    def line_conductances(self) -> tuple[Tensor, Tensor] | None:
        """Return what a read drives on each line of the inputs [n_pre] and of the outputs [n_post] now, siemens.

        Devices of one weight are added up; None where conductances are not known.
        """
        devices = self.conductances()
        if not devices:
            return None
        crossings = torch.stack([*devices.values()]).sum(0)
        return crossings.sum(0), crossings.sum(1)

    def hidden_conductance(self) -> float:
        """Return the conductance of hidden cells, siemens, in all: the columns that a remedy reads one by one."""
        return 0.0

    def writes(self) -> dict[str, Tensor]:
        """Return the pulses that each device has got, [n_post, n_pre] by name; empty where they are not counted."""
        return {}

    def standing(self) -> Standing | None:
        """Return how its cells stand, and what its converters clipped; None where it does not look."""
        return None

    def ageing_weights(self) -> Tensor | None:
        """Return the weights now, [n_post, n_pre], where time alone has moved cells by now; None where it has not."""
        return None

    def sources(self) -> tuple[list[Tensor], list[torch.Generator]] | None:
        """Return what reads take from, brought up to date, and the generators that they draw from.

        So reads can be recorded (see `neurohw.networks.capture`); None: they cannot.
        """
        return None

    @abc.abstractmethod
    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return W pre as the hardware reads it: DAC, noise and ADC included.

        Args:
            pre: [B, n_pre] inputs.
            times: how often hardware reads where a shortcut reads once (for the ledger; the result is one read); 0 of
                vectors that were read before they could be, whose first read has been counted.

        Returns:
            [B, n_post].
        """

    @abc.abstractmethod
    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return W^T post, read from the other side of the same cells: [B, n_post] -> [B, n_pre]."""

    def read_rows(self, rows: Tensor) -> Tensor:
        """Return the weights of some outputs as hardware reads them, one line of the outputs driven at a time.

        Args:
            rows: [R], which outputs.

        Returns:
            [R, n_pre].
        """
        driven = torch.zeros(len(rows), self.shape[0], dtype=self.dtype, device=self.device)
        return self.read_transposed(driven.scatter_(1, rows[:, None], 1.0))

    def shrinking(self, shares: Tensor) -> Tensor:
        """Return -diag(shares) W, [n_post, n_pre]; rows whose share, [n_post], is not 0 are read for it."""
        rows = shares.nonzero().squeeze(1)
        change = torch.zeros(self.shape, dtype=self.dtype, device=self.device)
        return change.index_copy_(0, rows, self.read_rows(rows).mul_(-shares[rows, None])) if len(rows) else change

    def _shrink(self, products: OuterProducts, rate: float) -> Writes:
        """Write the decay of products, with which every `update` begins."""
        shares = products.shrinkage()
        return Writes(0, 0) if shares is None else self.increment(self.shrinking(rate * shares))

    @abc.abstractmethod
    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Write W += rate * products as the device does it: decay, then pulses from both sides, sample after sample."""

    @abc.abstractmethod
    def increment(self, delta: Tensor) -> Writes:
        """Write a digitally computed change [n_post, n_pre] with the device's own pulses."""

    @abc.abstractmethod
    def program(self, weights: Tensor) -> Writes:
        """Write and verify: bring the cells to `weights` [n_post, n_pre] as closely as the device can."""

    @abc.abstractmethod
    def elapse(self, seconds: float) -> None:
        """Let time pass: drift, decay, diffusion."""

    @abc.abstractmethod
    def snapshot(self) -> Tensor:
        """Return the weights now, [n_post, n_pre]: for diagnosis and tests, never used by learning."""

    @abc.abstractmethod
    def state_dict(self) -> StateDict:
        """Return every tensor needed to restore the array (copies, not views)."""

    @abc.abstractmethod
    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`: the array then behaves as the saved one."""

    @contextmanager
    def aside(self, seed: int) -> Iterator[None]:
        """Let what happens within leave no trace: it draws from a stream of `seed`, and the state is put back after it.

        So an evaluation, or an age, changes nothing of the training around it, and its own noise does not depend on it.
        """
        state = self.state_dict()
        self._reseed(seed)
        try:
            yield
        finally:
            self.load_state_dict(state)

    @contextmanager
    def compensating(self, how: str) -> Iterator[None]:
        """Let outputs be rescaled for drift whenever time passes within, however the array was made.

        "global": all by one factor, "per-column": each by its own, both the mean |weight| before a time without writes
        over that after it, which hardware gets of a known input, one line of the inputs after the other (`readouts`).

        Raises:
            InputError: it cannot.
        """
        if how != "none":
            raise InputError(f"compensation: got {how!r}; {type(self).__name__} rescales no outputs; allowed: none")
        yield

    def _reseed(self, seed: int) -> None:  # noqa: B027 (an array that draws nothing has no stream)
        """Draw from the stream of `seed` from now on."""

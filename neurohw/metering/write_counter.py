"""Counting what writes do to the cells and lines of an array (the events are those of `array_meter`)."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Tiles, Trains
from neurohw.crossbar.base import OuterProducts, Serial, Writes
from neurohw.metering.expected_pulses import (
    LineByLine,
    Lines,
    expected_trains,
    hidden_gain,
    line_events,
    of_devices,
)
from neurohw.metering.polarities import POLARITIES, Polarities, event_of

ALL_LOOKED_AT = 100  # first updates whose trains are all looked at
SAMPLED_EVERY = 5  # one in so many later ones stands for all: odd, so that of two kinds in turn each has its share


class Count(Protocol):
    """Counts events of the array, or of another component."""

    def __call__(self, event: str, count: float, component: str = "") -> None:
        """Count."""


class Ways(NamedTuple):
    """Of what potentiates, and of what depresses."""

    up: float
    down: float

    @property
    def whole(self) -> float:
        """Of both."""
        return self.up + self.down

    def less(self, others: Ways) -> Ways:
        """Return what is left without others."""
        return Ways(self.up - others.up, self.down - others.down)

    @staticmethod
    def one_by_one(serial: Serial) -> Ways:
        """Return the pulses that a write gave to one cell after the other."""
        return Ways(serial.cell_pulses - serial.cell_falls, serial.cell_falls)


class WriteCounter:
    """Counts pulses of cells and lines, half-selected cells, time slots and drivers' codes of all that is written.

    Args:
        tiles: of the array.
        shape: (n_post, n_pre); cells: weights there are.
        trains: how updates are written; None: not known, so pulses are counted as far as the array itself does.
        code: bits of what a driver gets: the value that a line's train is made from, a cell's change where a line of
            cells is written at once, and each pulse that a cell gets by itself; as of an input's converter.
        count: where they are counted.
    """

    def __init__(
        self, tiles: Tiles, shape: tuple[int, int], cells: int, trains: Trains | None, code: int, count: Count
    ) -> None:
        self._tiles, self._trains, self._code, self._count = tiles, trains, code, count
        self._cells, self._density = cells, cells / (shape[0] * shape[1])
        self._lines = sum(shape)
        self._scratch: dict[torch.Size, Tensor] = {}

    def updated(self, products: OuterProducts, rate: float, writes: Writes, update: int) -> None:
        """Count an update: parallel trains, or products summed digitally and cells written one by one.

        Args:
            products, rate, writes: what was written, and what the array says of it.
            update: how many came before.
        """
        trains = self._trains
        gain = 0.0 if trains is None else rate * products.scale * trains.gain / trains.output_scale
        if trains is not None and trains.driving.fast_gain is not None:
            gain = math.copysign(trains.driving.fast_gain, gain)
        if trains is None or not trains.serial:
            self._count("outer_products", products.batch * len(products.terms))
        if trains is None or gain == 0.0:
            self._pulses(writes)
        elif not trains.serial:
            self._parallel(products, gain, trains, writes, update)
            self._cell_by_cell(Ways.one_by_one(writes.serial))
        else:
            cells = self._cells * len(products.terms)
            self._codes(products.batch * len(products.terms) * self._lines)  # what the products are formed of
            self._count("macs", products.batch * cells, "digital")
            self._count("optimizer_words", trains.driving.words * cells, "digital")
            self._cell_by_cell(self._pulses(writes))
        self._transferred(writes.serial)

    def incremented(self, delta: Tensor, writes: Writes) -> None:
        """Count a change [n_post, n_pre] that is written line by line, the shorter side's lines one at a time.

        All crossbars pulse at the same time, each its own part, whose lines end with it.
        """
        trains = self._trains
        self._count("programmed_cells", int(torch.count_nonzero(delta)))
        if trains is None:
            self._pulses(writes)
        else:
            driving = trains.driving
            step = driving.granularity * trains.output_scale
            parts = [LineByLine.of(delta[rows, columns], step) for rows, columns in self._tiles.blocks()]
            up, down = sum(part.up for part in parts), sum(part.down for part in parts)
            given = self._pulses(writes, up * trains.gain, down * trains.gain)
            alone = (
                given if driving.words else Ways.one_by_one(writes.serial)
            )  # a digital sum pulses cells that are due
            if given.whole > alone.whole:
                self._codes(self._cells)
                lines, cells = sorted(self._tiles.mean_shape)
                for way in POLARITIES:
                    slots, rises, falls = zip(*(part.slots(way, driving.pair) for part in parts), strict=True)
                    selected = Ways(driving.crossbars * sum(rises), driving.crossbars * sum(falls))
                    self._line_by_line(max(slots), selected, given.less(alone), (lines, cells), way)
            self._count("optimizer_words", max(driving.words, trains.increment_words) * self._cells, "digital")
            self._cell_by_cell(alone)

    def programmed(self, weights: Tensor, writes: Writes) -> None:
        """Count weights written and verified, cell by cell."""
        self._count("programmed_cells", self._cells)
        self._cell_by_cell(self._pulses(writes))

    def _parallel(self, products: OuterProducts, gain: float, trains: Trains, writes: Writes, update: int) -> None:
        """Count the trains of all terms, crossbar by crossbar; all crossbars pulse at the same time."""
        self._codes(products.batch * len(products.terms) * sum(self._tiles.mean_shape) * self._tiles.number)
        counted = writes.pulses_up is not None
        weight = SAMPLED_EVERY if counted and update >= ALL_LOOKED_AT else 1
        if update % weight:
            self._pulses(writes)
            return
        known: dict[tuple[int, int], Lines] = {}  # both phases of EP may have the same inputs

        def lines(values: Tensor, part: slice) -> Lines:
            key = id(values), part.start
            if key not in known:
                known[key] = Lines.of(values[:, part], self._scratch)
            return known[key]

        of_tiles = []
        for rows, columns in self._tiles.blocks():
            terms = [(lines(term.post, rows), lines(term.pre, columns)) for term in products.terms]
            own = hidden_gain(terms, gain, trains)
            of_tiles.append([expected_trains(post, pre, own * term.sign, trains)
                             for term, (post, pre) in zip(products.terms, terms, strict=True)])  # fmt: skip
        expected = [list(tiles) for tiles in zip(*of_tiles, strict=True)]  # term by term
        for way in POLARITIES:
            lines_do = line_events(expected, way, trains.driving.crossbars)
            up, down = lines_do.pop("half_selected_up"), lines_do.pop("half_selected_down")
            self._half_selected(weight * up, weight * down, way)
            for event, count in lines_do.items():
                self._count_lines(event, weight * count, way)
        self._count("train_bits", weight * sum(part.bits for parts in expected for part in parts))
        both, net = (trains.driving.crossbars * sum(getattr(part, name) for parts in expected for part in parts)
                     for name in ("coincidences", "net"))  # fmt: skip
        self._pulses(writes, (both + net) / 2, (both - net) / 2)

    def _transferred(self, serial: Serial) -> None:
        """Count the pulses that columns of a hidden array give to those of the visible one; tiles work together.

        So do the crossbars of a weight: of a pair that only potentiates, one takes the rises, the other the falls.
        """
        if not serial.column_pulses:
            return
        pair = self._trains is not None and self._trains.driving.pair
        rows, columns = self._tiles.mean_shape
        self._codes(serial.columns * rows)
        pulses = Ways(serial.column_pulses - serial.column_falls, serial.column_falls)
        together, falling = serial.column_slots, serial.column_slots_falling
        in_turn = Ways(serial.column_slots_in_turn - falling, falling)
        gates = Ways(*(together * given / pulses.whole for given in pulses))  # open for the pulses of both polarities
        slots: dict[Polarities, tuple[int, Ways]] = {
            "together": (together, gates), "in-turn": (serial.column_slots_in_turn, in_turn),
        }  # fmt: skip
        for way in POLARITIES:
            taken, selected = (together, in_turn) if pair else slots[way]
            times = 1 if pair else self._crossbars
            selected = Ways(*(times * lines for lines in selected))
            self._line_by_line(taken / self._tiles.number, selected, pulses, (columns, rows), way)

    def _cell_by_cell(self, pulses: Ways) -> None:
        """Count pulses given to one cell after the other, over its two lines; all others on them are half selected.

        Crossbars that get the same pulses get them at the same time, and so do tiles, each a cell of its own.
        """
        if not pulses.whole:
            return
        self._codes(pulses.whole / self._crossbars)
        others = sum(self._tiles.mean_shape) - 2
        for way in POLARITIES:
            self._half_selected(pulses.up * others, pulses.down * others, way)
            self._count_lines("line_pulses", 2 * pulses.whole, way)
            self._slots(pulses.whole / (self._crossbars * self._tiles.number), way)

    def _line_by_line(
        self, slots: float, selected: Ways, pulses: Ways, shape: tuple[float, float], way: Polarities
    ) -> None:
        """Count pulses given to one line after the other.

        Args:
            slots: of time.
            selected: pulses of the lines that are written one at a time, as weights go.
            pulses: given to cells, by pulses of the lines that cross these.
            shape: (how many lines are written one at a time, cells on each of them).
            way: how lines carry polarities.
        """
        lines, cells = shape
        self._slots(slots, way)
        self._count_lines("line_pulses", selected.whole + pulses.whole, way)
        if self._trains is not None:
            selected = Ways(*of_devices(self._trains.driving, *selected))
        up, down = (max(0.0, of * cells + given * (lines - 2)) for of, given in zip(selected, pulses, strict=True))
        self._half_selected(up, down, way)

    @property
    def _crossbars(self) -> int:
        """Of devices that get the same trains."""
        return 1 if self._trains is None else self._trains.driving.crossbars

    def _codes(self, number: float) -> None:
        """Count codes for drivers of pulses, of a train, of a cell's change or of a pulse, or for digital products."""
        self._count("bits", number * self._code, "buffer")

    def _slots(self, slots: float, way: Polarities) -> None:
        """Count slots of trains that cannot be shorter."""
        self._count_lines("pulse_slots", slots, way)
        self._count_lines("longest_slots", slots, way)

    def _count_lines(self, event: str, count: float, way: Polarities) -> None:
        """Count what lines do."""
        self._count(event_of(event, way), count)

    def _half_selected(self, up: float, down: float, way: Polarities) -> None:
        """Count cells at half the voltage of either polarity: of those along the lines those there are, on average."""
        self._count_lines("half_selected_up", up * self._density, way)
        self._count_lines("half_selected_down", down * self._density, way)

    def _pulses(self, writes: Writes, up: float = 0.0, down: float = 0.0) -> Ways:
        """Count the pulses that the array counted, else those expected, and return how many."""
        if writes.pulses_up is not None and writes.pulses_down is not None:
            up, down = writes.pulses_up, writes.pulses_down
        elif self._trains is not None:
            up, down = of_devices(self._trains.driving, up, down)
        self._count("pulses_up", up)
        self._count("pulses_down", down)
        return Ways(up, down)

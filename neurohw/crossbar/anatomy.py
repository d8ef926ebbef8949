"""What an array says of itself to whoever accounts it: what it is made of, and how it is read and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from neurohw.crossbar.periphery import ReadPath


@dataclass(frozen=True)
class Driving:
    """What a unit cell says of the trains that write it.

    Args:
        granularity: mean step of the cells that take the products, in the device's units.
        crossbars: of devices that get the same trains.
        opposed: every other one of them with the opposite polarity: a pair whose devices go opposite ways.
        pair: a weight is a pair of devices, and pulses of both polarities potentiate, each its own.
        serial: a digital circuit forms the products, and cells are written one by one.
        words: of digital memory that an update reads and writes per cell and term.
        fast_rate: share of a train that a typical sample fills, where products go to a hidden array; None: no such.
        fast_gain: gain of products that go to a hidden array, of any learning rate; None: that of the learning rate.
        chopped: the signs of inputs are flipped at random, so that every sample has both.
    """

    granularity: float
    crossbars: int = 1
    opposed: bool = False
    pair: bool = False
    serial: bool = False
    words: int = 0
    fast_rate: float | None = None
    fast_gain: float | None = None
    chopped: bool = False


@dataclass(frozen=True)
class Trains:
    """How an array writes.

    Args:
        driving: what its cells say of the trains that write them.
        output_scale: weights are the device's times this.
        gain: factor on the learning rate.
        length: most pulses in a train.
        serial: a digital circuit forms the products, and cells are written one by one; otherwise trains run on both
            sides at once.
        increment_words: of digital memory that a digitally computed change reads and writes per cell where it is
            verified, for what is not written yet.
        rounded: a term of an update is rounded to whole steps, and what is left over is lost.
    """

    driving: Driving
    output_scale: float = 1.0
    gain: float = 1.0
    length: int = 31
    serial: bool = False
    increment_words: int = 0
    rounded: bool = False


@dataclass(frozen=True)
class Anatomy:
    """What an array is made of, and how it is read and written.

    Args:
        devices: that make a weight, hidden ones and references included; a mean where lines share some.
        on_line: of them, those that hang on the lines of a read.
        reference: what is subtracted from a device, see `neurohw.crossbar.reference`; None: nothing that has a name.
        read_path: converters of reads; None: reads are digital.
        trains: how updates are written; None: the array does not know.
        counted: what the array returns of a write says how many pulses were given.
        transfers: updates go to hidden cells, so a digitally computed change cannot be written.
    """

    devices: float = 1.0
    on_line: float = 1.0
    reference: str | None = None
    read_path: ReadPath | None = None
    trains: Trains | None = None
    counted: bool = False
    transfers: bool = False


@dataclass(frozen=True)
class Tiles:
    """How an array is cut into crossbars: rows of the grid along n_post, columns along n_pre."""

    rows: tuple[slice, ...]
    columns: tuple[slice, ...]

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.rows) * len(self.columns)

    @property
    def mean_shape(self) -> tuple[float, float]:
        """Outputs and inputs of a tile, on average."""
        return self.rows[-1].stop / len(self.rows), self.columns[-1].stop / len(self.columns)

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Yield (rows, columns) of each crossbar."""
        for rows in self.rows:
            for columns in self.columns:
                yield rows, columns

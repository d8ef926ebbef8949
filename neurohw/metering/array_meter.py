"""Counting what is done to an array: told of every call, a meter records what hardware would have done.

Events, per phase of the clock, under the array's name:
    reads, reads_transposed     vectors presented to either side: batch times `times`
    dac_conversions             vectors x passes x lines x tiles that share a line
    adc_conversions             vectors x passes x outputs x tiles whose partial sums make an output; in transposed
                                reads without the line of biases, which is no neuron's; currents of the devices of a
                                weight are scaled and subtracted before
    read_conductance            siemens: sum over vectors of sum_ij x_i^2 G_ij, x in units of the converter's full scale
                                (see `Side`); while cells learn, G is the mean of looks at them every
                                `SNAPSHOT_UPDATES` updates, before and after; an evaluation looks before it reads
    pulses_up, pulses_down      programming pulses given to devices: the array's own count, else the expected number
    half_selected_up, _down     cells at half the voltage of a potentiating, or depressing, pulse, summed over the slots
                                of the trains, expected: per slot, rows that pulse times columns, plus columns that
                                pulse times rows, less twice coincidences (from the 100th update on, one in five stands
                                for all where pulses are counted)
    pulse_slots                 time slots of the trains, each sample's as many as its largest product needs, expected
                                and sampled likewise (crossbars pulse at the same time)
    longest_slots               the same if no train ended early, sampled likewise
    line_pulses                 pulses on lines of either side and of every tile, expected and sampled likewise
                                (these five twice: where lines carry polarities "together", and in turn, as
                                line_pulses_in_turn ...; see `polarities`)
    train_bits                  random bits of the trains, sampled likewise: one for each line of a tile and slot (which
                                both polarities share)
    outer_products              vectors x terms that the array wrote itself; else they are `macs` under "digital"
    verifying_reads             cells read one by one, to verify them or to look whether they are full
    programmed_cells            cells that `increment` is asked to change, or that `program` verifies
and under "digital": `adds` (digital biases and partial sums of tiles), `macs` and `optimizer_words` of products that
are summed digitally; under "buffer": `bits` (codes to DACs and to drivers of pulses, codes from ADCs),
`interconnect_bits` (outputs to the next layer, partial sums of tiles to where they are added).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.anatomy import Trains
from neurohw.crossbar.base import OuterProducts, Serial, SynapseArray, Writes
from neurohw.metering.ledger import EnergyLedger, Entry
from neurohw.metering.line_drive import Converters, Side
from neurohw.metering.write_counter import WriteCounter

SNAPSHOT_UPDATES = 50  # updates between two looks at the conductances: a hundredth of what 50 updates take
EVALUATION = ("association", "inference")  # phases that read cells as they stand, which are looked at before


@dataclass(frozen=True)
class ArraySettings:
    """What a meter must know beside the array.

    Args:
        converters: of both sides.
        trains: how updates are written; None: not known, so pulses are counted as far as the array itself does.
        bias_adds: digital biases added to every read, one per output, or 0.
        free_reads: of reads in phase "free" that stand for more than so many, the rest belongs to phase "nudged" (one
            read of the held input stands for those of both); None: no such reads.
        integrated: what reads of the inputs give is integrated by neurons where it arrives, and not converted.
        bias_line: the last line of the inputs is always on, and what a transposed read gives on it is not converted.
    """

    converters: Converters = field(default_factory=Converters)
    trains: Trains | None = None
    bias_adds: int = 0
    free_reads: int | None = None
    integrated: bool = False
    bias_line: bool = False

    @classmethod
    def of(cls, array: SynapseArray, **known: Any) -> ArraySettings:
        """Return what an array says of itself, and what else is known, by the names above."""
        anatomy = array.anatomy
        return cls(Converters.of(anatomy.read_path), anatomy.trains, **known)


_Sums = tuple[Tensor, Tensor]  # of either side, or at either moment


class ArrayMeter:
    """Counts what is done to one array, told of every call; never calls anything that draws or changes.

    Args:
        array: what is metered.
        ledger, clock: where it is counted, and the phase it is counted under.
        name: the component, "W1", "W2", ...
        settings: see `ArraySettings`.
    """

    def __init__(
        self, array: SynapseArray, ledger: EnergyLedger, clock: Clock, name: str, settings: ArraySettings
    ) -> None:
        self.name, self.settings, self.shape = name, settings, array.shape
        self.tiles = array.tiles
        self._array, self._ledger, self._clock = array, ledger, clock
        self._sums, self._hidden = self._look()
        weighs = self._sums is not None
        n_post, n_pre = array.shape
        self._forward = Side(n_pre, self.tiles.columns, settings.converters, False, weighs, array.device)
        self._backward = Side(n_post, self.tiles.rows, settings.converters, True, weighs, array.device)
        self.updates, self._written = 0, False  # written since the last time that passed
        self._moved = False  # since the cells were looked at
        code = settings.converters.codes[0]
        self._writes = WriteCounter(self.tiles, array.shape, array.n_cells, settings.trains, code, self._count)
        self._readouts = array.readouts
        ledger.attach(self)

    @property
    def weighs(self) -> bool:
        """Whether the conductances are known."""
        return self._sums is not None

    def reads(self, pre: Tensor, times: int) -> None:
        """A read of [B, n_pre]."""
        self._evaluate()
        phase, free = self._clock.phase, self.settings.free_reads
        if phase == "free" and free is not None and times > free:
            self._forward.present(pre, free, phase)
            self._forward.present(pre, times - free, "nudged")
        else:
            self._forward.present(pre, times, phase)

    def reads_transposed(self, post: Tensor, times: int) -> None:
        """A transposed read of [B, n_post]."""
        self._evaluate()
        self._backward.present(post, times, self._clock.phase)

    def read_rows(self, rows: Tensor) -> None:
        """Weights of outputs [R], read one after the other by driving a line, each multiplied digitally."""
        number, n_pre = len(rows), self.shape[1]
        self._count("reads_transposed", number)
        siemens = 0.0 if self._sums is None else float(self._sums[1][rows].sum())
        self._converted(number * len(self.tiles.columns), number * n_pre, siemens)
        self._count("macs", number * n_pre, "digital")

    def shrunk(self, delta: Tensor, writes: Writes) -> None:
        """The decay of an update, written as a change [n_post, n_pre]; the rest of the update follows."""
        self._writes.incremented(delta, writes)
        self._read_one_by_one(writes.serial)

    def replays(self) -> None:
        """A recorded relaxation may follow: what it reads belongs to the present phase."""
        self._evaluate()
        self._forward.claim(self._clock.phase)
        self._backward.claim(self._clock.phase)

    def updated(self, products: OuterProducts, rate: float, writes: Writes) -> None:
        """An update: parallel trains, or products summed digitally and cells written one by one."""
        self._writes.updated(products, rate, writes, self.updates)
        self._changed(writes.serial)

    def incremented(self, delta: Tensor, writes: Writes) -> None:
        """A digitally computed change [n_post, n_pre]."""
        self._writes.incremented(delta, writes)
        self._changed(writes.serial)

    def programmed(self, weights: Tensor, writes: Writes) -> None:
        """Weights written and verified, cell by cell."""
        self._writes.programmed(weights, writes)
        self._changed(writes.serial)
        self._settle()

    def aged(self, seconds: float) -> None:
        """Time passed; cells that age without being written are looked at anew, compensated ones have been read."""
        before, self._readouts = self._readouts, self._array.readouts
        if times := self._readouts - before:
            with self._clock.during("update" if self._written else self._clock.phase):
                self._columns_read(times * self.tiles.mean_shape[1], self._a_column)
        self._moved |= seconds > 0
        if seconds and not self._written:
            self._settle()
        self._written = False

    def entries(self) -> Iterator[Entry]:
        """Return what reads imply, phase by phase."""
        forward, backward = self._weights(self._look()[0], learning=True) if self._moved else self._weights(self._sums)
        tiles = (len(self.tiles.rows), len(self.tiles.columns))
        yield from self._of_reads(self._forward, "reads", tiles, self.settings.bias_adds, forward)
        yield from self._of_reads(self._backward, "reads_transposed", tiles[::-1], 0, backward)

    def _of_reads(
        self, side: Side, event: str, tiles: tuple[int, int], bias_adds: int, sums: _Sums | None
    ) -> Iterator[Entry]:
        """Yield what one side's vectors imply; tiles: (how many share an input line, how many make up an output)."""
        converters, outputs = self.settings.converters, sum(self.shape) - side.lines
        sharing, parts = tiles
        if self.settings.integrated and side is self._forward:
            outputs = 0
        if self.settings.bias_line and side is self._backward:  # its cells conduct, as the line stands where all do
            outputs -= 1
        for phase, vectors in side.counted().items():
            inputs, converted = vectors * side.lines * sharing, vectors * outputs * parts * converters.passes
            yield self.name, phase, event, vectors
            yield self.name, phase, "dac_conversions", inputs * converters.passes
            yield self.name, phase, "adc_conversions", converted
            yield "digital", phase, "adds", vectors * (outputs * (parts - 1) + bias_adds)
            yield "buffer", phase, "bits", inputs * converters.codes[0] + converted * converters.codes[1]
            moved = vectors * outputs * (1 + (parts if parts > 1 else 0))
            yield "buffer", phase, "interconnect_bits", moved * converters.codes[1]
        for phase, siemens in side.conductance(sums, EVALUATION).items():
            yield self.name, phase, "read_conductance", siemens

    def state_dict(self) -> dict[str, Any]:
        """Return both sides, the conductances looked at last, and when that was."""
        sums = {} if self._sums is None else {"pre": self._sums[0].clone(), "post": self._sums[1].clone()}
        sides = {"forward": self._forward.state_dict(), "backward": self._backward.state_dict()}
        return {**sides, "sums": sums, "hidden": self._hidden, "updates": self.updates, "written": self._written,
                "moved": self._moved}  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self._forward.load_state_dict(state["forward"])
        self._backward.load_state_dict(state["backward"])
        if self._sums is not None:
            device = self._sums[0].device
            self._sums = state["sums"]["pre"].to(device), state["sums"]["post"].to(device)
        self._readouts = self._array.readouts
        self._hidden, self.updates, self._written = state["hidden"], state["updates"], state["written"]
        self._moved = state.get("moved", True)

    def _read_one_by_one(self, serial: Serial) -> None:
        """Count cells that a write reads one after the other, and columns of a hidden array that it sums up."""
        if serial.columns:
            self._columns_read(serial.columns / self.tiles.number, self._hidden)
            self._count("optimizer_words", 2 * serial.columns * self.tiles.mean_shape[0], "digital")
        if serial.readings:
            self._count("verifying_reads", serial.readings)
            self._count("adds", serial.readings, "digital")  # what is read less what is wanted
            of_a_weight = self._a_column / self.tiles.mean_shape[0]
            weights = serial.readings - serial.half_readings / 2
            self._converted(serial.readings, serial.readings, weights * of_a_weight)

    def _columns_read(self, columns: float, siemens: float) -> None:
        """Count columns of all tiles, read one by one by driving a line; siemens: of a column of a tile."""
        in_all = columns * self.tiles.number
        self._count("reads", columns)
        self._converted(in_all, in_all * self.tiles.mean_shape[0], in_all * siemens)

    def _converted(self, inputs: float, outputs: float, siemens: float) -> None:
        code_in, code_out = self.settings.converters.codes
        self._count("dac_conversions", inputs)
        self._count("adc_conversions", outputs)
        self._count("bits", inputs * code_in + outputs * code_out, "buffer")
        if self.weighs:
            self._count("read_conductance", siemens)

    @property
    def _a_column(self) -> float:
        """Conductance of a column of a tile, siemens, on average."""
        return float(self._sums[0].mean()) / len(self.tiles.rows) if self._sums is not None else 0.0

    def _count(self, event: str, count: float, component: str = "") -> None:
        self._ledger.record(component or self.name, self._clock.phase, event, count)

    def _changed(self, serial: Serial) -> None:
        self._read_one_by_one(serial)
        self.updates, self._written, self._moved = self.updates + 1, True, True
        if self.updates % SNAPSHOT_UPDATES == 0:
            self._settle(learning=True)

    def _evaluate(self) -> None:
        """Look at the cells before an evaluation reads them, if they have moved."""
        if self._moved and self._clock.phase in EVALUATION:
            self._settle(learning=True)

    def _settle(self, learning: bool = False) -> None:
        """Look at the conductances as they are now, and weigh what was read with them and those looked at before.

        Args:
            learning: cells went from one to the other while they learnt, so that what training read has the mean of
                both (the trapezoidal rule); else all was read before they moved.
        """
        self._moved = False
        if self._sums is not None:
            now, self._hidden = self._look()
            for side, sums in zip((self._forward, self._backward), self._weights(now, learning), strict=True):
                assert sums is not None
                side.settle(sums, EVALUATION)
            self._sums = now

    def _weights(self, now: _Sums | None, learning: bool = False) -> tuple[_Sums | None, _Sums | None]:
        """Return the conductances that evaluations and training have read since the last look, of either side."""
        if self._sums is None or now is None:
            return None, None
        forward, backward = (
            (old, (old + new) / 2 if learning else old) for old, new in zip(self._sums, now, strict=True)
        )
        return forward, backward

    def _look(self) -> tuple[_Sums | None, float]:
        """Return the conductance on each line now, and of a column of a remedy's hidden cells on average, siemens."""
        sums = self._array.line_conductances()
        hidden = self._array.hidden_conductance() / (len(self.tiles.rows) * self.shape[1])
        return None if sums is None else (sums[0].double(), sums[1].double()), hidden

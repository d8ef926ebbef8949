"""What is presented to one side of a crossbar: how many vectors, and how strongly they drive each line."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurohw.crossbar.periphery import ReadPath

_LEAST = 1e-30  # full scale of zeros
_MOST = 1e30  # of a square
UNQUANTISED_BITS = 8  # of a code where the run's converters are ideal


@dataclass(frozen=True)
class Converters:
    """The periphery of a read, as far as counting needs it.

    Args:
        dac_bits, adc_bits: of the converters; None: not quantised.
        bound: full scale of the input converter; inf: none, inputs are clipped to 1 where their power is counted.
        coding: "amplitude", "pulse-width" or "bit-serial".
        signed_passes: positive and negative inputs are read one after the other.
        input_scale: each "vector" is scaled by itself, or a "batch" by one factor.
    """

    dac_bits: int | None = None
    adc_bits: int | None = None
    bound: float = math.inf
    coding: str = "amplitude"
    signed_passes: bool = False
    input_scale: str = "vector"

    @classmethod
    def of(cls, path: ReadPath | None) -> Converters:
        """Return those of a read path; None: reads are digital."""
        if path is None:
            return cls()
        return cls(path.dac_bits, path.adc_bits, path.input_bound, path.coding, path.signed_passes, path.input_scale)

    @property
    def passes(self) -> int:
        """Reads, and conversions of every output, for one vector."""
        serial = self.dac_bits - 1 if self.coding == "bit-serial" and self.dac_bits is not None else 1
        return serial * (2 if self.signed_passes else 1)

    @property
    def codes(self) -> tuple[int, int]:
        """Bits of an input's and of an output's code; 8 where nothing is quantised."""
        return self.dac_bits or UNQUANTISED_BITS, self.adc_bits or UNQUANTISED_BITS


class Side:
    """Vectors presented per phase, and their drive of each line: sum_b x_bi^2 times, x in units of full scale.

    With pulse-width coding a line is at full voltage for a share |x| of the read, so |x| stands for x^2; with
    bit-serial coding the number of ones in the code does. On a GPU the reads of a recorded graph add to tensors that
    every replay adds to again; what a graph added belongs to the phase in which its arrays were last asked for their
    `sources` (see `neurohw.networks.capture`).

    Args:
        lines: number of input lines; parts: the tiles' shares of them, each scaled by itself.
        converters: of this side; scaled: whether all is scaled to full scale, or only what exceeds it.
        weighs: whether the drive of the lines is wanted.
        device: of the inputs.
    """

    def __init__(
        self,
        lines: int,
        parts: Sequence[slice],
        converters: Converters,
        scaled: bool,
        weighs: bool,
        device: torch.device,
    ) -> None:
        self.lines = lines
        self.vectors: dict[str, float] = {}
        self.settled: dict[str, float] = {}  # siemens, of drives that were weighed with former conductances
        self._parts, self._converters, self._scaled, self._weighs = list(parts), converters, scaled, weighs
        self._device = device
        self._drives: dict[str, Tensor] = {}
        self._replays = _Replays(lines, device) if device.type == "cuda" else None

    def present(self, inputs: Tensor, times: int, phase: str) -> None:
        """Count vectors [B, lines], each presented `times` times."""
        if not inputs.shape[-2]:
            return
        drive = None
        if self._replays is not None and (mode := stream_mode()) != "plain":
            if mode == "warming":  # of a recording: its result is thrown away, and hardware never read it
                return
            self._replays.vectors.add_(inputs.shape[-2] * times)
            drive = self._replays.drive
        else:
            self.vectors[phase] = self.vectors.get(phase, 0.0) + inputs.shape[-2] * times
        if self._weighs:
            drive = self._drive(phase) if drive is None else drive
            for part in self._parts:
                self._add(drive[part], inputs[:, part], times)

    def claim(self, phase: str) -> None:
        """Credit what replays added to the phase of the last claim; what they add from now on belongs to `phase`."""
        if self._replays is not None:
            former, vectors, drive = self._replays.take(phase)
            if former is not None:
                self._replays.credit(former, vectors)
                self._drive(former).add_(drive)

    def settle(self, sums: tuple[Tensor, Tensor], at_once: Collection[str]) -> None:
        """Weigh the drives since the last settling for good; see `conductance`."""
        self.settled = self.conductance(sums, at_once)
        for drive in self._drives.values():
            drive.zero_()

    def conductance(self, sums: tuple[Tensor, Tensor] | None, at_once: Collection[str]) -> dict[str, float]:
        """Return sum_b sum_i x_bi^2 sums_i per phase, siemens, settled or not.

        Args:
            sums: conductance on each line, [lines], siemens, as it was at the last settling, when the phases `at_once`
                read, and as it has been since, on average; None: not known.
            at_once: names of phases.
        """
        self._collect()
        total = dict(self.settled)
        if sums is not None:
            for phase, drive in self._drives.items():
                total[phase] = total.get(phase, 0.0) + float(drive @ sums[phase not in at_once])
        return total

    def counted(self) -> dict[str, float]:
        """Return vectors per phase, those of replays included."""
        self._collect()
        total = dict(self.vectors)
        if self._replays is None:
            return total
        for phase, vectors in self._replays.credited.items():
            total[phase] = total.get(phase, 0.0) + float(vectors)
        return total

    def state_dict(self) -> dict[str, Any]:
        """Return vectors, settled siemens and drives per phase."""
        vectors = self.counted()
        drives = {phase: drive.clone() for phase, drive in self._drives.items()}
        return {"vectors": vectors, "settled": dict(self.settled), "drives": drives}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`."""
        self.vectors, self.settled = dict(state["vectors"]), dict(state["settled"])
        self._drives = {phase: drive.to(self._device, copy=True) for phase, drive in state["drives"].items()}
        if self._replays is not None:
            self._replays.clear()

    def _collect(self) -> None:
        if self._replays is not None and self._replays.phase is not None:
            self.claim(self._replays.phase)

    def _drive(self, phase: str) -> Tensor:
        if phase not in self._drives:
            self._drives[phase] = torch.zeros(self.lines, dtype=torch.float64, device=self._device)
        return self._drives[phase]

    def _add(self, drive: Tensor, inputs: Tensor, times: int) -> None:
        """drive_i += times sum_b x_bi^2 (amplitude), |x_bi| (width) or ones in the code of x_bi (bit by bit)."""
        coding, bound = self._converters.coding, self._converters.bound
        if coding == "amplitude" and self._device.type == "cpu" and not math.isinf(bound):
            x = inputs.numpy()  # its calls take half of torch's time on arrays of this size
            axis = 1 if self._converters.input_scale == "vector" else None
            with np.errstate(over="ignore"):
                squares = np.square(x)
            largest = squares.max(axis)
            beyond = not largest.max() < _MOST or (self._scaled and largest.min() < 1 / _MOST)  # of float32
            if beyond:
                squares = np.square(x / np.abs(x).max(axis, keepdims=True).clip(_LEAST if self._scaled else bound))
                largest, bound = squares.max(axis), 1.0
            weights = times / np.maximum(largest, _LEAST if self._scaled else bound**2)
            into = drive.numpy()
            into += weights @ squares if axis else squares.sum(0) * weights
            return
        # no number leaves a GPU
        shares = (inputs if math.isinf(bound) else inputs / self._full_scale(inputs)).abs().clamp_(max=1.0)
        if coding == "bit-serial":
            shares = _ones_in_codes(shares, self._converters.dac_bits or 2)
        drive.add_((shares.square() if coding == "amplitude" else shares).sum(0), alpha=times)

    def _full_scale(self, inputs: Tensor) -> Tensor:
        """Return the input that meets the converter's bound, as the read path scales vectors, or the batch."""
        largest = inputs.abs()
        largest = largest.amax(1, keepdim=True) if self._converters.input_scale == "vector" else largest.amax()
        return largest.clamp_(min=_LEAST if self._scaled else self._converters.bound)


class _Replays:
    """What recorded graphs add, on the GPU: since the last claim, and credited to phases."""

    def __init__(self, lines: int, device: torch.device) -> None:
        self.phase: str | None = None
        self.vectors = torch.zeros((), dtype=torch.float64, device=device)
        self.drive = torch.zeros(lines, dtype=torch.float64, device=device)
        self.credited: dict[str, Tensor] = {}

    def take(self, phase: str) -> tuple[str | None, Tensor, Tensor]:
        former, self.phase = self.phase, phase
        taken = former, self.vectors.clone(), self.drive.clone()
        self.vectors.zero_()
        self.drive.zero_()
        return taken

    def credit(self, phase: str, vectors: Tensor) -> None:
        self.credited[phase] = self.credited[phase] + vectors if phase in self.credited else vectors

    def clear(self) -> None:
        self.vectors.zero_()
        self.drive.zero_()
        self.credited = {}


def stream_mode() -> str:
    """Return what becomes of the GPU's work: "plain", "recording" a graph, or "warming" up for one on a side stream."""
    if torch.cuda.is_current_stream_capturing():
        return "recording"
    return "plain" if torch.cuda.current_stream() == torch.cuda.default_stream() else "warming"


def _ones_in_codes(shares: Tensor, bits: int) -> Tensor:
    """Return the number of ones in each share's code of `bits` - 1 binary places (sign apart)."""
    left = (shares * (2 ** (bits - 1) - 1)).round_()
    total = torch.zeros_like(left)
    for _ in range(bits - 1):
        digit = left.remainder(2)
        total += digit
        left = (left - digit).mul_(0.5)
    return total

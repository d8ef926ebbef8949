"""The analog array: our own seeded, vectorised crossbar, on CPU or GPU, equal in distribution to aihwkit's tiles.

Everything random comes from one generator per array, so a run replays to the last bit on the same kind of device and
with the same number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.anatomy import Anatomy, Trains
from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes, require_finite
from neurohw.crossbar.cells import CellBank
from neurohw.crossbar.compensation import DriftCompensation
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.faults import device_maps
from neurohw.crossbar.periphery import PulseScheme, ReadPath, output_scale
from neurohw.crossbar.precision import converted_dtype
from neurohw.crossbar.reading import Reader
from neurohw.crossbar.reference import ReferenceBank, References, chosen_reference
from neurohw.crossbar.remedies import CELLS, WRITINGS, Remedy
from neurohw.crossbar.spec import ArraySpec
from neurohw.crossbar.standing import Standing
from neurohw.crossbar.unit_cells import Parts, UnitCell, build_cells
from neurohw.crossbar.wires import wires_of
from neurohw.devices.laws import SoftBounds
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError, NeurohwError

_VERIFIED = 10  # reads of an increment that is verified; what they leave wrong is asked for with the next one


class AnalogArray(SynapseArray):
    """A crossbar of analog devices.

    Initial weights are copied exactly, clipped to each cell's bounds; where writes are noisy, with that noise, which is
    drawn anew whenever time changes the weights. Inputs of `read` within the DAC's bound are converted as they are; a
    vector with a larger one is scaled down to it digitally, and its output up again. Inputs of `read_transposed` are
    always scaled so that each vector's largest meets the bound, since errors may be tiny.

    Args:
        weights: [n_post, n_pre] initial weights.
        device: what the cells are; None: aihwkit's default soft bounds.
        remedy: how a device makes a weight and how it is written, or the one name of both.
        read_path: converters and noise of `read`, and of the reads inside remedies.
        generator: every draw; the same state gives the same array and the same run.
        settings: more of `ArraySpec.of`, of which those below work on this array only.
        increments: how `increment` writes: "open-loop", or "verified": read exactly and corrected, up to 10 times; what
            the device's steps leave of it is kept in a digital word per weight and asked for with the next change. A
            cell's target is thus the last one plus the changes since, until the cell ages: drift and decay are not
            corrected, the next target starts from the weight as it is then read.
        compensation: of drift, "none", "global" or "per-column": outputs are rescaled digitally, after every time
            without writes by the mean |weight| before it over that after it. The factor stays until all cells are
            programmed anew; updates are divided by it, so that a weight moves as it is asked to.
        fault_map: which devices are broken, see `device_maps`; those of no map as the device's rates say.
        absent: weights without devices, [n_post, n_pre]; those of a pair, or with an array of references, miss these as
            well.
        reference: what is subtracted from a device, see `neurohw.crossbar.reference`; None: what suits the device.
        precision: of the products of reads, "float32" or "bfloat16", in which weights are rounded to 8 significant bits
            and y is off by 2^-9 sum_i |w_i x_i| and a quarter step of the ADC at most; "auto": bfloat16 where the
            processor multiplies it faster and the converters allow it, see `converted_dtype`.

    Raises:
        InputError: an unknown name, or a device that the remedy cannot use.
        Diverged: an initial weight is not finite.
    """

    keeps_layout = True

    def __init__(
        self,
        weights: Tensor,
        device: DevicePopulation | DeviceModel | str | None = None,
        remedy: str | Remedy = "none",
        read_path: ReadPath | None = None,
        *,
        generator: torch.Generator | None = None,
        **settings: Any,
    ) -> None:
        device = device or DevicePopulation(SoftBounds())
        spec = ArraySpec.of("analog", device=device, remedy=remedy, read_path=read_path, **settings)
        device = load_device(device) if isinstance(device, str) else device
        device = DevicePopulation.of(device) if isinstance(device, DeviceModel) else device
        self.remedy = spec.remedy.for_devices(device.sided)
        wires = wires_of(spec.wire_resistance)
        paired = CELLS[self.remedy.cell].paired
        self.reference = chosen_reference(spec.reference, device.signed, wires is not None, paired)
        device = replace(device, signed=self.reference == "none")  # the devices of a pair are conductances
        self.shape = (weights.shape[0], weights.shape[1])
        self._generator = generator if generator is not None else torch.Generator().manual_seed(0)
        self.dtype, self.device = torch.float32, self._generator.device
        self._pulses = spec.pulses or PulseScheme()
        self._scale = output_scale(spec.weight_range, device.response.w_max)
        absent = None if spec.absent is None else spec.absent.to(self.device)
        self.present = None if absent is None else ~absent
        self._set_up_reads(spec, device)

        def new_bank(initial: Tensor) -> CellBank:
            return CellBank(initial, device, self._generator, wires, spec.programmed)

        require_finite("an array", weights)
        cells = weights.detach().to(self.device, torch.float32) / self._scale
        cells = cells if absent is None else cells.masked_fill(absent, 0.0)
        references = References(self.reference, device, self._generator, wires)
        parts = Parts(new_bank, references, cells, self._generator, self._read_columns, device.sided)
        self.cells = build_cells(self.remedy, parts)
        clipped = self.cells.clipped() if absent is None else self.cells.clipped() & ~absent
        self.clipped = float(clipped.sum()) / max(1, self.n_cells)
        shapes = {name: bank.shape for name, bank in self.cells.banks.items()}
        self.cells.fail(device_maps({} if spec.fault_map is None else spec.fault_map, shapes))
        if absent is not None:
            _refuse_common(self.reference)
            self.cells.leave_out(absent)
        if spec.increments not in ("open-loop", "verified"):
            raise InputError(f"increments: got {spec.increments!r}; allowed: open-loop, verified")
        self._remainder = torch.zeros_like(cells) if spec.increments == "verified" else None  # not written yet

    def _set_up_reads(self, spec: ArraySpec, device: DevicePopulation) -> None:
        """Make the periphery of both sides, the compensation of drift, and what reads hold between two changes."""
        path = spec.read_path or ReadPath()
        self._relative = path.relative_noise
        if spec.backward is not None and spec.backward.relative_noise not in (0.0, self._relative):
            raise InputError(
                f"backward.relative_noise: got {spec.backward.relative_noise}; allowed: {self._relative}, that of "
                "read_path: it is the cells' own, whichever side is read"
            )
        forward = path.with_device_noise(device.constant_noise)
        transposed = (spec.backward or path).with_device_noise(device.constant_noise)
        self._forward = Reader(forward, self.shape[0], self._generator, scaled=False)
        self._backward = Reader(transposed, self.shape[1], self._generator, scaled=True)
        self._graded = bool(self._relative or (device.read_noise and device.read_noise_scale))
        self._flickers = device.retention.read_noise_1f > 0
        self.product_dtype = converted_dtype(spec.precision, (forward, transposed), self.device)
        self.exact = forward.is_perfect and transposed.is_perfect and not (self._flickers or self._graded)
        self._compensation = DriftCompensation(
            spec.compensation, self.shape[0], self.device, lambda: self.cells.weights()
        )
        self._matrix: Tensor | None = None  # W^T as it is read now, and each cell's variance: renewed after changes
        self._variance: Tensor | None = None
        self._power: float | Tensor = 1.0  # of the cells' constant noise, likewise
        self._turned: Tensor | None = None  # W^T as transposed reads see it, where that is not the same
        self._common: tuple[Tensor | None, Tensor | None] = None, None  # variances of the reference's own, see `Reader`
        self._columns: Tensor | None = None  # a copy of W^T in its own order, made when a relaxation reads it
        self._held: dict[str, Tensor] | None = {} if self.device.type == "cuda" else None  # their memory, if it stays

    @classmethod
    def build(cls, weights: Tensor, spec: ArraySpec, seed: int) -> AnalogArray:
        """Return the crossbar that is asked for, where the weights are."""
        generator = torch.Generator(weights.device).manual_seed(seed)
        return cls(weights, generator=generator, **spec.given())

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return W pre through DAC, noise and ADC, [B, n_post]."""
        matrix, variance = self._as_read()
        out = self._forward(pre.to(torch.float32), matrix, variance, self._scale, self._power, self._common[0])
        self._pass_reads(times)
        return self._compensation.outputs(out)

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return W^T post from the same cells, each vector scaled to the DAC's range, [B, n_pre]."""
        matrix, variance = self._as_read()
        matrix = matrix if self._turned is None else self._turned
        post = self._compensation.outputs(post.to(torch.float32))
        if not post.is_contiguous():
            matrix = self._columns = matrix.contiguous() if self._columns is None else self._columns
        transposed = None if variance is None else variance.t()
        power = self._power.t() if isinstance(self._power, Tensor) else self._power
        out = self._backward(post, matrix.t(), transposed, self._scale, power, self._common[1])
        self._pass_reads(times)
        return out

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Pulse W += rate * products, sample after sample.

        Raises:
            Diverged: a factor is not finite.
        """
        gain = rate * products.scale / self._scale
        require_finite("an update", torch.tensor(gain), *(side for t in products.terms for side in (t.post, t.pre)))
        if gain == 0.0 or not products.batch:
            return Writes(0, 0)
        shrunk = self._shrink(products, rate)
        self._changed()
        if self._compensation.active:
            terms = (replace(term, post=self._compensation.asked(term.post)) for term in products.terms)
            products = OuterProducts(tuple(terms), products.scale)
        return shrunk + self.cells.write(products, gain, self._pulses)

    def increment(self, delta: Tensor) -> Writes:
        """Pulse a digitally computed dW open-loop, or verify and correct it.

        Raises:
            NeurohwError: the remedy updates a hidden array.
            Diverged: a change is not finite.
        """
        if WRITINGS[self.remedy.writing].transfers:
            raise NeurohwError(
                f"remedy {self.remedy.name!r} writes its updates to a hidden array, so a digitally computed change "
                "cannot be pulsed into the weights: use another remedy with a digital optimizer"
            )
        require_finite("an increment", delta)
        self._changed()
        wanted = delta.to(self.device, torch.float32) / self._scale
        wanted = self._compensation.asked(wanted.t()).t()
        if self._remainder is None:
            return self.cells.increment(wanted)
        target = self.cells.bounded(self.cells.weights() + self._remainder + wanted)
        writes = self.cells.program(target, rounds=_VERIFIED)
        torch.sub(target, self.cells.weights(), out=self._remainder)
        return writes

    def program(self, weights: Tensor) -> Writes:
        """Write and verify every cell, until its next pulse would leave it farther off; at most 100 reads.

        The verifying read is exact. What increments and updates have left over is forgotten: hidden arrays are
        programmed to 0.

        Raises:
            Diverged: a weight is not finite.
        """
        require_finite("programming", weights)
        self._changed()
        self._compensation.reset()
        if self._remainder is not None:
            self._remainder.zero_()
        return self.cells.program(weights.to(self.device, torch.float32) / self._scale) + self.cells.empty()

    def elapse(self, seconds: float) -> None:
        """Let time pass over every device; compensate the drift of a time without writes if asked to.

        Raises:
            InputError: time that is negative or no number.
        """
        if seconds == 0.0:
            return
        if not 0.0 < seconds < math.inf:
            raise InputError(f"elapse: got {seconds!r} s; allowed: a finite time of at least 0 s")
        self._compensation.before_time()
        self.cells.elapse(seconds)
        self._matrix = None
        self._compensation.after_time()

    @contextmanager
    def compensating(self, how: str) -> Iterator[None]:
        """Rescale outputs for drift within; "none": by the factor that there is already, which stays as it is.

        Raises:
            InputError: no such compensation, or another one than the array has used so far.
        """
        with self._compensation.as_asked(how):
            yield

    def snapshot(self) -> Tensor:
        """Return the weights now, output scale and drift compensation included, [n_post, n_pre]."""
        return self._compensation.seen(self.cells.weights() * self._scale)

    def writes(self) -> dict[str, Tensor]:
        """Return the pulses that each device has got, [n_post, n_pre] per crossbar of devices that are pulsed."""
        banks = self.cells.banks.items()
        return {name: bank.pulses.clone() for name, bank in banks if not isinstance(bank, ReferenceBank)}

    def standing(self) -> Standing:
        """Return how the cells stand, and what both sides' converters made of outputs."""
        return Standing(
            self.cells.at_bound(), self.cells.pulsed(), self._forward.converted(), self._backward.converted()
        )

    def ageing_weights(self) -> Tensor | None:
        """Return the weights as they have aged, output scale included; None where time moves no cell."""
        aged = self.cells.aged()
        return None if aged is None else aged * self._scale

    def conductances(self) -> dict[str, Tensor]:
        """Return every device's conductance now, siemens, [n_post, n_pre] per crossbar of devices."""
        return self.cells.conductances()

    def line_conductances(self) -> tuple[Tensor, Tensor]:
        """Return what a read drives on each line, see `UnitCell`."""
        return self.cells.line_conductances()

    def hidden_conductance(self) -> float:
        """Return that of a transfer remedy's fast array, siemens, in all."""
        return self.cells.hidden_conductance()

    @property
    def readouts(self) -> float:
        """How often all cells have been read to compensate drift."""
        return self._compensation.readouts

    @property
    def anatomy(self) -> Anatomy:
        """What the cells say of themselves; deterministic pulses are counted out by a digital circuit."""
        driving = self.cells.driving
        trains = Trains(
            driving,
            output_scale=self._scale,
            length=self._pulses.length,
            serial=driving.serial or self._pulses.kind == "deterministic",
            increment_words=0 if self._remainder is None else 2,
            rounded=self._pulses.kind == "deterministic" and self.remedy.writing == "pulses",
        )
        return Anatomy(
            self.cells.devices,
            self.cells.on_line,
            self.reference,
            self._forward.path,
            trains,
            True,
            WRITINGS[self.remedy.writing].transfers,
        )

    def state_dict(self) -> StateDict:
        """Return the cells, the periphery's fixed errors, the compensation and the generator."""
        state = {f"cells.{name}": tensor for name, tensor in self.cells.state_dict().items()}
        state |= {f"forward.{name}": tensor for name, tensor in self._forward.state_dict().items()}
        state |= {f"backward.{name}": tensor for name, tensor in self._backward.state_dict().items()}
        state |= self._compensation.state_dict() | {"generator": self._generator.get_state()}
        return state if self._remainder is None else state | {"remainder": self._remainder.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`: the array goes on to the last bit as the saved one would have.

        On another type of device than that of the saved one its draws begin anew: a CPU cannot go on with a GPU's.
        """

        def part(prefix: str) -> StateDict:
            return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

        self.cells.load_state_dict(part("cells."))
        self._forward.load_state_dict(part("forward."))
        self._backward.load_state_dict(part("backward."))
        self._compensation.load_state_dict(state)
        if self._remainder is not None:
            self._remainder.copy_(state["remainder"])
        drawn = state["generator"].cpu()
        if len(drawn) == len(self._generator.get_state()):
            self._generator.set_state(drawn)
        self._matrix = None

    def _reseed(self, seed: int) -> None:
        self._generator.manual_seed(seed)

    def _as_read(self) -> tuple[Tensor, Tensor | None]:
        """Return W^T [n_pre, n_post] and the variance of each cell's noise, as they are until something changes."""
        if self._matrix is None:
            self._columns = None
            self._matrix = self._in_place("matrix", self.cells.weights().to(self.product_dtype).t())
            variance = self._variance_of(self.cells)
            self._variance = None if variance is None else self._in_place("variance", variance)
            power = self._power_of(self.cells)
            self._power = self._in_place("power", power) if isinstance(power, Tensor) else power
            if self.cells.lines is not None:
                turned = self.cells.weights(transposed=True).to(self.product_dtype)
                self._turned = self._in_place("turned", turned.t())
                before, behind = (self._common_variance(self.cells, transposed) for transposed in (False, True))
                self._common = self._in_place("common", before), self._in_place("common, transposed", behind)
        return self._matrix, self._variance

    def _in_place(self, name: str, value: Tensor) -> Tensor:
        """Return the value; on a GPU always in the same memory, which recorded reads go on reading."""
        if self._held is None:
            return value
        return self._held.setdefault(name, torch.empty_like(value)).copy_(value)

    def sources(self) -> tuple[list[Tensor], list[torch.Generator]] | None:
        """Return the tensors that reads take from, brought up to date, and the generator of their noise.

        None where the time of a read changes cells, which no recording can do.
        """
        if self._flickers:
            return None
        matrix, variance = self._as_read()
        tensors = [matrix, self._compensation.factor, *self._forward.errors, *self._backward.errors]
        beside = (variance, self._power, self._turned, *self._common)
        return [*tensors, *(tensor for tensor in beside if isinstance(tensor, Tensor))], [self._generator]

    def _changed(self) -> None:
        """Forget what writes are about to change; a time without writes ends."""
        self._matrix = None
        self._compensation.end_time()

    def _variance_of(self, cells: UnitCell) -> Tensor | None:
        """Return the variance of the weights' noise beyond the constant one, [n_pre, n_post]; None if there is none."""
        return cells.read_variance(self._relative).t() if self._graded else None

    def _power_of(self, cells: UnitCell) -> float | Tensor:
        """Return `UnitCell.noise_power`, of each weight [n_pre, n_post]."""
        power = cells.noise_power
        return power.t() if isinstance(power, Tensor) else power

    def _common_variance(self, cells: UnitCell, transposed: bool) -> Tensor:
        """Return the variance that a reference column or row adds to all outputs alike, per input."""
        assert cells.lines is not None
        reader = self._backward if transposed else self._forward
        return cells.lines.variance(reader.path.weight_noise, self._relative, transposed)

    def _read_columns(self, cells: UnitCell, lines: Tensor) -> Tensor:
        common = None if cells.lines is None else self._common_variance(cells, False)
        variance = self._variance_of(cells)
        out = self._forward(lines, cells.weights().t(), variance, devices=self._power_of(cells), common=common)
        self._pass_reads(len(lines))
        return out

    def _pass_reads(self, times: int) -> None:
        """Let the time of reads pass: the samples of a batch are read at once, as far as 1/f noise is concerned."""
        if self._flickers and self.cells.passed_reads(times):
            self._matrix = None


def _refuse_common(reference: str) -> None:
    """Refuse absent cells where what is subtracted from them would stay.

    Raises:
        InputError: a reference that cells have in common.
    """
    if reference in ("column", "offset"):
        raise InputError(f"reference: got {reference!r} with absent cells, from which it would still be subtracted; "
                         "allowed: array, none, or a pair of devices")  # fmt: skip

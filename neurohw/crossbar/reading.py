"""One read of a crossbar: converters, noise and errors around the matrix product."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from neurohw.crossbar.base import StateDict
from neurohw.crossbar.blocks import add_by_blocks, by_blocks
from neurohw.crossbar.periphery import ReadPath, converter_step
from neurohw.crossbar.standing import Conversions
from neurohw.draws import normal

_LEAST = 1e-30  # scale of a vector of zeros
_LOOKED_AT = 61  # one conversion in so many is looked at for clipped outputs: a prime, to keep step with no schedule


class _Cells(NamedTuple):
    """The cells of one read: weights [n_in, n_out], their noise, and that of what is subtracted from all outputs.

    Constant noise is that of a weight; where `devices` is given, [n_in, n_out], its variance is times that.
    """

    matrix: Tensor
    variance: Tensor | None
    noise: float
    devices: Tensor | None
    common: Tensor | None


def input_scale(inputs: Tensor, path: ReadPath, scaled: bool) -> Tensor | float:
    """Return the digital factor by which inputs are divided before the DAC, and outputs multiplied after the ADC.

    Args:
        inputs: [B, n_in].
        path: says whether each vector has a factor of its own, or the batch one.
        scaled: the largest input meets the bound of the DAC; otherwise only what exceeds the bound is scaled down.

    Returns:
        [B, 1], or [] of the batch; 1 without a bound.
    """
    if path.input_bound == math.inf:
        return 1.0
    if path.input_scale == "vector":
        largest = inputs.abs().amax(1, keepdim=True)
    else:
        least, most = torch.aminmax(inputs if inputs.is_contiguous() else inputs.t())
        largest = torch.maximum(-least, most)
    return largest.div_(path.input_bound).clamp_(min=_LEAST if scaled else 1.0)


class Reader:
    """The periphery of one side of one crossbar.

    y = ADC( g s / (1 + a |s| / bound) + o + noise ), s = (W + noise of cells) (DAC(x) + input noise), bound that of the
    outputs, with the column errors g, o fixed at making. What is Gaussian and independent from read to read is drawn
    once at the output: noise on every device adds the variance sigma_w^2 sum_i x_i^2 times what devices make of it in a
    weight, which is exact.

    Args:
        path: converters, noise and errors.
        n_out: outputs read.
        generator: draws column errors now and noise later.
        scaled: each vector is scaled so that its largest input meets the DAC's bound (errors, which may be tiny);
            otherwise only one that exceeds the bound is scaled down, see `input_scale`.
    """

    def __init__(self, path: ReadPath, n_out: int, generator: torch.Generator, scaled: bool) -> None:
        self.path = path
        self._generator = generator
        self._scaled = scaled
        device = generator.device
        self._gain = 1 + path.column_gain * torch.randn(n_out, generator=generator, device=device)
        self._offset = path.column_offset * torch.randn(n_out, generator=generator, device=device)
        self._perfect, self._bounded = path.is_perfect, path.input_bound != math.inf
        self._plain = not (path.column_gain or path.column_offset or path.nonlinearity)
        self._conversions, self._outputs = 0, 0  # all of them; outputs of those looked at
        self._seen = torch.zeros(3, dtype=torch.int64, device=device)  # of these: beyond the bound, driven, read as 0

    @property
    def errors(self) -> tuple[Tensor, Tensor]:
        """The columns' gains and offsets."""
        return self._gain, self._offset

    def __call__(
        self,
        inputs: Tensor,
        matrix: Tensor,
        variance: Tensor | None,
        factor: float = 1.0,
        devices: float | Tensor = 1.0,
        common: Tensor | None = None,
    ) -> Tensor:
        """Return the read-out, [B, n_out].

        Args:
            inputs: [B, n_in].
            matrix: [n_in, n_out], the weights as the cells hold them; rounded to bfloat16, they are multiplied in it.
            variance: [n_in, n_out], of each cell's noise per read beyond the constant one; None: no such.
            factor: digital, on the output.
            devices: `UnitCell.noise_power`, of the constant noise of the devices that make a weight; or [n_in, n_out].
            common: [n_in], variance of the noise that all outputs share, of a reference column; None: no such.
        """
        path = self.path
        each = devices if isinstance(devices, Tensor) else None
        of_all = 1.0 if isinstance(devices, Tensor) else math.sqrt(devices)
        cells = _Cells(matrix, variance, path.weight_noise * of_all, each, common)
        if not len(inputs):
            return inputs.new_zeros(0, matrix.shape[1])
        if self._perfect and variance is None:
            return _multiplied(inputs, matrix, factor, None, 0.0)
        scale = input_scale(inputs, path, self._scaled)
        if not path.signed_passes:
            return self._coded(inputs, cells, scale, factor)
        signed = torch.cat([inputs.clamp(min=0), inputs.clamp(max=0).neg_()])
        scale = torch.cat([scale, scale]) if isinstance(scale, Tensor) and scale.ndim else scale
        both = self._coded(signed, cells, scale, factor)
        return both[: len(inputs)] - both[len(inputs) :]

    def _coded(self, inputs: Tensor, cells: _Cells, scale: Tensor | float, factor: float) -> Tensor:
        """Return the read of inputs / scale as amplitudes (or widths) or bit by bit, times scale and factor."""
        path = self.path
        if path.dac_bits is None:
            inputs = inputs / scale if self._bounded else inputs
            return self._converted(inputs, cells, 1.0, scale * factor)
        step = 2 * path.input_bound * converter_step(path.dac_bits)
        codes = (inputs * (1 / (scale * step))).round_()
        if path.coding != "bit-serial":
            return self._converted(codes, cells, step, scale * factor)
        sign, left = codes.sign(), codes.abs()
        total: Tensor | None = None
        for bit in range(path.dac_bits - 1):
            digit = left.remainder(2)
            left = (left - digit).mul_(0.5)
            # each bit is applied at the full input bound and read by itself; digital factors put it in its place
            place = scale * (factor * step * 2**bit / path.input_bound)
            part = self._converted(sign * digit, cells, path.input_bound, place)
            total = part if total is None else total.add_(part)
        assert total is not None
        return total

    def _converted(self, codes: Tensor, cells: _Cells, unit: float, factor: Tensor | float) -> Tensor:
        """Return factor * ADC(noise + unit * codes @ matrix)."""
        path = self.path
        if path.input_noise:
            codes = codes + self._gauss(codes.shape).mul_(path.input_noise / unit)
        step = 1.0 if path.adc_bits is None else 2 * path.output_bound * converter_step(path.adc_bits)
        noise, strength = self._noise(codes, cells, unit, step, path.read_noise if self._plain else 0.0)
        if cells.matrix.dtype == torch.bfloat16:
            out = _rounded_once(codes, cells.matrix, unit / step, noise, strength)
        else:
            out = _multiplied(codes, cells.matrix, unit / step, noise, strength)
        out = out if self._plain else self._distorted(out, step)
        if path.adc_bits is not None:
            out.round_()
        if path.output_bound != math.inf:
            if self._conversions % _LOOKED_AT == 0:
                self._look(codes, out, path.output_bound / step)
            self._conversions += 1
            out.clamp_(-path.output_bound / step, path.output_bound / step)
        return out.mul_(factor * step)

    def _look(self, codes: Tensor, out: Tensor, bound: float) -> None:
        """Count outputs (in steps); not where a GPU records reads, which it would count at every replay."""
        if out.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            return
        self._outputs += out.numel()
        driven = (codes != 0).any(1, keepdim=True).expand_as(out)
        zero = driven & (out == 0) if self.path.adc_bits is not None else torch.zeros_like(driven)
        self._seen += torch.stack([(out.abs() > bound).sum(), driven.sum(), zero.sum()])

    def converted(self) -> Conversions:
        """Return what became of the outputs that were looked at."""
        return Conversions(self._outputs, *map(int, self._seen.tolist()))

    def _distorted(self, out: Tensor, step: float) -> Tensor:
        """Return outputs (in steps of the ADC) after compression, gain, offset and output noise."""
        path = self.path
        if path.nonlinearity:
            out = out / out.abs().mul_(path.nonlinearity * step / path.output_bound).add_(1)
        out = out.mul_(self._gain).add_(self._offset / step)
        return out.add_(self._gauss_like(out, out.shape[1]), alpha=path.read_noise / step) if path.read_noise else out

    def _noise(
        self, codes: Tensor, cells: _Cells, unit: float, step: float, of_outputs: float
    ) -> tuple[Tensor | None, float]:
        """Return noise of cells and outputs, [B, n_out], and the factor that makes it steps of the ADC; None: none."""
        if not (of_outputs or cells.noise) and cells.variance is None:
            return None, 0.0
        noise = self._gauss_like(codes, cells.matrix.shape[1])
        if not cells.noise and cells.variance is None:
            return noise, of_outputs / step
        squares = codes.square()
        power: Tensor = squares.sum(1, keepdim=True) if cells.devices is None else squares @ cells.devices
        power.mul_((cells.noise * unit) ** 2).add_(of_outputs**2)
        if cells.variance is not None:
            power = torch.addmm(power.expand_as(noise), squares, cells.variance, alpha=unit**2)
        noise.mul_(power.sqrt_())
        if cells.common is not None:
            shared = (squares @ cells.common).sqrt_().mul_(unit)
            noise.add_(shared.mul_(self._gauss(shared.shape))[:, None])
        return noise, 1 / step

    def _gauss_like(self, codes: Tensor, n_out: int) -> Tensor:
        """Return noise [B, n_out], laid out as the codes are: sample after sample, or neuron after neuron."""
        if codes.is_contiguous():
            return self._gauss((codes.shape[0], n_out))
        return self._gauss((n_out, codes.shape[0])).t()

    def _gauss(self, shape: torch.Size | tuple[int, int]) -> Tensor:
        return normal(shape, self._generator)

    def state_dict(self) -> StateDict:
        """Return the column errors, and what became of outputs."""
        seen = torch.tensor([self._conversions, self._outputs, *self._seen.tolist()])
        return {"gain": self._gain.clone(), "offset": self._offset.clone(), "clipping": seen}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the column errors, and what became of outputs (the first checkpoints had none or less of it)."""
        self._gain.copy_(state["gain"])
        self._offset.copy_(state["offset"])
        if "clipping" in state:
            self._conversions, self._outputs, *seen = state["clipping"].tolist()
            self._seen.zero_()[: len(seen)] = torch.tensor(seen)


def _multiplied(codes: Tensor, matrix: Tensor, scale: float, noise: Tensor | None, strength: float) -> Tensor:
    """Return scale codes @ matrix + strength noise, laid out as the codes are; the noise may become it."""
    if noise is None:
        out = codes @ matrix if codes.is_contiguous() else by_blocks(matrix.t(), codes.t()).t()
        return out if scale == 1.0 else out.mul_(scale)
    if codes.is_contiguous():
        return noise.addmm_(codes, matrix, beta=strength, alpha=scale)
    return add_by_blocks(noise.t(), matrix.t(), codes.t(), beta=strength, alpha=scale).t()


def _rounded_once(codes: Tensor, matrix: Tensor, scale: float, noise: Tensor | None, strength: float) -> Tensor:
    """Return scale codes @ matrix + strength noise, summed in float32 and rounded once, to 8 significant bits."""
    codes = codes.to(torch.bfloat16)
    if noise is None:
        return torch.addmm(matrix.new_zeros(1), codes, matrix, beta=0, alpha=scale).float()
    return noise.to(torch.bfloat16).addmm_(codes, matrix, alpha=scale, beta=strength).float()

"""One read of a crossbar: converters, noise and errors around the matrix product."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neurohw.crossbar.base import StateDict
from neurohw.crossbar.periphery import ReadPath, converter_step


class Reader:
    """The periphery of one side of one crossbar.

    y = ADC( g (W DAC(x + input noise)) / (1 + a |W x|) + o + noise ), with the column errors g, o fixed at making. What
    is Gaussian and independent from read to read is drawn once at the output: noise on every cell adds the variance
    sigma_w^2 sum_i x_i^2, which is exact.

    Args:
        path: converters, noise and errors.
        n_out: outputs read.
        generator: draws column errors now and noise later.
        scaled: each batch is scaled so that its largest input meets the DAC's bound (errors, which may be tiny);
            otherwise only a batch that exceeds the bound is scaled down. Both are digital factors.
    """

    def __init__(self, path: ReadPath, n_out: int, generator: torch.Generator, scaled: bool) -> None:
        self.path = path
        self._generator = generator
        self._scaled = scaled
        device = generator.device
        self._gain = 1 + path.column_gain * torch.randn(n_out, generator=generator, device=device)
        self._offset = path.column_offset * torch.randn(n_out, generator=generator, device=device)
        self._bounded = path.input_bound != math.inf
        self._plain = not (path.column_gain or path.column_offset or path.nonlinearity)

    @property
    def adds_noise(self) -> bool:
        """Whether two reads of the same input differ."""
        return bool(self.path.read_noise or self.path.weight_noise or self.path.relative_noise or self.path.input_noise)

    def __call__(self, inputs: Tensor, matrix: Tensor, variance: Tensor | None) -> Tensor:
        """Return the read-out, [B, n_out].

        Args:
            inputs: [B, n_in].
            matrix: [n_in, n_out], the weights as the cells hold them.
            variance: [n_in, n_out], of each cell's noise per read beyond the constant one; None: no such.
        """
        path = self.path
        if (path.is_perfect and variance is None) or not len(inputs):
            return inputs @ matrix
        scale: Tensor | None = None
        if self._bounded:
            largest = torch.linalg.vector_norm(inputs, ord=math.inf) / path.input_bound
            scale = largest.clamp_(min=1e-30 if self._scaled else 1.0)
            inputs = inputs / scale
        if path.signed_passes:
            both = self._coded(torch.cat([inputs.clamp(min=0), inputs.clamp(max=0).neg_()]), matrix, variance)
            out = both[: len(inputs)] - both[len(inputs) :]
        else:
            out = self._coded(inputs, matrix, variance)
        return out if scale is None else out.mul_(scale)

    def _coded(self, inputs: Tensor, matrix: Tensor, variance: Tensor | None) -> Tensor:
        """Return the read with the inputs as amplitudes (or widths), or bit by bit."""
        path = self.path
        if path.dac_bits is None:
            return self._converted(inputs, matrix, variance, 1.0)
        step = 2 * path.input_bound * converter_step(path.dac_bits)
        codes = (inputs * (1 / step)).round_()
        if path.coding != "bit-serial":
            return self._converted(codes, matrix, variance, step)
        sign, left = codes.sign(), codes.abs()
        total: Tensor | None = None
        for bit in range(path.dac_bits - 1):
            digit = left.remainder(2)
            left = (left - digit).mul_(0.5)
            # each bit is applied at the full input bound and read by itself; digital factors put it in its place
            part = self._converted(sign * digit, matrix, variance, path.input_bound)
            part = part.mul_(step * 2**bit / path.input_bound)
            total = part if total is None else total.add_(part)
        assert total is not None
        return total

    def _converted(self, codes: Tensor, matrix: Tensor, variance: Tensor | None, unit: float) -> Tensor:
        """Return ADC(noise + unit * codes @ matrix)."""
        path = self.path
        if path.input_noise:
            codes = codes + self._gauss(codes.shape).mul_(path.input_noise / unit)
        step = 1.0 if path.adc_bits is None else 2 * path.output_bound * converter_step(path.adc_bits)
        noise = self._noise(codes, matrix, variance, unit, step)
        if noise is None:
            out = (codes @ matrix).mul_(unit / step)
        elif self._plain:
            out = noise.addmm_(codes, matrix, alpha=unit / step)
        else:
            out = (codes @ matrix).mul_(unit / step)
        if not self._plain:
            out = self._distorted(out, step)
            out = out if noise is None else out.add_(noise)
        if path.adc_bits is not None:
            out.round_()
        if path.output_bound != math.inf:
            out.clamp_(-path.output_bound / step, path.output_bound / step)
        return out if step == 1.0 else out.mul_(step)

    def _distorted(self, out: Tensor, step: float) -> Tensor:
        if self.path.nonlinearity:
            out = out / out.abs().mul_(self.path.nonlinearity * step).add_(1)
        return out.mul_(self._gain).add_(self._offset / step)

    def _noise(self, codes: Tensor, matrix: Tensor, variance: Tensor | None, unit: float, step: float) -> Tensor | None:
        """Return output noise in steps of the ADC, [B, n_out]; None if there is none."""
        path = self.path
        if not (path.read_noise or path.weight_noise) and variance is None:
            return None
        noise = self._gauss((codes.shape[0], matrix.shape[1]))
        if not path.weight_noise and variance is None:
            return noise.mul_(path.read_noise / step)
        squares = codes.square()
        power: Tensor = squares.sum(1, keepdim=True).mul_((path.weight_noise * unit) ** 2).add_(path.read_noise**2)
        if variance is not None:
            power = torch.addmm(power.expand_as(noise), squares, variance, alpha=unit**2)
        return noise.mul_(power.sqrt_()).mul_(1 / step)

    def _gauss(self, shape: torch.Size | tuple[int, int]) -> Tensor:
        return torch.randn(shape, generator=self._generator, device=self._generator.device)

    def state_dict(self) -> StateDict:
        """Return the column errors."""
        return {"gain": self._gain.clone(), "offset": self._offset.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the column errors."""
        self._gain, self._offset = state["gain"].to(self._gain, copy=True), state["offset"].to(self._gain, copy=True)

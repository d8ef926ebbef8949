"""The read path that a configuration asks for."""

from __future__ import annotations

from neurohw.config import HardwareSection
from neurohw.crossbar.periphery import ReadPath


def read_path(section: HardwareSection) -> ReadPath:
    """Return the converters and the noise of every read."""
    return ReadPath(
        dac_bits=section.dac_bits or None,
        adc_bits=section.adc_bits or None,
        read_noise=section.read_noise,
        weight_noise=section.weight_noise,
        output_bound=section.output_bound,
        relative_noise=section.relative_noise,
        input_noise=section.input_noise,
        coding=section.input_coding,
        input_scale=section.input_scale,
        signed_passes=section.signed_passes,
        column_gain=section.column_gain,
        column_offset=section.column_offset,
        nonlinearity=section.read_nonlinearity,
    )

"""On what it runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool

from neurohw.config.section import Bits, Count, NonNegative, Positive, Probability, Section, dotted


class HardwareSection(Section):
    """On what it runs: back-end, device and remedy, pulses, converters and read errors, tiles, wires, time."""

    backend: Literal["ideal", "analog", "aihwkit"] = "ideal"
    device: str | None = None
    device_parameters: dict[str, StrictBool | float | tuple[float, ...]] = {}
    remedy: str = "none"
    remedy_parameters: dict[str, StrictBool | int | float] = {}
    reference: Literal["array", "column", "offset", "none"] | None = None
    pulse_length: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 31
    pulse_kind: Literal["stochastic", "deterministic"] = "stochastic"
    increments: Literal["open-loop", "verified"] = "open-loop"
    weight_range: Positive | None = None
    dac_bits: Bits = 7
    adc_bits: Bits = 9
    output_bound: Positive = 12.0
    read_noise: NonNegative = 0.06
    weight_noise: NonNegative = 0.0
    relative_noise: NonNegative = 0.0
    input_noise: NonNegative = 0.0
    input_coding: Literal["amplitude", "pulse-width", "bit-serial"] = "amplitude"
    input_scale: Literal["vector", "batch"] = "vector"
    signed_passes: StrictBool = False
    column_gain: NonNegative = 0.0
    column_offset: NonNegative = 0.0
    read_nonlinearity: NonNegative = 0.0
    stuck_fraction: Probability = 0.0
    fault_maps: Annotated[dict[str, str], BeforeValidator(dotted)] = {}
    wire_resistance: NonNegative = 0.0
    tile: tuple[Count, Count] | None = None
    step_seconds: NonNegative = 1.0
    compensation: Literal["none", "global", "per-column"] = "none"
    off_chip: str | None = None
    drift_compensation: StrictBool = True
    periphery: str | None = None


_READ_BY = {
    "ideal": {"backend", "step_seconds", "off_chip", "drift_compensation", "periphery"},
    "aihwkit": {
        "backend", "device", "device_parameters", "remedy", "pulse_length", "weight_range", "dac_bits", "adc_bits",
        "output_bound", "read_noise", "weight_noise", "input_scale", "read_nonlinearity",
        "tile", "step_seconds", "periphery",
    },
    "analog": HardwareSection.model_fields.keys() - {"off_chip", "drift_compensation"},
}  # fmt: skip


def unread_hardware(hardware: HardwareSection) -> list[str]:
    """Return the hardware keys that were set and that the chosen back-end would not read."""
    default = HardwareSection()
    unread = HardwareSection.model_fields.keys() - _READ_BY.get(hardware.backend, HardwareSection.model_fields.keys())
    return [
        f'hardware.{key}: got {getattr(hardware, key)!r}, which backend "{hardware.backend}" does not read'
        for key in unread - {"off_chip"}
        if getattr(hardware, key) != getattr(default, key)
    ]

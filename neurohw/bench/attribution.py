"""Does attribution name the right cause? Twenty devices, nearly ideal, each made bad in one way."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from neurohw.loading import load_experiment
from neurohw.studies import causes as of
from neurohw.studies.attribution import attribute

# all that is small but not zero, so that every cause stands in the list; the planted one is laid over it
_NEARLY: dict[str, Any] = {
    "hardware.device": "constant_step", "hardware.recommended": False, "hardware.weight_range": 0.3,
    "hardware.dac_bits": 9, "hardware.adc_bits": 11, "hardware.read_noise": 0.01, "training.epochs": 4,
}  # fmt: skip
_SMALL: dict[str, Any] = {"step": 0.01, "step_dtod": 0.05, "step_ctoc": 0.1, "asymmetry": 0.01, "asymmetry_dtod": 0.0,
                          "w_max_dtod": 0.05, "w_min_dtod": 0.05}  # fmt: skip
_SEEDS = 2


def planted() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return the planted cause, keys of the experiment and numbers of the device that make it, of each device."""
    return [
        ("read noise", {"hardware.read_noise": 1.0}, {}),
        ("read noise", {"hardware.read_noise": 2.0}, {}),
        ("weight noise", {"hardware.weight_noise": 0.3}, {}),
        ("relative read noise", {"hardware.relative_noise": 1.0}, {}),
        ("input noise", {"hardware.input_noise": 0.6}, {}),
        ("DAC resolution", {"hardware.dac_bits": 2}, {}),
        ("ADC resolution", {"hardware.adc_bits": 3}, {}),
        ("ADC resolution", {"hardware.adc_bits": 4, "hardware.output_bound": 40.0}, {}),
        ("gain mismatch", {"hardware.column_gain": 0.8}, {}),
        ("output offsets", {"hardware.column_offset": 1.0}, {}),
        ("stuck devices", {"hardware.stuck_fraction": 0.4}, {}),
        ("stuck devices", {"hardware.stuck_fraction": 0.7}, {}),
        (of.SPREAD, {}, {"step_dtod": 2.0, "asymmetry_dtod": 3.0, "w_max_dtod": 0.9, "w_min_dtod": 0.9}),
        (of.SPREAD, {}, {"asymmetry_dtod": 3.0}),
        (of.CYCLES, {}, {"step_ctoc": 8.0}),
        (of.WRITES, {}, {"write_noise": 60.0}),
        (of.ASYMMETRY, {}, {"asymmetry": -0.9}),
        (of.ASYMMETRY, {}, {"asymmetry": -0.6}),
        (of.LEVELS, {}, {"conductance.levels": 4.0}),
        (of.STEPS, {}, {"step": 0.15}),
    ]


def attribution() -> list[dict[str, Any]]:
    """Return a row for each planted cause: what was named, and whether it is right."""
    return [scored(*plant) for plant in planted()]


def scored(
    cause: str, keys: dict[str, Any], numbers: dict[str, Any], limits: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the row of a device, `limits` laid over its experiment."""
    values = _NEARLY | keys | (limits or {}) | {"hardware.device_parameters": _SMALL | numbers}
    with tempfile.TemporaryDirectory() as folder:
        found = attribute(load_experiment("quickstart", values), Path(folder), _SEEDS, try_changes=False)
    first, second = found.shares[:2]
    how = ", ".join(f"{key.rpartition('.')[2]} = {value:g}" for key, value in (keys | numbers).items())
    return {
        "planted": cause, "by": how, "named": first.cause.name, "right": first.cause.name == cause,
        "gap": found.gap.points(), "cost": first.cost.points(), "next": f"{second.cause.name} {second.cost.points()}",
    }  # fmt: skip

"""What may cost a network accuracy on its hardware: each cause, what takes it away, and what else may help."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from neurohw.config import OnChipExperiment, merged
from neurohw.config.hardware import HardwareSection, has_devices
from neurohw.config.section import Axis
from neurohw.crossbar.remedies import KEYS, Remedy
from neurohw.devices.knobs import KNOBS, turned
from neurohw.devices.model import DeviceModel
from neurohw.devices.recommended import recommended
from neurohw.devices.response import PulseResponse
from neurohw.errors import InputError
from neurohw.loading import nested, validated
from neurohw.runs.hardware import device_model

Place = tuple[str, ...]  # of a value in the tables of a configuration
_DEVICE = ("hardware", "device_parameters")
_FINER = 4  # times as many steps
_ANY_LEVELS = 2.0**20
_LINEAR = {"nonlinearity": 0.0}
_SYMMETRIC = {"symmetric": True}
_PLACES = (0.1, 0.3, 0.5, 0.7, 0.9)  # between the bounds
_STRAIGHT = 0.01  # of a nonlinearity, or a difference of steps, that counts as none
RETENTION, STEPS, CIRCUIT = "retention", "coarse steps", "target circuit"
SPREAD, CYCLES, WRITES = "device-to-device spread", "cycle-to-cycle noise", "write noise"
ASYMMETRY, NONLINEARITY = "asymmetry", "nonlinearity"
LEVELS, CELL_READS, FAULTS = "few levels", "read noise of the cells", "faults of the device"
_NAMES = {"dac_bits": "DAC resolution", "adc_bits": "ADC resolution", "read_noise": "read noise",
          "weight_noise": "weight noise", "relative_noise": "relative read noise", "input_noise": "input noise",
          "column_gain": "gain mismatch", "column_offset": "output offsets", "read_nonlinearity": "output compression",
          "stuck_fraction": "stuck devices", "wire_resistance": "wire resistance",
          "step_seconds": RETENTION}  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """A non-ideality of the hardware.

    Args:
        name: in words.
        off: place of a value in the configuration -> the value that takes it away.
        knobs: of the device's law (`neurohw.devices.knobs`), likewise.
        finer: how many times finer steps are, in pulse trains of as many times the length.
    """

    name: str
    off: Mapping[Place, Any] = field(default_factory=dict, hash=False)
    knobs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    finer: int = 1


@dataclass(frozen=True)
class Change:
    """Settings that may regain accuracy: in words, and as dotted keys."""

    name: str
    values: Mapping[str, Any] = field(hash=False)


def causes_of(experiment: OnChipExperiment) -> tuple[Cause, ...]:
    """Return what of an experiment's hardware is not ideal and can be taken away by itself.

    Steps cannot be taken away, only made four times finer (and as many more in a pulse train); bounds cannot at all.

    Raises:
        InputError: it runs on no devices.
    """
    if not has_devices(experiment.hardware.backend):
        raise InputError(f"hardware.backend: got {experiment.hardware.backend!r}; allowed: one with devices, whose "
                         "non-idealities cost something: --set hardware.device=NAME")  # fmt: skip
    hardware, device = experiment.hardware, device_model(experiment.hardware)
    causes = []
    for key, info in HardwareSection.model_fields.items():
        off = next((m.off for m in info.metadata if isinstance(m, Axis)), None)
        aged = key != "step_seconds" or (device is not None and device.retention_parameters().ages)
        if off is not None and aged and getattr(hardware, key) != off:
            causes.append(Cause(_NAMES[key], {("hardware", key): off}))
    causes += _of_device(device, hardware) if device is not None else []
    if experiment.target.circuit != "ideal" and (experiment.target.model or experiment.target.parameters):
        ideal: dict[Place, Any] = {
            ("target", "circuit"): "ideal",
            ("target", "model"): None,
            ("target", "parameters"): {},
        }
        causes.append(Cause(CIRCUIT, ideal))
    return tuple(causes)


def _of_device(device: DeviceModel, hardware: HardwareSection) -> list[Cause]:
    """Return the causes in a device's own numbers."""
    law, numbers = device.response(), dict(device.numbers())
    given = {key: getattr(law, key) for key in law.parameters()}
    spreads = [key for key, value in given.items() if key.endswith("_dtod") and value]
    faults = [key for key, quantity in numbers.items() if key.startswith("faults.") and quantity.value]
    found = [
        (SPREAD, dict.fromkeys(spreads, 0.0)),
        (CYCLES, {"step_ctoc": 0.0} if given["step_ctoc"] else {}),
        (WRITES, {"write_noise": 0.0} if given["write_noise"] else {}),
        (LEVELS, {"conductance.levels": _ANY_LEVELS} if device.levels else {}),
        (CELL_READS, {"read.noise": 0.0} if device.read_noise else {}),
        (FAULTS, dict.fromkeys(faults, 0.0)),
    ]  # fmt: skip
    causes = [Cause(name, {(*_DEVICE, key): value for key, value in off.items()}) for name, off in found if off]
    if device.sided == 2 and not _is_symmetric(law) and _turned(law, device.sided, _SYMMETRIC):
        causes.append(Cause(ASYMMETRY, knobs=_SYMMETRIC))
    if any(abs(law.nonlinearity(up)) > _STRAIGHT for up in (True, False)[: device.sided]):
        causes += [Cause(NONLINEARITY, knobs=_LINEAR)] if _turned(law, device.sided, _LINEAR) else []
    return [*causes, Cause(STEPS, finer=_FINER)]


def _is_symmetric(law: PulseResponse) -> bool:
    """Return whether steps down are those up, mirrored about mid range."""
    pairs = [(law.step_at(place, up=True), law.step_at(1 - place, up=False)) for place in _PLACES]
    return all(math.isclose(up, down, rel_tol=_STRAIGHT, abs_tol=1e-6 * law.step) for up, down in pairs)


def _turned(law: PulseResponse, sided: int, knobs: Mapping[str, Any]) -> PulseResponse | None:
    """Return the law with knobs turned; None: it cannot be."""
    try:
        return turned(law, knobs, sided)
    except InputError:
        return None


def without(experiment: OnChipExperiment, causes: Iterable[Cause]) -> OnChipExperiment:
    """Return an experiment with causes taken away; nothing else changes, advice of its device included.

    Raises:
        InputError: a value does not fit.
    """
    tables, causes = experiment.model_dump(), list(causes)
    for cause in causes:
        for path, value in cause.off.items():
            inner = tables
            for part in path[:-1]:
                inner = inner[part]
            inner[path[-1]] = value
    knobs = {name: value for cause in causes for name, value in cause.knobs.items()}
    finer = math.prod(cause.finer for cause in causes)
    if knobs or finer > 1:
        tables = _with_law(tables, knobs, finer)
    return validated(tables, "attribution")  # type: ignore[no-any-return]


def _with_law(tables: dict[str, Any], knobs: Mapping[str, Any], finer: int) -> dict[str, Any]:
    """Return tables whose device has its law turned, with finer steps: its parameters stand as plain numbers.

    So do those that knobs of the experiment gave it: knobs and parameters are not taken beside each other.
    """
    experiment: OnChipExperiment = validated(tables, "attribution")
    given = {key: value for key, value in tables["hardware"]["device_parameters"].items() if key not in KNOBS}
    device = device_model(experiment.hardware)
    without_knobs = device_model(experiment.hardware.model_copy(update={"device_parameters": given}))
    assert device is not None
    assert without_knobs is not None
    before, law = without_knobs.response(), device.response()
    law = turned(law, knobs, device.sided) if knobs else law
    law = replace(law, step=law.step / finer)
    law_now = {f.name: getattr(law, f.name) for f in fields(law)}
    turns = {key: value for key, value in law_now.items() if value != getattr(before, key) or key in given}
    hardware = {"device_parameters": given | turns, "pulse_length": finer * experiment.hardware.pulse_length}
    return {**tables, "hardware": tables["hardware"] | hardware}


def on_ideal_arrays(experiment: OnChipExperiment) -> OnChipExperiment:
    """Return an experiment on ideal arrays with an ideal target circuit."""
    tables = experiment.model_dump()
    tables["hardware"] = {"backend": "ideal"}
    tables["target"] |= {"circuit": "ideal", "model": None, "parameters": {}}
    tables.pop("energy", None)
    return validated(tables, "attribution")  # type: ignore[no-any-return]


def with_change(experiment: OnChipExperiment, change: Change) -> OnChipExperiment:
    """Return an experiment with what may help set."""
    tables = experiment.model_dump()
    if any(key.partition(".")[2] in KEYS for key in change.values):  # how weights are made is changed as a whole
        tables["hardware"] = {key: value for key, value in tables["hardware"].items()
                              if key not in KEYS}  # fmt: skip
    return validated(merged(tables, nested(change.values)), "attribution")  # type: ignore[no-any-return]


def changes_for(cause: Cause, experiment: OnChipExperiment) -> list[Change]:
    """Return what may regain what a cause costs, the cheapest first: settings, bits, then more devices."""
    hardware, device = experiment.hardware, device_model(experiment.hardware)
    changes = []
    if cause.name == RETENTION and hardware.compensation == "none":
        changes.append(Change('hardware.compensation = "global"', {"hardware.compensation": "global"}))
    if cause.name in ("DAC resolution", "ADC resolution"):
        key = f"hardware.{cause.name[:3].lower()}_bits"
        bits = min(getattr(hardware, key.partition(".")[2]) + 2, 16)
        changes.append(Change(f"{key} = {bits}", {key: bits}))
    if cause.name == "wire resistance":
        changes.append(Change("hardware.tile = [64, 64]", {"hardware.tile": [64, 64]}))
    if hardware.weight_range is not None:
        half = float(f"{hardware.weight_range / 2:.2g}")
        changes.append(Change(f"hardware.weight_range = {half:g}", {"hardware.weight_range": half}))
    advice = recommended(device, experiment.network.rule) if device is not None else {}
    if advice:
        changes.append(Change(f"what the device's file recommends ({', '.join(advice)})", advice))
    plain = hardware.cell == "single" and hardware.writing == "pulses"
    if plain and device is not None and device.sided == 2:
        for name in ("mixed-precision", "several-cells", "differential"):
            keys = {f"hardware.{key}": value for key, value in Remedy.of(name).to_keys().items() if value}
            changes.append(Change(", ".join(f'{key} = "{value}"' for key, value in keys.items()), keys))
    return changes

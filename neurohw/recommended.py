"""What an experiment leaves open is taken from its device: what the device's file recommends, then what suits any."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from neurohw.config import OnChipExperiment, TrainingSection
from neurohw.config.hardware import has_devices, is_read
from neurohw.crossbar.remedies import CELLS, Remedy
from neurohw.devices.library import device_path, load_device
from neurohw.devices.model import DeviceModel
from neurohw.devices.recommended import REMEDY, asymmetry, recommended
from neurohw.errors import InputError

_REMEDY = {f"hardware.{name}": name for name in REMEDY}
_RATE, _RANGE = "training.learning_rate", "hardware.weight_range"
_ROOM = 1.5  # weight range over the largest initial weight, of a device that nobody tuned
_ROUNDED_UP = 1.005  # a number of three digits made of this much more is never below it
_SYMMETRIC = 0.01  # difference of a cell's steps up and down over their sum, up to which they are called equal


@dataclass(frozen=True)
class Applied:
    """Values that a device gave to an experiment.

    Args:
        origin: the device's file, or what else they are from; a sentence where nothing is given, only said.
        values: dotted key -> value.
    """

    origin: str
    values: dict[str, Any]

    def __str__(self) -> str:
        """Return the line that says so."""
        if not self.values:
            return self.origin
        values = ", ".join(f"{key} = {json.dumps(value)}" for key, value in self.values.items())
        return f"{self.origin}: {values} (hardware.recommended = false leaves it out)"


def asked_by_device(experiment: OnChipExperiment, tables: Mapping[str, Any]) -> tuple[Applied, ...]:
    """Return what an experiment's device asks for where the experiment is silent.

    Args:
        experiment: complete configuration; `hardware.recommended` false: nothing is asked for; `network.weights`: only
            what holds the weights, as recommendations are for chips that learn.
        tables: what of it was given.

    Raises:
        InputError: the device's file recommends what there is not.
    """
    hardware = experiment.hardware
    if not hardware.recommended or hardware.device is None or not has_devices(hardware.backend):
        return ()
    try:
        device = load_device(hardware.device)
    except InputError:  # the run says so
        return ()
    given = {f"{section}.{key}" for section, table in tables.items() if isinstance(table, dict) for key in table}
    applied = []
    sources = [
        (f"recommended in {device_path(hardware.device)}", _tuned(device, experiment, given)),
        (f"{device.name}, as for any device (`neurohw tune` finds better)", dict(_untuned(device, experiment))),
    ]
    if experiment.network.weights:
        sources = [(f"{device.name}, for what is programmed into it", dict(_programmed(device, experiment)))]
    for origin, values in sources:
        if _REMEDY.keys() & given:  # by one of its names is by all of them
            given |= _REMEDY.keys()
        if silent := {key: value for key, value in values.items() if key not in given}:
            applied.append(Applied(origin, silent))
            given |= silent.keys()
    learns = not experiment.network.weights
    if learns and device.retention_parameters().ages and "hardware.step_seconds" not in given:
        applied.append(Applied(f"{device.name} ages {hardware.step_seconds:g} s in each batch, which takes a chip some "
                               "1e-05 s: hardware.step_seconds says how long", {}))  # fmt: skip
    return tuple(applied)


def _tuned(device: DeviceModel, experiment: OnChipExperiment, given: set[str]) -> dict[str, Any]:
    """Return what the device's file recommends; nothing where weights are written otherwise than it was found with."""
    values = recommended(device, experiment.network.rule)
    try:
        remedy = Remedy.from_keys({name: values[key] for key, name in _REMEDY.items() if key in values})
    except InputError as error:
        raise InputError(f"recommended in {device.name}: {error}") from None
    other_remedy = bool(_REMEDY.keys() & given) and experiment.hardware.remedy != remedy
    other_reference = remedy.cell == "reference-cell" and experiment.hardware.reference in ("column", "offset")
    unreadable = any(not is_read(experiment.hardware.backend, key) for key in values)
    if other_remedy or other_reference or unreadable or not _is_pulsed(experiment):
        return {}
    rates, layers = values.get(_RATE), experiment.network.depth
    if isinstance(rates, list) and len(rates) not in (1, layers):
        return {}  # found with a network of another depth
    if isinstance(rates, list) and len(rates) == 1:
        values[_RATE] = rates * layers
    return values


def _untuned(device: DeviceModel, experiment: OnChipExperiment) -> Iterator[tuple[str, Any]]:
    """Yield what suits any device: a range with room for the initial weights, pairs of cells that only potentiate.

    It is half as large again as they are, or more where a cell's weights reach less far to one side than to the other.
    Where a cell's steps up and down differ, EP's contrast is written as one difference: its two phases as they come
    move every weight to the point where steps are equal, and nothing is learnt (experiments/erasure).
    """
    largest = experiment.network.largest_weight
    if largest and is_read(experiment.hardware.backend, _RANGE):
        usual = float(f"{_ROOM * largest:.2g}")
        yield _RANGE, max(usual, _holding(largest, device, experiment) or usual)
    if experiment.network.rule == "ep" and _is_pulsed(experiment) and asymmetry(device) > _SYMMETRIC:
        yield "ep.contrast", "difference"
    yield from _paired(device, experiment)


def _paired(device: DeviceModel, experiment: OnChipExperiment) -> Iterator[tuple[str, Any]]:
    if device.sided == 1 and experiment.hardware.remedy == Remedy():
        yield "hardware.remedy", "one-sided"


def _programmed(device: DeviceModel, experiment: OnChipExperiment) -> Iterator[tuple[str, Any]]:
    """Yield pairs of cells that only potentiate, and the range in which the mean cell holds every learnt weight.

    A wider one makes noise and steps of converters larger beside the weights, a narrower one clips weights.
    """
    from neurohw.runs.learnt import read_learnt  # only where there is such a network: it needs torch

    yield from _paired(device, experiment)
    try:
        learnt = read_learnt(experiment)
    except InputError:  # the run says so
        return
    if learnt is None or not is_read(experiment.hardware.backend, _RANGE):
        return
    if holding := _holding(max(weights.abs().max().item() for weights in learnt.weights), device, experiment):
        yield _RANGE, holding


def _holding(largest: float, device: DeviceModel, experiment: OnChipExperiment) -> float | None:
    """Return the range in which the mean cell just holds weights of this size and either sign; None: there is none."""
    try:
        law = device.with_parameters(dict(experiment.hardware.device_parameters)).response()
    except InputError:  # the run says so
        return None
    paired = CELLS[experiment.hardware.remedy.cell].paired or device.sided == 1
    reach = law.w_max - law.w_min if paired else min(law.w_max, -law.w_min) or law.w_max
    return float(f"{_ROUNDED_UP * largest * law.w_max / reach:.3g}") or None


def _is_pulsed(experiment: OnChipExperiment) -> bool:
    """Return whether products are pulsed as they come, and not written by a digital optimiser."""
    return experiment.training.optimizer == TrainingSection().optimizer

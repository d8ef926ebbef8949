"""A device model as aihwkit's device: the same numbers under other names.

aihwkit counts time in mini-batches: its lifetime and diffusion are those of a device at one batch a second.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from neurohw.crossbar.aihwkit.api import aihwkit_api, set_field
from neurohw.crossbar.aihwkit.tile_state import new_tile
from neurohw.devices.laws import LAWS
from neurohw.devices.model import DeviceModel
from neurohw.devices.response import PulseResponse
from neurohw.errors import InputError

COUNTERPARTS = {  # aihwkit's class of a law
    "constant": "ConstantStepDevice",
    "linear": "LinearStepDevice",
    "soft-bounds": "SoftBoundsDevice",
    "soft-bounds-reference": "SoftBoundsReferenceDevice",
    "exponential": "ExpStepDevice",
    "power": "PowStepDevice",
    "piecewise": "PiecewiseStepDevice",
}
_PULSE = {  # ours: aihwkit's, where they differ
    "step": "dw_min",
    "step_dtod": "dw_min_dtod",
    "step_log_normal": "dw_min_dtod_log_normal",
    "step_ctoc": "dw_min_std",
    "asymmetry": "up_down",
    "asymmetry_dtod": "up_down_dtod",
    "write_noise": "write_noise_std",
    "reference": "reference_mean",
    "reference_dtod": "reference_std",
    "noise_offset": "dw_min_std_add",
    "noise_slope": "dw_min_std_slope",
    "table_up": "piecewise_up",
    "table_down": "piecewise_down",
}
_POWER = {
    "gamma": "pow_gamma",
    "gamma_dtod": "pow_gamma_dtod",
    "gamma_asymmetry": "pow_up_down",
    "gamma_asymmetry_dtod": "pow_up_down_dtod",
}
RETENTION = {"lifetime": "s", "lifetime_dtod": "1", "diffusion": "1/sqrt(s)", "diffusion_dtod": "1"}
_NOT_TRANSLATED = {"additive_noise"}  # aihwkit's `mult_noise` is its opposite


class NoCounterpart(InputError):
    """A device's law is none of aihwkit's."""


def to_aihwkit(model: DeviceModel, ignore: bool = False) -> Any:
    """Return aihwkit's dataclass of a device.

    Args:
        model: the device.
        ignore: leave out what aihwkit cannot do (`lost_in_aihwkit`) instead of refusing the device.

    Raises:
        NoCounterpart: aihwkit has no such law.
        InputError: the device has something else that aihwkit cannot do, or a field of [aihwkit] that it does not have.
        EnvironmentMismatch: aihwkit cannot be imported.
    """
    lost = lost_in_aihwkit(model)
    if lost and not ignore:
        raise InputError(
            f"device {model.name}: aihwkit has no counterpart of {', '.join(lost)}; use the analog backend"
        )
    law = model.response()
    if law.name not in COUNTERPARTS:
        raise NoCounterpart(f"device {model.name}: law {law.name!r} has no counterpart in aihwkit, which has those of "
                            f"{', '.join(COUNTERPARTS)}; use the analog backend")  # fmt: skip
    device = getattr(aihwkit_api().configs, COUNTERPARTS[law.name])()
    for name in law.parameters():
        _set_pulse(device, law, name)
    _set_retention(device, model)
    for name, value in model.aihwkit.items():
        set_field(device, name, value, f"device {model.name}: [aihwkit]")
    return device


def lost_in_aihwkit(model: DeviceModel) -> list[str]:
    """Return the dotted keys of what changes results but has no counterpart in aihwkit's devices.

    aihwkit's weights are signed by themselves. Those of other devices are conductances less a reference, which ages
    too: of a drift that all devices have in common the same is left, but not of spreads, walks and a rest of their own.
    """
    retention, faults = model.retention_parameters(), model.fault_rates()
    of_conductance = ("drift_nu_state", "drift_nu_log", "drift_nu_dtod_log")
    of_other_laws = ("loss_per_decade", "loss_per_decade_dtod", "loss_per_decade_state", "lifetime_state")
    noises = ("lifetime_dtod_ln", "relaxation", "read_noise_1f")
    lost = [key for key in (*of_conductance, *of_other_laws, *noises) if getattr(retention, key)]
    lost += ["stretch"] if retention.stretch != 1 else []
    mean, spread = retention.middle
    lost += ["drift_nu_dtod"] if spread and not (model.signed and mean) else []
    if not model.signed:
        lost += ["diffusion"] if retention.diffusion else []
        lost += ["rest"] if retention.lifetime and retention.rest else []
    found = [f"retention.{key}" for key in lost]
    found += [f"faults.{f.name}" for f in dataclasses.fields(faults)
              if getattr(faults, f.name) and f.name != "endurance_dtod"]  # fmt: skip
    found += ["conductance.levels"] if model.levels else []
    found += ["read.noise_scale"] if model.read_noise_scale else []
    law = model.response()
    return [*found, "pulse.write_noise"] if law.write_noise and law.name == "constant" else found


def aihwkit_takes_it(model: DeviceModel) -> None:
    """A check of device models: aihwkit makes a tile of the device, what it has no counterpart of left out.

    Raises:
        NoCounterpart: aihwkit has no such law.
        InputError: aihwkit refuses; its own message is in ours.
    """
    api = aihwkit_api()
    new_tile(api.configs.SingleRPUConfig(device=to_aihwkit(model, ignore=True)), (2, 2))


@functools.cache
def field_names(law: str) -> Mapping[str, str]:
    """Return aihwkit's name of each parameter of a law, where it is the same number."""
    own = {**_PULSE, **(_POWER if law == "power" else {})}
    names = {name: own.get(name, name) for name in LAWS[law].parameters()}
    absent = {"write_noise"} if law == "constant" else set()
    return {ours: theirs for ours, theirs in names.items() if ours not in _NOT_TRANSLATED | absent}


def _set_pulse(device: Any, law: PulseResponse, name: str) -> None:
    value = getattr(law, name)
    if name == "additive_noise":
        device.mult_noise = not value
    elif name in field_names(law.name):
        setattr(device, field_names(law.name)[name], list(value) if isinstance(value, tuple) else value)


def _set_retention(device: Any, model: DeviceModel) -> None:
    retention = model.retention_parameters()
    for name in RETENTION:
        setattr(device, name, getattr(retention, name))
    device.reset = retention.rest
    mean, spread = retention.middle
    if mean:
        device.drift.nu, device.drift.t_0 = mean, retention.drift_t0
        device.drift.nu_dtod = spread / mean  # aihwkit's is relative

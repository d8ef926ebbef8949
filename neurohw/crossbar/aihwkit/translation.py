"""A device model as aihwkit's device: the same numbers under other names.

What aihwkit has no counterpart of is refused by name (`lost_in_aihwkit`), as is every number of a device's file that
this module does not know.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

from neurohw.crossbar.aihwkit.api import aihwkit_api, set_field
from neurohw.crossbar.aihwkit.tile_state import new_tile
from neurohw.devices.laws import LAWS
from neurohw.devices.model import DeviceModel
from neurohw.devices.response import PulseResponse
from neurohw.devices.retention import Retention
from neurohw.devices.tables import given
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
_NOT_TRANSLATED = {"additive_noise"}  # aihwkit's `mult_noise` is its opposite, of the laws that are linear in w
_ADDITIVE = {"linear", "soft-bounds", "soft-bounds-reference"}
_SHARED_DRIFT = ("drift_nu", "drift_nu_dtod", "drift_t0")
_LIMITS = ("drift_nu_least", "drift_nu_most", "drift_nu_dtod_least", "drift_nu_dtod_most")  # as `Retention.middle` has
_IDLE = ("relaxation_time", "read_noise_1f_power", "read_noise_1f_most", "read_time")  # nothing by themselves


class NoCounterpart(InputError):
    """A device's law is none of aihwkit's."""


def to_aihwkit(model: DeviceModel, batch_seconds: float | None = None, ignore: bool = False) -> Any:
    """Return aihwkit's dataclass of a device.

    Args:
        model: the device.
        batch_seconds: of a mini-batch, in which aihwkit counts decay and diffusion; None: their numbers as they are.
        ignore: leave out what aihwkit cannot do (`lost_in_aihwkit`) instead of refusing the device.

    Raises:
        NoCounterpart: aihwkit has no such law.
        InputError: the device has something else that aihwkit cannot do, or a field of [aihwkit] that it does not have.
        EnvironmentMismatch: aihwkit cannot be imported.
    """
    lost = lost_in_aihwkit(model)
    if lost and not ignore:
        aged = any(key.startswith("retention.") for key in lost) and not model.signed
        why = (
            " (its weights are conductances less a reference that ages by itself; aihwkit's are signed)" if aged else ""
        )
        raise InputError(
            f"device {model.name}: aihwkit has no counterpart of {', '.join(lost)}{why}; use the analog backend, or "
            "set them to 0 to compare the engines"
        )
    law = model.response()
    if law.name not in COUNTERPARTS:
        raise NoCounterpart(f"device {model.name}: law {law.name!r} has no counterpart in aihwkit, which has those of "
                            f"{', '.join(COUNTERPARTS)}; use the analog backend")  # fmt: skip
    device = getattr(aihwkit_api().configs, COUNTERPARTS[law.name])()
    for name in law.parameters():
        _set_pulse(device, law, name)
    _set_retention(device, model, batch_seconds)
    for name, value in model.aihwkit.items():
        set_field(device, name, value, f"device {model.name}: [aihwkit]")
    return device


def lost_in_aihwkit(model: DeviceModel) -> list[str]:
    """Return the dotted keys of what changes results but has no counterpart in aihwkit's devices.

    aihwkit's weights are signed by themselves. Those of other devices are conductances less a reference, which ages
    too, since it was written at another time than the cell: of a decay to a common rest the same is left, but not of
    drift, walks and a rest of their own. Its noise is added to the weight's, see `Compound.for_device`.
    """
    return [*_lost_retention(model), *_lost_in_tables(model), *_lost_pulse(model.response())]


def _lost_retention(model: DeviceModel) -> list[str]:
    retention, neutral = model.retention_parameters(), Retention()
    mean, spread = retention.middle
    known = {*RETENTION, *_SHARED_DRIFT, *_LIMITS, *_IDLE, "rest"}
    lost = [f.name for f in dataclasses.fields(retention)
            if f.name not in known and getattr(retention, f.name) != getattr(neutral, f.name)]  # fmt: skip
    if not model.signed:
        lost += ["drift_nu"] if mean else []
        lost += ["diffusion"] if retention.diffusion else []
        lost += ["rest"] if retention.lifetime and retention.rest else []
    lost += ["drift_nu_dtod"] if spread and not (model.signed and mean) else []
    return [f"retention.{key}" for key in lost]


def _lost_in_tables(model: DeviceModel) -> list[str]:
    faults = model.fault_rates()
    lost = [f"faults.{f.name}" for f in dataclasses.fields(faults)
            if getattr(faults, f.name) and f.name != "endurance_dtod"]  # fmt: skip
    for name, known in (("range", {"g_min", "g_max"}), ("read", {"voltage", "pulse_time", "noise"})):
        table = "conductance" if name == "range" else name
        lost += [f"{table}.{key}" for key, quantity in given(getattr(model, name))
                 if key not in known and quantity.value]  # fmt: skip
    return lost


def _lost_pulse(law: PulseResponse) -> list[str]:
    """Return the parameters that aihwkit's class of a law lacks."""
    if law.name not in COUNTERPARTS:
        return []
    lost = ["write_noise"] if law.write_noise and law.name == "constant" else []
    lost += ["additive_noise"] if getattr(law, "additive_noise", False) and law.name not in _ADDITIVE else []
    return [f"pulse.{key}" for key in lost]


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
        if law.name in _ADDITIVE:
            device.mult_noise = not value
    elif name in field_names(law.name):
        value = list(value) if isinstance(value, tuple) else value
        set_field(device, field_names(law.name)[name], value, f"aihwkit's {COUNTERPARTS[law.name]}")


def _set_retention(device: Any, model: DeviceModel, batch_seconds: float | None) -> None:
    """Set ageing: decay by 1 - 1 / lifetime a batch is exp(-dt / tau), a walk has sigma sqrt(dt) a batch."""
    retention = model.retention_parameters()
    for name in RETENTION:
        setattr(device, name, getattr(retention, name))
    if batch_seconds is not None:
        device.diffusion *= math.sqrt(batch_seconds)
        device.lifetime = -1 / math.expm1(-batch_seconds / device.lifetime) if device.lifetime else 0.0
    device.reset = retention.rest
    mean, spread = retention.middle
    if mean:
        device.drift.nu, device.drift.t_0 = mean, retention.drift_t0
        device.drift.nu_dtod = spread / mean  # aihwkit's is relative

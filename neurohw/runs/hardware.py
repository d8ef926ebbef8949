"""From the hardware section of a configuration to what arrays are asked to be: device, reads, settings, checksums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from neurohw.config import HardwareSection
from neurohw.crossbar.backends import find_backend
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.spec import ArraySpec
from neurohw.devices.library import load_device
from neurohw.devices.model import DeviceModel
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError

_IDEAL_DEVICE = "ideal"  # aihwkit's device without a law: no file describes it


def array_spec(
    section: HardwareSection,
    fault_maps: Mapping[str, Tensor] | None = None,
    absent: Tensor | None = None,
    programmed: bool = False,
) -> ArraySpec:
    """Return what arrays are asked to be.

    Args:
        section: of the experiment.
        fault_maps: of one layer, see `layer_maps`.
        absent: which of its cells are left out, [n_post, n_pre]; None: none.
        programmed: whether weights are those of a trained network, see `ArraySpec`.

    Raises:
        InputError: the back-end cannot leave cells out.
    """
    backend = find_backend(section.backend)
    settings: dict[str, Any] = {
        "device": device_model(section) or section.device,
        "remedy": section.remedy,
        "read_path": read_path(section),
        "pulses": PulseScheme(length=section.pulse_length, kind=section.pulse_kind),
        "weight_range": section.weight_range,
        "tile": section.tile,
        "increments": section.increments,
        "compensation": section.compensation,
        "reference": section.reference,
        "fault_map": fault_maps,
        "wire_resistance": section.wire_resistance,
        "precision": section.precision,
        "batch_seconds": section.step_seconds,
        "programmed": programmed,
    }
    read = {key: value for key, value in settings.items() if key in backend.reads}
    if absent is not None and "absent" not in backend.reads:
        raise InputError(f"network.conv: got prune, but arrays of backend {section.backend!r} cannot leave cells out; "
                         "allowed: prune = 0, or backend ideal or analog")  # fmt: skip
    return ArraySpec(section.backend, absent=absent, **read)


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


def device_model(section: HardwareSection) -> DeviceModel | None:
    """Return the device of an experiment, its overrides applied; None on ideal arrays.

    Raises:
        InputError: no such device or parameter, or a temperature that nothing depends on.
    """
    if section.device is None or section.device == _IDEAL_DEVICE or not find_backend(section.backend).devices:
        if section.kelvin is not None:
            raise InputError(f"hardware.kelvin: got {section.kelvin:g}, but device {section.device} has no temperature")
        return None
    overrides: dict[str, Any] = dict(section.device_parameters)
    if section.stuck_fraction:
        overrides |= {f"faults.stuck_{side}": section.stuck_fraction / 2 for side in ("low", "high")}
    try:
        device = load_device(section.device)
    except InputError as error:
        raise InputError(f"hardware.device: {error}") from None
    try:
        device = device.with_parameters(overrides) if overrides else device
    except InputError as error:
        raise InputError(f"hardware.device_parameters: {error}") from None
    return device if section.kelvin is None else _at_temperature(device, section.kelvin)


def _at_temperature(device: DeviceModel, kelvin: float) -> DeviceModel:
    if device.retention.activation_energy is None:
        raise InputError(f"hardware.kelvin: got {kelvin:g}, but nothing of device {device.name} depends on it; "
                         "allowed: with devices that have a retention.activation_energy")  # fmt: skip
    return device.with_parameters({"retention.temperature": kelvin})


def hardware_contents(section: HardwareSection) -> dict[str, str]:
    """Return the checksums of the device's file and of the table's, as far as they are named."""
    device = device_model(section)
    contents = {} if device is None else {"device": device.checksum()}
    if section.periphery is not None:
        contents["periphery"] = EnergyTable.load(section.periphery).checksum()
        contents |= {} if device is None else {"device, for accounts": device.checksum_for_accounts()}
    return contents


def check_backend(backend: str, device: str) -> None:
    """Refuse a GPU for arrays that run on the CPU.

    Raises:
        InputError: it is one.
    """
    if device != "cpu" and "torch_device" not in find_backend(backend).reads:
        raise InputError(f"--device: got {device!r}, but {backend}'s arrays run on the CPU; allowed: cpu")

"""On what it runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    model_serializer,
    model_validator,
)

from neurohw.config.energy import EnergySection
from neurohw.config.section import Axis, Bits, Count, NonNegative, Positive, Probability, Section, dotted
from neurohw.crossbar.backends import BACKENDS, find_backend, unread
from neurohw.crossbar.remedies import CELLS, KEYS, WRITINGS, Remedy
from neurohw.errors import InputError
from neurohw.quantity import as_value
from neurohw.validation import Wrong

_DeviceNumber = Annotated[StrictBool | float | tuple[float, ...], BeforeValidator(as_value)]


def _known(backend: str) -> str:
    if backend not in BACKENDS:
        raise ValueError(f"got {backend!r}; allowed: {', '.join(BACKENDS)}")
    return backend


class HardwareSection(Section):
    """On what it runs: back-end, device, cell, writing, pulses, converters and read errors, tiles, wires, time.

    Args:
        backend: exact matrix products, our crossbars, or aihwkit's; analog where a device is named.
        device: name or file of a device; none on ideal arrays.
        device_parameters: numbers of the device replaced, by key, in SI.
        remedy: one name for a cell that is pulsed, or for a way to write single devices.
        remedy_parameters: settings of the remedy; `zero_shift = true` makes reference cells of a way to write.
        cell: how devices make a weight.
        cell_parameters: settings of the cell.
        writing: how weights are written.
        writing_parameters: settings of the way to write.
        reference: what is subtracted from a device's conductance; none: an array, or nothing from signed weights.
        pulse_length: pulses in an update's train, at most.
        pulse_kind: an update is coincidences of random trains, or counts of pulses.
        increments: how digitally computed changes are written: as pulses, or read and corrected pulse by pulse.
        weight_range: the largest weight, that of the device's upper bound; none: 1 to 1, or as the device asks for; of
            spiking neurons, that with which its range is that of weights from 0 to `stdp.weight_max`.
        dac_bits, adc_bits: resolution of the converters, sign included; 0: not quantised.
        output_bound: range of the ADC, in device units.
        read_noise: fresh Gaussian noise per output and read, in device units.
        weight_noise: fresh Gaussian noise per device and read, in device units.
        relative_noise: fresh Gaussian noise per device and read, over its conductance.
        input_noise: fresh Gaussian noise per input, in device units.
        input_coding: how inputs are applied to lines.
        input_scale: inputs beyond the DAC's range are scaled each vector by itself, or the batch by one factor.
        signed_passes: positive and negative inputs are read in two passes.
        column_gain: standard deviation of a fixed error of each output's gain.
        column_offset: standard deviation of a fixed error of each output, in device units.
        read_nonlinearity: compression a of outputs, y / (1 + a abs(y) / output_bound).
        stuck_fraction: share of cells stuck at either bound.
        fault_maps: files, by layer, of a code for every device: 0 works, 1 stuck low, 2 high, 3 in place, 4 dead.
        wire_resistance: resistance of a line between two cells (IR drop).
        tile: rows and columns of a crossbar with its own converters, larger layers are cut; none: one for a layer.
        step_seconds: simulated time of a batch, s; of spiking neurons, of a time step while they learn.
        compensation: how drift is compensated: by one factor for an array, one per column, or not.
        off_chip: noise model into which a network trained on ideal arrays is programmed.
        drift_compensation: whether the drift of what was programmed so is compensated.
        precision: of the products that are ideal reads.
        kelvin: temperature of the cells, for devices with an activation energy; none: the device's.
        periphery: name or file of an energy table: the record gets an account.
        recommended: take what the experiment leaves open from the device; no part of the record.
    """

    also: ClassVar[tuple[str, ...]] = ("remedy", "remedy_parameters")

    backend: Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": [*BACKENDS]})] = "ideal"
    device: str | None = None
    device_parameters: Annotated[dict[str, _DeviceNumber], BeforeValidator(dotted)] = {}
    cell: Annotated[str, Field(json_schema_extra={"enum": [*CELLS]})] = "single"
    cell_parameters: dict[str, StrictBool | int | float] = {}
    writing: Annotated[str, Field(json_schema_extra={"enum": [*WRITINGS]})] = "pulses"
    writing_parameters: dict[str, StrictBool | int | float] = {}
    reference: Literal["array", "column", "offset", "none"] | None = None
    pulse_length: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 31
    pulse_kind: Literal["stochastic", "deterministic"] = "stochastic"
    increments: Literal["open-loop", "verified"] = "open-loop"
    weight_range: Positive | None = None
    dac_bits: Annotated[Bits, Axis("Bits of the DAC", worse="smaller", off=0)] = 7
    adc_bits: Annotated[Bits, Axis("Bits of the ADC", worse="smaller", off=0)] = 9
    output_bound: Positive = 12.0
    read_noise: Annotated[NonNegative, Axis("Read noise of an output (σ, in device units)", worse="larger", off=0)] = (
        0.06
    )
    weight_noise: Annotated[NonNegative, Axis("Read noise of a device (σ, in device units)", worse="larger", off=0)] = (
        0.0
    )
    relative_noise: Annotated[NonNegative, Axis("Read noise of a device over its conductance", off=0)] = 0.0
    input_noise: Annotated[NonNegative, Axis("Noise of the inputs", off=0)] = 0.0
    input_coding: Literal["amplitude", "pulse-width", "bit-serial"] = "amplitude"
    input_scale: Literal["vector", "batch"] = "vector"
    signed_passes: StrictBool = False
    column_gain: Annotated[NonNegative, Axis("Gain mismatch of the outputs (σ)", off=0)] = 0.0
    column_offset: Annotated[NonNegative, Axis("Offset of the outputs (σ)", off=0)] = 0.0
    read_nonlinearity: Annotated[NonNegative, Axis("Compression of the outputs", off=0)] = 0.0
    stuck_fraction: Annotated[Probability, Axis("Share of stuck devices", worse="larger", off=0)] = 0.0
    fault_maps: Annotated[dict[str, str], BeforeValidator(dotted)] = {}
    wire_resistance: Annotated[NonNegative, Axis("Wire resistance between two cells", "Ohm", worse="larger", off=0)] = (
        0.0
    )
    tile: tuple[Count, Count] | None = None
    step_seconds: Annotated[NonNegative, Axis("Time of a batch, in seconds", off=0)] = 1.0
    compensation: Literal["none", "global", "per-column"] = "none"
    off_chip: str | None = None
    drift_compensation: StrictBool = True
    # younger than the first records: who does without it keeps the hash
    precision: Annotated[Literal["float32", "bfloat16", "auto"], Field(exclude_if=lambda it: it == "float32")] = (
        "float32"
    )
    kelvin: Annotated[Positive | None, Axis("Temperature", "K"), Field(exclude_if=lambda it: it is None)] = None
    periphery: str | None = None
    # what a device recommends stands in the configuration as applied; whether it was asked is no part of it
    recommended: Annotated[StrictBool, Field(exclude=True)] = True

    @model_validator(mode="before")
    @classmethod
    def _from_one_name(cls, given: Any) -> Any:
        """Read `remedy` and `remedy_parameters`, the one name of a cell or of a way to write, for both."""
        if not isinstance(given, dict) or not given.keys() & set(KEYS):
            return given
        try:
            remedy = Remedy.from_keys({key: given[key] for key in KEYS if key in given})
        except InputError as error:
            raise Wrong(*str(error).split(": ", 1)) from None
        return {key: value for key, value in given.items() if key not in KEYS} | asdict(remedy)

    @model_serializer(mode="wrap")
    def _by_one_name(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the one name where there is one: records and hashes are those of experiments that have it."""
        keys = self.remedy.to_keys()
        dumped = handler(self)
        start = [(key, dumped.pop(key)) for key in ("backend", "device", "device_parameters")]
        return dict(start) | keys | {key: value for key, value in dumped.items() if key not in KEYS}

    @property
    def remedy(self) -> Remedy:
        """How devices make a weight, and how it is written."""
        return Remedy(self.cell, self.writing, self.cell_parameters, self.writing_parameters)


_ALWAYS = {"backend", "step_seconds", "periphery"}  # how arrays are chosen, when time passes, what accounts them
_SETS = {  # what of an array a key sets, where that is called otherwise (see `ArraySpec`, `ReadPath`, `PulseScheme`)
    "pulse_length": "length", "pulse_kind": "kind", "input_coding": "coding", "read_nonlinearity": "nonlinearity",
    "fault_maps": "fault_map",
}  # fmt: skip


def unread_hardware(hardware: HardwareSection) -> list[str]:
    """Return the hardware keys that were set and that the chosen back-end would not read."""
    usual = HardwareSection().model_dump()
    given = hardware.model_dump().items()
    changed = {key: value for key, value in given if key not in _ALWAYS and value not in (usual.get(key), {})}
    found = (unread(hardware.backend, f"hardware.{key}", _SETS.get(key, key), changed[key]) for key in changed)
    return [complaint for complaint in found if complaint is not None]


def is_read(backend: str, key: str) -> bool:
    """Return whether a back-end reads a key of `hardware`, given dotted; keys of other sections are not its matter."""
    section, _, name = key.partition(".")
    return section != "hardware" or name in _ALWAYS or _SETS.get(name, name) in find_backend(backend).reads


def hardware_complaints(hardware: HardwareSection, energy: EnergySection) -> list[str]:
    """Return what does not fit together, and what was set that the back-end, or no account, reads."""
    wrong = []
    if has_devices(hardware.backend) and hardware.device is None:
        wrong.append(f"hardware.device: not given; backend {hardware.backend} needs one (see `neurohw device list`)")
    for key in ("dac_bits", "adc_bits"):
        if getattr(hardware, key) == 1:
            wrong.append(f"hardware.{key}: got 1; allowed: 0 (not quantised) or 2 to 16, the sign takes one bit")
    wrong += (without := sorted(unread_hardware(hardware)))
    if without and hardware.backend == "ideal":
        wrong.append('hardware.backend: "ideal" has none of these; hardware = "default" leaves all of [hardware] out')
    if hardware.periphery is None and energy != EnergySection():
        wrong.append("energy: got settings, but hardware.periphery names no table to account with, as in 32nm")
    return wrong


def with_hardware_named(seen: dict[str, Any]) -> dict[str, Any]:
    """Return tables where a remedy has its one name and its cell and writing, however it is given."""
    return {**seen, "hardware": with_every_name(seen["hardware"])} if "hardware" in seen else seen


def with_every_name(hardware: Any) -> Any:
    """Return the table with a remedy's one name (or both of its names) and with its halves, where they are right."""
    try:
        remedy = Remedy.from_keys({key: hardware[key] for key in KEYS if key in hardware})
    except (InputError, TypeError):  # which validation will say
        return hardware
    return {**hardware, **asdict(remedy), "remedy": remedy.name, **remedy.to_keys()}


def has_devices(backend: str) -> bool:
    """Return whether a back-end's arrays are made of devices, which age and take energy."""
    return find_backend(backend).devices

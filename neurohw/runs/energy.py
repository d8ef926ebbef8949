"""Accounts of records: devices and ledgers meet periphery tables here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from neurohw.devices.library import device_path, load_device
from neurohw.devices.model import DeviceModel
from neurohw.energy.account import account
from neurohw.energy.array_facts import TRAINING
from neurohw.energy.breakdown import EnergyBreakdown
from neurohw.energy.conditions import Conditions
from neurohw.energy.ranges import Figure, Range
from neurohw.energy.schedule import Parallelism, Schedule
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.quantity import ASSUMED, Quantity
from neurohw.runs.record import RunRecord

UNQUANTISED_BITS = 8  # of converters where the run did not quantise, stated in every account's schedule
_GATED = ("1T", "2T", "three-terminal", "capacitor")  # the write voltage does not stand across the conductance
_KEYS = {"read.voltage": "V", "read.pulse_time": "s", "write.pulse_time": "s", "area.cell": "m2"}
_NAMES = {"read.pulse_time": "read.time", "area.cell": "cell.area"}


def conditions(device: DeviceModel, origin: str | None = None) -> Conditions:
    """Return how a device is read and written, from its file.

    A write pulse costs V^2 G t, low at g_min and high at g_max; nominal is the energy that the file gives, or V^2 t at
    the mean conductance. A cell whose write voltage stands at a gate needs the energy. What the file lacks is an error
    once something that was counted needs it.

    Args:
        device: the model.
        origin: its file, for messages.
    """
    numbers = dict(device.numbers())
    figures = {_NAMES.get(key, key): _figure(device, key, numbers[key], unit)
               for key, unit in _KEYS.items() if key in numbers}  # fmt: skip
    missing = {_NAMES.get(key, key): key for key in _KEYS}
    for name, side in (("write.up", "potentiation"), ("write.down", "depression")):
        found = _write(device, numbers, side)
        figures |= {name: found} if isinstance(found, Figure) else {}
        missing |= {name: found} if isinstance(found, str) else {}
    half = _half(device, numbers)
    figures |= {"write.half": half} if isinstance(half, Figure) else {}
    missing |= {"write.half": half} if isinstance(half, str) else {}
    endurance = numbers["faults.endurance"].si("1") if "faults.endurance" in numbers else None
    return Conditions(device.name, origin or f"device {device.name}", figures, missing, endurance)


def accounted(
    record: RunRecord,
    table: EnergyTable,
    schedule: Schedule | None = None,
    load: Callable[[str], DeviceModel] = load_device,
) -> EnergyBreakdown:
    """Return the account of a record, running nothing.

    Args:
        record: with a ledger: {"counts": ..., "facts": ...}.
        table: what circuits around the cells cost.
        schedule: None: arrays of an EP network are read together, those of BP one after the other.
        load: where devices are from.

    Raises:
        InputError: the record has no ledger; a figure is missing; all by name.
    """
    ledger = record.ledger
    if not isinstance(ledger.get("counts"), Mapping) or not isinstance(ledger.get("facts"), Mapping):
        raise InputError(f"record {record.name!r}, seed {record.seed}: ledger: got {_short(ledger)}; this run counted "
                         "no events (it is from before ledgers, or failed); run it again to account it")  # fmt: skip
    hardware = record.config.get("hardware", {})
    name = hardware.get("device")
    device = None
    if name:
        model = load(name)
        if changed := hardware.get("device_parameters"):
            model = model.with_parameters(changed)
        device = conditions(model, str(device_path(name)) if load is load_device else f"device {name}")
    try:
        return account(ledger["counts"], ledger["facts"], table, device, schedule or default_schedule(record.config))
    except InputError as error:
        raise InputError(f"record {record.name!r}, seed {record.seed}: {error}") from None


def training_energy(
    record: RunRecord,
    table: EnergyTable,
    schedule: Schedule | None = None,
    load: Callable[[str], DeviceModel] = load_device,
) -> list[Range]:
    """Return the energy of training in all up to and with each epoch, J, from the ledger's curve.

    The curve does not tell phases apart, so a network that settles by itself has its whole training energy shared out
    as clocked reads would spend it.

    Raises:
        InputError: as `accounted`, or the ledger has no curve.
    """
    curve = record.ledger.get("ledger_curve")
    if not curve:
        raise InputError(f"record {record.name!r}, seed {record.seed}: ledger_curve: missing or empty; "
                         "this run counted no epochs")  # fmt: skip
    chosen = schedule or default_schedule(record.config)
    clocked = dataclasses.replace(chosen, ep="clocked")
    facts = {**record.ledger["facts"]}
    found = []
    for counts in curve:
        part = record.model_copy(update={"ledger": {"counts": counts, "facts": facts}})
        found.append(accounted(part, table, clocked, load).total)
    if chosen.ep == "clocked":
        return found
    whole = accounted(record, table, chosen, load).of(*TRAINING)
    return [whole * (energy.nominal / found[-1].nominal) for energy in found]


def default_schedule(config: Mapping[str, Any]) -> Schedule:
    """Return the schedule that a configuration suggests."""
    together = config.get("network", {}).get("rule") == "ep"
    return Schedule(parallelism=Parallelism(arrays_overlap=together), unquantised_bits=UNQUANTISED_BITS)


def _figure(device: DeviceModel, key: str, quantity: Quantity, unit: str) -> Figure:
    return Figure(f"device {device.name} {key}", Range.of(abs(quantity.si(unit))), quantity.source)


def _write(device: DeviceModel, numbers: Mapping[str, Quantity], side: str) -> Figure | str:
    """Return what a pulse costs, or which keys would tell."""
    key, voltage = f"write.{side}_energy", f"write.{side}_voltage"
    given = numbers.get(key)
    parts = [numbers[k] for k in (voltage, "write.pulse_time") if k in numbers]
    if device.cell in _GATED or len(parts) < 2:
        if given is not None:
            return _figure(device, key, given, "J")
        needed = [key] if device.cell in _GATED else [k for k in (voltage, "write.pulse_time") if k not in numbers]
        return " and ".join(needed) + ("" if device.cell in _GATED else f", or {key}")
    ohmic = _v2gt(device, abs(parts[0].si("V")), parts[1].si("s"))
    sources = [quantity.source for quantity in parts]
    if given is not None:
        nominal = given.si("J")
        bounds = Range(min(ohmic.low, nominal), nominal, max(ohmic.high, nominal))
        return Figure(f"device {device.name} {key}", bounds, given.source)
    return Figure(f"device {device.name} {voltage} and write.pulse_time", ohmic, _worst(sources, device))


def _half(device: DeviceModel, numbers: Mapping[str, Quantity]) -> Figure | str:
    """Return what a half-selected cell costs per slot, (V/2)^2 G t at the larger voltage; or which keys would tell."""
    keys = ("write.potentiation_voltage", "write.depression_voltage", "write.pulse_time")
    if absent := [key for key in keys if key not in numbers]:
        return " and ".join(absent)
    if device.cell in _GATED:  # no current flows through the channel; a quarter of the pulse's energy stands for C V^2
        pulse = _write(device, numbers, "potentiation")
        if isinstance(pulse, str):
            return pulse
        return Figure(pulse.key, pulse.range * 0.25, f"assumed: a quarter of {pulse.source}")
    volts = max(abs(numbers[key].si("V")) for key in keys[:2])
    energy = _v2gt(device, volts / 2, numbers[keys[2]].si("s"))
    return Figure(f"device {device.name} half of the write voltages", energy,
                  _worst([numbers[key].source for key in keys], device))  # fmt: skip


def _v2gt(device: DeviceModel, volts: float, seconds: float) -> Range:
    g = Range(device.g_min, (device.g_min + device.g_max) / 2, device.g_max)
    return g * (volts**2 * seconds)


def _worst(sources: list[str], device: DeviceModel) -> str:
    """Return the source of a product: an assumed one where there is one."""
    of_range = [device.range.g_min.source, device.range.g_max.source]
    chosen = next((s for s in (*sources, *of_range) if s.lower().startswith(ASSUMED)), sources[0])
    return f"{chosen}; V^2 G t from the conductance range"


def _short(ledger: Any) -> str:
    return repr(sorted(ledger)) if ledger else "nothing"

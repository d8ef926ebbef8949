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
from neurohw.energy.ranges import Range
from neurohw.energy.schedule import Parallelism, Schedule
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.runs.conditions import conditions
from neurohw.runs.record import RunRecord

UNQUANTISED_BITS = 8  # of converters where the run did not quantise, stated in every account's schedule


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


def _short(ledger: Any) -> str:
    return repr(sorted(ledger)) if ledger else "nothing"

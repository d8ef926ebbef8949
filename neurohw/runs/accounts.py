"""Accounts of records: devices and ledgers meet periphery tables here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from neurohw.circuits.kinds import CIRCUITS
from neurohw.config import EnergySection
from neurohw.config.hardware import has_devices
from neurohw.devices.library import device_path, load_device
from neurohw.devices.model import DeviceModel
from neurohw.energy.account import account
from neurohw.energy.baseline import Digital, digital_baseline
from neurohw.energy.breakdown import EnergyBreakdown
from neurohw.energy.conditions import NO_CIRCUIT, CircuitConditions, Conditions
from neurohw.energy.facts import COMPENSATING, TRAINING_PHASES, checked, facts_from
from neurohw.energy.neurosim import array_models
from neurohw.energy.ranges import Range
from neurohw.energy.recorded import AcceleratorCost, Account, AgedCost, DigitalAccount, PhaseEnergy, chip_account
from neurohw.energy.schedule import Parallelism, Schedule
from neurohw.energy.schema import Precision
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.loading import validated
from neurohw.metering.line_drive import UNQUANTISED_BITS
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.operating_points import circuit_conditions, conditions
from neurohw.runs.record import RunRecord
from neurohw.validation import Place, refused

_COMPARED: tuple[Precision, ...] = ("int8", "fp16")  # of the digital accelerators beside a chip


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
        schedule: None: as the record's configuration has it.
        load: where devices are from.

    Raises:
        InputError: the record has no ledger; a figure is missing; all by name.
    """
    counts, facts = _counted(record)
    device, circuit = conditions_of(record.config, load)
    return _priced(record, counts, facts, table, device, circuit, schedule or schedule_of(record.config))


def _priced(
    record: RunRecord,
    counts: Mapping[str, Any],
    facts: Mapping[str, Any],
    table: EnergyTable,
    device: Conditions | None,
    circuit: CircuitConditions,
    schedule: Schedule,
) -> EnergyBreakdown:
    """Return the account of some counts of a record; an error names the record."""
    try:
        return account(counts, facts, table, device, schedule, circuit, _counted(record)[0])
    except InputError as error:
        raise InputError(f"record {record.name!r}, seed {record.seed}: {error}") from None


def training_energy(
    record: RunRecord,
    table: EnergyTable,
    schedule: Schedule | None = None,
    load: Callable[[str], DeviceModel] = load_device,
) -> list[Range]:
    """Return the energy of training in all up to and with each epoch, J, from the ledger's curve.

    A curve that does not tell phases apart (as records had before) can be accounted as clocked only: a network that
    settles by itself has its whole training energy shared out as clocked reads would spend it.

    Raises:
        InputError: as `accounted`.
    """
    chosen = schedule or schedule_of(record.config)
    curve = record.ledger.get("ledger_curve") or []
    merged = chosen.ep == "continuous" and any("training" in phases for counts in curve for phases in counts.values())
    how = dataclasses.replace(chosen, ep="clocked") if merged else chosen
    facts = _counted(record)[1]
    device, circuit = conditions_of(record.config, load)
    spent = [_priced(record, counts, facts, table, device, circuit, how).of(*TRAINING_PHASES) for counts in curve]
    if not merged:
        return spent
    whole = accounted(record, table, chosen, load).of(*TRAINING_PHASES)
    return [whole * (energy.nominal / spent[-1].nominal) for energy in spent]


def energy_of(record: RunRecord, table: EnergyTable, schedule: Schedule | None = None, lines: bool = False) -> Account:
    """Return the account of a record, its `energy`; of ideal arrays, which are no hardware, the digital side only.

    Args:
        record: with a ledger.
        table: what circuits around the cells cost.
        schedule: None: as the record's configuration has it.
        lines: every line of the account too, under `items`.

    Raises:
        InputError: as `accounted`.
    """
    digital = _digital(record, table, schedule or schedule_of(record.config))
    if not has_devices(record.config.get("hardware", {}).get("backend", "ideal")):
        return DigitalAccount(table=table.name, digital=digital)
    breakdown = accounted(record, table, schedule)
    spent = training_energy(record, table, schedule)
    models = array_models(breakdown, checked(_counted(record)[0]))
    aged = _after_training(record, table, breakdown.schedule)
    return chip_account(breakdown, spent, _by_training_phase(record, spent), models, digital, lines, aged)


def _after_training(record: RunRecord, table: EnergyTable, schedule: Schedule) -> list[AgedCost]:
    """Return what compensation and re-training of the aged chip took, age by age."""
    device, circuit = conditions_of(record.config, load_device)
    costs = []
    for entry in record.ledger.get("aged", []):
        counts = entry["counts"]
        if not counts:
            continue
        spent = _priced(record, counts, entry["facts"], table, device, circuit, schedule)
        writes = [counts.get(array, {}).get("update", {}) for array in entry["facts"]["arrays"]]
        pulses = sum(events.get(way, 0.0) for events in writes for way in ("pulses_up", "pulses_down"))
        costs.append(AgedCost(
            age_seconds=entry["age_seconds"], compensation=entry["compensation"],
            compensating=spent.of(COMPENSATING), images=spent.facts.trained, pulses=pulses,
            recovery=spent.of(*TRAINING_PHASES), seconds=spent.latency.of(*TRAINING_PHASES),
        ))  # fmt: skip
    return costs


def _by_training_phase(record: RunRecord, spent: Sequence[Range]) -> dict[str, PhaseEnergy]:
    """Return energy and images of each training phase, from what was spent up to and with each epoch."""
    energies: dict[str, Range] = {}
    images: dict[str, float] = {}
    for row, before, after in zip(record.curve, [Range.of(0.0), *spent], spent, strict=False):
        phase = row["phase"]
        energies[phase] = energies.get(phase, Range.of(0.0)) + after + before * -1.0
        images[phase] = images.get(phase, 0.0) + row.get("images", 0.0)
    return {phase: PhaseEnergy(images=images[phase], **energy.as_dict()) for phase, energy in energies.items()}


def _digital(record: RunRecord, table: EnergyTable, schedule: Schedule) -> tuple[AcceleratorCost, ...]:
    """Return the run on digital accelerators: at int8 and fp16, all weights on the chip or fetched from DRAM."""
    counts, facts = _counted(record)
    known = facts_from(facts, checked(counts))
    accelerators = (Digital(precision, dram, schedule.digital) for precision in _COMPARED for dram in (False, True))
    baselines = (digital_baseline(counts, known, table, accelerator) for accelerator in accelerators)
    return tuple(
        AcceleratorCost(
            precision=there.accelerator.precision,
            dram=there.accelerator.dram,
            node=there.node,
            total=there.total,
            training=there.training,
            per_training_image=there.training / known.trained if known.trained else None,
            parts=there.parts,
        )
        for there in baselines
    )


def schedule_of(config: Mapping[str, Any], **changed: Any) -> Schedule:
    """Return how a configuration wants to be accounted: its `energy` table, and its rule.

    Arrays of EP are read together; those of layers that learn one after the other are written so, too.

    Args:
        config: of a record.
        changed: settings that take the place of the table's, by its keys; those that are None do not.
    """
    try:
        wanted = EnergySection.model_validate(dict(config.get("energy", {})))
    except ValidationError as error:
        raise refused(error, "record's configuration", EnergySection, Place("energy")) from None
    wanted = wanted.model_copy(update={key: value for key, value in changed.items() if value is not None})
    network = config.get("network", {})
    rule = LEARNING_RULES.get(network.get("rule", ""))
    together = rule is not None and rule.work_class().relaxes
    at_once = rule is None or not rule.greedy or len(network.get("layers", ())) <= 2
    parallelism = Parallelism(wanted.columns_per_adc, wanted.tiles_at_once, together, wanted.phases_overlap, at_once)
    return Schedule(parallelism, wanted.ep, wanted.digital, wanted.standby, wanted.polarities, UNQUANTISED_BITS)


def conditions_of(
    config: Mapping[str, Any], load: Callable[[str], DeviceModel]
) -> tuple[Conditions | None, CircuitConditions]:
    """Return how the device of a configuration is read and written, and what its target circuit says of itself."""
    kind = CIRCUITS.get(config.get("target", {}).get("circuit", ""))
    from_file = kind is not None and kind.file
    circuit = circuit_conditions(validated(dict(config), "the record")) if from_file else NO_CIRCUIT
    hardware = config.get("hardware", {})
    name = hardware.get("device")
    if not name:
        return None, circuit
    model = load(name)
    if changed := hardware.get("device_parameters"):
        model = model.with_parameters(changed)
    return conditions(model, str(device_path(name)) if load is load_device else f"device {name}"), circuit


def _counted(record: RunRecord) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    ledger = record.ledger
    if not isinstance(ledger.get("counts"), Mapping) or not isinstance(ledger.get("facts"), Mapping):
        raise InputError(f"record {record.name!r}, seed {record.seed}: ledger: got {_short(ledger)}; this run counted "
                         "no events (it is from before ledgers, or failed); run it again to account it")  # fmt: skip
    return ledger["counts"], ledger["facts"]


def _short(ledger: Any) -> str:
    return repr(sorted(ledger)) if ledger else "nothing"

"""Whether a run could be accounted: one of every event that it can count is priced before it begins."""

from __future__ import annotations

from typing import Any

from neurohw.circuits.kinds import CIRCUITS
from neurohw.config import DeepSTDPExperiment, OnChipExperiment, STDPExperiment
from neurohw.config.hardware import has_devices
from neurohw.crossbar.remedies import PLAIN
from neurohw.devices.library import load_device
from neurohw.energy.account import account
from neurohw.energy.baseline import Digital, digital_baseline
from neurohw.energy.facts import TRAINING_PHASES, facts_from
from neurohw.energy.rules import ARRAY_RULES, RULES
from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.metering.polarities import LINE_EVENTS, POLARITIES, event_of
from neurohw.networks.operations import Operations
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.accounts import conditions_of, schedule_of


def check_accountable(experiment: OnChipExperiment) -> None:
    """Account one of every event that a run of this experiment can count, before the run.

    Raises:
        InputError: there is no such table, or it or the device's file lacks a figure; all by name.
    """
    if experiment.hardware.periphery is not None:
        _check_priced(experiment, experiment.hardware.periphery, _foreseen(experiment))


def check_clustering_accountable(experiment: DeepSTDPExperiment | STDPExperiment, neurons: str) -> None:
    """Account one of every event that spiking neurons on a crossbar can count, before the run; see above."""
    if experiment.hardware.periphery is not None and experiment.on_crossbar:
        _check_priced(experiment, experiment.hardware.periphery, _foreseen_in_clustering(neurons))


def _check_priced(
    experiment: OnChipExperiment | DeepSTDPExperiment | STDPExperiment, periphery: str, counts: dict[str, Any]
) -> None:
    hardware, table = experiment.hardware, EnergyTable.load(periphery)
    array = {"n_post": 1, "n_pre": 1, "tiles": [1, 1], "devices_per_weight": 1,
             "dac_bits": hardware.dac_bits, "adc_bits": hardware.adc_bits}  # fmt: skip
    facts = facts_from({"arrays": {"W1": array}, "images": {"batches": 1.0}}, counts)
    config = experiment.canonical()
    known = conditions_of(config, load_device) if has_devices(hardware.backend) else None
    try:
        digital_baseline(counts, facts, table, Digital("int8", True))
        digital_baseline(counts, facts, table, Digital("fp16", True, experiment.energy.digital))
        if known is not None:
            device, circuit = known
            account(counts, facts, table, device, schedule_of(config), circuit)
    except InputError as error:
        raise InputError(f"hardware.periphery: got {periphery!r}, with which this run could not be accounted; "
                         f"nothing was run\n{error}") from None  # fmt: skip


def check_work(operations: Operations) -> None:
    """Refuse, before the run, work of a network that no account has a rule for, or takes for training.

    Raises:
        InputError: an event, or a phase; by name.
    """
    work = (*operations.of_answers(operations.phase, 1.0), *operations.of_contrasts(1.0))
    for component, phase, event, _ in work:
        if event not in RULES.get(component, {}):
            raise InputError(f"network.rule: {component}.{event}: no rule for this event of the network's operations")
        if phase not in TRAINING_PHASES:
            raise InputError(f"network.rule: {component}.{event} in phase {phase!r}, which no account takes for "
                             f"training; allowed: {', '.join(TRAINING_PHASES)}")  # fmt: skip


def _foreseen(experiment: OnChipExperiment) -> dict[str, Any]:
    """Return one of every event that a run can count."""
    training, kind = experiment.training, LEARNING_RULES[experiment.network.rule].work_class()
    phase = kind.phase
    digital = set(RULES["digital"])
    kept = experiment.hardware.remedy != PLAIN or experiment.hardware.increments == "verified"
    if training.optimizer != "adam" and not kept:
        digital -= {"optimizer_words"}
    decisions: dict[str, dict[str, float]] = {}
    if training.mode != "unsupervised":
        decisions["target"] = {"label_decisions": 1.0}
    if training.mode != "supervised":
        charges = CIRCUITS[experiment.target.circuit].circuit_class().charges
        decisions["target"] = {**decisions.get("target", {}), **dict.fromkeys(("decisions", *charges), 1.0)}
        if experiment.target.gamma:
            decisions["homeostasis"] = {"homeostasis_updates": 1.0}
    steps = {"steps": 1.0} if kind.relaxes else {}
    return {
        "W1": _of_an_array(phase),
        "digital": {phase: {"activations": 1.0}, "update": dict.fromkeys(digital, 1.0)},
        "buffer": {phase: dict.fromkeys(RULES["buffer"], 1.0)},
        "target": decisions,
        "clock": {phase: {"images": 1.0, **steps}, "update": {"seconds": 1.0}},
    }


def _foreseen_in_clustering(neurons: str) -> dict[str, Any]:
    """Return one of every event that `MeteredClustering` and the array that it is on can count."""
    phase = "forward"
    of_neurons = {
        "digital": {"digital": {phase: dict.fromkeys(("adds", "macs", "activations"), 1.0)}},
        "analog": {
            "neurons": {phase: {"settlings": 1.0}},
            "target": {phase: dict.fromkeys(("comparisons", "spikes", "synaptic_events"), 1.0)},
            "digital": {phase: {"macs": 1.0}},
        },
    }[neurons]
    return {
        "W1": _of_an_array(phase),
        "buffer": {phase: dict.fromkeys(RULES["buffer"], 1.0)},
        "clock": {phase: {"images": 1.0}, "update": {"seconds": 1.0}},
        **of_neurons,
    }


def _of_an_array(phase: str) -> dict[str, dict[str, float]]:
    """Return one of every event of an array, its reads in `phase`."""
    reads = ("reads", "dac_conversions", "adc_conversions", "read_conductance")
    writes = [event for event in ARRAY_RULES if event not in (*reads, "reads_transposed", "settled_conductance")]
    writes += [event_of(event, way) for event in LINE_EVENTS for way in POLARITIES]
    return {phase: dict.fromkeys(reads, 1.0), "update": dict.fromkeys(writes, 1.0)}

"""What a run has learnt, read back from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurohw.clock import Clock
from neurohw.config.rules import network_settings
from neurohw.crossbar.ideal import IdealArray
from neurohw.errors import InputError
from neurohw.loading import validated
from neurohw.networks.base import Network
from neurohw.networks.rules import LEARNING_RULES
from neurohw.runs.checkpoint import load_checkpoint
from neurohw.runs.job import Job, job_class
from neurohw.runs.onchip import OnChip
from neurohw.runs.record import CHECKPOINT, RECORD, RunRecord, read_record
from neurohw.seeding import Streams


def restored_job(folder: Path) -> tuple[Job[Any], RunRecord]:
    """Return the job of a run that is over as its checkpoint has it, on the CPU wherever it ran, and its record.

    Args:
        folder: of a run, finished or stopped, with its record and its checkpoint.

    Raises:
        InputError: there is no such run, it is not over, or failed, or its checkpoint is not there or does not fit.
    """
    record = _record_of(folder)
    experiment = validated(record.config, str(folder))
    job = job_class(experiment)(experiment, Streams(record.seed))
    job.build()
    ran_on = record.versions.get("device", "cpu").partition(":")[0]  # "cuda:0" is a "cuda"
    if load_checkpoint(folder, f"{record.config_hash}-{record.seed}-{ran_on}", job, None) is None:
        raise InputError(f"{folder}: has no {CHECKPOINT}, where a run keeps what it has learnt")
    return job, record


def restored_chip(folder: Path) -> tuple[OnChip, RunRecord]:
    """Return the chip of a run, see `restored_job`, and its record.

    Raises:
        InputError: see `restored_job`; or the run is of another kind.
    """
    job, record = restored_job(folder)
    if not isinstance(job, OnChip):
        raise InputError(f'{folder}: is a run of kind {record.kind!r}; allowed: "onchip"')
    return job, record


def _record_of(folder: Path) -> RunRecord:
    """Return the record of a run that is over: its numbers are those of what its checkpoint holds."""
    going_on = f"allowed: one that is (`neurohw run ... --out {folder} --resume` goes on)"
    if (folder / CHECKPOINT).exists() and not (folder / RECORD).exists():
        raise InputError(f"{folder}: that run is not over; {going_on}")
    record = read_record(folder)
    if not record.has_result:
        raise InputError(f"{folder}: that run {record.status}; allowed: one that is finished, or was stopped")
    if record.message:
        raise InputError(f"{folder}: that run is not over ({record.message}); {going_on}")
    return record


def read_exactly(chip: OnChip) -> Network:
    """Return the chip's network as if its weights, as they stand, were read without noise, converters or wires."""
    settings = network_settings(chip.experiment, chip.task.image)
    layers = [layer.over(IdealArray(layer.array.snapshot())) for layer in chip.network.layers]
    build = LEARNING_RULES[chip.experiment.network.rule].network_class().built
    return build(layers, settings, chip.streams, Clock())

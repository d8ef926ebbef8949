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


def restored_job(folder: Path) -> Job[Any]:
    """Return the job of a run as its checkpoint has it, on the CPU.

    Args:
        folder: of a run, with its record and its checkpoint.

    Raises:
        InputError: there is no such run, or its checkpoint is not there or does not fit.
    """
    record = read_record(folder)
    experiment = validated(record.config, str(folder))
    job = job_class(experiment)(experiment, Streams(record.seed))
    job.build()
    identity = f"{record.config_hash}-{record.seed}-cpu"
    if load_checkpoint(folder, identity, job, job.streams) is None:
        raise InputError(f"{folder}: has no {CHECKPOINT}, where a run keeps what it has learnt")
    return job


def restored_chip(folder: Path) -> tuple[OnChip, RunRecord]:
    """Return the chip of a run that has a result, finished or stopped, and its record.

    Raises:
        InputError: see `restored_job`; or the run is not over, failed, ran on a GPU, or is of another kind.
    """
    if (folder / CHECKPOINT).exists() and not (folder / RECORD).exists():
        going_on = f"`neurohw run ... --out {folder} --resume` goes on"
        raise InputError(f"{folder}: that run is not over; allowed: one that is ({going_on})")
    record = read_record(folder)
    if record.kind != "onchip":
        raise InputError(f'{folder}: is a run of kind {record.kind!r}; allowed: "onchip"')
    if not record.has_result:
        raise InputError(f"{folder}: that run {record.status}; allowed: one that is finished, or was stopped")
    if record.versions.get("device", "cpu") != "cpu":
        raise InputError(f"{folder}: learnt on {record.versions['device']}; allowed: a run with --device cpu")
    job = restored_job(folder)
    assert isinstance(job, OnChip)
    return job, record


def read_exactly(chip: OnChip) -> Network:
    """Return the chip's network as if its weights, as they stand, were read without noise, converters or wires."""
    settings = network_settings(chip.experiment, chip.task.image)
    layers = [layer.over(IdealArray(layer.array.snapshot())) for layer in chip.network.layers]
    build = LEARNING_RULES[chip.experiment.network.rule].network_class().built
    return build(layers, settings, chip.streams, Clock())

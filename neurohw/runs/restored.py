"""What a run has learnt, read back from its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurohw.errors import InputError
from neurohw.loading import validated
from neurohw.runs.checkpoint import load_checkpoint
from neurohw.runs.job import Job, job_class
from neurohw.runs.record import CHECKPOINT, read_record
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

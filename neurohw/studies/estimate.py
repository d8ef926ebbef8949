"""How long a run will take, and how much disk: a few batches are timed, the rest is arithmetic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from neurohw.config import Experiment
from neurohw.runs.checkpoint import Progress, save_checkpoint
from neurohw.runs.job import Job, Together, job_class
from neurohw.runs.products import float32_products
from neurohw.runs.record import CHECKPOINT
from neurohw.seeding import Streams

_WARM_UP, _BATCHES = 2, 6
_RECORD_BYTES, _EPOCH_BYTES = 20_000, 1_500  # of what is text; configurations and ledgers differ little


@dataclass(frozen=True)
class Estimate:
    """What a run takes on this machine.

    Args:
        seconds: of epochs' beginnings, training and inference, of all seeds.
        size: bytes of the folder of one: checkpoint, record and metrics.
    """

    seconds: float
    size: int


def estimate(experiment: Experiment, stop_after: int | None = None, seeds: int = 1) -> Estimate:
    """Return what a run takes: a checkpoint is written as it would be, the beginning of each phase and inference timed.

    What comes first is not timed: it loads libraries and warms caches, and would count 60,000-fold.

    Args:
        experiment: what would run.
        stop_after: epochs of the main phase that would run, all unless given.
        seeds: of so many runs that are trained together, all of them.
    """
    kind = job_class(experiment)
    with float32_products(kind.multiplications(experiment)):
        return _estimated(kind.of_seeds(experiment, [Streams(seed) for seed in range(seeds)]), stop_after)


def _estimated(jobs: Sequence[Job[Any]], stop_after: int | None) -> Estimate:
    job = jobs[0]
    for each in jobs:
        each.build()
    rounds = min(stop_after or job.plan[-1].round, job.plan[-1].round)
    epochs = [epoch for epoch in job.plan if epoch.round <= rounds]
    beginning = job.begin_seconds()
    inference = len(jobs) * job.inference_seconds()
    first = {epoch.phase: i for i, epoch in reversed([*enumerate(epochs)])}
    per_image = {phase: _per_image(job.together(jobs), i) for phase, i in first.items()}
    parts = (
        len(jobs) * beginning + per_image[e.phase] * e.images + inference * (e.evaluated or e is epochs[-1])
        for e in epochs
    )
    size = _checkpoint_bytes(job)  # now that its optimiser has a memory
    evaluations, images = job.after_training()
    after = evaluations * inference + len(jobs) * images * per_image[epochs[-1].phase]
    return Estimate(sum(parts) + after, size + _RECORD_BYTES + _EPOCH_BYTES * len(epochs))


def _checkpoint_bytes(job: Job[Any]) -> int:
    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), "estimate", Progress(), job, job.streams)
        return (Path(folder) / CHECKPOINT).stat().st_size


def _per_image(together: Together, epoch: int) -> float:
    """Return the seconds an image of an epoch takes, its first batches left out unless there are no others."""
    batches, began = together.train(epoch, 0), time.perf_counter()
    images = sum(islice(batches, _WARM_UP))
    warm = time.perf_counter()
    timed = sum(islice(batches, _BATCHES))
    return (time.perf_counter() - warm) / timed if timed else (warm - began) / max(1, images)

"""How long a run will take: a few batches are timed, the rest is arithmetic."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

from neurohw.config import Experiment
from neurohw.runs.job import Job, Together, job_class
from neurohw.runs.products import float32_products
from neurohw.seeding import Streams

_WARM_UP, _BATCHES = 2, 6


def estimate_seconds(experiment: Experiment, stop_after: int | None = None, seeds: int = 1) -> float:
    """Return the seconds a run will take on this machine: of epochs' beginnings, six batches a phase, inference.

    What comes first is not timed: it loads libraries and warms caches, and would count 60,000-fold.

    Args:
        experiment: what would run.
        stop_after: epochs of the main phase that would run, all unless given.
        seeds: of so many runs that are trained together, all of them.
    """
    kind = job_class(experiment)
    with float32_products(kind.multiplications(experiment)):
        return _estimated(kind.of_seeds(experiment, [Streams(seed) for seed in range(seeds)]), stop_after)


def _estimated(jobs: Sequence[Job[Any]], stop_after: int | None) -> float:
    job = jobs[0]
    for each in jobs:
        each.build()
    rounds = min(stop_after or job.plan[-1].round, job.plan[-1].round)
    epochs = [epoch for epoch in job.plan if epoch.round <= rounds]
    beginning = job.begin_seconds()
    inference = len(jobs) * job.inference_seconds()
    first = {epoch.phase: i for i, epoch in reversed([*enumerate(epochs)])}
    per_image = {phase: _per_image(job.together(jobs), i) for phase, i in first.items()}
    return sum(
        len(jobs) * beginning + per_image[e.phase] * e.images + inference * (e.evaluated or e is epochs[-1])
        for e in epochs
    )


def _per_image(together: Together, epoch: int) -> float:
    """Return the seconds an image of an epoch takes, its first batches left out unless there are no others."""
    batches, began = together.train(epoch, 0), time.perf_counter()
    images = sum(islice(batches, _WARM_UP))
    warm = time.perf_counter()
    timed = sum(islice(batches, _BATCHES))
    return (time.perf_counter() - warm) / timed if timed else (warm - began) / images

"""How fast is learning one example after the other, as in the sequential mode of Fig. 10, against the plain method?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch

from neurohw.bench import plain
from neurohw.bench.rounds import ROUNDS, Figure, in_rounds
from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.runs.job import Job, job_class
from neurohw.seeding import Streams

_IMAGES = 200  # in a round
_BEGUN = 500  # images learnt before
_MS = 0.25  # an image: 4,000 in a second
_CASES: dict[str, tuple[Callable[..., plain.Epoch], str]] = {
    "bp": (plain.bp_epoch, "higher"),
    "ep": (plain.ep_epoch, ">= 8"),
}


def sequential(rules: Sequence[str] = tuple(_CASES), rounds: int = ROUNDS) -> list[Figure]:
    """Return the plain method's time over ours, 784-500, everything counted as in a run.

    Args:
        rules: of `_CASES`.
        rounds: that count.
    """
    return [_measured(rule, rounds) for rule in rules]


def _measured(rule: str, rounds: int) -> Figure:
    experiment: OnChipExperiment = load_experiment("mnist_sequential", {"network.rule": rule, "training.epochs": 1})
    job: Job[Any] = job_class(experiment)(experiment, Streams(0))
    job.build()
    images = job.train(job.plan[0], 0)
    for _ in islice(images, _BEGUN):
        pass
    samples = job.task.train.images[:_IMAGES]  # type: ignore[attr-defined]
    baseline, goal = _CASES[rule]
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: list(islice(images, _IMAGES)),
        "plain": baseline(experiment, samples, torch.zeros(_IMAGES, dtype=torch.int64), job.task.levels),  # type: ignore[attr-defined]
    }
    timed = in_rounds(calls, rounds, warm_up=1)
    name = f"{rule.upper()} 784-500, one image after the other: plain method over ours"
    return timed.figure(name, "plain", "ours", goal, _IMAGES, _MS)

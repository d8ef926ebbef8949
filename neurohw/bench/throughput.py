"""How fast does learning go, against the plain method and against the bare matrix products it needs?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from neurohw.bench import plain
from neurohw.bench.epochs import Batches
from neurohw.config import OnChipExperiment
from neurohw.loading import load_experiment
from neurohw.networks.rules import LEARNING_RULES

_TRAINED_BATCHES = (
    300  # ours is timed on a network that has begun to learn; the plain method takes the same time at any age
)


@dataclass(frozen=True)
class Case:
    """One training to time: the experiment, its overrides, the plain method, how many batches, the ratio to reach."""

    experiment: str
    overrides: dict[str, Any]
    baseline: Callable[..., plain.Epoch]
    batches: int
    goal: float


CASES = {
    "bp-1layer": Case("mnist_unsupervised_bp_1layer", {}, plain.bp_epoch, 200, 2.0),
    "ep-1layer": Case("mnist_unsupervised_ep_1layer", {}, plain.ep_epoch, 60, 20.0),
    "ep-2layer": Case("mnist_unsupervised_ep_2layer", {}, plain.ep_epoch, 8, 1.4),
    "semi-ep": Case("mnist_semi_ep", {"data.labels": 600}, plain.semi_ep_epoch, 10, 6.0),
}


def throughput(repeats: int = 5, cases: tuple[str, ...] = tuple(CASES)) -> list[dict[str, Any]]:
    """Return images per second of ours and of the plain method, interleaved in one process, medians of `repeats`."""
    return [_measure(name, CASES[name], repeats) for name in cases]


def _measure(name: str, case: Case, repeats: int) -> dict[str, Any]:
    experiment = load_experiment(case.experiment, case.overrides)
    ours = Batches(experiment, case.batches)
    ours.train(min(_TRAINED_BATCHES, 5 * case.batches))
    labels = torch.zeros(len(ours.images), dtype=torch.int64)
    theirs = case.baseline(experiment, ours.images, labels, ours.levels)
    products = bare_products(experiment)
    theirs()
    timed = [(_seconds(ours.train), _seconds(theirs), _seconds(products)) for _ in range(repeats)]
    mine, plainly, bare = (statistics.median(column) for column in zip(*timed, strict=True))
    ratio = statistics.median(t / m for m, t, _ in timed)
    return {
        "case": name,
        "images_per_second": len(ours.images) / mine,
        "plain_images_per_second": len(ours.images) / plainly,
        "speed_up": ratio,
        "goal": case.goal,
        "ms_per_batch": 1e3 * mine / case.batches,
        "bare_products_ms_per_batch": 1e3 * bare,
        "over_bare_products": mine / case.batches / bare,
        "threads": torch.get_num_threads(),
    }


def bare_products(
    experiment: OnChipExperiment, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Callable[[], None]:
    """Return the matrix products one batch cannot do without: reads, transposed reads and outer products.

    One-layer and read-out EP are counted in their closed form (FACTS B.13, "cached").
    """
    batch, sizes, ep = experiment.training.batch_size, experiment.network.layers, experiment.ep
    kind: dict[str, Any] = {"device": device, "dtype": dtype}
    weights = [torch.randn(n_post, n_pre, **kind) * 0.02 for n_pre, n_post in pairwise(sizes)]
    pre = [torch.rand(batch, n, **kind) for n in sizes]
    post = [torch.rand(batch, n, **kind) for n in sizes[1:]]
    recurrent = LEARNING_RULES[experiment.network.rule].work_class().relaxes and len(weights) > 1
    free_loop = ep.free_steps if experiment.training.loss == "mse" else 1
    steps = free_loop + ep.nudged_steps if recurrent else 1
    depth = len(weights)

    def products() -> None:
        pre[0] @ weights[0].T
        for i in range(1, depth):
            for _ in range(steps):
                pre[i] @ weights[i].T
                post[i] @ weights[i]
        for w, a, b in zip(weights, pre, post, strict=False):
            w.addmm_(b.T, a, alpha=1e-9)

    return products


def _seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began

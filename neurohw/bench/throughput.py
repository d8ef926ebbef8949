"""How fast does learning go, against the plain method and against the bare matrix products it needs?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from neurohw.bench import plain
from neurohw.bench.epochs import Batches
from neurohw.bench.rounds import ROUNDS, Figure, in_rounds
from neurohw.config import OnChipExperiment
from neurohw.crossbar.precision import multiplies_bfloat16
from neurohw.loading import load_experiment
from neurohw.networks.rules import LEARNING_RULES

_TRAINED_BATCHES = (
    300  # ours is timed on a network that has begun to learn; the plain method takes the same time at any age
)


@dataclass(frozen=True)
class Case:
    """A training to time, and what is to be reached.

    Args:
        name: in figures; experiment, overrides: what is trained; baseline: the plain method.
        batches: in a round.
        goal: of the plain method's time over ours.
        products_goal: of our time over that of the bare float32 products; None: it is not of interest.
        bfloat16_goal: the same of reads in bfloat16, on processors that have it.
        ms_goal: of a batch.
    """

    name: str
    experiment: str
    baseline: Callable[..., plain.Epoch]
    batches: int
    goal: str
    products_goal: str | None = None
    bfloat16_goal: str | None = None
    ms_goal: float | None = None
    overrides: dict[str, Any] = field(default_factory=dict)


CASES = {
    "bp-1layer": Case("BP 784-2000, batch 16", "mnist_unsupervised_bp_1layer", plain.bp_epoch, 60, ">= 2.5"),
    "ep-1layer": Case("EP 784-2000, batch 16", "mnist_unsupervised_ep_1layer", plain.ep_epoch, 10, ">= 20"),
    "ep-2layer": Case("EP 784-2000-2000, batch 32", "mnist_unsupervised_ep_2layer", plain.ep_epoch, 2, ">= 1.4",
                      products_goal="<= 1", bfloat16_goal="<= 0.35"),
    "semi-ep": Case("semi-supervised EP 784-5000-10, batch 128", "mnist_semi_ep", plain.semi_ep_epoch, 4, ">= 6",
                    products_goal="<= 1.5", ms_goal=45.0, overrides={"data.labels": 600}),
}  # fmt: skip


def throughput(rounds: int = ROUNDS, cases: tuple[str, ...] = tuple(CASES)) -> list[Figure]:
    """Return the time of the plain method over ours, and of ours over the bare products that it needs."""
    return [figure for name in cases for figure in _measured(CASES[name], rounds)]


def _measured(case: Case, rounds: int) -> list[Figure]:
    experiment = load_experiment(case.experiment, case.overrides)
    ours = Batches(experiment, case.batches)
    ours.train(min(_TRAINED_BATCHES, 5 * case.batches))
    labels = torch.zeros(len(ours.images), dtype=torch.int64)
    calls: dict[str, Callable[[], Any]] = {
        "ours": ours.train,
        "plain": case.baseline(experiment, ours.images, labels, ours.levels),
    }
    if case.products_goal is not None:
        calls["products"] = repeated(bare_products(experiment), case.batches)
    in_bfloat16 = case.bfloat16_goal is not None and multiplies_bfloat16(torch.device("cpu"))
    if in_bfloat16:
        rounded = load_experiment(case.experiment, {**case.overrides, "hardware.precision": "bfloat16"})
        calls["bfloat16"] = Batches(rounded, case.batches).train
    timed = in_rounds(calls, rounds, warm_up=1)
    figures = [timed.figure(f"{case.name}: plain method over ours", "plain", "ours", case.goal, case.batches)]
    if case.products_goal is not None:
        name = f"{case.name}: ours over its float32 products"
        figures.append(timed.figure(name, "ours", "products", case.products_goal, case.batches, case.ms_goal))
    if case.bfloat16_goal is not None and in_bfloat16:
        name = f"{case.name}: ours in bfloat16 over its float32 products"
        figures.append(timed.figure(name, "bfloat16", "products", case.bfloat16_goal, case.batches))
    return figures


def repeated(call: Callable[[], Any], times: int) -> Callable[[], None]:
    """Return a call that makes another one so often."""

    def several() -> None:
        for _ in range(times):
            call()

    return several


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

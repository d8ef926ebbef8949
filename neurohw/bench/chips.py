"""What do 16 seeds cost, of networks that are small enough to be trained as one?

An epoch of 16 runs that differ in their seed, evaluated one by one, over that of a single run, in one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neurohw.bench.rounds import Figure, in_rounds
from neurohw.config import Experiment
from neurohw.loading import load_experiment
from neurohw.runs.job import evenly, job_class
from neurohw.seeding import Streams

_CHIPS = 16
_GOAL = "<= 6"
_DIGITS: dict[str, Any] = {}
_MNIST = {"data.dataset": "mnist", "network.layers": [784, 100], "data.train_limit": 6000, "data.test_limit": 1000}
CASES = {
    f"{rule.upper()} {name}": {"network.rule": rule, **data}
    for name, data in (("digits 64-100", _DIGITS), ("MNIST 784-100", _MNIST))
    for rule in ("bp", "ep")
}


def chips(names: Sequence[str] = tuple(CASES), rounds: int = 5) -> list[Figure]:
    """Return the time of 16 seeds over that of one.

    Args:
        names: of `CASES`.
        rounds: that count.
    """
    figures = []
    for name in names:
        experiment = load_experiment("quickstart", CASES[name])
        several, one = Epochs(experiment, range(_CHIPS)), Epochs(experiment, range(1))
        timed = in_rounds({"several": several.train, "one": one.train}, rounds, warm_up=1)
        figures.append(timed.figure(f"{name}: {_CHIPS} seeds over one", "several", "one", _GOAL))
    return figures


class Epochs:
    """Runs that learn on as they are trained, an epoch at a time.

    Args:
        experiment: of all of them.
        seeds: theirs.
    """

    def __init__(self, experiment: Experiment, seeds: Sequence[int]) -> None:
        kind = job_class(experiment)
        jobs, most = kind.of_seeds(experiment, [Streams(seed) for seed in seeds]), kind.at_once(experiment)
        for job in jobs:
            job.build()
        self._groups = list(evenly(jobs, most))

    def train(self) -> None:
        """Train an epoch, and evaluate each run."""
        for jobs in self._groups:
            for job in jobs:
                job.begin(job.plan[0], lambda what, done, total: None)
            together = jobs[0].together(jobs)
            for _ in together.train(0, 0):
                pass
            together.settle()
            for job in jobs:
                job.evaluate("now", final=False)

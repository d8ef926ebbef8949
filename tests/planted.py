"""A kind of experiment whose best settings are known: a hill over x and k, whose cost is x, at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from math import exp, log10
from typing import Any, Literal

from neurohw import kinds
from neurohw.config import Experiment, Section
from neurohw.config.data import ImagesSection
from neurohw.errors import Diverged
from neurohw.kinds import Kind
from neurohw.metrics import Metric

ON_TEST = 5.0  # what the height is where the test set is read


class Hill(Section):
    """Where one stands, and how the height goes from epoch to epoch: it climbs, or falls to half of what it was."""

    x: float = 0.01
    k: int = 1
    mark: str = "a"
    weights: tuple[float, ...] = (1.0,)
    epochs: int = 4
    falls: bool = False
    cliff: float = 1e9  # from which x on it diverges


class PlantedExperiment(Experiment):
    """A hill."""

    kind: Literal["planted"] = "planted"
    data: ImagesSection = ImagesSection()
    hill: Hill = Hill()


HEIGHT = Metric("height", "Height", unit="m", better="higher")
COST = Metric("cost", "Cost", unit="J", better="lower")
KIND = Kind(PlantedExperiment, (HEIGHT, COST), "tests.planted:PlantedJob", epochs="hill.epochs")


def height(x: float, k: int) -> float:
    """Return the height: 1 at x = 1 and k = 7, lower elsewhere."""
    return exp(-(log10(x) ** 2)) - 0.05 * abs(k - 7)


def __getattr__(name: str) -> Any:
    """Make the job when it is asked for: torch is loaded then."""
    if name == "PlantedJob":
        return _job()
    raise AttributeError(name)


@cache
def _job() -> Any:
    import torch

    from neurohw.runs.job import Job
    from neurohw.training.phases import Epoch

    class PlantedJob(Job[PlantedExperiment]):
        @classmethod
        def checksums(cls, experiment: PlantedExperiment) -> dict[str, str]:
            return {}

        def build(self) -> None:
            epochs = self.experiment.hill.epochs
            self.epoch = 0
            self.plan = [Epoch("climb", i, epochs, i + 1, True, 1) for i in range(epochs)]

        def train(self, epoch: Epoch, done: int) -> Iterator[int]:
            torch.randperm(2, generator=self.streams.generator("batches"))
            self.epoch = epoch.index + 1
            if self.experiment.hill.x >= self.experiment.hill.cliff:
                raise Diverged("weights are not finite")
            yield 1

        def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
            hill, seed = self.experiment.hill, self.streams.seed
            share = self.epoch / hill.epochs
            reached = (1.5 - share if hill.falls else share) * height(hill.x, hill.k) + 0.001 * seed
            on_test = self.experiment.data.evaluate_on == "test"
            return {"height": ON_TEST if on_test else reached, "cost": hill.x}

        def state_dict(self) -> dict[str, Any]:
            return {"epoch": torch.tensor(self.epoch)}

        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            self.epoch = int(state["epoch"])

    return PlantedJob


def register() -> None:
    """Have this process know the kind."""
    kinds.KINDS["planted"] = KIND
    kinds.METRICS.update({metric.name: metric for metric in KIND.metrics})

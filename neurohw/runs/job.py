"""What a kind of experiment does in a run; a driver (`driver`) does all the rest."""

from __future__ import annotations

import abc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

from neurohw.config import Experiment
from neurohw.energy.recorded import Account
from neurohw.kinds import KINDS
from neurohw.metering.ledger import EnergyLedger
from neurohw.runs.looks import Looks
from neurohw.runs.record import RunRecord
from neurohw.runs.symptoms import Symptom, near_chance
from neurohw.seeding import Streams
from neurohw.training.phases import Epoch

E = TypeVar("E", bound=Experiment)
R = TypeVar("R")
Progress = Callable[[str, int, int], None]


class Together(Protocol):
    """Jobs of one experiment that stand between the same two batches, trained as one; or a single one."""

    def train(self, epoch: int, done: int) -> Iterator[int]:
        """Train an epoch of the plan, or what is left of it after `done` batches; yield the images of a batch."""

    def settle(self) -> None:
        """Let each job stand as if it had been trained alone, so that it can be saved and evaluated."""


class Job(abc.ABC, Generic[E]):
    """One run of one kind: what is trained in which order, how, and what is measured.

    Every random draw comes from `streams`, which the driver saves; the orders of samples from the stream "batches", and
    no other draw from that one: an epoch that goes on from between two batches begins by drawing them anew.

    Args:
        experiment: complete configuration.
        streams: of the run, seeded.

    Attributes:
        plan: the epochs, in order; there once `build` was called, as what follows.
        chance: accuracy of answering the most frequent class of what is evaluated; 0 where there are no classes.
        warnings: what is to be said before anything is trained.
        ledger: counts of events; empty where none are counted.
    """

    plan: Sequence[Epoch]

    def __init__(self, experiment: E, streams: Streams) -> None:
        self.experiment, self.streams = experiment, streams
        self.chance = 0.0
        self.warnings: list[str] = []
        self.ledger = EnergyLedger()

    @classmethod
    def check(cls, experiment: E, device: str) -> None:
        """Refuse what cannot run on `device`, "cpu" or "cuda", before any file is read.

        Raises:
            InputError: names the key, the value and what is allowed.
        """

    @classmethod
    def at_once(cls, experiment: E) -> int:
        """Return how many runs of it that differ in their seed are best trained together; 1: each by itself."""
        return 1

    @classmethod
    def of_seeds(cls, experiment: E, streams: Sequence[Streams]) -> Sequence[Self]:
        """Return the jobs of runs that differ in their seed."""
        return [cls(experiment, own) for own in streams]

    @classmethod
    def together(cls, jobs: Sequence[Self]) -> Together:
        """Return jobs as one that trains them: as many as `at_once` allows."""
        (job,) = jobs
        return _Alone(job)

    @classmethod
    @abc.abstractmethod
    def checksums(cls, experiment: E) -> dict[str, str]:
        """Return name -> checksum of every file that the experiment names, its data included."""

    @classmethod
    def multiplications(cls, experiment: E) -> int:
        """Return those of the largest matrix product of a batch; 0: products do not decide how long it takes."""
        return 0

    def contents(self) -> dict[str, str]:
        """Return the checksums as read for this run: part of the configuration's hash."""
        return self.checksums(self.experiment)

    def sources(self) -> dict[str, str]:
        """Return what of other runs this one begins with: it stands in the record beside the versions."""
        return {}

    @abc.abstractmethod
    def build(self) -> None:
        """Make the parts and the plan.

        Raises:
            InputError: something does not fit; nothing was run.
        """

    def begin(self, epoch: Epoch, progress: Progress) -> None:
        """Do what comes before an epoch's first batch, once; it is not done again where a run goes on within it.

        Args:
            epoch: that begins.
            progress: called now and then where this takes long, with what is done, how much of it, and of how much. It
                may raise: then the job is left as it is, and the epoch is begun anew from a checkpoint before it.
        """

    @abc.abstractmethod
    def train(self, epoch: Epoch, done: int) -> Iterator[int]:
        """Train an epoch, or what is left of it after `done` batches; yield the images of each, all parts at rest."""

    @abc.abstractmethod
    def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
        """Return the metrics as it stands, learning nothing and drawing from streams of the moment's own.

        Args:
            moment: what tells this evaluation's draws from those of others.
            final: whether the run ends here.
        """

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain data, complete: what loads them goes on to the same result."""

    @abc.abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`; a state that does not fit changes nothing.

        Raises:
            KeyError, RuntimeError, ValueError: it does not fit.
        """

    def epoch_row(self) -> dict[str, float]:
        """Return what an epoch's row says besides, when it is done."""
        return {}

    def require_numbers(self) -> None:
        """Check what is learnt.

        Raises:
            Diverged: something is no finite number.
        """

    def symptoms(self, metrics: dict[str, Any]) -> list[Symptom]:
        """Return what keeps the run from learning: by default, which metrics are near chance."""
        return near_chance(metrics, self.chance)

    def accounted_symptoms(self, record: RunRecord) -> list[Symptom]:
        """Return what only the account of the run's record tells, `energy`."""
        return []

    def facts(self, epochs: float) -> dict[str, Any]:
        """Return what an account needs besides the counts, after so many epochs."""
        return {}

    def counted_apart(self) -> dict[str, Any]:
        """Return ledgers of what is done to a chip after the run, by name; they are in no count of the run."""
        return {}

    def looks(self) -> Looks | None:
        """Return how the chip looks by now; None where there is nothing to see."""
        return None

    def account(self, record: RunRecord) -> Account | None:
        """Return the account of the run's record, `energy`; None where none was asked for."""
        return None

    def begin_seconds(self) -> float:
        """Return about how long `begin` takes, and leave the job as after it: epochs can be trained."""
        return 0.0

    def inference_seconds(self) -> float:
        """Return about how long an evaluation takes."""
        began = time.perf_counter()
        self.evaluate("estimate", final=False)
        return time.perf_counter() - began

    def after_training(self) -> tuple[int, int]:
        """Return how many evaluations follow the last epoch's, and how many images are learnt from between them."""
        return 0, 0


class _Alone:
    """A single job."""

    def __init__(self, job: Job[Any]) -> None:
        self.job = job

    def train(self, epoch: int, done: int) -> Iterator[int]:
        """Train an epoch of the plan, or what is left of it; yield the images of each batch."""
        return self.job.train(self.job.plan[epoch], done)

    def settle(self) -> None:
        """It stands as it is."""


def job_class(experiment: Experiment) -> type[Job[Any]]:
    """Return the class of an experiment's jobs."""
    job: type[Job[Any]] = KINDS[experiment.kind].load_job()
    return job


def evenly(runs: Sequence[R], most: int) -> Iterator[Sequence[R]]:
    """Yield runs in as few groups of at most so many as there can be, of sizes that differ by one at most."""
    groups = -(-len(runs) // most)
    yield from (runs[len(runs) * i // groups : len(runs) * (i + 1) // groups] for i in range(groups))

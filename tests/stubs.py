"""A kind of experiment that takes as long as it is told, and fails as it is told, in processes that really do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from neurohw import kinds
from neurohw.config import Experiment, Section
from neurohw.kinds import Kind
from neurohw.metrics import Metric

MARKS = "STUB_MARKS"  # the folder where every attempt leaves a file, if it is set
DATA = "STUB_DATA"  # what a process takes for its data
SITE = Path(__file__).parent / "stub_site"


class Stub(Section):
    """How long it takes, and how seeds (as text) fail, on so many of their first attempts."""

    epochs: int = 1
    batches: int = 1
    seconds: float = 0.0
    step: float = 1.0
    faults: dict[str, tuple[Literal["raise", "kill", "hang", "memory", "lead", "diverge"], int]] = {}  # noqa: RUF012


class StubExperiment(Experiment):
    """A sum of noise."""

    kind: Literal["stub"] = "stub"
    stub: Stub = Stub()


KIND = Kind(StubExperiment, (Metric("level", "Level", unit="m"),), "tests.stubs:StubJob", epochs="stub.epochs")


def register() -> None:
    """Have this process know the kind; of no consequence for one that runs other tests."""
    kinds.KINDS["stub"] = KIND
    kinds.METRICS["level"] = KIND.metrics[0]


def __getattr__(name: str) -> Any:
    """Make the job when it is asked for: torch is loaded then, and not before."""
    if name == "StubJob":
        return _job()
    raise AttributeError(name)


@cache
def _job() -> Any:
    import torch

    from neurohw.errors import Diverged, InputError
    from neurohw.runs.job import Job
    from neurohw.training.phases import Epoch

    class StubJob(Job[StubExperiment]):
        @classmethod
        def checksums(cls, experiment: StubExperiment) -> dict[str, str]:
            return {"stub": os.environ.get(DATA, "none")}

        def build(self) -> None:
            stub = self.experiment.stub
            self.level = torch.zeros(())
            self.plan = [Epoch("stub", i, stub.epochs, i + 1, True, stub.batches) for i in range(stub.epochs)]

        def train(self, epoch: Epoch, done: int) -> Iterator[int]:
            stub, streams = self.experiment.stub, self.streams
            torch.randperm(stub.batches, generator=streams.generator("batches"))
            attempt = marked(f"{self.experiment.name}-{stub.step:g}-{streams.seed}")
            fault, times = stub.faults.get(str(streams.seed), ("none", 0))
            if attempt <= times:
                fail(fault)
            for _ in range(done, stub.batches):
                time.sleep(stub.seconds)
                self.level = self.level + stub.step * torch.randn((), generator=streams.generator("noise"))
                yield 1

        def evaluate(self, moment: str, final: bool) -> dict[str, Any]:
            return {"level": float(self.level)}

        def state_dict(self) -> dict[str, Any]:
            return {"level": self.level}

        def load_state_dict(self, state: Mapping[str, Any]) -> None:
            self.level = state["level"]

    def fail(fault: str) -> None:
        if fault == "raise":
            raise ValueError("as it was told")
        if fault == "kill":
            os.write(2, b"the last words\n")
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "hang":
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            time.sleep(1000)
        if fault == "memory":
            raise MemoryError("cannot allocate memory")
        if fault == "lead":
            raise InputError("stub.faults: got 'lead'; allowed: gold")
        if fault == "diverge":
            raise Diverged("the level is not finite")

    return StubJob


def marked(name: str) -> int:
    """Leave a mark of an attempt, and return how many there are of that name."""
    if MARKS not in os.environ:
        return 1
    folder = Path(os.environ[MARKS])
    (folder / f"{name}.{time.time_ns()}.{os.getpid()}").touch()
    return len(list(folder.glob(f"{name}.*")))

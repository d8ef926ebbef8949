"""The machine that figures of speed were measured on, and how busy others kept it."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BaseModel, Field

BUSY = 0.25  # of the cores, taken by others
_MINUTE = 60.0  # s; the load average that is read decays as exp(-t / minute)

Load = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Machine(BaseModel, frozen=True):
    """What figures of speed depend on besides the code.

    Args:
        processor, card: their names; card: None where torch sees no GPU.
        cores, threads: of the machine, and that torch computes on.
        torch: its version.
        load_before, load_after: load average of one minute, in cores, when the measurement began and when it ended.
        others: cores that other processes kept busy meanwhile, or waited for, by the load average.
    """

    processor: str
    card: str | None
    cores: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    torch: str
    load_before: Load
    load_after: Load
    others: Load

    @property
    def busy(self) -> bool:
        """Whether others had more than a quarter of the cores."""
        return self.others > BUSY * self.cores

    @property
    def warning(self) -> str:
        """What a reader of figures from a busy machine should know; nothing where it was idle."""
        if not self.busy:
            return ""
        return (f"the machine is busy: others keep {self.others:.1f} of its {self.cores} cores busy; ratios waver, "
                "times are too long. Measure again when it is idle.")  # fmt: skip

    def differences(self, other: Machine) -> list[str]:
        """Return where another machine, or another setting of it, differs: "threads 1, committed 2"."""
        return [
            f"{key} {getattr(self, key)}, committed {getattr(other, key)}"
            for key in ("processor", "card", "cores", "threads", "torch")
            if getattr(self, key) != getattr(other, key)
        ]


class Watch:
    """The load of the machine, from now on.

    Args:
        load: returns the load averages, as os.getloadavg.
        clock, spent: seconds on the wall, and of the processor in this process.
    """

    def __init__(
        self,
        load: Callable[[], tuple[float, float, float]] = os.getloadavg,
        clock: Callable[[], float] = time.perf_counter,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        self._load, self._clock, self._spent = load, clock, spent
        self._before, self._began, self._spent_before = load()[0], clock(), spent()

    def machine(self) -> Machine:
        """Return the machine, with the load since the watch began.

        A process that keeps c cores busy for t seconds raises the load average by c (1 - exp(-t / 60 s)): that much of
        it is our own.
        """
        after, seconds = self._load()[0], self._clock() - self._began
        own = (self._spent() - self._spent_before) / seconds if seconds > 0 else 0.0
        ours = own * (1 - math.exp(-seconds / _MINUTE))
        return Machine(
            processor=_processor(),
            card=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            cores=os.cpu_count() or 1,
            threads=torch.get_num_threads(),
            torch=torch.__version__,
            load_before=round(self._before, 2),
            load_after=round(after, 2),
            others=round(max(self._before, after - ours), 2),
        )


def _processor() -> str:
    """Return the processor's name, by /proc/cpuinfo where there is one."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

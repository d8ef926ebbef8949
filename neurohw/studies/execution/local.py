"""What runs points on this machine."""

from __future__ import annotations

from neurohw.studies.execution.base import Executor
from neurohw.studies.execution.processes import Processes
from neurohw.studies.execution.serial import Serial


def local(jobs: int) -> Executor:
    """Return this process for one job, so many processes for more."""
    return Serial() if jobs == 1 else Processes(jobs)

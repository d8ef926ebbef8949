"""What runs points on this machine."""

from __future__ import annotations

from neurohw.studies.execution.base import Executor, Watch
from neurohw.studies.execution.processes import Processes
from neurohw.studies.execution.serial import Serial


def local(jobs: int, watch: Watch | None = None) -> Executor:
    """Return this process for one job, so many processes for more; `watch` may end runs early."""
    return Serial(watch=watch) if jobs == 1 else Processes(jobs, watch=watch)

"""The peak of a run's memory, as the system counts it."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that there is no memory left, as numpy, torch and Python word it."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)


def reset_peak_memory() -> None:
    """Let the kernel count this process's peak anew, so that a run of a sweep does not inherit the former one's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """Return the peak resident size since the run began (Linux), or of the process."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""What tensors leave behind is kept for the next ones."""

from __future__ import annotations

import ctypes
import sys

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
_KEPT = 1 << 30  # bytes


def keep_freed_memory() -> None:
    """Let glibc keep up to 1 GiB of freed memory instead of handing it back to the system after each tensor.

    Tensors of 16 MB (an array of 784 x 5000) would ask for it anew each time, and the system clears every page: a third
    of the time of training there. Nothing is done where the C library is another one.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM, _KEPT)
        mallopt(_MMAP, _KEPT)

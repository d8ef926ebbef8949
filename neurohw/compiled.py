"""Compiling by numba: it is kept beside the function's file, or in the user's cache, if numba may write there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from neurohw.isolation import aside

with aside():  # it would read settings of the folder where one stands
    import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return the function as numba compiles it, when it is first called; call it `aside` then.

    Numba looks at the file of the function alone to tell whether what it kept is still valid: what the function calls
    must stand in the same file.
    """
    try:
        return cast(F, numba.njit(cache=True)(function))
    except RuntimeError:  # it may write nowhere: a process compiles for itself
        return cast(F, numba.njit(function))

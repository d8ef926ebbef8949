"""Which library multiplies in float32 on a CPU: torch's own BLAS, or oneDNN where that is twice as fast."""

from __future__ import annotations

import faulthandler
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from neurohw.crossbar.precision import chosen_precision, matmul_setting

_WORTH = 2**23  # multiplications of a product: smaller ones gain little by oneDNN, and small ones lose by its overhead
_TYPICAL = (32, 256, 256)  # of the product that is tried
_FLOAT32 = 1e-5  # of the largest output: bfloat16 is off by 200 times as much


@contextmanager
def float32_products(multiplications: int) -> Iterator[None]:
    """Multiply by oneDNN within the block, where products are large and it is faster: the same numbers, to rounding.

    torch multiplies by MKL, which gives processors of other makers than Intel kernels without AVX-512; oneDNN has them
    for all. torch reaches it where its user allows factors to be rounded to bfloat16
    (`torch.backends.mkldnn.matmul.fp32_precision`), which oneDNN only does on processors with AMX: there, and where a
    product tells that factors were rounded, nothing is changed; nor where the user has chosen something.

    Args:
        multiplications: of the largest product of a batch.
    """
    chosen = multiplications >= _WORTH and chosen_precision() == "none" and onednn_is_faster()
    if not chosen:
        yield
        return
    _set_signals_apart()
    _choose("bf16")
    try:
        yield
    finally:
        _choose("none")


def _set_signals_apart() -> None:
    """Have this thread's signals handled on a stack of their own.

    Up to version 3.11.1, oneDNN's kernels let the stack pointer point into the heap, where a signal that arrives
    meanwhile is then written (uxlfoundation/oneDNN, issue 4845; torch 2.11 has version 3.10.2). Python's handlers run
    on another stack where there is one, which faulthandler makes, and leaves when it is switched off.
    """
    if not faulthandler.is_enabled():
        faulthandler.enable(2)
        faulthandler.disable()


@cache
def onednn_is_faster() -> bool:
    """Return whether this is a processor on which oneDNN multiplies in float32, exactly, and faster than MKL."""
    has_library = (
        torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available() and chosen_precision() is not None
    )
    return has_library and _made_by_amd() and _has_avx512_only() and _exact()


def _has_avx512_only() -> bool:
    # public only from torch 2.12 on, see `neurohw.crossbar.precision`
    return torch.cpu._is_avx512_supported() and not torch.cpu._is_amx_tile_supported()


def _made_by_amd() -> bool:
    info = Path("/proc/cpuinfo")
    return "AuthenticAMD" in (info.read_text(errors="replace") if info.is_file() else platform.processor())


def _exact() -> bool:
    """Return whether a product through oneDNN is one in float32."""
    draws = torch.Generator().manual_seed(0)
    batch, n, m = _TYPICAL
    a, b = torch.randn(batch, n, generator=draws), torch.randn(n, m, generator=draws)
    wanted = a.double() @ b.double()
    _set_signals_apart()
    _choose("bf16")
    try:
        off = (a @ b - wanted).abs().max() / wanted.abs().max()
    finally:
        _choose("none")
    return float(off) < _FLOAT32


def _choose(precision: str) -> None:
    matmul_setting().fp32_precision = precision

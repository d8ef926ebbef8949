"""In what precision the products of reads are computed, and by which library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from neurohw.crossbar.periphery import ReadPath
from neurohw.errors import InputError

PRECISIONS = ("float32", "bfloat16", "auto")
_INTEGERS = 9  # bits, sign included, of the converters whose codes bfloat16 has exactly: up to +-255
_AMPERE = (8, 0)  # compute capability from which a GPU multiplies in bfloat16


def product_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the type in which factors are multiplied: "auto" is bfloat16 where the processor multiplies it faster.

    Args:
        precision: one of `PRECISIONS`.
        device: that computes.
    """
    fast = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    return torch.bfloat16 if fast else torch.float32


def converted_dtype(precision: str, paths: Iterable[ReadPath], device: torch.device) -> torch.dtype:
    """Return the type in which the codes of DACs are multiplied, on the way to ADCs: bfloat16 where it costs no step.

    Codes of up to 9 bits are exact in it. In steps of the ADC an output is rounded to 8 significant bits before it is
    converted: by at most 1/4 below 128; from there to 255 to whole steps, as the ADC does. More bits, noise of inputs
    and errors of columns, which come between, would be rounded: "auto" is float32 then.

    Args:
        precision: one of `PRECISIONS`.
        paths: of the reads.
        device: that computes.

    Raises:
        InputError: bfloat16 is asked for, and would cost more.
    """
    if all(_nothing_between(path) and _converts_integers(path) for path in paths):
        return product_dtype(precision, device)
    if precision == "bfloat16":
        raise InputError(
            "precision: got 'bfloat16' for reads that it would make coarser; allowed: with dac_bits and adc_bits of at "
            "most 9 and no input_noise, column_gain, column_offset or nonlinearity; otherwise float32 or auto"
        )
    return torch.float32


def _nothing_between(path: ReadPath) -> bool:
    return not (path.input_noise or path.column_gain or path.column_offset or path.nonlinearity)


def _converts_integers(path: ReadPath) -> bool:
    return all(bits is not None and bits <= _INTEGERS for bits in (path.dac_bits, path.adc_bits))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for products of bfloat16 (on CPUs AVX-512 BF16 or AMX)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    # public only from torch 2.12 on, under torch.cpu.get_capabilities; these are there in all that we support
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def multiplying_library() -> str:
    """Return what multiplies in float32 on the CPU now, "BLAS" or "oneDNN", see `neurohw.runs.products`."""
    return "oneDNN" if chosen_precision() == "bf16" else "BLAS"


def chosen_precision() -> str | None:
    """Return torch's setting of float32 products, "none" where nobody has chosen; None where it has no such setting."""
    return getattr(matmul_setting(), "fp32_precision", None)


def matmul_setting() -> Any:
    """Return where torch keeps it: from torch 2.9 on, and without types."""
    return getattr(torch.backends.mkldnn, "matmul", None)

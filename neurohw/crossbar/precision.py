"""In what precision the products of ideal reads are computed."""

from __future__ import annotations

import torch

PRECISIONS = ("float32", "bfloat16", "auto")
_AMPERE = (8, 0)  # compute capability from which a GPU multiplies in bfloat16


def product_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the type in which factors are multiplied: "auto" is bfloat16 where the processor multiplies it faster.

    Args:
        precision: one of `PRECISIONS`.
        device: that computes.
    """
    fast = precision == "bfloat16" or (precision == "auto" and multiplies_bfloat16(device))
    return torch.bfloat16 if fast else torch.float32


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for products of bfloat16 (on CPUs AVX-512 BF16 or AMX)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    # public only from torch 2.12 on, under torch.cpu.get_capabilities; these are there in all that we support
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()

"""Cells that do not work: a population drawn from rates, or an explicit map."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.devices.faults import FaultRates
from neurohw.errors import InputError

WORKS, STUCK_LOW, STUCK_HIGH, STUCK_IN_PLACE, DEAD = range(5)  # the codes of a fault map


def drawn_faults(rates: FaultRates, shape: tuple[int, int], generator: torch.Generator) -> Tensor | None:
    """Return a fault map [n_post, n_pre] drawn from the rates; None if nothing is broken.

    Whole lines die with their own rates; a cell of a dead line is dead.
    """
    if not rates.any_stuck:
        return None
    draw = torch.rand(shape, generator=generator, device=generator.device)
    edges = torch.tensor([rates.stuck_low, rates.stuck_high, rates.stuck_in_place], device=draw.device).cumsum(0)
    faults = torch.full(shape, WORKS, dtype=torch.int8, device=draw.device)
    for code, edge in zip((STUCK_IN_PLACE, STUCK_HIGH, STUCK_LOW), edges.flip(0), strict=True):
        faults[draw < edge] = code
    faults[torch.rand(shape[0], generator=generator, device=draw.device) < rates.dead_rows] = DEAD
    faults[:, torch.rand(shape[1], generator=generator, device=draw.device) < rates.dead_columns] = DEAD
    return faults


def checked_map(faults: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return an explicit map as int8.

    Args:
        faults: [n_post, n_pre] of 0 (works), 1 (stuck low), 2 (stuck high), 3 (stuck in place), 4 (dead).

    Raises:
        InputError: a wrong shape or an unknown code.
    """
    if tuple(faults.shape) != shape:
        raise InputError(f"fault map: got the shape {tuple(faults.shape)}; allowed: {shape}, [n_post, n_pre]")
    if not bool(((faults >= WORKS) & (faults <= DEAD) & (faults == faults.round())).all()):
        raise InputError("fault map: allowed: 0 works, 1 stuck low, 2 stuck high, 3 stuck in place, 4 dead")
    return faults.to(torch.int8)

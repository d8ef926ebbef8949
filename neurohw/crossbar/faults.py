"""Cells that do not work: a population drawn from rates, or an explicit map."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from neurohw.devices.faults import FaultRates
from neurohw.draws import normal
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


def drawn_endurance(rates: FaultRates, shape: tuple[int, int], generator: torch.Generator) -> Tensor | None:
    """Return how many pulses each cell bears, [n_post, n_pre], log-normal; None: any number."""
    if not rates.endurance:
        return None
    spread = normal(shape, generator)
    return spread.mul_(rates.endurance_dtod).exp_().mul_(rates.endurance)


def stuck_at(faults: Tensor, low: Tensor, high: Tensor, held: Tensor, without_current: float) -> Tensor:
    """Return the weight that each cell is stuck at; that of one that works means nothing.

    Args:
        faults: codes [n_post, n_pre].
        low, high: the cells' bounds; held: what they hold; all [n_post, n_pre].
        without_current: the weight of a dead cell.
    """
    value = torch.where(faults == STUCK_LOW, low, high)
    value = torch.where(faults == STUCK_IN_PLACE, held, value)
    return value.masked_fill_(faults == DEAD, without_current)


class WrongMap(InputError):
    """A fault map that fits no device; `device` is the one it was given for, "" the weight's only one."""

    def __init__(self, device: str, message: str) -> None:
        super().__init__(message)
        self.device = device


def device_maps(given: Tensor | Mapping[str, Tensor], shapes: Mapping[str, tuple[int, int]]) -> dict[str, Tensor]:
    """Return explicit maps by the device of a weight that they are of, checked.

    Args:
        given: by name; or a single map, of the only device that is written; or one with a leading axis, of the devices
            in their order. A single map may also have the name "".
        shapes: of the devices' crossbars, by name.

    Raises:
        WrongMap: no such device, more than one where one is meant, a wrong shape or an unknown code.
    """
    maps = dict(given) if isinstance(given, Mapping) else {"": given}
    names = ", ".join(shapes)
    if "" in maps:
        of_weight = maps.pop("")
        written = [name for name in shapes if "reference" not in name]
        if maps:
            raise WrongMap("", f"got maps of the weight and of {', '.join(maps)}; allowed: one of them")
        if of_weight.ndim == 3:
            if len(of_weight) != len(shapes):
                raise WrongMap("", f"got maps of {len(of_weight)} devices; allowed: {len(shapes)}, {names}")
            maps = dict(zip(shapes, of_weight, strict=True))
        elif len(written) == 1:
            maps = {written[0]: of_weight}
        else:
            raise WrongMap("", f"got one map, but {', '.join(written)} make a weight; allowed: a map of each by name, "
                               f"or one with a leading axis of {len(shapes)} devices ({names})")  # fmt: skip
    for name in maps.keys() - shapes.keys():
        raise WrongMap(name, f"got a map of {name!r}; allowed: {names}")
    return {name: checked_map(map_, shapes[name], name) for name, map_ in maps.items()}


def checked_map(faults: Tensor, shape: tuple[int, ...], device: str = "") -> Tensor:
    """Return an explicit map as int8.

    Args:
        faults: [n_post, n_pre] of 0 (works), 1 (stuck low), 2 (stuck high), 3 (stuck in place), 4 (dead).
        shape: of the device's crossbar.
        device: named in errors.

    Raises:
        WrongMap: a wrong shape or an unknown code.
    """
    if tuple(faults.shape) != shape:
        raise WrongMap(device, f"fault map: got the shape {tuple(faults.shape)}; allowed: {shape}, [n_post, n_pre]")
    if not bool(((faults >= WORKS) & (faults <= DEAD) & (faults == faults.round())).all()):
        raise WrongMap(device, "fault map: allowed: 0 works, 1 stuck low, 2 stuck high, 3 stuck in place, 4 dead")
    return faults.to(torch.int8, memory_format=torch.contiguous_format)

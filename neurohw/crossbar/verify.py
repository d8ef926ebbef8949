"""Write and verify: read exactly, pulse while the next pulse brings a cell nearer to its target, and stop there.

The controller knows of every cell what a pulse does on average where the cell stands (its law), how far pulses scatter,
and the noise that every write leaves, but not what the coming pulse will do. A cell d away from its target, with the
mean step m, the cycle-to-cycle spread s and the write noise e, gets pulses as long as

    E|d - m + e xi| < d   (m < 2 d without write noise; m is at least the distance to the next level),

and then n of them at once, at least one, that leave it a spread short of d', since steps change on the way:

    n m + sqrt(n) s = d', with d' half of d, or 3 % of the range where that is more but not beyond d

Cycle-to-cycle noise does not stop it, since the next pulses correct it. A cell that once needs no pulse is done and
gets no other, so that none goes to and fro around a target that lies between two of its levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurohw.crossbar.base import Serial, Writes
from neurohw.crossbar.pulses import PulseCounts, whole_counts
from neurohw.places import flat_nonzero

ROUNDS = 100  # reads after which the controller gives up
_NEAR = 0.03  # share of the range within which steps hardly change


@dataclass(frozen=True)
class Step:
    """What the next pulse does to weights that go one way.

    Args:
        mean: [M] mean size of the change, 0 where a pulse moves nothing.
        spread: [M] its cycle-to-cycle standard deviation.
        level: [M] size of the smallest change of a weight that takes levels only; else 0.
        noise: standard deviation of the noise that a write leaves until the next one.
        span: mean range of the weight.
    """

    mean: Tensor
    spread: Tensor
    level: Tensor
    noise: float
    span: float

    def __add__(self, other: Step) -> Step:
        """Return what the pulses of two devices do to the sum of their weights."""
        return Step(
            self.mean + other.mean,
            torch.hypot(self.spread, other.spread),
            torch.maximum(self.level, other.level),
            math.hypot(self.noise, other.noise),
            self.span + other.span,
        )

    def __mul__(self, share: float) -> Step:
        """Return what it does to a share of the weight."""
        return Step(self.mean * share, self.spread * share, self.level * share, self.noise * share, self.span * share)

    def pulses(self, distance: Tensor) -> Tensor:
        """Return the whole numbers of pulses [M] for cells `distance` [M] away from their targets."""
        moved = torch.maximum(self.mean, self.level)
        due = (self.mean > 0) & (_mean_size(distance - moved, self.noise) < distance)
        mean = self.mean.clamp(min=torch.finfo(distance.dtype).tiny)
        reach = torch.maximum(self.level, distance / 2).clamp_(min=_NEAR * self.span).minimum(distance)
        root = ((self.spread.square() + 4 * mean * reach).sqrt_() - self.spread).div_(2 * mean)
        return root.square_().floor_().clamp_(min=1).mul_(due)


def _mean_size(mean: Tensor, spread: float) -> Tensor:
    """Return E|x| of normal x."""
    if not spread:
        return mean.abs()
    ratio = mean / spread
    tail = ratio.square().mul_(-0.5).exp_().mul_(spread * math.sqrt(2 / math.pi))
    return tail.addcmul_(mean, torch.erf(ratio / math.sqrt(2)))


def approach(
    left: Callable[[Tensor], Tensor],
    step: Callable[[Tensor, bool], Step],
    pulse: Callable[[list[PulseCounts]], Writes],
    cells: Tensor,
    rounds: int = ROUNDS,
) -> Writes:
    """Bring cells to their targets, as near as single pulses do.

    Args:
        left: reads how much cells (flat indices [M]) have to rise, [M].
        step: what the next pulse does to cells, up or down.
        pulse: gives pulses.
        cells: flat indices.
        rounds: reads after which the controller gives up.
    """
    total = Writes(0, 0)
    for _ in range(rounds):
        distance = left(cells)
        total += Writes(0, 0, Serial(readings=len(cells)))
        counts = torch.zeros_like(distance)
        for up in (True, False):
            side = flat_nonzero(distance > 0 if up else distance < 0)
            number = step(cells[side], up).pulses(distance[side].abs())
            counts[side] = number if up else -number
        due = flat_nonzero(counts)
        if not len(due):
            break
        cells, counts = cells[due], counts[due]
        total += one_by_one(pulse(list(whole_counts(counts, cells))))
    return total


def one_by_one(writes: Writes) -> Writes:
    """Return writes whose pulses were given to one cell after the other."""
    given = (writes.pulses_up or 0) + (writes.pulses_down or 0)
    return replace(writes, serial=Serial(cell_pulses=given, cell_falls=writes.pulses_down or 0))

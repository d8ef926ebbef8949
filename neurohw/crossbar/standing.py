"""How the cells of an array stand, and what its converters cut off: for diagnosis, never used by learning."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Clipping:
    """Outputs of reads that were looked at, and how many of them lay beyond the bound that they are clipped to."""

    outputs: int = 0
    beyond: int = 0

    @property
    def share(self) -> float:
        """Of the outputs; 0 where none was looked at."""
        return self.beyond / self.outputs if self.outputs else 0.0

    def __add__(self, other: Clipping) -> Clipping:
        """Return both together."""
        return Clipping(self.outputs + other.outputs, self.beyond + other.beyond)


@dataclass(frozen=True)
class Standing:
    """How an array stands now.

    Args:
        at_bound: [n_post, n_pre], weights at one end of their range: what is left of it one way is less than 2 % of it
            or half a step, whichever is more (where pulses of both signs come, few stand at the very end). Cells that
            cannot move at all are broken, which is another matter.
        pulsed: [n_post, n_pre], weights of which some device that a read drives has ever got a pulse.
        forward, backward: what reads, and transposed reads, clipped, of those that were looked at since it was made;
            what happens `aside` is not counted.
    """

    at_bound: Tensor
    pulsed: Tensor
    forward: Clipping
    backward: Clipping

"""How cells stand, and what converters cut off or do not see: for diagnosis, never used by learning."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from torch import Tensor


@dataclass(frozen=True)
class Conversions:
    """What ADCs made of the outputs of reads that were looked at.

    Args:
        outputs: so many were looked at.
        beyond: of them, beyond the bound that they are clipped to.
        driven: of them, of vectors with an input other than 0.
        zero: of these, within half a step of 0, as which they are read.
    """

    outputs: int = 0
    beyond: int = 0
    driven: int = 0
    zero: int = 0

    @property
    def clipped(self) -> float:
        """Share of the outputs that are clipped; 0 where none was looked at."""
        return self.beyond / self.outputs if self.outputs else 0.0

    @property
    def unseen(self) -> float:
        """Share of the driven outputs that are read as 0; 0 where none was looked at."""
        return self.zero / self.driven if self.driven else 0.0

    def __add__(self, other: Conversions) -> Conversions:
        """Return both together."""
        return Conversions(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Standing:
    """How an array stands now.

    Args:
        at_bound: [n_post, n_pre], weights at one end of their range: what is left of it one way is less than 2 % of it
            or half a step, whichever is more (where pulses of both signs come, few stand at the very end). Cells that
            cannot move at all are broken, which is another matter.
        pulsed: [n_post, n_pre], weights of which some device that a read drives has ever got a pulse.
        forward, backward: what became of outputs of reads, and of transposed reads, that were looked at since it was
            made; what happens `aside` is not counted.
    """

    at_bound: Tensor
    pulsed: Tensor
    forward: Conversions
    backward: Conversions

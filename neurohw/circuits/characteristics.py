"""What a kWTA circuit does, as data: the same whether Brian2, scipy or ngspice computed it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Transfer:
    """How far the k-th winner and the runner-up stand apart at rest.

    Args:
        n, k: competitors and winners.
        current: of the k-th winner's input, A.
        difference: (I_k - I_(k+1)) / I_k, relative, [points].
        separation: voltage of the k-th winner's node less the runner-up's, V, [points].
        outputs: output current of the k-th winner and of the runner-up, A, [points, 2].
    """

    n: int
    k: int
    current: float
    difference: Numbers
    separation: Numbers
    outputs: Numbers


@dataclass(frozen=True)
class DecisionTimes:
    """How long it takes until the k-th winner and the runner-up are told apart.

    Args:
        n, k, current: as in Transfer.
        required: separation at which they count as told apart, V.
        difference: relative, [points].
        seconds: from the step of the inputs to that separation, s, [points]; inf where it is never reached.
    """

    n: int
    k: int
    current: float
    required: float
    difference: Numbers
    seconds: Numbers


@dataclass(frozen=True)
class Mismatch:
    """What a Monte Carlo over transistor mismatch says of the inputs.

    Args:
        n, k, current: as in Transfer.
        offsets: input-referred error of each competitor, relative to `current`, [chips, n], zero mean per chip.
    """

    n: int
    k: int
    current: float
    offsets: Numbers

"""What keeps an array from learning, watched while it learns: cells at a bound, changes lost, drift, clipped reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, SynapseArray
from neurohw.crossbar.standing import Conversions

LOOKED_AT = 31  # one update in so many: a prime, so that it keeps step with no schedule


@dataclass(frozen=True)
class Signs:
    """What was seen of an array.

    Args:
        stuck: share of the weights that are at a bound now, and were not at the start (see `Standing`).
        lost: share of the change asked for that never came, see `ArrayWatch`.
        rounded: it was lost to rounding.
        drift: how far time moved the weights over how far learning asked them to go, see `ArrayWatch`.
        forward, backward: outputs of reads, and of transposed ones, beyond the converters' bound or read as 0.
    """

    stuck: float
    lost: float
    rounded: bool
    drift: float
    forward: Conversions
    backward: Conversions


class ArrayWatch:
    """Looks at one update in 31 of an array, and at its cells at the start and the end; changes and draws nothing.

    Lost is what was asked of a cell and never came, of the updates s that are looked at:

        lost = sum_s sum_ij |dW_ij(s)| [lost_ij(s)] / sum_s sum_ij |dW_ij(s)|,    dW(s) = rate sum_b post_b (x) pre_b.

    Where trains are rounded (`Trains.rounded`), lost_ij(s) means that a term's change is below half a step, which gives
    no pulse: |dW_ij(s)| < dw / 2. Else a part of a step is not lost at once: trains draw it (n < 1 steps give a pulse
    with probability n, so that the mean is kept), and digital sums keep it. It is lost where its turn never comes:
    lost_ij means that the weight has got no pulse in the whole run. Of M_ij steps asked for in all, and drawn, that is
    sum_ij M_ij exp(-M_ij) / sum_ij M_ij.

    Drift is D / A of the same updates: D = sum |W after a batch's time - W before it|, A = sum |dW| as asked for, both
    over all weights. From 1 on, learning asks for less than time takes: it cannot keep up.

    Args:
        array: what is watched, as it is before the first update.

    Attributes:
        clipped: share of the array's initial weights that lay beyond what the cells hold.
    """

    def __init__(self, array: SynapseArray) -> None:
        self._array, self.clipped = array, array.clipped
        standing = array.standing()
        self._at_start = None if standing is None else standing.at_bound
        trains = array.anatomy.trains
        self._step = 0.0  # of a term that is rounded
        if trains is not None and trains.rounded:
            self._step = trains.driving.granularity * trains.output_scale / trains.gain
        self._asked: Tensor | None = None  # sum of |dW|, [n_post, n_pre]
        self._rounded_away = 0.0  # of it
        self._by_learning, self._by_time = 0.0, 0.0  # A and D
        self._updates = 0
        self._weights: Tensor | None = None  # before the time that is looked at

    def updated(self, products: OuterProducts, rate: float) -> None:
        """Outer products were written."""
        if self._looks():
            there = self._array.present
            terms = [OuterProducts((term,), products.scale) for term in products.terms] if self._step else [products]
            changes = [part.dense().mul_(rate).abs_() for part in terms]
            changes = changes if there is None else [change.mul_(there) for change in changes]
            for change in changes if self._step else ():
                self._rounded_away += float(change[change < self._step / 2].sum())
            self._look(reduce(Tensor.add_, changes))

    def incremented(self, delta: Tensor) -> None:
        """A digitally computed change [n_post, n_pre] was written."""
        if self._looks():
            self._look(delta.abs())

    def aged(self) -> None:
        """Time passed after an update."""
        if self._weights is not None and (now := self._array.ageing_weights()) is not None:
            self._by_time += float((now - self._weights).abs_().sum())
        self._weights = None

    def signs(self) -> Signs | None:
        """Return what was seen by now; None of an array that does not say how its cells stand."""
        standing = self._array.standing()
        if standing is None or self._at_start is None:
            return None
        stuck = float((standing.at_bound & ~self._at_start).sum()) / self._array.n_cells
        lost, drift = self._lost(standing.pulsed), self._by_time / (self._by_learning or math.inf)
        return Signs(stuck, lost, bool(self._step), drift, standing.forward, standing.backward)

    def _looks(self) -> bool:
        """Count an update, and return whether it is one of those that are looked at."""
        self._updates += 1
        return self._at_start is not None and self._updates % LOOKED_AT == 1

    def _look(self, change: Tensor) -> None:
        self._asked = change if self._asked is None else self._asked.add_(change)
        self._weights = self._array.ageing_weights()
        if self._weights is not None:
            self._by_learning += float(change.sum())

    def _lost(self, pulsed: Tensor) -> float:
        asked = 0.0 if self._asked is None else float(self._asked.sum())
        if self._asked is None or not asked:
            return 0.0
        return (self._rounded_away if self._step else float(self._asked[~pulsed].sum())) / asked

    def state_dict(self) -> dict[str, Tensor]:
        """Return what was counted; how the array stood at the start is known to who makes it anew."""
        counted = [self._updates, self._rounded_away, self._by_learning, self._by_time]
        state = {"counted": torch.tensor(counted, dtype=torch.float64)}
        return state if self._asked is None else {**state, "asked": self._asked.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore `state_dict`."""
        updates, self._rounded_away, self._by_learning, self._by_time = state["counted"].tolist()
        self._updates = int(updates)
        self._asked = state["asked"].to(self._array.device, copy=True) if "asked" in state else None

"""What IR drop leaves of each cell's voltage, computed anew as the cells move."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from neurohw.crossbar.base import StateDict
from neurohw.crossbar.wires import Wires, remaining_voltages

_MOST_CHANGES = 100  # of the weights between two computations
_MOVED = 0.02  # of the largest line's conductance: what a line's has moved by when it is computed before that


class IRDrop:
    """The share of each cell's current that is left by the wires of its crossbar.

    It is computed anew after 100 changes of the weights, and before that where the conductance of a line has moved by
    2 % of the largest one's: what moves less changes line currents far less than the drop itself.

    Args:
        wires: resistances of the lines.
        conductances: tells those of the cells now, siemens, [n_post, n_pre].

    Attributes:
        renew: computes it; another, where others share the lines.
    """

    def __init__(self, wires: Wires, conductances: Callable[[], Tensor]) -> None:
        self._wires, self._conductances = wires, conductances
        self.renew: Callable[[], None] = self._renew_own
        self._left: Tensor | None = None
        self._loads = torch.empty(0)  # conductance of every line when it was computed, siemens, [n_post + n_pre]
        self._changes = 0  # of the weights since then
        self._unseen = False  # whether one came after the last look at the lines

    def left(self) -> Tensor:
        """Return what is left now, [n_post, n_pre]."""
        if self._left is None or self._changes >= _MOST_CHANGES or (self._unseen and self._moved()):
            self.renew()
        self._unseen = False  # further reads of the same cells need no further look
        assert self._left is not None
        return self._left

    def changed(self) -> None:
        """Take note of a change of the weights."""
        self._changes, self._unseen = self._changes + 1, True

    def forget(self) -> None:
        """Have it computed anew whatever has moved."""
        self._left = None

    def take(self, left: Tensor) -> None:
        """Take over what is left, as it was computed for all cells on the lines."""
        self._left, self._changes, self._loads = left, 0, self._line_loads()

    def _renew_own(self) -> None:
        self.take(remaining_voltages(self._conductances(), self._wires))

    def _line_loads(self) -> Tensor:
        cells = self._conductances()
        return torch.cat([cells.sum(1), cells.sum(0)])

    def _moved(self) -> bool:
        return bool((self._line_loads() - self._loads).abs().max() > _MOVED * self._loads.max())

    def state_dict(self) -> StateDict:
        """Return what is left and since when; nothing before it was computed."""
        if self._left is None:
            return {}
        return {"drop": self._left.clone(), "changes": torch.tensor(self._changes), "loads": self._loads.clone()}

    def load_state_dict(self, state: StateDict, device: torch.device) -> None:
        """Restore what `state_dict` has among other things."""
        self._left = state["drop"].to(device, copy=True) if "loads" in state else None
        if self._left is not None:
            self._changes, self._loads = int(state["changes"]), state["loads"].to(device, copy=True)
            self._unseen = self._changes > 0

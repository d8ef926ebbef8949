"""The compensation of drift: outputs are rescaled digitally by how much weaker the cells read than before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from neurohw.crossbar.base import StateDict
from neurohw.errors import InputError

COMPENSATIONS = ("none", "global", "per-column")


class DriftCompensation:
    """The factor a by which outputs are rescaled: y = a W x, a = mean |W| before a time without writes / mean |W| now.

    One factor for all outputs ("global"), or one for each ("per-column"). It stays until all cells are programmed anew.

    Args:
        how: one of `COMPENSATIONS`.
        n_post: outputs of the array.
        device: where the factor is held.
        weights: returns the weights as a readout finds them now, [n_post, n_pre].

    Attributes:
        factor: [1] or [n_post].
        readouts: how often all cells have been read for it.

    Raises:
        InputError: no such compensation.
    """

    def __init__(self, how: str, n_post: int, device: torch.device, weights: Callable[[], Tensor]) -> None:
        if how not in COMPENSATIONS:
            raise InputError(f"compensation: got {how!r}; allowed: {', '.join(COMPENSATIONS)}")
        self.how, self.readouts = how, 0
        self._n_post, self._device, self._weights = n_post, device, weights
        self.factor = self._one()
        self._renews = True  # the factor, whenever time passes
        self._level: Tensor | None = None  # compensated readout before a time without writes

    @property
    def active(self) -> bool:
        """Whether outputs are rescaled."""
        return self.how != "none"

    def outputs(self, values: Tensor) -> Tensor:
        """Return outputs, or what drives them backwards, [B, n_post], rescaled."""
        return values * self.factor if self.active else values

    def asked(self, values: Tensor) -> Tensor:
        """Return outputs' shares of a change, [..., n_post], that moves rescaled weights as it is meant to."""
        return values / self.factor if self.active else values

    def seen(self, weights: Tensor) -> Tensor:
        """Return weights [n_post, n_pre] as rescaled outputs show them."""
        return weights * self.factor[:, None] if self.active else weights

    def before_time(self) -> None:
        """Note how strongly the cells read, where a time without writes begins."""
        if self.active and self._renews and self._level is None:
            self._level = self._readout().mul_(self.factor)

    def after_time(self) -> None:
        """Renew the factor."""
        if self.active and self._renews and self._level is not None:
            factor = self._level / self._readout().clamp_(min=1e-12)
            torch.where(self._level > 0, factor, self.factor, out=self.factor)

    def end_time(self) -> None:
        """A time without writes ends: what is written now has not drifted."""
        self._level = None

    def reset(self) -> None:
        """Forget the factor: all cells are programmed anew."""
        self.factor.fill_(1.0)
        self.end_time()

    @contextmanager
    def as_asked(self, how: str) -> Iterator[None]:
        """Compensate so within; "none": by the factor that there is already, which stays as it is.

        Raises:
            InputError: no such compensation, or another one than has been used so far.
        """
        before = self.how, self._renews, self.factor
        allowed = COMPENSATIONS if self.how == "none" else ("none", self.how)
        if how not in allowed:
            raise InputError(f"compensation: got {how!r}; allowed: {', '.join(allowed)}")
        if how != self.how and how != "none":
            self.how = how
            self.factor = self._one()
        self._renews = how != "none"
        try:
            yield
        finally:
            self.how, self._renews, self.factor = before

    def state_dict(self) -> StateDict:
        """Return the factor, and the level of a time without writes that goes on."""
        state = {"correction": self.factor.clone()}
        return state if self._level is None else state | {"level": self._level.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        self.factor.copy_(state["correction"])
        self._level = state["level"].to(self._device, copy=True) if "level" in state else None

    def _one(self) -> Tensor:
        return torch.ones(self._n_post if self.how == "per-column" else 1, device=self._device)

    def _readout(self) -> Tensor:
        self.readouts += 1
        magnitudes = self._weights().abs()
        return magnitudes.mean(1) if self.how == "per-column" else magnitudes.mean().reshape(1)

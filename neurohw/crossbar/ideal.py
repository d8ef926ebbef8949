"""The ideal array: exact products of any dtype on CPU or GPU, the reference for every other back-end."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes


class IdealArray(SynapseArray):
    """W as a plain tensor: reads are exact, writes are arithmetic, time does nothing.

    Args:
        weights: [n_post, n_pre] initial weights; copied.
    """

    exact = True

    def __init__(self, weights: Tensor) -> None:
        self._weights = weights.detach().clone().contiguous()
        self.shape = (weights.shape[0], weights.shape[1])
        self.dtype = weights.dtype
        self.device = weights.device

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return pre W^T, [B, n_post]."""
        return pre @ self._weights.t()

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return post W, [B, n_pre]."""
        return post @ self._weights

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """W += rate * scale * sum_t sign_t post_t^T pre_t, as one matrix product over all terms."""
        terms = products.terms
        if len(terms) == 1:
            post, pre = terms[0].post, terms[0].pre
            alpha = terms[0].sign * products.scale * rate
        else:
            post = torch.cat([term.post if term.sign > 0 else -term.post for term in terms])
            pre = torch.cat([term.pre for term in terms])
            alpha = products.scale * rate
        self._weights.addmm_(post.t(), pre, alpha=alpha)
        return Writes()

    def increment(self, delta: Tensor) -> Writes:
        """W += delta."""
        self._weights += delta
        return Writes()

    def program(self, weights: Tensor) -> Writes:
        """W = weights."""
        self._weights.copy_(weights)
        return Writes()

    def elapse(self, seconds: float) -> None:
        """Ideal weights do not age."""

    def snapshot(self) -> Tensor:
        """Return a copy of W."""
        return self._weights.clone()

    def state_dict(self) -> StateDict:
        """Return W."""
        return {"weights": self._weights.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore W."""
        self._weights.copy_(state["weights"])

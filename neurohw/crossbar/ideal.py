"""The ideal array: exact products of any dtype on CPU or GPU, the reference for every other back-end."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes
from neurohw.crossbar.spec import ArraySpec


class IdealArray(SynapseArray):
    """W as a plain tensor: reads are exact, writes are arithmetic, time does nothing.

    W is kept column by column in memory, in which reads and updates of small batches are fastest. A read is laid out as
    its input is: sample after sample, or neuron after neuron (a transposed view), which is faster for the many small
    reads of a relaxation.

    Args:
        weights: [n_post, n_pre] initial weights; copied.
    """

    exact = True
    exact_writes = True
    keeps_layout = True

    def __init__(self, weights: Tensor) -> None:
        self._columns = weights.detach().t().clone(memory_format=torch.contiguous_format)  # W^T, [n_pre, n_post]
        self.shape = (weights.shape[0], weights.shape[1])
        self.dtype = weights.dtype
        self.device = weights.device
        self._rows: Tensor | None = None  # a copy of W row by row, made when a relaxation reads it, dropped by a write

    @classmethod
    def build(cls, weights: Tensor, spec: ArraySpec, seed: int) -> IdealArray:
        """Return the array of some weights: nothing else is asked of it."""
        return cls(weights)

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return pre W^T, [B, n_post]."""
        if pre.is_contiguous():
            return pre @ self._columns
        if self._rows is None:
            self._rows = self._columns.t().contiguous()
        return (self._rows @ pre.t()).t()

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return post W, [B, n_pre]."""
        if post.is_contiguous():
            return post @ self._columns.t()
        return (self._columns @ post.t()).t()

    def read_rows(self, rows: Tensor) -> Tensor:
        """Return rows [R] of W, [R, n_pre]."""
        return self._columns.t()[rows]

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """W += rate * scale * (sum_t sign_t post_t^T pre_t - diag(d) W), one matrix product over all terms."""
        terms = products.terms
        self._shrink(products, rate)
        self._rows = None
        if len(terms) == 1:
            post, pre = terms[0].post, terms[0].pre
            alpha = terms[0].sign * products.scale * rate
        else:
            post = torch.cat([term.post if term.sign > 0 else -term.post for term in terms])
            pre = torch.cat([term.pre for term in terms])
            alpha = products.scale * rate
        self._columns.addmm_(pre.t(), post, alpha=alpha)
        return Writes()

    def increment(self, delta: Tensor) -> Writes:
        """W += delta."""
        self._rows = None
        self._columns += delta.t()
        return Writes()

    def program(self, weights: Tensor) -> Writes:
        """W = weights."""
        self._rows = None
        self._columns.copy_(weights.t())
        return Writes()

    def elapse(self, seconds: float) -> None:
        """Ideal weights do not age."""

    def snapshot(self) -> Tensor:
        """Return a copy of W."""
        return self._columns.t().clone(memory_format=torch.contiguous_format)

    def sources(self) -> tuple[list[Tensor], list[torch.Generator]]:
        """Return the matrix that reads take from, which writes change in place; nothing is drawn."""
        return [self._columns], []

    def state_dict(self) -> StateDict:
        """Return W."""
        return {"weights": self.snapshot()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore W."""
        self.program(state["weights"])

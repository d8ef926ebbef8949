"""The ideal array: exact products of any dtype on CPU or GPU, the reference for every other back-end."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes
from neurohw.crossbar.blocks import by_blocks
from neurohw.crossbar.precision import product_dtype
from neurohw.crossbar.spec import ArraySpec
from neurohw.errors import InputError


class IdealArray(SynapseArray):
    """W as a plain tensor: reads are exact, writes are arithmetic, time does nothing.

    W is kept column by column in memory, in which reads and updates of small batches are fastest. A read is laid out as
    its input is: sample after sample, or neuron after neuron (a transposed view), which is faster for the many small
    reads of a relaxation.

    In bfloat16 reads multiply weights and inputs rounded to 8 significant bits and round what comes out: y is off by at
    most 2^-8 sum_i |w_i x_i| + 2^-9 |y|. Weights are kept, and written, in float32, so that small changes add up.

    Args:
        weights: [n_post, n_pre] initial weights, of several chips [S, n_post, n_pre]; copied.
        products: the type in which reads multiply; None: that of the weights.
        bounds: of weights, to which every write clips, as devices do; None: none.
        absent: weights that are 0 for good, [n_post, n_pre]; None: none.
    """

    keeps_layout = True
    by_columns = True

    def __init__(
        self,
        weights: Tensor,
        products: torch.dtype | None = None,
        bounds: tuple[float, float] | None = None,
        absent: Tensor | None = None,
    ) -> None:
        self._columns = weights.detach().mT.clone(memory_format=torch.contiguous_format)  # W^T, [n_pre, n_post]
        self._absent: Tensor | None = None  # of W^T
        if absent is not None:
            absent = absent.to(weights.device)
            self.present, self._absent = ~absent, absent.t().contiguous()
            self._columns.masked_fill_(self._absent, 0.0)
        self.shape = (weights.shape[-2], weights.shape[-1])
        self._parts: Sequence[IdealArray] = ()  # of a stack: the chips' own arrays, which lie in its memory
        self.dtype = weights.dtype
        self.device = weights.device
        self.product_dtype = products or weights.dtype
        self.exact = self.product_dtype == weights.dtype
        self._bounds, self.exact_writes = bounds, bounds is None
        self._multiplied: Tensor | None = None  # W^T in the products' type, always in the same memory
        self._stale = True  # since the last write
        self._rows: Tensor | None = None  # a copy of it row by row, made when a relaxation reads it

    @classmethod
    def build(cls, weights: Tensor, spec: ArraySpec, seed: int) -> IdealArray:
        """Return the array of some weights, which reads in the precision that is asked for."""
        if spec.precision == "float32":
            return cls(weights, bounds=spec.bounds, absent=spec.absent)
        if weights.dtype != torch.float32:
            raise InputError(f"precision: got {spec.precision!r} for weights of {weights.dtype}; allowed: float32")
        return cls(weights, product_dtype(spec.precision, weights.device), spec.bounds, spec.absent)

    @classmethod
    def stacked(cls, arrays: Sequence[IdealArray]) -> IdealArray:
        """Return the arrays of several chips as one; each goes on as a part of it, in the same memory."""
        first = arrays[0]
        stack = cls(torch.stack([array.snapshot() for array in arrays]), first.product_dtype, first._bounds)
        for array, own in zip(arrays, stack._columns.unbind(), strict=True):
            array._columns = own
            array._changed()
        stack._parts = tuple(arrays)
        return stack

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return pre W^T, [B, n_post]."""
        columns, pre = self._as_read(), pre.to(self.product_dtype)
        if pre.is_contiguous():
            return (pre @ columns).to(self.dtype)
        if self._rows is None:
            self._rows = columns.mT.contiguous()
        return by_blocks(self._rows, pre.mT).mT.to(self.dtype)

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return post W, [B, n_pre]."""
        columns, post = self._as_read(), post.to(self.product_dtype)
        if post.is_contiguous():
            return (post @ columns.mT).to(self.dtype)
        return by_blocks(columns, post.mT).mT.to(self.dtype)

    def _as_read(self) -> Tensor:
        """Return W^T as reads multiply it."""
        if self.exact:
            return self._columns
        if self._multiplied is None:
            self._multiplied = torch.empty_like(self._columns, dtype=self.product_dtype)
        if self._stale:
            self._multiplied.copy_(self._columns)
            self._stale = False
        return self._multiplied

    def _changed(self) -> None:
        """Note that copies of W are about to be old."""
        self._rows, self._stale = None, True
        for part in self._parts:
            part._changed()

    def read_rows(self, rows: Tensor) -> Tensor:
        """Return rows [R] of W, [R, n_pre]: no product is formed, and nothing rounded."""
        return self._columns.t()[rows]

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """W += rate * scale * (sum_t sign_t post_t^T pre_t - diag(d) W), one matrix product over all terms."""
        terms = products.terms
        self._shrink(products, rate)
        self._changed()
        if len(terms) == 1:
            post, pre = terms[0].post, terms[0].pre
            alpha = terms[0].sign * products.scale * rate
        else:
            post = torch.cat([term.post if term.sign > 0 else -term.post for term in terms], -2)
            pre = torch.cat([term.pre for term in terms], -2)
            alpha = products.scale * rate
        add_product = self._columns.addmm_ if self._columns.dim() == 2 else self._columns.baddbmm_
        add_product(pre.mT, post, alpha=alpha)
        return self._clipped()

    def increment(self, delta: Tensor) -> Writes:
        """W += delta."""
        self._changed()
        self._columns += delta.mT
        return self._clipped()

    def program(self, weights: Tensor) -> Writes:
        """W = weights."""
        self._changed()
        self._columns.copy_(weights.mT)
        return self._clipped()

    def _clipped(self) -> Writes:
        """Clip the weights to their bounds, absent ones to 0: the end of a write."""
        if self._bounds is not None:
            self._columns.clamp_(*self._bounds)
        if self._absent is not None:
            self._columns.masked_fill_(self._absent, 0.0)
        return Writes()

    def elapse(self, seconds: float) -> None:
        """Ideal weights do not age."""

    def snapshot(self) -> Tensor:
        """Return a copy of W."""
        return self._columns.mT.clone(memory_format=torch.contiguous_format)

    def sources(self) -> tuple[list[Tensor], list[torch.Generator]]:
        """Return the matrix that reads take from, which writes change in place; nothing is drawn."""
        return [self._as_read()], []

    def state_dict(self) -> StateDict:
        """Return W."""
        return {"weights": self.snapshot()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore W."""
        self.program(state["weights"])

"""A layer: a synapse array and the biases of its neurons, digital or an always-on line of the array."""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product, StateDict, SynapseArray, Writes


class Layer:
    """Synapses and biases between two layers of neurons.

    Args:
        array: W, [n_post, n_pre]; with line biases [n_post, n_pre + 1], the last column driven by a constant 1.
        bias: "digital" (added after the read, updated exactly) or "line" (cells like all others).
    """

    def __init__(self, array: SynapseArray, bias: str = "digital") -> None:
        self.array = array
        self.line = bias == "line"
        self.n_post = array.shape[0]
        self.n_pre = array.shape[1] - self.line
        self.bias: Tensor | None = None
        if not self.line:
            self.bias = torch.zeros(self.n_post, dtype=array.dtype, device=array.device)

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return the drive W pre + b, [B, n_pre] -> [B, n_post]."""
        if self.bias is None:
            return self.array.read(_with_line(pre), times)
        return self.array.read(pre, times).add_(self.bias)

    def read_back(self, post: Tensor, times: int = 1) -> Tensor:
        """Return W^T post through the same cells, [B, n_post] -> [B, n_pre]."""
        pre = self.array.read_transposed(post, times)
        return pre[:, : self.n_pre] if self.line else pre

    def written(self, products: OuterProducts) -> OuterProducts:
        """Return the products as the array sees them: with line biases the constant line takes part."""
        if not self.line:
            return products
        terms = tuple(Product(term.post, _with_line(term.pre, term.line), term.sign) for term in products.terms)
        return OuterProducts(terms, products.scale)

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Write rate * products in situ; a digital bias takes the same step exactly."""
        if self.bias is not None:
            self.bias.add_(products.post_sum(), alpha=rate)
        return self.array.update(self.written(products), rate)

    def state_dict(self) -> StateDict:
        """Return the array's state and the bias."""
        state = {f"array.{name}": tensor for name, tensor in self.array.state_dict().items()}
        return state if self.bias is None else {**state, "bias": self.bias.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        self.array.load_state_dict({k.removeprefix("array."): v for k, v in state.items() if k.startswith("array.")})
        if self.bias is not None:
            self.bias.copy_(state["bias"])


def _with_line(pre: Tensor, line: float = 1.0) -> Tensor:
    return torch.cat([pre, torch.full_like(pre[:, :1], line)], dim=1)

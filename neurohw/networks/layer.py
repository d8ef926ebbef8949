"""A layer: a synapse array and the biases of its neurons, digital, an always-on line of the array, or none."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product, StateDict, SynapseArray, Writes


class Wiring:
    """How the neurons before and behind an array stand on its lines: here one on each, all at once.

    A convolution presents a sample as many vectors, a patch each, and inherits from this.

    Args:
        n_pre, n_post: neurons before and behind.

    Attributes:
        vectors: presented to the array per sample.
        adds: additions that `pre_sum` takes per sample.
    """

    vectors: int = 1
    adds: int = 0

    def __init__(self, n_pre: int, n_post: int) -> None:
        self.n_pre, self.n_post = n_pre, n_post

    def pre(self, neurons: Tensor) -> Tensor:
        """Return what the input lines get, [B, n_pre] -> [B vectors, lines]."""
        return neurons

    def pre_sum(self, lines: Tensor) -> Tensor:
        """Return the sum of a neuron's lines, the adjoint of `pre`: [B vectors, lines] -> [B, n_pre]."""
        return lines

    def post(self, neurons: Tensor) -> Tensor:
        """Return what the output lines get, [B, n_post] -> [B vectors, lines]."""
        return neurons

    def post_neurons(self, lines: Tensor) -> Tensor:
        """Return the neurons that outputs drive, the inverse of `post`: [B vectors, lines] -> [B, n_post]."""
        return lines


class Layer:
    """Synapses and biases between two layers of neurons.

    Args:
        array: W, [n_post, n_pre]; with line biases [n_post, n_pre + 1], the last column driven by a constant 1.
        bias: "digital" (added after the read, updated exactly) or "line" (cells like all others), one per output of the
            array; or "none".
        wiring: how neurons stand on its lines; None: one on each.
    """

    def __init__(self, array: SynapseArray, bias: str = "digital", wiring: Wiring | None = None) -> None:
        self.array = array
        self.line = bias == "line"
        self.wiring = wiring or Wiring(array.shape[1] - self.line, array.shape[0])
        self.n_pre, self.n_post = self.wiring.n_pre, self.wiring.n_post
        self.bias: Tensor | None = None
        if bias == "digital":
            self.bias = torch.zeros(array.shape[0], dtype=array.dtype, device=array.device)

    @classmethod
    def stacked(cls, layers: Sequence[Layer], array: SynapseArray) -> Layer:
        """Return the layers of several chips as one, over their stacked arrays; biases lie in one memory, too."""
        first = layers[0]
        stack = copy.copy(first)
        stack.array = array
        if first.bias is not None:
            stack.bias = torch.stack([layer.bias for layer in layers if layer.bias is not None])
            for layer, own in zip(layers, stack.bias.unbind(), strict=True):
                layer.bias = own
        return stack

    def over(self, array: SynapseArray) -> Layer:
        """Return the same layer, its biases copied, with another array."""
        other = copy.copy(self)
        other.array, other.bias = array, None if self.bias is None else self.bias.clone()
        return other

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return the drive W pre + b, [B, n_pre] -> [B, n_post]."""
        lines = self.wiring.pre(pre)
        if self.bias is None:
            return self.wiring.post_neurons(self.array.read(_with_line(lines) if self.line else lines, times))
        return self.wiring.post_neurons(self.array.read(lines, times).add_(self.bias.unsqueeze(-2)))

    def read_back(self, post: Tensor, times: int = 1) -> Tensor:
        """Return W^T post through the same cells, [B, n_post] -> [B, n_pre]."""
        pre = self.array.read_transposed(self.wiring.post(post), times)
        return self.wiring.pre_sum(pre[..., :-1] if self.line else pre)

    def written(self, products: OuterProducts) -> OuterProducts:
        """Return the products as the array sees them, line by line; a bias line takes part."""
        terms = tuple(replace(term, post=self.wiring.post(term.post), pre=self._pre_lines(term))
                      for term in products.terms)  # fmt: skip
        decay = None if products.decay is None else self.wiring.post(products.decay)
        return OuterProducts(terms, products.scale, decay)

    def _pre_lines(self, term: Product) -> Tensor:
        lines = self.wiring.pre(term.pre)
        return _with_line(lines, term.line) if self.line else lines

    def bias_change(self, written: OuterProducts) -> Tensor:
        """Return the wanted change of digital biases per unit learning rate: those of weights whose input is 1.

        Args:
            written: products as the array sees them.
        """
        change, shares = written.post_sum(), written.shrinkage()
        return change if shares is None or self.bias is None else change - shares * self.bias

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Write rate * products in situ; a digital bias takes the same step exactly."""
        written = self.written(products)
        if self.bias is not None:
            self.bias.add_(self.bias_change(written), alpha=rate)
        return self.array.update(written, rate)

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
    return torch.cat([pre, torch.full_like(pre[..., :1], line)], dim=-1)

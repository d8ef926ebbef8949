"""Backpropagation on crossbars: errors travel back through the same cells, by transposed reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.circuits.neuron import Neuron
from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.networks.base import Contrast, Network, State, masked
from neurohw.networks.layer import Layer
from neurohw.networks.operations import FeedForward


@dataclass(frozen=True)
class BPState(State):
    """A forward pass: `pre[l]` is the input of layer l (activated, dropped out), `drives[l]` its drive a_l."""

    pre: tuple[Tensor, ...]
    drives: tuple[Tensor, ...]


class BPNetwork(Network):
    """Feed-forward network trained by backpropagation.

    a_l = W_l x_l + b_l;  x_{l+1} = dropout(rho_l(a_l));  y = mask * rho_L(a_L).
    Input and hidden dropout is inverted (scaled by 1/(1 - p)), the output's is a plain mask on what the loss sees, as
    in the published code: under a cross-entropy an output that is dropped counts as exp(0) in the softmax, be it over
    outputs or over logits (which are the outputs of an identity neuron), and gets no error.

    Args:
        layers: synapses, input to output.
        neurons: activation circuit of each layer's output, hidden first.
        loss: "mse" or "cross-entropy" (softmax of the outputs, or of the output drives).
        loss_reduction: of the mean squared error over outputs, "mean" (code) or "sum" (paper, Eq. 3).
        cross_entropy_on: "outputs" (the code's softmax over sigmoid outputs) or "logits" (over the drives).
        dropout, generator, clock: see Network.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        neurons: Sequence[Neuron],
        loss: str = "mse",
        loss_reduction: str = "mean",
        cross_entropy_on: str = "outputs",
        dropout: Sequence[float] = (),
        generator: torch.Generator | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(layers, dropout, generator, clock)
        self.neurons = tuple(neurons)
        self.loss = loss
        self.loss_reduction = loss_reduction
        self.cross_entropy_on = cross_entropy_on

    def operations(self) -> FeedForward:
        """Return the work of the forward and of the backward pass."""
        return FeedForward(self.sizes, softmax=self.loss == "cross-entropy")

    def respond(self, x: Tensor, train: bool = False) -> BPState:
        """Run the forward pass."""
        masks = self.masks(x.shape[0], train)
        with self.clock.during("forward" if train else self.clock.phase):
            return self._forward(x, masks)

    def _forward(self, signal: Tensor, masks: tuple[Tensor | None, ...]) -> BPState:
        pre, drives = [], []
        for layer, neuron, mask, p in zip(self.layers, self.neurons, masks, self.dropout, strict=False):
            signal = signal if mask is None else signal * mask.mul_(1 / (1 - p))  # inverted dropout
            pre.append(signal)
            drives.append(layer.read(signal))
            signal = neuron.rho(drives[-1])
        output = masked(signal, masks[-1])
        return BPState(output, output, masks, tuple(pre), tuple(drives))

    def contrast(self, state: State, target: Tensor) -> Contrast:
        """Return minus the loss's gradient as outer products error_l (x) pre_l, errors read back through the cells.

        delta_L = rho_L'(a_L) * (-dC/dy);  delta_l = rho_l'(a_l) * mask_l * W_{l+1}^T delta_{l+1}.
        """
        assert isinstance(state, BPState)
        error, scale = self._output_error(state, target)
        products: Contrast = []
        with self.clock.during("backward"):
            for i in reversed(range(len(self.layers))):
                products.append((self.layers[i], OuterProducts((Product(error, state.pre[i]),), scale)))
                if i > 0:
                    back = masked(self.layers[i].read_back(error), state.masks[i])
                    error = self.neurons[i - 1].slope(state.drives[i - 1]).mul_(back)
        return products[::-1]

    def _output_error(self, state: BPState, target: Tensor) -> tuple[Tensor, float]:
        # the error in units of the output, which is what a crossbar's converters see; its scale stays digital
        batch, n_out = target.shape
        slope = self.neurons[-1].slope
        drive = state.drives[-1]
        if self.loss == "mse":
            error = slope(drive).mul_(target - state.output)  # masked outputs: y = d = 0
            return error, 2 / batch if self.loss_reduction == "sum" else 2 / (batch * n_out)
        total = target.sum(1, keepdim=True)  # 1 for a one-hot target; fewer where winners were masked
        if self.cross_entropy_on == "logits":
            return masked(target - total * torch.softmax(masked(drive, state.active), dim=1), state.active), 1 / batch
        error = target - total * torch.softmax(state.output, dim=1)
        return masked(error * slope(drive), state.active), 1 / batch

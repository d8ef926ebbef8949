"""A stage of a feed-forward network, forward and backward: dropout, synapses, neurons, pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from neurohw.networks.layer import Layer


class Activation(Protocol):
    """What the neurons of a stage do (`neurohw.circuits.neuron`).

    Attributes:
        adds: additions that it takes per neuron, the activation apart.
    """

    @property
    def adds(self) -> int:
        """See above."""

    def rho(self, drive: Tensor, /) -> Tensor:
        """Return the outputs of drives, [B, n]."""

    def back(self, drive: Tensor, error: Tensor) -> Tensor:
        """Return the error at the drives, [B, n], of that at the outputs, [B, n]; fresh memory."""


class Pooling(Protocol):
    """What makes fewer outputs of a stage's neurons.

    Attributes:
        n_out: how many.
        adds: additions, or comparisons, that it takes per sample; adds_back: additions of `back`.
    """

    n_out: int
    adds: int

    @property
    def adds_back(self) -> int:
        """See above."""

    def __call__(self, active: Tensor) -> Tensor:
        """Return the outputs [B, n_out] of neurons [B, n]."""

    def back(self, active: Tensor, error: Tensor) -> Tensor:
        """Return the error at the neurons [B, n], of that at the outputs [B, n_out]."""


@dataclass(frozen=True)
class Passed:
    """What a forward pass leaves for the backward one.

    Args:
        pre: [B, n_pre], dropped out; mask: by which it was multiplied, or None.
        drive: a = W pre + b, [B, n].
    """

    pre: Tensor
    mask: Tensor | None
    drive: Tensor


@dataclass(frozen=True)
class Stage:
    """Dropout of the inputs (inverted: scaled by 1/(1 - p)), synapses, the neurons they drive, and pooling of these."""

    layer: Layer
    neuron: Activation
    dropout: float = 0.0
    pooling: Pooling | None = None

    def forward(self, signal: Tensor, mask: Tensor | None) -> tuple[Tensor, Passed]:
        """Return pool(rho(W dropout(x) + b)), and what the backward pass needs; mask: 0/1, scaled in place."""
        signal = signal if mask is None else signal * mask.mul_(1 / (1 - self.dropout))
        drive = self.layer.read(signal)
        active = self.neuron.rho(drive)
        return active if self.pooling is None else self.pooling(active), Passed(signal, mask, drive)

    def driven(self, passed: Passed, error: Tensor) -> Tensor:
        """Return the error at the drive, rho'(a) pool'(error), of that at the outputs."""
        back = error if self.pooling is None else self.pooling.back(self.neuron.rho(passed.drive), error)
        return self.neuron.back(passed.drive, back)

    def back(self, passed: Passed, error: Tensor) -> Tensor:
        """Return the error at the inputs, mask * W^T error, of that at the drive, [B, n]."""
        error = self.layer.read_back(error)
        return error if passed.mask is None else error * passed.mask

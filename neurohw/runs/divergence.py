"""Whether a run still learns numbers: what is not finite once never is again, so a look now and then is enough."""

from __future__ import annotations

import torch

from neurohw.circuits.target import Homeostasis
from neurohw.errors import Diverged
from neurohw.networks.base import Network


def require_numbers(network: Network, homeostasis: Homeostasis) -> None:
    """Check the weights and biases of every layer, and the thresholds of the target circuit.

    Args:
        network: as trained so far.
        homeostasis: the thresholds now, [n_out].

    Raises:
        Diverged: one is not finite; the message names it.
    """
    layers = list(enumerate(network.layers, 1))
    looked_at = {f"W{i}: the weights": layer.array.snapshot() for i, layer in layers}
    looked_at |= {f"W{i}: the biases": layer.bias for i, layer in layers if layer.bias is not None}
    looked_at |= {"target: the thresholds": homeostasis.threshold, "target: the activities": homeostasis.activity}
    for name, values in looked_at.items():
        if not bool(torch.isfinite(values).all()):
            raise Diverged(f"{name} are not finite: learning has diverged")

"""A network that learns from pseudo-labels by backpropagation (Algorithm 1 of Lu & Sengupta 2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from neurohw.deepstdp.convnets import ConvNet, dense

Prepare = Callable[[Tensor], Tensor]

_BATCH = 256  # images whose features are computed at once


class Learner:
    """A network and its stochastic gradient descent; each epoch's head is new, and descends without momentum.

    Args:
        network: what learns.
        learning_rate, momentum, weight_decay: of the descent (the head's momentum is 0, as DeepCluster's).
    """

    def __init__(self, network: ConvNet, learning_rate: float, momentum: float, weight_decay: float) -> None:
        self.network = network
        self._body = torch.optim.SGD(network.body.parameters(), learning_rate, momentum, weight_decay=weight_decay)
        self._head = torch.optim.SGD(network.head.parameters(), learning_rate, weight_decay=weight_decay)
        if momentum:  # there from the first step on, so that every checkpoint has the same tensors
            for parameter in network.body.parameters():
                self._body.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def new_head(self, generator: torch.Generator) -> None:
        """Give the network a head that knows nothing: clusters of two epochs have nothing to do with one another."""
        head = self.network.head
        fresh = dense(head.in_features, head.out_features, generator)
        head.load_state_dict(fresh.state_dict())

    def features(self, images: Tensor, prepare: Prepare, progress: Callable[[int, int], None] | None = None) -> Tensor:
        """Return the features [N, d] of images as they are prepared, in evaluation mode.

        Args:
            images: [N, channels * height * width].
            prepare: makes of a batch what the network takes.
            progress: called after each batch, with how many are done, of how many.
        """
        self.network.eval()
        parts, done = [], 0
        with torch.no_grad():
            for batch in images.split(_BATCH):
                parts.append(self.network.features(prepare(batch)))
                done += len(batch)
                if progress:
                    progress(done, len(images))
        return torch.cat(parts)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Descend the cross-entropy of a batch.

        Args:
            images: prepared, [B, channels, height, width].
            labels: pseudo-labels, [B].
        """
        self.network.train()
        self.network.zero_grad()
        cross_entropy(self.network(images), labels).backward()
        self._body.step()
        self._head.step()

    def state_dict(self) -> dict[str, Any]:
        """Return weights, statistics and momenta, complete."""
        momenta = [state.get("momentum_buffer") for state in self._body.state.values()]
        return {"network": dict(self.network.state_dict()), "momenta": momenta}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore `state_dict`; a state that does not fit changes nothing.

        Raises:
            ValueError: it does not fit.
        """
        mine = self.state_dict()
        _require_alike(mine["network"], state["network"])
        _require_alike(dict(enumerate(mine["momenta"])), dict(enumerate(state["momenta"])))
        self.network.load_state_dict(state["network"])
        for held, momentum in zip(self._body.state.values(), state["momenta"], strict=True):
            held["momentum_buffer"].copy_(momentum)


def _require_alike(mine: Mapping[Any, Tensor], given: Mapping[Any, Tensor]) -> None:
    shapes, others = ({key: tuple(tensor.shape) for key, tensor in tensors.items()} for tensors in (mine, given))
    if shapes != others:
        raise ValueError(f"its network has tensors of {others}, this one of {shapes}")

"""Update rules: how a contrast is written, by pulses in situ or by a digital optimiser and then pulses."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, StateDict, Writes
from neurohw.errors import Diverged, InputError
from neurohw.networks.layer import Layer


class UpdateRule(abc.ABC):
    """How what should be written is written.

    Args:
        layers: the network's layers, input to output.
        learning_rates: one per layer; weights and biases share it.
    """

    def __init__(self, layers: Sequence[Layer], learning_rates: Sequence[float]) -> None:
        if len(learning_rates) != len(layers):
            raise InputError(
                f"training.learning_rate: got {len(learning_rates)} values for {len(layers)} layers; give one per layer"
            )
        self.layers = list(layers)
        self.learning_rates = tuple(learning_rates)
        self.factor = 1.0

    def rate(self, layer: Layer, products: OuterProducts) -> float:
        """Return the layer's learning rate times the schedule's factor.

        Raises:
            Diverged: with the products' scale it is beyond the numbers of the layer's array.
        """
        rate = self.learning_rates[self.layers.index(layer)] * self.factor
        if rate * max(1.0, abs(products.scale)) > torch.finfo(layer.array.dtype).max:
            raise Diverged(
                f"a learning rate of {rate:g}, times {products.scale:g}, is beyond all numbers of the weights"
            )
        return rate

    @abc.abstractmethod
    def apply(self, layer: Layer, products: OuterProducts) -> Writes:
        """Write the products into the layer."""

    def state_dict(self) -> StateDict:
        """Return the rule's own memory."""
        return {}

    def load_state_dict(self, state: StateDict) -> None:  # noqa: B027 (rules without memory have nothing to restore)
        """Restore `state_dict`."""


class PulsedSGD(UpdateRule):
    """Stochastic gradient descent in situ: the array's own pulses form the outer products."""

    def apply(self, layer: Layer, products: OuterProducts) -> Writes:
        """W += rate * products, by pulses from both sides."""
        return layer.update(products, self.rate(layer, products))


class DigitalOptimizer(UpdateRule):
    """A torch optimiser computes dW from the dense contrast, and the array writes that increment.

    The optimiser works on a displacement from the present weights, so it never needs to read the cells.

    Args:
        layers, learning_rates: see UpdateRule.
        name: "sgd" or "adam" (torch's, with its default moments).
    """

    def __init__(self, layers: Sequence[Layer], learning_rates: Sequence[float], name: str) -> None:
        super().__init__(layers, learning_rates)
        self.name = name
        self._displacements = [_displacements(layer) for layer in self.layers]  # as the weights lie in memory
        self._optimizers = [self._make(parameters) for parameters in self._displacements]

    def _make(self, parameters: list[Tensor]) -> torch.optim.Optimizer:
        if self.name == "adam":
            return torch.optim.Adam(parameters, lr=1.0, maximize=True, fused=True)
        return torch.optim.SGD(parameters, lr=1.0, maximize=True)

    def apply(self, layer: Layer, products: OuterProducts) -> Writes:
        """dW = optimiser(products); the array writes dW, a digital bias takes its step exactly."""
        i = self.layers.index(layer)
        displacement, optimizer = self._displacements[i], self._optimizers[i]
        written = layer.written(products)
        if displacement[0].grad is None:
            displacement[0].grad = torch.empty_like(displacement[0])
        wanted, shares = written.dense(out=_turned(layer, displacement[0].grad)), written.shrinkage()
        if shares is not None:
            wanted.add_(layer.array.shrinking(shares))
        if layer.array.present is not None:
            wanted.mul_(layer.array.present)
        if layer.bias is not None:
            displacement[1].grad = layer.bias_change(written)
        optimizer.param_groups[0]["lr"] = self.rate(layer, products)
        optimizer.step()
        if layer.bias is not None:
            layer.bias.add_(displacement[1])
            displacement[1].zero_()
        writes = layer.array.increment(_turned(layer, displacement[0]))
        displacement[0].zero_()
        return writes

    def state_dict(self) -> StateDict:
        """Return the optimisers' moments."""
        state = {}
        for i, (layer, optimizer) in enumerate(zip(self.layers, self._optimizers, strict=True)):
            for parameter, entries in optimizer.state_dict()["state"].items():
                for name, value in entries.items():
                    state[f"{i}.{parameter}.{name}"] = _turned(layer, torch.as_tensor(value)).clone()
        return state

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the moments."""
        for i, (own, optimizer) in enumerate(zip(self.layers, self._optimizers, strict=True)):
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in state.items():
                layer, parameter, name = key.split(".")
                if int(layer) == i:
                    lying = _turned(own, value).clone(memory_format=torch.contiguous_format)
                    moments.setdefault(int(parameter), {})[name] = lying
            optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _displacements(layer: Layer) -> list[Tensor]:
    array = layer.array
    shape = array.shape[::-1] if array.by_columns else array.shape
    weights = torch.zeros(shape, dtype=array.dtype, device=array.device)
    return [weights] if layer.bias is None else [weights, torch.zeros_like(layer.bias)]


def _turned(layer: Layer, values: Tensor) -> Tensor:
    """Return values of weights, [n_post, n_pre], of those as weights lie in memory, and back; others as they are."""
    return values.t() if values.dim() == 2 and layer.array.by_columns else values


def build_rule(name: str, layers: Sequence[Layer], learning_rates: Sequence[float]) -> UpdateRule:
    """Return the update rule called `name`: "pulsed-sgd" (in situ), "sgd" or "adam" (digital)."""
    if name == "pulsed-sgd":
        return PulsedSGD(layers, learning_rates)
    return DigitalOptimizer(layers, learning_rates, name)

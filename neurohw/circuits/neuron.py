"""Neuron circuits: the activation rho and its slope rho', by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.errors import InputError


@dataclass(frozen=True)
class Neuron:
    """An activation circuit.

    Args:
        name: as experiment files write it.
        rho: activation of the pre-activation (BP) or of the state (EP).
        slope: rho' at the same argument.
        bounds: where the state of an EP unit is clipped after each step, or None; rho is the identity within them.
    """

    name: str
    rho: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    bounds: tuple[float, float] | None = None

    def clip(self, state: Tensor) -> Tensor:
        """Keep a state within the circuit's bounds."""
        return state if self.bounds is None else state.clamp_(*self.bounds)

    def rates(self, states: Sequence[Tensor]) -> list[Tensor]:
        """Return rho of every state of an EP network; states within bounds are their own."""
        return list(states) if self.bounds is not None else [self.rho(s) for s in states]


def _hardsigm_slope(a: Tensor) -> Tensor:
    # 1 on the closed interval [0, 1], as the published code's autograd gives it
    return a.clamp(0.0, 1.0).eq_(a)


def _sigmoid_slope(a: Tensor) -> Tensor:
    y = torch.sigmoid(a)
    return y * (1 - y)


NEURONS = {
    neuron.name: neuron
    for neuron in (
        Neuron("identity", lambda a: a, torch.ones_like),
        Neuron("relu", torch.relu, lambda a: a.clone().gt_(0)),
        Neuron("hardsigm", lambda a: a.clamp(0.0, 1.0), _hardsigm_slope, bounds=(0.0, 1.0)),  # Liu et al. 2024, Eq. 14
        Neuron("sigmoid", torch.sigmoid, _sigmoid_slope),  # Eq. 15
        Neuron("tanh", torch.tanh, lambda a: 1 - torch.tanh(a).square()),
    )
}


def neuron(name: str) -> Neuron:
    """Return the neuron circuit called `name`.

    Raises:
        InputError: there is no such circuit.
    """
    if name not in NEURONS:
        raise InputError(f"network.neurons: there is no neuron circuit {name!r}; allowed: {', '.join(NEURONS)}")
    return NEURONS[name]

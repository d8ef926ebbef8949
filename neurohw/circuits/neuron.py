"""Neuron circuits: the activation rho and its slope rho', by name; those of maps, where neurons compete."""

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
        adds: additions that it takes, the activation apart.
    """

    name: str
    rho: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    bounds: tuple[float, float] | None = None
    adds: int = 0

    @property
    def dies(self) -> bool:
        """Whether no error passes a unit that is driven below 0, so that it never learns to respond again."""
        return bool(self.slope(-torch.ones(1)) == 0)

    def back(self, drive: Tensor, error: Tensor) -> Tensor:
        """Return the error at the drives, rho'(a) error, of that at the outputs; fresh memory."""
        return self.slope(drive).mul_(error)

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


@dataclass(frozen=True)
class MapCompetition:
    """Neurons of maps that compete, in each map with the other positions, and at each position with the other maps.

    s = relu(a - mean over positions), rho = relu(s - mean of s over channels), as in the published code for CIFAR-10.

    Args:
        channels: maps; flat, [B, positions x channels], the channels of a position lie together.
    """

    channels: int
    name: str = "wta"
    adds: int = 4  # a neuron: two sums and two subtractions

    def rho(self, drive: Tensor) -> Tensor:
        """Return the outputs of drives a, [B, n]."""
        return self._within(drive)[1].relu_().flatten(1)

    def back(self, drive: Tensor, error: Tensor) -> Tensor:
        """Return the error at the drives, [B, n], of that at the outputs."""
        centred, compared = self._within(drive)
        error = error.reshape(compared.shape).masked_fill(compared <= 0, 0.0)
        error = (error - error.mean(2, keepdim=True)).masked_fill_(centred <= 0, 0.0)
        return error.sub_(error.mean(1, keepdim=True)).flatten(1)

    def _within(self, drive: Tensor) -> tuple[Tensor, Tensor]:
        """Return a - mean over positions, and s - mean over channels, [B, positions, channels]."""
        maps = drive.reshape(len(drive), -1, self.channels)
        centred = maps - maps.mean(1, keepdim=True)
        rectified = centred.relu()
        return centred, rectified - rectified.mean(2, keepdim=True)


def neuron(name: str) -> Neuron:
    """Return the neuron circuit called `name`.

    Raises:
        InputError: there is no such circuit.
    """
    if name not in NEURONS:
        raise InputError(f"network.neurons: there is no neuron circuit {name!r}; allowed: {', '.join(NEURONS)}")
    return NEURONS[name]

"""The STDP clustering network in torch: for a GPU, and what the compiled one is measured against.

A network that learns takes one sample after the other, one step after the other: some 45 kernels a step, which at 4 to
5 us each are 80 ms for a sample of 400 steps, whatever the card; the compiled engine takes 0.5 to 1 ms. A network that
only labels takes samples side by side, and kernels of all of them are one. None of this has run on a card yet.
"""

from __future__ import annotations

import torch
from torch import Tensor

from neurohw.deepstdp import torch_steps
from neurohw.deepstdp.stdp_network import Response, STDPNetwork, constants, frozen
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.deepstdp.stdp_steps import Constants
from neurohw.deepstdp.torch_steps import TensorState


class TorchNetwork:
    """Leaky integrate-and-fire neurons on Poisson inputs, learning by STDP; see `STDPNetwork`, whose weights it has.

    Args:
        inputs: n, two per feature.
        neurons: k.
        parameters: what it is made of.
        generator: source of the initial weights, on the CPU.
        device: where it is.
        dtype: of all its numbers.
    """

    def __init__(
        self,
        inputs: int,
        neurons: int,
        parameters: STDPParameters,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.parameters, self.constants = parameters, constants(parameters)
        compiled = STDPNetwork(inputs, neurons, parameters, generator).state_dict()
        self.state = _resting(compiled["weights"].to(device, dtype), self.constants)

    @property
    def weights(self) -> Tensor:
        """Return a view of the weights, [k, n]."""
        return self.state.weights.T

    @property
    def thresholds(self) -> Tensor:
        """Return a view of what spikes have added to the thresholds, epsilon, mV, [k]."""
        return self.state.threshold[0]

    def present(self, spikes: Tensor, *, learn: bool = True) -> Response:
        """Present samples, and wait for the device once, at the end; see `STDPNetwork`.

        Args:
            spikes: of the inputs, uint8 of 0 and 1, [B, T, n], best on the network's device.
            learn: weights and thresholds change; else both stay as they are.
        """
        spikes, c = spikes.to(self.state.weights.device), self.constants
        if learn or not c.rests:
            done = [self._one(sample[None], c if learn else frozen(c), learn) for sample in spikes]
        else:
            done = [_side_by_side(spikes, self.state, frozen(c))]
        counts, closest, events = (torch.cat(parts) for parts in zip(*done, strict=True))
        return Response(counts.cpu().numpy(), closest.double().cpu().numpy(), events.cpu().numpy())

    def _one(self, sample: Tensor, c: Constants, learn: bool) -> tuple[Tensor, Tensor, Tensor]:
        if c.rests:
            torch_steps.rest(self.state, c)
        steps = torch_steps.run_steps(sample, self.state, c)
        if learn:
            torch_steps.normalise(self.state, c)
            if c.deferred:
                self.state.seen.copy_(self.state.weights)
        return steps.fired.sum(0), steps.closest, steps.events

    def state_dict(self) -> dict[str, Tensor]:
        """Return a copy of everything that changes."""
        return {name: tensor.clone() for name, tensor in self.state._asdict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        for name, tensor in self.state._asdict().items():
            tensor.copy_(state[name])


def _resting(weights: Tensor, c: Constants) -> TensorState:
    """Return a network at rest of weights [n, k]."""
    n, k = weights.shape
    state = TensorState(
        potential=weights.new_zeros(1, k),
        threshold=weights.new_zeros(1, k),
        refractory=weights.new_zeros(1, k),
        trace_post=weights.new_zeros(1, k),
        trace_pre=weights.new_zeros(1, n),
        scale=weights.new_ones(1, k),
        weights=weights,
        seen=weights.clone() if c.deferred else weights,
    )
    torch_steps.rest(state, c)
    return state


def _side_by_side(spikes: Tensor, state: TensorState, c: Constants) -> tuple[Tensor, Tensor, Tensor]:
    """Present samples that change nothing to as many networks at rest."""
    each = {name: getattr(state, name).repeat(len(spikes), 1) for name in state._fields[:6]}
    many = state._replace(**each)
    torch_steps.rest(many, c)
    steps = torch_steps.run_steps(spikes, many, c)
    return steps.fired.sum(0), steps.closest, steps.events

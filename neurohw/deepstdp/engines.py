"""Which engine computes a clustering network whose synapses are exact."""

from __future__ import annotations

import torch

from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.deepstdp.torch_network import TorchNetwork


def engine_device(parameters: STDPParameters, device: torch.device) -> torch.device:
    """Return where the network is, and its input spikes are to be drawn, in a run on `device`."""
    return device if parameters.engine == "torch" else torch.device("cpu")


def build_network(
    inputs: int, neurons: int, parameters: STDPParameters, generator: torch.Generator, device: torch.device
) -> STDPNetwork | TorchNetwork:
    """Return a fresh network of the engine that the parameters name.

    Args:
        inputs: n, two per feature.
        neurons: k.
        parameters: what it is made of.
        generator: source of the initial weights, on the CPU: engines begin with the same ones.
        device: of the run.
    """
    if parameters.engine == "torch":
        return TorchNetwork(inputs, neurons, parameters, generator, device)
    return STDPNetwork(inputs, neurons, parameters, generator)

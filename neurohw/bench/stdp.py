"""How fast does the STDP network cluster? Against the engine in torch, step by step, and against Brian2."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.functional import normalize

from neurohw.bench.rounds import Figure, Rounds, in_rounds
from neurohw.deepstdp.brian_reference import BrianNetwork
from neurohw.deepstdp.poisson import spike_trains
from neurohw.deepstdp.stdp_clustering import cluster
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.deepstdp.torch_network import TorchNetwork

GOAL, GOAL_MS = ">= 20", 10.0  # a sample; 5,000 of them take 5 s for every ms


def stdp(
    features: int = 256, neurons: int = 100, timesteps: int = 400, samples: int = 32, rounds: int = 5
) -> list[Figure]:
    """Return the time of a sample, of norm 1, over ours: with its input spikes given, and clustered as in Deep-STDP.

    Torch computes in single precision and draws no spikes, Brian2 in double precision by its NumPy code.

    Args:
        features: of a sample, two inputs each; neurons, timesteps: of the network.
        samples: that ours takes in a call; the others, which are slow, take one.
        rounds: of timing.
    """
    generator = torch.Generator().manual_seed(0)
    parameters = STDPParameters(timesteps=timesteps)
    rows = normalize(torch.randn(samples, features, generator=generator))
    spikes = spike_trains(rows, parameters.rate_scale, timesteps, generator)
    ours, clustering = (STDPNetwork(2 * features, neurons, parameters, generator) for _ in range(2))
    plain = TorchNetwork(2 * features, neurons, parameters, generator, dtype=torch.float32)
    brian2 = BrianNetwork(ours.weights.numpy().copy(), parameters, timesteps)
    calls: dict[str, Any] = {
        "ours": partial(ours.present, spikes),
        "cluster": partial(cluster, rows, clustering, generator),
        "torch": partial(plain.present, spikes[:1]),
        "Brian2": partial(brian2.present, spikes[0].numpy()),
    }
    taken = {"ours": samples, "cluster": samples, "torch": 1, "Brian2": 1}
    timed = in_rounds(calls, rounds, warm_up=1)
    timed = Rounds({name: [ms / taken[name] for ms in times] for name, times in timed.ms.items()})
    size = f"{2 * features} inputs, {neurons} neurons, {timesteps} steps"
    return [
        timed.figure(f"{size}: torch over ours", "torch", "ours", GOAL),
        timed.figure(f"{size}: torch over clustering", "torch", "cluster", GOAL, ms_goal=GOAL_MS),
        timed.figure(f"{size}: Brian2 over ours", "Brian2", "ours", "higher"),
    ]

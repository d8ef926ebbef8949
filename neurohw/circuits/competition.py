"""A target circuit on its own: uneven outputs compete batch after batch, and the thresholds are watched."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.circuits.target import Decision, TargetCircuit
from neurohw.errors import InputError


@dataclass(frozen=True)
class Competition:
    """What happened.

    Args:
        seconds: at the end of each batch, s, [batches].
        threshold: H after each batch, [batches, n].
        frequency: share of decisions that each output won in the second half, [n].
        wanted: k / n.
    """

    seconds: Tensor
    threshold: Tensor
    frequency: Tensor
    wanted: float


def compete(
    circuit: TargetCircuit, k: int, batches: int, generator: torch.Generator, step_seconds: float = 1e-3
) -> Competition:
    """Let outputs with favourites compete: y = a_i + b, a_i uniform in 0..0.4 per output, b in 0..0.6 per sample.

    Without homeostasis the outputs with the largest a_i win most of the time; H takes their advantage away.

    Args:
        circuit: with thresholds in units of an output.
        k: winners that are wanted.
        batches: of 16 samples.
        generator: draws the outputs.
        step_seconds: simulated time of a batch, s.

    Raises:
        InputError: fewer than two batches.
    """
    if batches < 2:
        raise InputError(f"batches: got {batches}; allowed: at least 2")
    n, device = circuit.n_out, generator.device
    advantage = 0.4 * torch.rand(n, generator=generator, device=device)
    state, thresholds, wins = circuit.initial(), [], torch.zeros(n, device=device)
    for batch in range(batches):
        y = advantage + 0.6 * torch.rand(16, n, generator=generator, device=device)
        decision = circuit(y, state, seconds=step_seconds)
        state = decision.homeostasis
        thresholds.append(state.threshold)
        if batch >= batches // 2:
            wins += _won(decision)
    counted = 16 * (batches - batches // 2)
    seconds = step_seconds * torch.arange(1, batches + 1)
    return Competition(seconds, torch.stack(thresholds), wins / counted, k / n)


def _won(decision: Decision) -> Tensor:
    """Return how often each output won, [n]: the highest targets of the batch, as many as there were winners."""
    highest = decision.target.flatten().topk(decision.events.winners).indices
    return torch.bincount(highest % decision.target.shape[-1], minlength=decision.target.shape[-1])

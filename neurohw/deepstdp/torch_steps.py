"""The steps of `stdp_steps` in torch, a few operations per equation, wherever the tensors are.

Nothing here depends on a number that the host would have to ask a GPU for: who spikes is a mask. Samples that do not
change what the next one meets are run side by side: all tensors but the weights have an axis [B, ...] in front.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from neurohw.deepstdp.stdp_steps import Constants


class TensorState(NamedTuple):
    """All that changes, in place: [B, k] per neuron, [B, n] per input, weights [n, k]; see `stdp_steps.State`."""

    potential: Tensor
    threshold: Tensor
    refractory: Tensor
    trace_post: Tensor
    trace_pre: Tensor
    scale: Tensor
    weights: Tensor
    seen: Tensor


class Steps(NamedTuple):
    """What happened in T steps of B samples.

    Args:
        fired: who spiked, [T, B, k].
        closest: how near each potential came to its threshold, mV, [B, k].
        events: as of `stdp_network.Response`, [B, 5].
    """

    fired: Tensor
    closest: Tensor
    events: Tensor


def run_steps(spikes: Tensor, state: TensorState, c: Constants) -> Steps:
    """Run the steps of samples side by side, or of one from which the network learns.

    Args:
        spikes: of the inputs, uint8 of 0 and 1, [B, T, n]; B is 1 where `c` lets weights change.
        state: changed in place.
        c: the constants.
    """
    active = spikes.transpose(0, 1).bool()  # [T, B, n]
    inputs = active.to(state.weights.dtype)
    learns = c.eta_pre > 0 or c.eta_post > 0
    drives = None if learns and not c.deferred else inputs @ state.seen
    closest = torch.full_like(state.potential, -math.inf)
    fired, awake, falling, rising = [], [], [], []
    for t in range(len(active)):
        decay(state, c)
        state.trace_pre.masked_fill_(active[t], c.trace_peak)
        resting = state.refractory > 0
        integrate(inputs[t] @ state.seen if drives is None else drives[t], resting, state, c)
        fired.append(fire(resting, closest, state, c))
        awake.append(~resting)
        if learns:
            learn(inputs[t, 0], fired[t][0], state, c)
            falling.append(state.trace_post != 0)
            rising.append(state.trace_pre != 0)
        state.potential.sub_(c.inhibition * (fired[t].sum(1, keepdim=True) - fired[t].to(inputs.dtype)))
    spiking = torch.stack(fired)
    return Steps(spiking, closest, _events(active, spiking, torch.stack(awake), falling, rising, c))


def decay(state: TensorState, c: Constants) -> None:
    """Let potentials, thresholds, traces and refractory counters go one step on (Eq. 4)."""
    state.threshold.mul_(c.threshold_decay)
    state.trace_post.mul_(c.trace_decay)
    state.trace_pre.mul_(c.trace_decay)
    state.potential.sub_(c.v_rest).mul_(c.leak).add_(c.v_rest)
    state.refractory.sub_(1).clamp_(min=0)


def integrate(drive: Tensor, resting: Tensor, state: TensorState, c: Constants) -> None:
    """Add the drive, [B, k], to potentials of neurons that are not at rest (Eq. 5)."""
    state.potential.add_((c.gain * state.scale * drive).masked_fill_(resting, 0.0))


def fire(resting: Tensor, closest: Tensor, state: TensorState, c: Constants) -> Tensor:
    """Return the neurons that spike, [B, k], which are reset (Eq. 6); `closest` is raised."""
    excess = (state.potential - (c.v_threshold + state.threshold)).masked_fill_(resting, -math.inf)
    torch.maximum(closest, excess, out=closest)
    fired = reset = excess > 0
    if c.winner:
        first = torch.zeros_like(fired).scatter_(1, excess.argmax(1, keepdim=True), True)
        fired, reset = fired & first, fired.any(1, keepdim=True)
    state.potential.masked_fill_(reset, c.v_reset)
    state.refractory.masked_fill_(reset, c.refractory)
    state.threshold.add_(fired, alpha=c.threshold_step)
    state.trace_post.masked_fill_(fired, c.trace_peak)
    return fired


def learn(inputs: Tensor, fired: Tensor, state: TensorState, c: Constants) -> None:
    """Depress the weights of inputs that spike, [n], then potentiate those of neurons that do, [k] (Eqs. 7 and 8)."""
    if c.eta_pre > 0:
        state.weights.sub_(torch.outer(inputs, c.eta_pre * state.trace_post[0])).clamp_(min=0)
    if c.eta_post > 0:
        risen = (state.weights + c.eta_post * state.trace_pre[0][:, None]).clamp_(max=c.weight_max)
        torch.where(fired, risen, state.weights, out=state.weights)


def rest(state: TensorState, c: Constants) -> None:
    """Bring the network to rest, as before a sample; thresholds and weights stay."""
    state.potential.fill_(c.v_rest)
    for array in (state.refractory, state.trace_post, state.trace_pre):
        array.zero_()


def normalise(state: TensorState, c: Constants) -> None:
    """Scale each neuron's weights, or its drive, to mean weights of `weight_mean`; 0: none, nor those without any."""
    if c.weight_mean == 0:
        return
    sums = state.weights.sum(0)
    factors = torch.where(sums > 0, c.weight_mean * len(state.weights) / sums, 1.0)
    if c.normalises_gain:
        state.scale.copy_(factors.expand_as(state.scale))
    else:
        state.weights.mul_(factors)


def _events(
    active: Tensor, fired: Tensor, awake: Tensor, falling: list[Tensor], rising: list[Tensor], c: Constants
) -> Tensor:
    """Return what `stdp_steps` counts, [B, 5], of masks [T, B, ...]; none of weights where nothing is learnt."""
    inputs, outputs = active.sum(2), fired.sum(2)
    none = torch.zeros_like(inputs)
    falls = inputs * torch.stack(falling).sum(2) if c.eta_pre > 0 else none
    rises = outputs * torch.stack(rising).sum(2) if c.eta_post > 0 else none
    counted = (inputs, inputs * awake.sum(2), falls, rises, outputs * (fired.shape[2] - 1))
    return torch.stack([each.sum(0) for each in counted], dim=1)

"""The relaxation itself, as pure functions of states and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from neurohw.circuits.neuron import Neuron
from neurohw.networks.layer import Layer

_SMALL_BATCH = 64  # samples, up to which the layout of the states decides the speed of a product


class Nudge(Protocol):
    """The extra force on the last dynamical layer."""

    def __call__(self, state: Tensor, rate: Tensor) -> Tensor:
        """Return beta * (-dC/ds) for the state s [B, n] and its rho(s)."""


@dataclass(frozen=True)
class ForceNudge:
    """beta (d - s): the output is pulled towards the target (C = 1/2 ||d - s||^2)."""

    beta: Tensor | float
    target: Tensor

    def __call__(self, state: Tensor, rate: Tensor) -> Tensor:
        return (self.target - state).mul_(self.beta)


@dataclass(frozen=True)
class SoftmaxNudge:
    """beta W^T (d - (sum d) softmax(z)), z = W rho(h) + b: the read-out's error (`softmax_error`) pulls on layer h."""

    beta: Tensor | float
    target: Tensor
    readout: Layer
    mask: Tensor | None = None

    def __call__(self, state: Tensor, rate: Tensor) -> Tensor:
        error = softmax_error(self.readout.read(rate), self.target, self.mask)
        return self.readout.read_back(error).mul_(self.beta)


def softmax_error(logits: Tensor, target: Tensor, mask: Tensor | None) -> Tensor:
    """Return d - (sum d) softmax(z): minus the gradient of -sum d log softmax(z) by z.

    A mask (0/1) multiplies the logits, as under BP: -sum d log softmax(m z) gives m (d - (sum d) softmax(m z)).

    Args:
        logits: z, [B, n].
        target: d, [B, n], masked; of one winner it adds up to 1.
        mask: dropout mask m of the outputs, [B, n], or None.
    """
    total = target.sum(-1, keepdim=True)
    if mask is None:
        return target - total * torch.softmax(logits, dim=-1)
    return (target - total * torch.softmax(logits * mask, dim=-1)).mul_(mask)


def relax(
    states: Sequence[Tensor],
    x: Tensor,
    held: Tensor | None,
    layers: Sequence[Layer],
    masks: Sequence[Tensor | None],
    neuron: Neuron,
    steps: int,
    dt: float,
    nudge: Nudge | None = None,
) -> list[Tensor]:
    """Return the states after `steps` synchronous Euler steps.

    drive_l = W_l rho(s_{l-1}) + b_l + W_{l+1}^T rho(s_{l+1});  s_l += dt (rho'(s_l) drive_l - s_l [+ nudge]).
    States are clipped to the neuron's bounds and masked after each step.

    Args:
        states: s_l, [B, n_l], input-most first; not modified.
        x: clamped input [B, n_in].
        held: the input's drive if it is read once and held, else None (read again at each step).
        layers: synapses into each state.
        masks: dropout mask of each state, or None.
        neuron: rho, rho' and bounds. Within bounds rho is the identity and rho' is 1.
        steps, dt: number and size of the steps.
        nudge: force on the last state.
    """
    bounded = neuron.bounds is not None
    current = list(states)
    small = x.shape[-2] <= _SMALL_BATCH and x.device.type == "cpu"
    if len(current) > 1 and small and all(layer.array.keeps_layout for layer in layers):
        current = [_neuron_after_neuron(s) for s in current]
        masks = [None if mask is None else _neuron_after_neuron(mask) for mask in masks]
        held = None if held is None else _neuron_after_neuron(held)
    for _ in range(steps):
        rates = neuron.rates(current)
        following = []
        for i, (s, layer, mask) in enumerate(zip(current, layers, masks, strict=False)):
            below = rates[i - 1] if i > 0 else x
            drive = held if i == 0 and held is not None else layer.read(below)
            if i + 1 < len(current):
                drive = layers[i + 1].read_back(rates[i + 1]).add_(drive)
            moved = s * (1 - dt)
            moved.add_(drive if bounded else neuron.slope(s) * drive, alpha=dt)
            if nudge is not None and i + 1 == len(current):
                moved.add_(nudge(s, rates[i]), alpha=dt)
            moved = neuron.clip(moved)
            following.append(moved if mask is None else moved.mul_(mask))
        current = following
    return current


def _neuron_after_neuron(values: Tensor) -> Tensor:
    """Return the same [B, n] in column-major memory: small products with it are a third faster on CPUs."""
    return values.mT.contiguous().mT


def held_relaxation(
    start: Tensor | None,
    drive: Tensor,
    steps: int,
    dt: float,
    mask: Tensor | None,
    beta: float | Tensor = 0.0,
    target: Tensor | None = None,
) -> Tensor:
    """Return where one layer of hardsigm units under a constant drive stands after `steps`, in closed form.

    s* = (drive + beta d) / (1 + beta);  s = clip(s* + (start - s*) r^steps), r = 1 - dt (1 + beta).
    The approach is monotonic, so clipping once equals clipping at every step.

    Args:
        start: states at the beginning, [B, n], within [0, 1]; None: all zero.
        drive: W x + b, [B, n].
        steps, dt: number and size of the Euler steps.
        mask: dropout mask or None.
        beta, target: nudging strength (of several chips each one's, [S, 1, 1]) and d, [B, n].
    """
    decay = (1 - dt * (1 + beta)) ** steps
    towards = (1 - decay) / (1 + beta)
    moved = drive * _factor(towards, drive)
    if target is not None:
        _add(moved, target, beta * towards)
    if start is not None:
        _add(moved, start, decay)
    moved.clamp_(0.0, 1.0)
    return moved if mask is None else moved.mul_(mask)


def _add(moved: Tensor, what: Tensor, factor: float | Tensor) -> None:
    factor = _factor(factor, moved)
    if isinstance(factor, Tensor):
        moved.addcmul_(what, factor)
    else:
        moved.add_(what, alpha=factor)


def _factor(value: float | Tensor, like: Tensor) -> float | Tensor:
    return value.to(like.dtype) if isinstance(value, Tensor) else value

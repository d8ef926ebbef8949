"""Plain, slow, independent versions of what the package does fast; tests compare the two."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor


def ep_step_by_step(
    weights: list[Tensor],
    biases: list[Tensor],
    x: Tensor,
    masks: list[Tensor],
    steps: int,
    dt: float,
    states: list[Tensor] | None = None,
    beta: float = 0.0,
    target: Tensor | None = None,
) -> list[Tensor]:
    """Every Euler step computed, nothing held, one sample after the other (FACTS B.7, read as written)."""
    batch = x.shape[0]
    if states is None:
        states = [torch.zeros(batch, w.shape[0], dtype=x.dtype) for w in weights]
    results = []
    for b in range(batch):
        s = [state[b].clone() for state in states]
        for _ in range(steps):
            new = []
            for i in range(len(s)):
                below = x[b] if i == 0 else s[i - 1].clamp(0, 1)
                force = -s[i] + biases[i] + weights[i] @ below
                if i + 1 < len(s):
                    force = force + weights[i + 1].T @ s[i + 1].clamp(0, 1)
                if target is not None and i + 1 == len(s):
                    force = force + beta * (target[b] - s[i])
                new.append((s[i] + dt * force).clamp(0, 1) * masks[i][b])
            s = new
        results.append(s)
    return [torch.stack([result[i] for result in results]) for i in range(len(weights))]


def semi_ep_step_by_step(
    w1: Tensor,
    b1: Tensor,
    w0: Tensor,
    b0: Tensor,
    x: Tensor,
    mask: Tensor,
    free: int,
    nudged: int,
    dt: float,
    beta: float,
    target: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """One hidden layer and the softmax read-out (FACTS B.8): free state, nudged state, nudged read-out."""
    h = torch.zeros(x.shape[0], w1.shape[0], dtype=x.dtype)
    for _ in range(free):
        h = ((h + dt * (x @ w1.T + b1 - h)).clamp(0, 1)) * mask
    h_free = h
    for _ in range(nudged):
        y = torch.softmax(h.clamp(0, 1) @ w0.T + b0, dim=1)
        h = ((h + dt * (x @ w1.T + b1 - h + beta * (target - y) @ w0)).clamp(0, 1)) * mask
    return h_free, h, torch.softmax(h.clamp(0, 1) @ w0.T + b0, dim=1)


def kwta_at_rest(inputs: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The current-mode k-winners-take-all at rest (Lazzaro et al. 1989, followers limited to I_lim): J / I_lim and V_i.

    Transistors in weak inversion (Enz, Krummenacher & Vittoz 1995), bulk at ground; V_c is the common node:

        I_i (1 - exp((V_i - V_DD)/U_T)) = I_0 exp(V_c/(n U_T)) (1 - exp(-V_i/U_T)) (1 + V_i/V_A)
        sum_i J_i = (k - 1/2) I_lim (1 - exp(-V_c/U_T)),   1/J_i = 1/I_lim + exp(-(V_i/n - V_c)/U_T) / I_0

    Args:
        inputs: I_i, A, [n].
        k: winners.
    """
    limit, leakage, slope, early, thermal, supply = 1e-8, 1e-15, 1.3, 2.8, 0.02585, 1.8

    def node(current: float, common: float) -> float:
        on = leakage * math.exp(common / (slope * thermal))

        def kept(v: float) -> float:
            drawn = on * (1 - math.exp(-v / thermal)) * (1 + v / early)
            return current * (1 - math.exp((v - supply) / thermal)) - drawn

        return float(brentq(kept, 0.0, supply, xtol=1e-15))

    def at(common: float) -> tuple[np.ndarray, np.ndarray]:
        nodes = np.array([node(current, common) for current in inputs])
        return 1 / (1 + limit / leakage * np.exp((common - nodes / slope) / thermal)), nodes

    def left_over(common: float) -> float:
        return float(at(common)[0].sum()) - (k - 0.5) * (1 - math.exp(-common / thermal))

    return at(brentq(left_over, 0.0, supply, xtol=1e-15))

"""The likelihood of measured pulse trains: a Gaussian filter that tells the cell's own noise from the measurement's.

A pulse moves the cell by +-(f(w) + sigma_c n(w) xi), clipped to its bounds; a measurement adds sigma_m xi. What a pulse
did stays in the weight, what a measurement did does not, so that measurement noise makes successive increments
anti-correlated and cycle-to-cycle noise does not. Given the measurements so far, w is taken as Gaussian, N(m, P):

    predict:  m' = m +- f,  P' = (1 +- f')^2 P + sigma_c^2 (n^2 + n'^2 P),  both then of the clipped Gaussian
    compare:  e = y - m',   S = P' + sigma_m^2
    update:   m = m' + P' / S e,  P = P' sigma_m^2 / S

(a Kalman filter for affine laws, an extended one otherwise; the clipping is matched in its first two moments). The
first measurement of a train only starts it: the state before is unknown.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.fitting.fitted_law import FittedLaw, Response

_NUDGE = 1e-4  # for the derivative of the step by the weight
_RELATIVE = 1e-5  # for the derivatives by the parameters, of their scales
_FLOOR = 1e-18  # of a variance
_FAR = 8.0  # standard deviations from a bound beyond which it does not matter, and exp would be subnormal


@dataclass(frozen=True)
class Observed:
    """Pulse trains in scaled weights.

    Args:
        w: [pulses, devices, cycles], after each pulse; up, valid: the same shape.
        sides: per pulse True or False where all trains potentiate or depress, None where they differ.
        unread: per pulse whether some train was not read after it.
    """

    w: Tensor
    up: Tensor
    valid: Tensor
    sides: tuple[bool | None, ...]
    unread: tuple[bool, ...]

    @property
    def count(self) -> int:
        """How many measurements are compared."""
        return int(self.valid[1:].sum())


@dataclass(frozen=True)
class Information:
    """The negative log-likelihood of each device, its gradient and Fisher information.

    Args:
        value: [devices].
        effects, shared: gradients, [devices, effects] and [devices, shared].
        effects2: [devices, effects, effects]; cross: [devices, effects, shared]; shared2: [devices, shared, shared].
    """

    value: np.ndarray
    effects: np.ndarray
    shared: np.ndarray
    effects2: np.ndarray
    cross: np.ndarray
    shared2: np.ndarray

    def mixed(self, other: Information, chosen: np.ndarray) -> Information:
        """Return this information, of the chosen devices that of the other."""
        mixed = {}
        for field in dataclasses.fields(self):
            mine, others = getattr(self, field.name), getattr(other, field.name)
            mixed[field.name] = np.where(chosen.reshape(-1, *[1] * (mine.ndim - 1)), others, mine)
        return Information(**mixed)


def observed(w: np.ndarray, up: np.ndarray, valid: np.ndarray) -> Observed:
    """Return trains [devices, cycles, pulses] ready for the filter."""
    sides = tuple(bool(up[..., t].all()) if up[..., t].all() == up[..., t].any() else None for t in range(w.shape[-1]))
    tensors = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 0))) for x in (w, up, valid)]
    unread = tuple(not bool(valid[..., t].all()) for t in range(w.shape[-1]))
    return Observed(tensors[0], tensors[1], tensors[2], sides, unread)


def innovations(response: Response, ctoc: Tensor, noise: Tensor, data: Observed) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return e and S of every measurement but the first, [pulses - 1, trials, devices, cycles], and m before its pulse.

    Args:
        response: for trial parameters.
        ctoc: [trials, 1, 1], step_ctoc.
        noise: [trials, 1, 1], variance of a measurement.
        data: the trains.
    """
    trials = len(ctoc)
    m = data.w[0].expand(trials, -1, -1)
    p = noise.expand_as(m)
    errors, variances, before = [], [], []
    for t in range(1, len(data.w)):
        before.append(m)
        m, p = _predicted(response, ctoc, m, p, data.up[t], data.sides[t])
        e, s = data.w[t] - m, p + noise
        gain = p / s
        if data.unread[t]:  # where nothing was read, the prediction stands
            seen = data.valid[t]
            m, p = torch.where(seen, torch.addcmul(m, gain, e), m), torch.where(seen, noise * gain, p)
        else:
            m, p = torch.addcmul(m, gain, e), noise * gain
        errors.append(e)
        variances.append(s)
    return torch.stack(errors), torch.stack(variances), before


def information(
    law: FittedLaw, effects: np.ndarray, shared: np.ndarray, scales: np.ndarray, data: Observed
) -> Information:
    """Return the likelihood around given parameters, its derivatives by forward differences.

    Args:
        law: whose response it is.
        effects: [devices, effects].
        shared: the law's shared numbers, then log(step_ctoc) and log(sigma_m).
        scales: [effects], sizes of the effects.
        data: the trains.
    """
    n, q = effects.shape[1], len(shared)
    nudges = _RELATIVE * np.concatenate([scales, np.ones(q)])
    trials = np.repeat(effects[None], 1 + n + q, axis=0)
    shares = np.repeat(shared[None], 1 + n + q, axis=0)
    for j in range(n):
        trials[1 + j, :, j] += nudges[j]
    for j in range(q):
        shares[1 + n + j, j] += nudges[n + j]
    e, s, _ = _run(law, trials, shares, data)
    by = torch.from_numpy(nudges)[:, None, None]
    valid = data.valid[1:].double()
    de, ds = (e[:, 1:] - e[:, :1]) / by, (s[:, 1:] - s[:, :1]) / by
    e, s = e[:, 0], s[:, 0]
    value = _loss(e, s, valid).sum((0, 2))
    first = (de * (e / s * valid)[:, None] + 0.5 * ds * ((1 - e * e / s) / s * valid)[:, None]).sum((0, 3)).T
    root = torch.sqrt(valid / s)[:, None]
    a, b = (de * root).permute(2, 1, 0, 3).flatten(2), (ds * (valid / s)[:, None]).permute(2, 1, 0, 3).flatten(2)
    second = (a @ a.mT + 0.5 * b @ b.mT).numpy()
    return Information(
        value.numpy(),
        first[:, :n].numpy(),
        first[:, n:].numpy(),
        second[:, :n, :n],
        second[:, :n, n:],
        second[:, n:, n:],
    )


def losses(law: FittedLaw, trials: np.ndarray, shared: np.ndarray, data: Observed) -> np.ndarray:
    """Return the negative log-likelihood of each device for trial effects [trials, devices, effects]."""
    e, s, _ = _run(law, trials, np.repeat(shared[None], len(trials), axis=0), data)
    valid = data.valid[1:].double()[:, None]
    return _loss(e, s, valid).sum((0, 3)).numpy()


def residuals(law: FittedLaw, effects: np.ndarray, shared: np.ndarray, data: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Return m before the pulse and e / sqrt(S) of every measurement but the first, nan where that is invalid.

    Both are [devices, cycles, pulses - 1].
    """
    e, s, before = _run(law, effects[None], shared[None], data)
    e = torch.where(data.valid[1:], e[:, 0], torch.nan)
    m, standardised = (x.permute(1, 2, 0).numpy() for x in (torch.stack(before)[:, 0], e / s[:, 0].sqrt()))
    return m, standardised


def _loss(e: Tensor, s: Tensor, valid: Tensor) -> Tensor:
    return 0.5 * (e * e / s + torch.log(s) + math.log(2 * math.pi)) * valid


def _run(
    law: FittedLaw, effects: np.ndarray, shared: np.ndarray, data: Observed
) -> tuple[Tensor, Tensor, list[Tensor]]:
    shares = torch.from_numpy(shared)
    response = law.response(torch.from_numpy(effects), shares[:, :-2])
    spreads = torch.exp(shares[:, -2:, None, None])
    return innovations(response, spreads[:, 0], spreads[:, 1] ** 2, data)


def _predicted(
    response: Response, ctoc: Tensor, m: Tensor, p: Tensor, up: Tensor, side: bool | None
) -> tuple[Tensor, Tensor]:
    """Return mean and variance after one pulse."""
    if side is None:
        rising, falling = (_moved(response, ctoc, m, p, s) for s in (True, False))
        m, p = (torch.where(up, a, b) for a, b in zip(rising, falling, strict=True))
    else:
        m, p = _moved(response, ctoc, m, p, side)
    return _clipped(m, p, response.cells["w_min"], response.cells["w_max"]) if response.hard else (m, p)


def _moved(response: Response, ctoc: Tensor, m: Tensor, p: Tensor, up: bool) -> tuple[Tensor, Tensor]:
    both = torch.stack([m, m + _NUDGE])
    steps = response.steps(both, up).expand_as(both)
    noise = response.noise(both, steps, up).expand_as(both)
    sign = 1.0 if up else -1.0
    slope = 1 + (steps[1] - steps[0]) * (sign / _NUDGE)
    rate = (noise[1] - noise[0]) / _NUDGE
    variance = slope * slope * p + ctoc * ctoc * (noise[0] * noise[0] + rate * rate * p)
    return m + sign * steps[0], variance


def _clipped(m: Tensor, p: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of a Gaussian clipped to [low, high]."""
    s = torch.sqrt(p.clamp(min=_FLOOR))
    both = torch.stack([(m - low) / s, (high - m) / s]).clamp_(-_FAR, _FAR)
    beyond = 0.5 * torch.erfc(both * math.sqrt(0.5))  # below the lower bound, above the upper one
    density = torch.exp(-0.5 * both * both) / math.sqrt(2 * math.pi)
    lift = density - both * beyond  # of the mean, in s
    shift = lift[0] - lift[1]
    square = 1 - (beyond + both * lift).sum(0)
    return torch.clamp(m + s * shift, min=low, max=high), (p * (square - shift * shift)).clamp(min=_FLOOR)

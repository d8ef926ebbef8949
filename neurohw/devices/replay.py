"""A device's population under given pulse trains: what a measurement of such devices would have read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.devices.characterise import pulsed
from neurohw.devices.model import DeviceModel


@dataclass(frozen=True)
class Pulses:
    """Pulse trains to be given.

    Args:
        start: [devices, cycles], the share of its cell's range at which a train begins, before the first read.
        up: [devices, cycles, reads], the pulse before each read potentiates; that before the first is not given.
    """

    start: np.ndarray
    up: np.ndarray


def replayed(device: DeviceModel, pulses: Pulses, generator: torch.Generator) -> np.ndarray:
    """Return what is read after each pulse, S, [devices, cycles, reads]: w <- clip(w +- (dw + noise xi)), then a read.

    Every device is a new cell of the population; its trains begin at the same share of its range as the given ones.

    Args:
        device: the model.
        pulses: the trains.
        generator: of every draw.
    """
    law = device.response()
    devices, _, reads = pulses.up.shape
    cells = law.draw((devices, 1), generator)
    low, span = cells["w_min"], cells["w_max"] - cells["w_min"]
    w = (low + torch.from_numpy(pulses.start).float() * span).clamp(cells["w_min"], cells["w_max"])
    up = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pulses.up, 2, 0)))
    seen = [w]
    for t in range(1, reads):
        if bool(up[t].all()) or not bool(up[t].any()):
            w = pulsed(law, w, cells, bool(up[t, 0, 0]), generator)
        else:
            rising, falling = (pulsed(law, w, cells, side, generator) for side in (True, False))
            w = rising.where(up[t], falling)
        seen.append(w)
    weights = torch.stack(seen, 2)
    if law.write_noise > 0:
        weights = weights + law.write_noise * law.step * torch.randn(weights.shape, generator=generator)
    return _read(device, weights, generator)


def _read(device: DeviceModel, w: Tensor, generator: torch.Generator) -> np.ndarray:
    """Return the conductances of weights as a read sees them, S."""
    noise = torch.full_like(w, device.read_noise * device.siemens)
    g = device.conductance(w)
    if device.read_noise_scale:
        noise = noise * (1 - torch.exp(-g.clamp(min=0) / device.read_noise_scale))
    return np.asarray((g + noise * torch.randn(w.shape, generator=generator)).double().numpy())

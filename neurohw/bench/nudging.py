"""How does read noise limit the nudging strength? The contrast is a difference over beta, so its noise grows as 1/beta.

One batch of digits is presented again and again to one layer that reads anew at every step of both phases. What differs
from one contrast to the next is noise; what all have in common is compared with the contrast of noiseless reads.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.data import load_dataset
from neurohw.devices.laws import ConstantStep
from neurohw.networks.ep import Dynamics, EPNetwork
from neurohw.networks.layer import Layer

_BETAS = (0.05, 0.1, 0.2, 0.4, 0.8)
_NOISES = (0.02, 0.06, 0.2)
_N_POST, _WINNERS = 50, 2


def nudging(
    betas: tuple[float, ...] = _BETAS, noises: tuple[float, ...] = _NOISES, batch: int = 16, repeats: int = 40
) -> list[dict[str, Any]]:
    """Return noise and signal of the contrast for each nudging strength and read noise.

    Args:
        betas: nudging strengths, one-sided.
        noises: standard deviations of the noise on every output of a read.
        batch, repeats: samples, and contrasts per point.

    Returns:
        Rows: rms noise of one entry of the contrast, rms of the noiseless one, their ratio, and noise times beta,
        which is constant where the noise grows as 1/beta.
    """
    images = load_dataset("digits").train_images[:batch].float() / 16
    rows = []
    for noise in noises:
        for beta in betas:
            contrasts = torch.stack([_contrast(images, beta, noise, seed) for seed in range(repeats)])
            exact = _contrast(images, beta, 0.0, 0)
            spread = float(contrasts.std(0).square().mean().sqrt())
            signal = float(exact.square().mean().sqrt())
            rows.append(
                {
                    "beta": beta,
                    "read_noise": noise,
                    "contrast_noise": spread,
                    "contrast": signal,
                    "noise_over_contrast": spread / signal,
                    "noise_times_beta": spread * beta,
                    "repeats": repeats,
                }
            )
    return rows


def _contrast(images: Tensor, beta: float, noise: float, seed: int) -> Tensor:
    """Return EP's contrast [n_post, n_pre] of one batch, both phases read with noise at every step."""
    draws = torch.Generator().manual_seed(0)
    weights = torch.rand(_N_POST, images.shape[1], generator=draws) * 0.1
    path = ReadPath(None, None, noise, 0.0, float("inf"), float("inf"))
    cells = DevicePopulation(ConstantStep())
    array = AnalogArray(weights, cells, read_path=path, generator=torch.Generator().manual_seed(1 + seed))
    dynamics = Dynamics(beta=beta, beta_sign="positive", contrast="difference", hold_input=False)
    network = EPNetwork([Layer(array)], dynamics=dynamics)
    target = torch.zeros(len(images), _N_POST)
    target.scatter_(1, torch.rand(target.shape, generator=draws).topk(_WINNERS).indices, 1.0)
    ((_, products),) = network.contrast(network.respond(images), target)
    return products.dense()

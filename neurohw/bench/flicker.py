"""What do held and re-read inputs feel of cells' noise, white from read to read or 1/f?

EP reads its crossbars at every step of a relaxation, or once and holds the result. White noise averages out over the
steps of a re-read one; 1/f noise hardly moves within one, so that re-reading gains little, but the two phases then have
it in common, and it nearly cancels in their contrast. Both noises here have the same strength in a single read.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.data import load_dataset
from neurohw.devices.laws import ConstantStep
from neurohw.devices.retention import Retention
from neurohw.networks.ep import Dynamics, EPNetwork
from neurohw.networks.layer import Layer

_N_POST, _WINNERS = 50, 2
_AGE = 1.0  # seconds since the last write


def flicker(relative: float = 0.05, batch: int = 16, repeats: int = 100) -> list[dict[str, Any]]:
    """Return the errors of the free state and of the contrast of one layer, for each noise and each way of reading.

    Args:
        relative: standard deviation of a cell's noise in one read, over its conductance, a second after its last write.
        batch, repeats: digits, and sets of devices.

    Returns:
        Rows: rms error of the free state, also over that of a single read (white noise, held input), and of the
        contrast (nudged less free state), beside the contrast's own rms.
    """
    images = load_dataset("digits").train_images[:batch].float() / 16
    state, contrast = _answers(images, "none", 0.0, hold=True, seed=0)
    rows: list[dict[str, Any]] = []
    for noise in ("white", "1/f"):
        for hold in (True, False):
            answers = [_answers(images, noise, relative, hold, seed) for seed in range(repeats)]
            of_state = _rms(torch.stack([answer[0] for answer in answers]) - state)
            rows.append(
                {
                    "noise": noise,
                    "input": "held" if hold else "re-read",
                    "state_error": of_state,
                    "over_one_read": of_state / (rows[0]["state_error"] if rows else of_state),
                    "contrast_error": _rms(torch.stack([answer[1] for answer in answers]) - contrast),
                    "contrast": _rms(contrast),
                    "repeats": repeats,
                }
            )
    return rows


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def _answers(images: Tensor, noise: str, relative: float, hold: bool, seed: int) -> tuple[Tensor, Tensor]:
    """Return the free state [B, n_post] and what would be written, b_nudged - b_free, [B, n_post]."""
    draws = torch.Generator().manual_seed(0)
    weights = torch.rand(_N_POST, images.shape[1], generator=draws) * 0.05
    retention = Retention(read_noise_1f=relative if noise == "1/f" else 0.0)
    path = ReadPath(None, None, 0.0, 0.0, math.inf, math.inf, relative_noise=relative if noise == "white" else 0.0)
    cells = DevicePopulation(ConstantStep(w_max_dtod=0.0, w_min_dtod=0.0), retention)
    array = AnalogArray(weights, cells, read_path=path, generator=torch.Generator().manual_seed(1 + seed))
    array.elapse(_AGE)
    dynamics = Dynamics(beta_sign="positive", contrast="difference", hold_input=hold)
    network = EPNetwork([Layer(array)], dynamics=dynamics)
    target = torch.zeros(len(images), _N_POST)
    target.scatter_(1, torch.rand(target.shape, generator=draws).topk(_WINNERS).indices, 1.0)
    free = network.respond(images)
    ((_, products),) = network.contrast(free, target)
    return free.states[0], products.terms[0].post

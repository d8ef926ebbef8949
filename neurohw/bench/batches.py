"""Does a batch written at once do what its samples do one by one, and what does that cost?

Weights start at 0; post and pre are Gaussian, so that every cell rises and falls many times. The same devices and
samples are written sample by sample, as batches, and as batches whose rising pulses all come before the falling ones.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.laws import LAWS
from neurohw.devices.library import device_names, load_device

_SHAPE = (20, 25)
_CROSSBARS, _SAMPLES = 4, 384  # 2,000 devices
_PULSES = 8.0  # of a typical cell in 128 samples


def batches(names: tuple[str, ...] | None = None, batch: int = 128) -> list[dict[str, Any]]:
    """Compare the three ways on 2,000 devices of every kind.

    Args:
        names: of `populations`; None: all.
        batch: samples that are written at once.

    Returns:
        A row per device: mean and spread of the weights of samples one by one; by how many standard errors of 2,000
        devices a batch is off in the mean and in the spread, and the same of rising pulses before falling ones; the
        time of a batch over that of rising before falling.
    """
    rows = []
    for name, device in populations().items():
        if names is not None and name not in names:
            continue
        one_by_one, _ = _written(device, 1, True)
        at_once, ms = _written(device, batch, True)
        apart, ms_apart = _written(device, batch, False)
        mean, std = float(one_by_one.mean()), float(one_by_one.std())
        row: dict[str, Any] = {"device": name, "law": device.response.name, "mean": mean, "std": std}
        for way, weights in (("batch", at_once), ("rising_first", apart)):
            row[f"{way}_mean_se"] = (float(weights.mean()) - mean) / (std * math.sqrt(2 / 2000))
            row[f"{way}_std_se"] = (float(weights.std()) / std - 1) * math.sqrt(2000)
        rows.append({**row, "goal": "< 3", "time_over_rising_first": ms / ms_apart})
    return rows


def populations() -> dict[str, DevicePopulation]:
    """Return every shipped device that moves both ways, and every law with uneven ranges, steps and levels."""
    models = {name: load_device(name) for name in device_names()}
    devices = {name: DevicePopulation.of(model) for name, model in models.items() if model.sided == 2}
    for name, law in LAWS.items():
        uneven = DevicePopulation(law(step=0.004, w_max=0.8, w_min=-0.3, asymmetry=0.3))
        devices |= {f"{name}, uneven": uneven, f"{name}, 64 levels": replace(uneven, levels=64)}
    noisy = DevicePopulation(LAWS["soft-bounds"](step=0.004, write_noise=5.0))
    return devices | {"soft-bounds, write noise": noisy}


def _written(device: DevicePopulation, batch: int, in_turn: bool) -> tuple[Tensor, float]:
    """Return the weights after all samples, and the time in ms."""
    rate = _PULSES / 128 / (2 / math.pi) * device.response.granularity  # (2 / pi): the mean of |post| |pre|
    weights, spent = [], 0.0
    for seed in range(_CROSSBARS):
        array = AnalogArray(
            torch.zeros(_SHAPE), device, read_path=ReadPath.perfect(), generator=torch.Generator().manual_seed(seed)
        )
        array.cells.together = array.cells.together if in_turn else None
        draws = torch.Generator().manual_seed(1000 + seed)
        post, pre = (torch.randn(_SAMPLES, n, generator=draws) for n in _SHAPE)
        start = time.perf_counter()
        for first in range(0, _SAMPLES, batch):
            some = slice(first, first + batch)
            array.update(OuterProducts((Product(post[some], pre[some]),), 1.0), rate)
        spent += time.perf_counter() - start
        weights.append(array.snapshot())
    return torch.stack(weights), spent * 1e3

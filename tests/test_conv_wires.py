"""Convolutions on crossbars whose wires have resistance, against Kirchhoff's laws and torch's convolution."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.tiled import split_evenly
from neurohw.crossbar.wires import Wires, exact_conductances
from neurohw.devices.library import load_device
from neurohw.networks.conv import Patches
from neurohw.networks.layer import Layer
from neurohw.networks.shapes import Convolution

IMAGE, CHANNELS, KERNEL, MAPS = (2, 9, 7), 24, 5, (5, 4)
PATCH, TILE, BATCH = IMAGE[0] * KERNEL**2, (16, 40), 16
PLACED = {"stride": 2, "padding": 2}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_torch(weights: Tensor, x: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """Return torch's convolution of images, and its gradient, by an array's weights, their bias line the last."""
    kernels = weights[:, :PATCH].reshape(CHANNELS, KERNEL, KERNEL, IMAGE[0]).permute(0, 3, 1, 2)
    bias = weights[:, PATCH] if weights.shape[1] > PATCH else None
    back = nn.grad.conv2d_input(x.shape, kernels, errors, **PLACED)
    return F.conv2d(x, kernels, bias, **PLACED), back


@pytest.mark.parametrize("line", [Wires(2.0, 90.0), Wires(90.0, 2.0, r_driver=20.0, r_sense=5.0)], ids=str)
@pytest.mark.parametrize("bias", ["none", "line"])
def test_wires_take_from_a_convolution_what_kirchhoff_says(bias: str, line: Wires) -> None:
    """Pairs on uneven tiles, both directions, as near as the engine's approximation is at such a load."""
    weights = torch.rand(CHANNELS, PATCH + (bias == "line"), generator=seeded(3)) * 0.6 - 0.3
    device = load_device("taox_hfox")
    array = build_array("analog", weights, device=device, cell="differential", tile=TILE, wire_resistance=line,
                        read_path=ReadPath.perfect())  # fmt: skip
    layer = Layer(array, bias, Patches(IMAGE, Convolution(CHANNELS, KERNEL, **PLACED), first=True))
    siemens, wired = array.conductances(), torch.zeros(weights.shape, dtype=torch.float64)
    for i, rows in enumerate(split_evenly(CHANNELS, TILE[0])):
        for j, columns in enumerate(split_evenly(weights.shape[1], TILE[1])):
            plus, minus = (exact_conductances(siemens[f"tile.{i}.{j}.{name}"], line) for name in ("plus", "minus"))
            wired[rows, columns] = (plus - minus) / device.siemens

    x = torch.rand(BATCH, *IMAGE, generator=seeded(4), dtype=torch.float64)
    errors = torch.randn(BATCH, CHANNELS, *MAPS, generator=seeded(5), dtype=torch.float64)
    answer = layer.read(x.float().flatten(1)).reshape(BATCH, *MAPS, CHANNELS).permute(0, 3, 1, 2)
    back = layer.read_back(errors.permute(0, 2, 3, 1).flatten(1).float()).reshape(x.shape)
    for found, wanted, ideal in zip(
        (answer, back), by_torch(wired, x, errors), by_torch(weights.double(), x, errors), strict=True
    ):
        lost = (wanted - ideal).norm()
        assert lost > 0.02 * ideal.norm()
        assert (found - wanted).norm() < 0.02 * lost

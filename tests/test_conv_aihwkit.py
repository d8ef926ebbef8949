"""A convolution on an analog array beside aihwkit's own AnalogConv2d on the same devices: reads, and pulsed updates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.laws import SoftBounds
from neurohw.networks.conv import Patches
from neurohw.networks.layer import Layer
from neurohw.networks.shapes import Convolution, Image

IMAGE: Image = (2, 7, 6)
KERNELS, KERNEL, IMAGES, REPEATS = 3, 3, 4, 200
CONVOLUTION = Convolution(KERNELS, KERNEL, stride=2, padding=1)
MAPS = CONVOLUTION.maps(IMAGE)
ALIKE = {"step_dtod": 0.0, "step_ctoc": 0.3, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
DEVICE = DevicePopulation(SoftBounds(0.01, asymmetry=0.1, w_max=0.6, w_min=-0.4, **ALIKE))  # whose ranges are unlike


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Return weights [n_post, n_pre], images, and errors [B, H W C]."""
    g = torch.Generator().manual_seed(1)
    pixels = IMAGE[0] * IMAGE[1] * IMAGE[2]
    x = torch.rand(IMAGES, pixels, generator=g) * (torch.rand(IMAGES, pixels, generator=g) < 0.6)
    errors = torch.randn(IMAGES, KERNELS * MAPS[1] * MAPS[2], generator=g).mul_(0.1)
    return torch.rand(KERNELS, KERNEL**2 * IMAGE[0], generator=g).sub_(0.5).mul_(0.4), x, errors


def theirs(weights: Tensor, x: Tensor, errors: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return what AnalogConv2d reads, [B, H W C], and its weights after an update, again and again, [R, ...]."""
    from aihwkit.nn import AnalogConv2d
    from aihwkit.optim import AnalogSGD
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.configs.devices import SoftBoundsDevice
    from aihwkit.simulator.parameters import IOParameters, UpdateParameters

    device = SoftBoundsDevice(dw_min=0.01, dw_min_dtod=0.0, dw_min_std=0.3, up_down=0.1, up_down_dtod=0.0, w_max=0.6,
                              w_min=-0.4, w_max_dtod=0.0, w_min_dtod=0.0)  # fmt: skip
    perfect = IOParameters(is_perfect=True)
    config = SingleRPUConfig(device=device, forward=perfect, backward=perfect, update=UpdateParameters(desired_bl=31))
    layer = AnalogConv2d(IMAGE[0], KERNELS, KERNEL, stride=2, padding=1, bias=False, rpu_config=config)
    optimizer = AnalogSGD(layer.parameters(), lr=rate)
    optimizer.regroup_param_groups(layer)
    kernels = weights.reshape(KERNELS, KERNEL, KERNEL, -1).permute(0, 3, 1, 2)
    wanted = errors.reshape(IMAGES, *MAPS[1:], KERNELS).permute(0, 3, 1, 2)
    found = []
    for _ in range(REPEATS):
        layer.set_weights(kernels.contiguous())
        optimizer.zero_grad()
        y = layer(x.reshape(IMAGES, *IMAGE))
        (-(y * wanted).sum()).backward()
        optimizer.step()
        found.append(layer.get_weights()[0].reshape(kernels.shape).permute(0, 2, 3, 1).flatten(1))
    return y.detach().permute(0, 2, 3, 1).flatten(1), torch.stack(found)


def ours(weights: Tensor, x: Tensor, errors: Tensor, rate: float) -> tuple[Tensor, Tensor]:
    """Return the same of an analog array."""
    found = []
    for seed in range(REPEATS):
        generator = torch.Generator().manual_seed(seed)
        array = AnalogArray(weights, DEVICE, read_path=ReadPath.perfect(), generator=generator)
        layer = Layer(array, "none", Patches(IMAGE, CONVOLUTION, first=True))
        y = layer.read(x)
        layer.update(OuterProducts((Product(errors, x),), 1.0), rate)
        found.append(array.snapshot())
    return y, torch.stack(found)


def test_a_convolution_reads_and_learns_as_aihwkits_does(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Image after image, position after position; means of 54 cells within 5 standard errors, variances within 15 %."""
    (read, found), (expected, reference) = ours(*batch, 0.1), theirs(*batch, 0.1)
    torch.testing.assert_close(read, expected, rtol=1e-5, atol=1e-5)
    error = ((found.var(0) + reference.var(0)) / REPEATS).sqrt()
    assert float(((found.mean(0) - reference.mean(0)) / error).abs().max()) < 5
    assert float((found.var(0).sum() / reference.var(0).sum()).log().abs()) < 0.15


def test_positions_are_written_in_aihwkits_order(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Steps so large that each takes back much of those before: were images written in turn, it would be 39 %."""
    (_, found), (_, reference) = ours(*batch, 1.0), theirs(*batch, 1.0)
    moved = reference.mean(0) - batch[0]
    assert float((found.mean(0) - reference.mean(0)).norm() / moved.norm()) < 0.06

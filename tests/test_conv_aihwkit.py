"""Convolutions on both engines' arrays beside aihwkit's own AnalogConv2d on the same devices: reads and updates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.build import build_array
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.library import load_device
from neurohw.networks.conv import Patches
from neurohw.networks.layer import Layer
from neurohw.networks.shapes import Convolution, Image

IMAGE: Image = (2, 7, 6)
KERNELS, KERNEL, IMAGES, REPEATS = 3, 3, 4, 200
CONVOLUTION = Convolution(KERNELS, KERNEL, stride=2, padding=1)
MAPS = CONVOLUTION.maps(IMAGE)
ALIKE = {"step_dtod": 0.0, "step_ctoc": 0.3, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Return weights [n_post, n_pre], images, and errors [B, H W C]."""
    g = torch.Generator().manual_seed(1)
    pixels = IMAGE[0] * IMAGE[1] * IMAGE[2]
    x = torch.rand(IMAGES, pixels, generator=g) * (torch.rand(IMAGES, pixels, generator=g) < 0.6)
    errors = torch.randn(IMAGES, KERNELS * MAPS[1] * MAPS[2], generator=g).mul_(0.1)
    return torch.rand(KERNELS, KERNEL**2 * IMAGE[0], generator=g).sub_(0.5).mul_(0.4), x, errors


def theirs(weights: Tensor, x: Tensor, errors: Tensor, rate: float, perfect: bool) -> tuple[Tensor, ...]:
    """Return what AnalogConv2d reads and reads back, and its weights after an update, again and again, [R, ...]."""
    from aihwkit.nn import AnalogConv2d
    from aihwkit.optim import AnalogSGD
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.configs.devices import SoftBoundsDevice
    from aihwkit.simulator.parameters import IOParameters, UpdateParameters
    from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType

    device = SoftBoundsDevice(dw_min=0.01, dw_min_dtod=0.0, dw_min_std=0.3, up_down=0.1, up_down_dtod=0.0, w_max=0.6,
                              w_min=-0.4, w_max_dtod=0.0, w_min_dtod=0.0)  # fmt: skip
    forward, backward = (
        IOParameters(is_perfect=perfect, noise_management=management, bound_management=BoundManagementType.NONE)
        for management in (NoiseManagementType.NONE, NoiseManagementType.ABS_MAX)
    )
    config = SingleRPUConfig(device=device, forward=forward, backward=backward, update=UpdateParameters(desired_bl=31))
    layer = AnalogConv2d(IMAGE[0], KERNELS, KERNEL, stride=2, padding=1, bias=False, rpu_config=config)
    optimizer = AnalogSGD(layer.parameters(), lr=rate)
    optimizer.regroup_param_groups(layer)
    kernels = weights.reshape(KERNELS, KERNEL, KERNEL, -1).permute(0, 3, 1, 2)
    wanted = errors.reshape(IMAGES, *MAPS[1:], KERNELS).permute(0, 3, 1, 2)
    found = []
    for _ in range(REPEATS):
        layer.set_weights(kernels.contiguous())
        optimizer.zero_grad()
        images = x.reshape(IMAGES, *IMAGE).clone().requires_grad_(True)
        y = layer(images)
        (-(y * wanted).sum()).backward()
        optimizer.step()
        after = layer.get_weights()[0].reshape(kernels.shape).permute(0, 2, 3, 1).flatten(1)
        assert images.grad is not None
        found.append((y.detach().permute(0, 2, 3, 1).flatten(1), -images.grad.flatten(1), after))
    return tuple(torch.stack(each) for each in zip(*found, strict=True))


def ours(weights: Tensor, x: Tensor, errors: Tensor, rate: float, perfect: bool, engine: str) -> tuple[Tensor, ...]:
    """Return the same of one of our arrays."""
    found, path = [], ReadPath.perfect() if perfect else ReadPath()
    numbers = {"step": 0.01, "asymmetry": 0.1, "w_max": 0.6, "w_min": -0.4, **ALIKE}
    model = load_device("soft_bounds").with_parameters(numbers)
    for seed in range(REPEATS):
        array = build_array(engine, weights, device=model, read_path=path, construction_seed=seed)
        layer = Layer(array, "none", Patches(IMAGE, CONVOLUTION, first=True))
        read, back = layer.read(x), layer.read_back(errors)
        layer.update(OuterProducts((Product(errors, x),), 1.0), rate)
        found.append((read, back, array.snapshot()))
    return tuple(torch.stack(each) for each in zip(*found, strict=True))


@pytest.mark.parametrize("perfect", [True, False], ids=["perfect reads", "converters and noise"])
@pytest.mark.parametrize("engine", ["analog", "aihwkit"])
def test_a_convolution_reads_and_learns_as_aihwkits_does(
    batch: tuple[Tensor, Tensor, Tensor], engine: str, perfect: bool
) -> None:
    """Image after image, position after position: means within 5 standard errors, variances within 15 %."""
    both = ours(*batch, 0.1, perfect, engine), theirs(*batch, 0.1, perfect)
    for what, found, expected in zip(("read", "read back", "update"), *both, strict=True):
        error = ((found.var(0) + expected.var(0)) / REPEATS).sqrt().clamp(min=1e-6)
        assert float(((found.mean(0) - expected.mean(0)) / error).abs().max()) < 5, what
        if what == "update" or not perfect:
            assert float((found.var(0).sum() / expected.var(0).sum()).log().abs()) < 0.15, what


def test_positions_are_written_in_aihwkits_order(batch: tuple[Tensor, Tensor, Tensor]) -> None:
    """Steps so large that each takes back much of those before: were images written in turn, it would be 39 %."""
    found, reference = ours(*batch, 1.0, True, "analog")[-1], theirs(*batch, 1.0, True)[-1]
    moved = reference.mean(0) - batch[0]
    assert float((found.mean(0) - reference.mean(0)).norm() / moved.norm()) < 0.06

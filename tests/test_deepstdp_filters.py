"""Images that drive a unit most: a filter's own weights where it is linear, its receptive field, and the figure."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import cosine_similarity

from neurohw.deepstdp.convnets import ConvNet, Dropout, small, vgg_15, with_head
from neurohw.deepstdp.filters import maximise_activation
from neurohw.errors import InputError
from neurohw.report.drawing import as_png, save, style
from neurohw.report.filters import filters_figure


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> ConvNet:
    return with_head(small(3, 32, (8, 16), 1, 12, seeded(0)), 12, 5, Dropout(0.5, seeded(0)), seeded(0))


def test_the_image_of_a_linear_unit_is_its_filter() -> None:
    net = network()
    result = maximise_activation(net, 0, [5, 2], (3, 32, 32), seeded(1))
    weights = net.body[0].weight.detach()[[5, 2]]
    assert result.images.shape == weights.shape
    assert (cosine_similarity(result.images.flatten(1), weights.flatten(1)) > 0.9999).all()
    # Cauchy-Schwarz: no image of norm sqrt(27) gives more than |w| sqrt(27)
    assert torch.allclose(result.after, weights.flatten(1).norm(dim=1) * 27**0.5, rtol=1e-3)
    assert (result.images.square().mean((1, 2, 3)) - 1).abs().max() < 1e-5


def test_a_unit_of_a_deeper_layer_is_driven_more_than_by_noise() -> None:
    net = network().train()
    statistics = [buffer.clone() for buffer in net.buffers()]
    result = maximise_activation(net, 4, range(16), (3, 32, 32), seeded(1))
    assert result.images.shape == (16, 3, 8, 8)  # 3 px, two units of it and one between; pooled by 2: 3 * 2 + 2
    assert (result.after > result.before.abs() + 1).all()
    assert all(module.training for module in net.modules())
    assert all(torch.equal(a, b) for a, b in zip(net.buffers(), statistics, strict=True))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(("layer", "pixels"), [(6, 10), (12, 24), (24, 64)])
def test_receptive_fields_of_vgg_15(layer: int, pixels: int) -> None:
    dropout = Dropout(0.1, seeded(0))
    net = with_head(vgg_15(3, 64, 8, dropout, seeded(0)), 8, 5, dropout, seeded(0))
    assert maximise_activation(net, layer, [0], (3, 64, 64), seeded(1), steps=0).images.shape == (1, 3, pixels, pixels)


def test_the_noise_comes_from_the_generator() -> None:
    net = network()
    images = [maximise_activation(net, 4, [0], (3, 32, 32), seeded(s), steps=3).images for s in (1, 1, 2)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_images_are_shown_with_zero_as_grey() -> None:
    result = maximise_activation(network(), 0, [0, 1, 2], (3, 32, 32), seeded(1))
    shown = result.shown()
    assert shown.shape == (3, 3, 3, 3)
    assert shown.min() >= 0
    assert shown.max() <= 1
    largest = (shown - 0.5).abs().amax((1, 2, 3))
    assert torch.allclose(largest, torch.full((3,), 0.5))
    assert torch.equal(shown.permute(0, 3, 1, 2) > 0.5, result.images > 0)


@pytest.mark.parametrize(("layer", "filters"), [(1, [0]), (99, [0]), (0, [8]), (-1, [0])])
def test_what_is_no_filter_is_refused(layer: int, filters: list[int]) -> None:
    with pytest.raises(InputError, match="filters: got"):
        maximise_activation(network(), layer, filters, (3, 32, 32), seeded(1))


def test_a_figure_is_small_even_of_noise(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((10, 64, 64, 3))
    with style():
        figure = filters_figure({"Layer 6": noise[:4, :8, :8], "Layer 36": noise})
        save(figure, tmp_path / "filters.svg", tmp_path / "filters.png")
        drawn = np.asarray(Image.open(BytesIO(as_png(figure))).convert("RGB"))
    assert all(0 < path.stat().st_size < 500_000 for path in tmp_path.iterdir())
    assert drawn.std() > 20


def test_images_stand_in_the_figure_as_they_are() -> None:
    red = np.broadcast_to([1.0, 0.0, 0.0], (1, 2, 2, 3))
    with style():
        drawn = np.asarray(Image.open(BytesIO(as_png(filters_figure({"Layer 0": red})))).convert("RGB"), dtype=int)
    assert (np.abs(drawn - [255, 0, 0]).sum(2) < 10).mean() > 0.5

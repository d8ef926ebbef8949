"""Networks whose features are clustered: shapes, layers, draws."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neurohw.deepstdp.convnets import Dropout, dense, small, vgg_15, with_head
from neurohw.errors import InputError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_vgg_15_has_15_weight_layers_and_convolutions_where_the_paper_shows_them() -> None:
    dropout = Dropout(0.1, seeded())
    network = with_head(vgg_15(3, 64, 4096, dropout, seeded()), 4096, 100, dropout, seeded())
    convolutions = [i for i, layer in enumerate(network.body) if isinstance(layer, nn.Conv2d)]
    assert convolutions == list(range(0, 37, 3))
    assert {6, 12, 24, 36} <= set(convolutions)
    assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in network.modules()) == 15
    assert all(layer.bias is None for layer in network.body if isinstance(layer, nn.Conv2d | nn.Linear))
    pooled = [i for i, layer in enumerate(network.body) if isinstance(layer, nn.AvgPool2d)]
    assert [type(network.body[i + 1]) for i in pooled] == [nn.ReLU] * 5
    macs = 64**2 * 9 * (3 * 64 + 64 * 64) + 32**2 * 9 * (64 * 128 + 128 * 128) + 16**2 * 9 * (128 * 256 + 2 * 256**2)
    macs += 8**2 * 9 * (256 * 512 + 2 * 512**2) + 4**2 * 9 * 3 * 512**2 + 2048 * 4096 + 4096 * 100
    assert macs / 1e9 == pytest.approx(1.26, abs=0.01)
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 100)


@pytest.mark.parametrize(("size", "stride", "left"), [(64, 2, 4), (48, 2, 3), (28, 1, 3), (8, 1, 1)])
def test_the_small_network_halves_images_after_each_convolution(size: int, stride: int, left: int) -> None:
    body = small(3, size, (4, 8, 16), stride, 32, seeded())
    network = with_head(body, 32, 10, Dropout(0.0, seeded()), seeded())
    images = torch.randn(5, 3, size, size, generator=seeded())
    assert body[-1].in_features == 16 * left**2
    assert network.features(images).shape == (5, 32)
    assert network(images).shape == (5, 10)
    assert bool((network.features(images) < 0).any())


def test_too_many_convolutions_are_refused() -> None:
    with pytest.raises(InputError, match=r"network.channels: got 4 convolutions"):
        small(1, 8, (4, 4, 4, 4), 1, 8, seeded())
    with pytest.raises(InputError, match=r"preprocessing.size: got 28 px; allowed: at least 32"):
        vgg_15(1, 28, 64, Dropout(0.1, seeded()), seeded())


def test_weights_follow_their_laws_and_the_seed_and_nothing_else() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    body, again, other = (small(3, 32, (64, 64), 1, 256, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(body[0].weight, again[0].weight)
    assert not torch.equal(body[0].weight, other[0].weight)
    assert float(body[4].weight.detach().std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    layer = dense(512, 400, seeded())
    assert float(layer.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert not bool(layer.bias.detach().any())


def test_dropout_draws_from_its_generator_keeps_the_mean_and_rests_in_evaluation() -> None:
    x = torch.ones(200, 500)
    first, second = (Dropout(0.3, seeded(seed)) for seed in (0, 0))
    dropped = first(x)
    assert torch.equal(dropped, second(x))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert first.eval()(x) is x

"""Conversion to a spiking network: counts by hand, rates against activations, thresholds, folding, accuracy."""

from __future__ import annotations

import itertools
from functools import cache
from math import prod

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurohw.data.dataset import as_input
from neurohw.data.load import load_dataset
from neurohw.deepstdp.conversion import convert, fold_batch_norm
from neurohw.deepstdp.convnets import ConvNet, Dropout, small, vgg_15, with_head
from neurohw.deepstdp.probe import accuracy, linear_probe
from neurohw.deepstdp.spiking_network import SpikingNetwork, SpikingStage, accuracy_over_time
from neurohw.errors import InputError
from tests.convnets import small_network


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dense(weight: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def of_stages(*stages: tuple[nn.Module, float | None], initial: float = 0.0) -> SpikingNetwork:
    made = tuple(SpikingStage(nn.Sequential(layer), threshold) for layer, threshold in stages)
    return SpikingNetwork(made, initial=initial)


def untrained() -> tuple[ConvNet, Tensor]:
    """Return a network whose batch norm has something to fold, and images."""
    generator = seeded(0)
    net = small_network(generator)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 2, generator=generator)
            module.bias.data.normal_(generator=generator)
    for layer in (net.body[-1], net.head):
        layer.weight.data.normal_(std=0.3, generator=generator)
    net.head.bias.data.normal_(generator=generator)
    return net.eval(), torch.randn(20, 3, 16, 16, generator=generator)


@cache
def digits() -> tuple[ConvNet, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return a network trained on digits, training and test samples."""
    data, generator = load_dataset("digits"), seeded(0)
    train, test = (
        as_input(part, data.levels).view(-1, *data.image_shape) * 2 - 1
        for part in (data.train_images, data.test_images)
    )
    net = with_head(small(1, 8, (16, 32), 1, 64, generator), 64, 10, Dropout(0.0, generator), generator)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(8):
        for i in torch.randperm(len(train), generator=generator).split(64):
            optimiser.zero_grad()
            cross_entropy(net(train[i]), data.train_labels[i]).backward()
            optimiser.step()
    return net.eval(), (train, data.train_labels), (test, data.test_labels)


def test_three_neurons_by_hand() -> None:
    net = of_stages((dense([[0.5], [1.5], [-1.0]]), 1.0), (dense([[1.0, 1.0, 1.0]], [0.25]), None))
    response = net.present(torch.ones(1, 1), 4)
    # V of the first after each step 0.5, 0, 0.5, 0; of the second 0.5, 1, 1.5, 2, above threshold in every step
    assert response.counts[0].tolist() == [[2, 4, 0]]
    assert response.potentials.flatten().tolist() == [1.25, 3.5, 4.75, 7.0]


def test_the_rest_of_a_potential_stays_at_a_reset() -> None:
    net = of_stages((dense([[0.75]]), 1.0), (dense([[1.0]]), None))
    assert net.present(torch.ones(1, 1), 8).potentials.flatten().tolist() == [0, 1, 2, 3, 3, 4, 5, 6]


@pytest.mark.parametrize("timesteps", [10, 100, 1000])
def test_rates_converge_to_clipped_relu_as_1_over_t(timesteps: int) -> None:
    layer, x, threshold = nn.Linear(6, 40, bias=False).double(), torch.rand(5, 6, generator=seeded(1)).double(), 0.6
    nn.init.normal_(layer.weight, std=0.5, generator=seeded(2))
    stages = (layer, threshold), (nn.Linear(40, 1).double(), None)
    clipped = layer(x).detach().clamp(0, threshold)
    for initial, bound in ((0.0, 1.0), (0.5, 0.5)):
        rates = of_stages(*stages, initial=initial).present(x, timesteps).counts[0] * threshold / timesteps
        assert (rates - clipped).abs().max() <= bound * threshold / timesteps + 1e-9
    assert (clipped == threshold).any()
    assert (clipped == 0).any()


def test_folded_batch_norm_is_that_of_evaluation_mode() -> None:
    net, images = untrained()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    folded = nn.Sequential(*fold_batch_norm([*net.body, *net.after, net.head]))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded)
    assert (folded(images) - net(images)).abs().max() < 1e-5 * net(images).abs().max()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_thresholds_are_ratios_of_largest_activations_and_weights_stay() -> None:
    net, images = untrained()
    spiking = convert(net, images)
    layers, largest, values = fold_batch_norm([*net.body, *net.after, net.head]), [1.0], images
    for layer in layers:
        values = layer(values)
        if isinstance(layer, nn.ReLU):
            largest.append(float(values.detach().max()))
    thresholds = [stage.threshold for stage in spiking.stages]
    assert thresholds[:-1] == pytest.approx([b / a for a, b in itertools.pairwise(largest)])
    assert thresholds[-1] is None
    weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    for stage, layer, unit in zip(spiking.stages, weighted, largest, strict=True):
        spiking_layer = next(part for part in stage.synapses if isinstance(part, nn.Conv2d | nn.Linear))
        assert torch.equal(spiking_layer.weight, layer.weight)
        if layer.bias is not None:
            assert torch.allclose(spiking_layer.bias * unit, layer.bias)


@pytest.mark.parametrize("signed", [False, True], ids=["head", "readout of signed features"])
def test_output_potentials_converge_to_those_of_the_rate_network(signed: bool) -> None:
    net, images = untrained()
    readout = nn.Linear(12, 7) if signed else None
    if readout:
        nn.init.normal_(readout.weight, generator=seeded(3))
        nn.init.normal_(readout.bias, generator=seeded(4))
    expected = (readout(net.features(images)) if readout else net(images)).detach()
    spiking = convert(net, images, readout)
    unit = prod(stage.threshold or 1.0 for stage in spiking.stages)
    errors = []
    potentials = spiking.present(images, 1600).potentials
    for timesteps in (100, 1600):
        difference = potentials[timesteps - 1] / timesteps * unit - expected
        errors.append(float(difference.norm() / expected.norm()))
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 4
    assert potentials.shape == (1600, 20, 7 if signed else 5)


def test_vgg_15_is_converted_with_pooling_before_the_relu() -> None:
    generator = seeded(0)
    dropout = Dropout(0.1, generator)
    net = with_head(vgg_15(3, 32, 20, dropout, generator), 20, 5, dropout, generator).eval()
    images = torch.randn(2, 3, 32, 32, generator=generator)
    spiking = convert(net, images)
    assert len(spiking.stages) == 15
    response = spiking.present(images, 3)
    assert response.potentials.shape == (3, 2, 5)
    assert response.counts[1].shape == (2, 64, 16, 16)


@pytest.mark.parametrize("readout", [False, True], ids=["head", "probe"])
def test_digits_in_spikes_are_within_2_points_of_the_rate_network(readout: bool) -> None:
    net, (train, train_labels), (test, test_labels) = digits()
    with torch.no_grad():
        rate = float((net(test).argmax(1) == test_labels).double().mean())
        if readout:
            probe = linear_probe(net.features(train), train_labels, 10)
            rate = accuracy(probe, net.features(test), test_labels)
    over_time = accuracy_over_time(convert(net, train[:256], probe if readout else None), test, test_labels, 200)
    assert over_time.shape == (200,)
    assert rate > 0.9
    assert over_time[0] < 0.8
    assert float(over_time[-1]) == pytest.approx(rate, abs=0.02)


def test_a_lower_percentile_needs_fewer_steps() -> None:
    net, (train, _), (test, labels) = digits()
    largest, most = (accuracy_over_time(convert(net, train[:256], None, p), test, labels, 10)[-1] for p in (100, 99.5))
    assert most > largest


def test_potentials_that_start_at_half_a_threshold_need_fewer_steps() -> None:
    net, (train, _), (test, labels) = digits()
    with torch.no_grad():
        rate = float((net(test).argmax(1) == labels).double().mean())
    zero, half = (accuracy_over_time(convert(net, train[:256], initial=v), test, labels, 10)[-1] for v in (0.0, 0.5))
    assert float(half) == pytest.approx(rate, abs=0.02)
    assert zero < half - 0.05


def test_percentile_is_of_all_activations() -> None:
    net, images = untrained()
    first = nn.Sequential(*fold_batch_norm(net.body)[:3])
    activations = first(images).detach().numpy()
    expected = np.percentile(activations, 97.0, method="inverted_cdf")
    assert convert(net, images, percentile=97.0).stages[0].threshold == pytest.approx(expected)


def test_poisson_spikes_have_the_rates_and_signs_of_pixels() -> None:
    net, images = untrained()
    spiking = convert(net, images, coding="poisson")
    assert spiking.largest_input == float(images.abs().max())
    identity = SpikingNetwork((SpikingStage(nn.Sequential(nn.Identity()), None),), "poisson", 4.0)
    x = torch.tensor([[1.0, -2.0, 0.0, 8.0, -8.0]])
    mean = identity.present(x, 4000, seeded(5)).potentials[-1] / 4000
    assert mean.flatten().tolist() == pytest.approx([0.25, -0.5, 0, 1, -1], abs=0.03)
    again, other = (spiking.present(images, 5, seeded(seed)).potentials for seed in (6, 7))
    assert torch.equal(spiking.present(images, 5, seeded(6)).potentials, again)
    assert not torch.equal(again, other)
    with pytest.raises(ValueError, match="generator"):
        spiking.present(images, 5)


def test_what_spikes_cannot_stand_for_is_refused() -> None:
    net, images = untrained()
    body = list(net.body)
    for layers, message in (
        ([*body[:2], nn.MaxPool2d(2), *body[3:]], "MaxPool2d"),
        ([nn.BatchNorm2d(3), *body], "no convolution"),
        ([body[0], *body], "2 layers"),
    ):
        with pytest.raises(InputError, match=message):
            convert(ConvNet(nn.Sequential(*layers), net.after, net.head), images)
    with pytest.raises(InputError, match="percentile"):
        convert(net, images, percentile=0)
    body[1].bias.data.fill_(-1e6)
    with pytest.raises(InputError, match="stage 0"):
        convert(net, images)

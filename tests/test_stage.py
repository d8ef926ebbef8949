"""Stages: a convolution with pooling as one file, against autograd; its updates, and what they count, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.config.rules import network_settings
from neurohw.crossbar.ideal import IdealArray
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.bp import BPNetwork
from neurohw.networks.operations import FeedForward
from neurohw.networks.rules import LEARNING_RULES, Settings
from neurohw.runs.build import build_circuit
from neurohw.runs.meters import metered
from neurohw.runs.run import run
from neurohw.seeding import Streams
from neurohw.training.rules import build_rule
from tests.approximately import approx
from tests.convolution import ConvNetwork

DOUBLE = torch.float64
CHANNELS, POSITIONS, PATCH, POOLED = 4, 36, 9, 36  # of 8 x 8 pixels: 6 x 6 positions of 3 x 3, pooled to 3 x 3


VALUES: dict[str, Any] = {
    "network.neurons": ("sigmoid", "tanh"),
    "training.loss": "mse",
    "training.loss_reduction": "mean",
    "training.cross_entropy_on": "outputs",
    "training.dropout": (0.0, 0.3, 0.0),
}


def settings(bias: str) -> Settings:
    return Settings((64, POOLED, 10), bias, VALUES, {"channels": CHANNELS, "kernel": 3, "pool": 2}, (1, 8, 8))


def convolution(bias: str = "digital", dtype: torch.dtype = DOUBLE) -> BPNetwork:
    g = torch.Generator().manual_seed(0)

    def make(n_post: int, n_pre: int) -> IdealArray:
        return IdealArray(0.5 * torch.randn(n_post, n_pre + (bias == "line"), generator=g, dtype=dtype))

    layers = ConvNetwork.layers_for(settings(bias), make)
    for layer in layers:
        if layer.bias is not None:
            layer.bias.copy_(torch.randn(len(layer.bias), generator=g, dtype=dtype))
    return ConvNetwork.built(layers, settings(bias), Streams(0), Clock())


def batch(n: int, dtype: torch.dtype = DOUBLE) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(1)
    return torch.rand(n, 64, generator=g, dtype=dtype), torch.rand(n, 10, generator=g, dtype=dtype)


def parameters(network: BPNetwork) -> list[Tensor]:
    """Return kernels [4, 1, 3, 3], their biases, dense weights and biases."""
    found = []
    for layer in network.layers:
        w = layer.array.snapshot()
        found += [w[:, :-1], w[:, -1]] if layer.bias is None else [w, layer.bias.clone()]
    return [found[0].reshape(CHANNELS, 1, 3, 3), *found[1:]]


def gradients(network: BPNetwork, x: Tensor, d: Tensor, mask: Tensor) -> list[Tensor]:
    kernels, offset, weights, bias = (p.requires_grad_() for p in parameters(network))
    maps = F.max_pool2d(torch.sigmoid(F.conv2d(x.reshape(-1, 1, 8, 8), kernels, offset)), 2).flatten(1)
    y = torch.tanh(F.linear(maps * mask, weights, bias))
    return list(torch.autograd.grad(F.mse_loss(y, d), [kernels, offset, weights, bias]))


@pytest.mark.parametrize("bias", ["digital", "line"])
@pytest.mark.parametrize("optimizer", ["pulsed-sgd", "sgd"])
def test_a_convolution_learns_by_the_gradient(bias: str, optimizer: str) -> None:
    network = convolution(bias)
    rule = build_rule(optimizer, network.layers, [0.5, 0.2])
    x, d = batch(5)
    state = network.respond(x, train=True)
    before = parameters(network)
    assert state.masks[1] is not None
    wanted = gradients(network, x, d, state.masks[1])  # which the forward pass has scaled
    for layer, products in network.contrast(state, d):
        rule.apply(layer, products)
    for was, now, gradient, rate in zip(before, parameters(network), wanted, (0.5, 0.5, 0.2, 0.2), strict=True):
        torch.testing.assert_close(now - was, -rate * gradient, rtol=1e-9, atol=1e-12)


def test_adam_moves_a_convolution_as_torch_does() -> None:
    network = convolution(dtype=torch.float32)
    rule = build_rule("adam", network.layers, [0.01, 0.01])
    copies = [p.clone().requires_grad_() for p in parameters(network)]
    adam = torch.optim.Adam(copies, lr=0.01)
    x, d = batch(5, torch.float32)
    for _ in range(3):
        state = network.respond(x, train=True)
        assert state.masks[1] is not None
        wanted = gradients(network, x, d, state.masks[1])
        for copy, gradient in zip(copies, wanted, strict=True):
            copy.grad = gradient
        adam.step()
        for layer, products in network.contrast(state, d):
            rule.apply(layer, products)
    for now, copy in zip(parameters(network), copies, strict=True):
        torch.testing.assert_close(now, copy.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("optimizer", "n"), [("pulsed-sgd", 1), ("pulsed-sgd", 16), ("sgd", 16)])
def test_a_convolution_counts_what_is_presented(optimizer: str, n: int) -> None:
    """By hand, of n images: 36 patches each on 4 x 9 kernels, pooled to 36, and a dense layer of 10."""
    experiment = load_experiment("quickstart", {"training.optimizer": optimizer, "network.layers": [64, 10]})
    parts = metered(experiment, convolution(dtype=torch.float32), build_circuit(experiment, Streams(0), 10))
    network, rule = parts.network, build_rule(optimizer, parts.network.layers, [0.1, 0.1])
    x, d = batch(n, torch.float32)
    state = network.respond(x, train=True)
    contrast = network.contrast(state, d)
    with network.clock.during("update"):
        for layer, products in contrast:
            rule.apply(layer, products)
    counts = parts.ledger.counts()
    neurons, cells = CHANNELS * POSITIONS, CHANNELS * PATCH
    assert counts["W1"]["forward"]["reads"] == n * POSITIONS
    assert counts["W1"]["forward"]["dac_conversions"] == n * POSITIONS * PATCH
    assert counts["W1"]["forward"]["adc_conversions"] == n * neurons
    assert counts["W2"]["backward"]["reads_transposed"] == n
    digital = counts["digital"]
    assert digital["forward"]["adds"] == n * (neurons + 10 + neurons)  # biases, and the comparisons of pooling
    assert digital["forward"]["activations"] == n * (neurons + 10)
    assert digital["update"]["adds"] == n * (neurons + 10)  # errors summed into biases, position by position
    assert digital["update"]["bias_updates"] == CHANNELS + 10
    if optimizer == "sgd":
        assert digital["update"]["macs"] == n * (POSITIONS * cells + POOLED * 10)
    else:
        assert counts["W1"]["update"]["outer_products"] == n * POSITIONS


@pytest.mark.parametrize(("rule", "key", "value", "reason"), [
    ("ep", "training.cross_entropy_on", "logits", "network.rule 'ep' does not read"),
    ("ep", "training.loss_reduction", "sum", "network.rule 'ep' does not read"),
    ("bp", "network.parameters.kernel", 3, "rule 'bp' reads no parameters of its own"),
    ("ep", "network.neurons", ["relu", "hardsigm"], "one circuit for all dynamical units"),
    ("hebb", "network.parameters", {}, "'bp' or 'ep'"),
])  # fmt: skip
def test_what_a_rule_does_not_read_is_refused(rule: str, key: str, value: object, reason: str) -> None:
    with pytest.raises(Exception, match=reason):
        load_experiment("quickstart", {"network.rule": rule, key: value})


def test_a_network_sees_no_key_that_its_rule_does_not_name() -> None:
    experiment = OnChipExperiment(network={"rule": "bp"})  # type: ignore[arg-type]
    assert network_settings(experiment)["training.loss"] == "mse"
    with pytest.raises(KeyError):
        network_settings(experiment)["ep"]


@pytest.mark.parametrize(("name", "frequency"), [("bp", 0.1 * 0.7), ("ep", 0.1 / 0.7)])
def test_every_rule_has_its_classes(name: str, frequency: float) -> None:
    rule = LEARNING_RULES[name]
    assert rule.network_class().built is not None
    assert rule.work_class().phase
    assert rule.frequency(0.1, 0.7) == approx(frequency)


@pytest.mark.parametrize(("entry", "message"), [
    (("digital", "forward", "sorts", 1.0), r"digital\.sorts: no rule for this event"),
    (("digital", "hebbian", "adds", 1.0), r"phase 'hebbian', which no account takes for training"),
])  # fmt: skip
def test_work_that_no_account_knows_is_refused_before_the_run(
    entry: tuple[str, str, str, float], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else joules would be missing from the figures of training, or a run would end without an account."""
    monkeypatch.setattr(FeedForward, "of_contrasts", lambda self, images: iter([entry]))
    with pytest.raises(InputError, match=message):
        run(load_experiment("quickstart", {"hardware.periphery": "32nm"}), 0, tmp_path / "out")
    run(load_experiment("quickstart", {"training.epochs": 1, "data.train_limit": 20}), 0, tmp_path / "unpriced")


def test_no_parameters_leave_no_trace_in_the_configuration() -> None:
    """So that configurations of rules without any keep their hashes."""
    assert "parameters" not in OnChipExperiment().canonical()["network"]

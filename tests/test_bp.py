"""BP on crossbars against torch autograd."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from neurohw.circuits.neuron import NEURONS
from neurohw.crossbar.ideal import IdealArray
from neurohw.networks.bp import BPNetwork, BPState
from neurohw.networks.dropout import keep_mask
from neurohw.networks.layer import Layer

F64 = torch.float64


def network(sizes: list[int], neurons: list[str], seed: int = 0, **kwargs: object) -> BPNetwork:
    g = torch.Generator().manual_seed(seed)
    layers = []
    for n_pre, n_post in pairwise(sizes):
        bias = str(kwargs.get("bias", "digital"))
        extra = int(bias == "line")
        layer = Layer(IdealArray(torch.randn(n_post, n_pre + extra, generator=g, dtype=F64) * 0.5), bias)
        if layer.bias is not None:
            layer.bias.uniform_(-0.2, 0.2, generator=g)
        layers.append(layer)
    kwargs.pop("bias", None)
    return BPNetwork(layers, [NEURONS[n] for n in neurons], generator=g, **kwargs)  # type: ignore[arg-type]


CASES = [
    ([6, 5], ["hardsigm"], {}),
    ([6, 7, 5], ["relu", "hardsigm"], {}),
    ([6, 7, 8, 5], ["tanh", "sigmoid", "identity"], {}),
    ([6, 7, 5], ["relu", "hardsigm"], {"loss_reduction": "sum"}),
    ([6, 7, 5], ["relu", "sigmoid"], {"loss": "cross-entropy"}),
    ([6, 7, 5], ["relu", "sigmoid"], {"loss": "cross-entropy", "cross_entropy_on": "logits"}),
    ([6, 7, 5], ["relu", "hardsigm"], {"dropout": [0.3, 0.4, 0.2]}),
    ([6, 7, 5], ["relu", "sigmoid"], {"loss": "cross-entropy", "dropout": [0.3, 0.4, 0.4]}),
    (
        [6, 7, 5],
        ["relu", "sigmoid"],
        {"loss": "cross-entropy", "cross_entropy_on": "logits", "dropout": [0.3, 0.4, 0.4]},
    ),
    ([6, 7, 5], ["relu", "hardsigm"], {"bias": "line"}),
]


@pytest.mark.parametrize(("sizes", "neurons", "kwargs"), CASES)
def test_contrast_is_minus_the_gradient(sizes: list[int], neurons: list[str], kwargs: dict[str, object]) -> None:
    net = network(sizes, neurons, **kwargs)
    g = torch.Generator().manual_seed(9)
    x = torch.rand(4, sizes[0], generator=g, dtype=F64)
    state = net.respond(x, train=True)
    d = torch.rand(4, sizes[-1], generator=g, dtype=F64)
    if state.active is not None:
        d = d * state.active
    gradients = autograd(net, state, x, d)
    for (layer, products), (dw, db) in zip(net.contrast(state, d), gradients, strict=True):
        torch.testing.assert_close(layer.written(products).dense()[:, : layer.n_pre], -dw, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(products.post_sum(), -db, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("dropout", [[], [0.3, 0.4]])
def test_logits_are_the_outputs_of_an_identity_neuron(dropout: list[float]) -> None:
    """One convention for both: what is dropped is an output of 0, in the softmax too (published code: y <- mask y)."""
    contrasts = []
    for on in ("outputs", "logits"):
        net = network([6, 5], ["identity"], loss="cross-entropy", cross_entropy_on=on, dropout=dropout)
        state = net.respond(torch.rand(4, 6, dtype=F64, generator=torch.Generator().manual_seed(3)), train=True)
        d = torch.eye(5, dtype=F64)[:4] * (1 if state.active is None else state.active)
        ((_, products),) = net.contrast(state, d)
        contrasts.append(products.dense())
    torch.testing.assert_close(*contrasts)


def autograd(net: BPNetwork, state: BPState, x: Tensor, d: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The same network and loss in plain torch, with the masks of `state`."""
    weights = [layer.array.snapshot()[:, : layer.n_pre].requires_grad_() for layer in net.layers]
    biases = [
        (layer.array.snapshot()[:, -1] if layer.bias is None else layer.bias.clone()).requires_grad_()
        for layer in net.layers
    ]
    functions = {"hardsigm": lambda a: a.clamp(0, 1), "relu": torch.relu, "sigmoid": torch.sigmoid,
                 "tanh": torch.tanh, "identity": lambda a: a}  # fmt: skip
    signal = x
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        mask = state.masks[i]
        drive = torch.nn.functional.linear(signal if mask is None else signal * mask, w, b)
        signal = functions[net.stages[i].neuron.name](drive)
    y = signal if state.active is None else signal * state.active
    if net.loss == "mse":
        loss = torch.nn.functional.mse_loss(y, d, reduction="sum") / len(x)
        if net.loss_reduction == "mean":
            loss = torch.nn.functional.mse_loss(y, d)
    else:
        logits = drive if state.active is None else drive * state.active
        loss = torch.nn.functional.cross_entropy(logits if net.cross_entropy_on == "logits" else y, d)
    loss.backward()
    return [(w.grad, b.grad) for w, b in zip(weights, biases, strict=True)]  # type: ignore[misc]


def test_inverted_dropout_keeps_the_mean() -> None:
    net = network([400, 5], ["identity"], dropout=[0.3, 0.0])
    state = net.respond(torch.ones(200, 400, dtype=F64), train=True)
    assert state.passed[0].pre.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert state.passed[0].pre.mean().item() == pytest.approx(1, abs=5 * (0.3 / 0.7 / 80_000) ** 0.5)


@pytest.mark.parametrize("dropout", [0.0, 0.5, 0.99999, 0.999995, 1 - 2**-40])
def test_a_mask_keeps_its_share_of_the_entries_up_to_the_last(dropout: float) -> None:
    mask = keep_mask(1000, 1000, dropout, torch.Generator().manual_seed(0), F64)
    assert abs(float(mask.mean()) - (1 - dropout)) < 2**-14 + 4 * (dropout * (1 - dropout) / 1e6) ** 0.5


def test_no_dropout_at_inference() -> None:
    net = network([6, 5], ["hardsigm"], dropout=[0.5, 0.5])
    x = torch.rand(3, 6, dtype=F64)
    assert torch.equal(net.respond(x).output, net.respond(x).output)
    assert net.respond(x).active is None

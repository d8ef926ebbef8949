"""Convolutions: forward, gradients and steps against torch.nn and its autograd; on devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neurohw.circuits.neuron import MapCompetition
from neurohw.clock import Clock
from neurohw.config import OnChipExperiment
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import SynapseArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.devices.affine_laws import ConstantStep
from neurohw.devices.retention import Retention
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.networks.bp import BPNetwork
from neurohw.networks.conv import Patches
from neurohw.networks.layer import Layer
from neurohw.networks.rules import Settings
from neurohw.networks.shapes import Convolution, Image, StageShape
from neurohw.runs.build import build_network
from neurohw.seeding import Streams
from neurohw.training.rules import build_rule
from tests.approximately import approx

IMAGE: Image = (2, 9, 7)  # channels, height, width
CONVOLUTIONS = (
    Convolution(channels=6, kernel=5, padding=2, pool="average", pool_size=4, pool_stride=2, pool_padding=1),
    Convolution(channels=5, kernel=3, stride=2, padding=1, pool="max", pool_size=3, pool_stride=1, pool_padding=1),
)
OUTPUTS = 4
VALUES: dict[str, Any] = {
    "network.neurons": ("relu", "relu", "identity"),
    "training.loss": "mse",
    "training.loss_reduction": "mean",
    "training.cross_entropy_on": "outputs",
    "training.dropout": (),
}
STEP = 1e-5
FINE = DevicePopulation(
    ConstantStep(STEP, 0.0, False, 0.0, asymmetry_dtod=0.0, w_max=4.0, w_min=-4.0, w_max_dtod=0.0, w_min_dtod=0.0)
)
COUNTED = PulseScheme(10_000, kind="deterministic")
Make = Callable[[int, int], SynapseArray]


def settings(pools: tuple[str, str] = ("average", "max"), bias: str = "digital", **values: Any) -> Settings:
    convolutions = tuple(Convolution(**{**vars(c), "pool": pool}) for c, pool in zip(CONVOLUTIONS, pools, strict=True))
    inputs = IMAGE[0] * IMAGE[1] * IMAGE[2]
    return Settings((inputs, OUTPUTS), bias, VALUES | values, {}, IMAGE, convolutions)


def on_ideal(absent: float = 0.0, dtype: torch.dtype = torch.float32, bias: str = "digital") -> Make:
    g = torch.Generator().manual_seed(0)

    def make(n_post: int, n_pre: int) -> IdealArray:
        n_pre += bias == "line"
        weights = torch.randn(n_post, n_pre, generator=g, dtype=dtype).mul_(n_pre**-0.5)
        where = torch.rand(n_post, n_pre, generator=g) < absent
        return IdealArray(weights, absent=where if absent and n_post > OUTPUTS else None)

    return make


def network(given: Settings, make: Make) -> BPNetwork:
    layers = BPNetwork.layers_for(given, make)
    g = torch.Generator().manual_seed(1)
    for layer in layers:
        if layer.bias is not None:
            layer.bias.copy_(0.1 * torch.randn(len(layer.bias), generator=g, dtype=layer.bias.dtype))
    return BPNetwork.built(layers, given, Streams(0), Clock())


def kernels(weights: Tensor, stage: StageShape) -> Tensor:
    """Return kernels as torch has them, [C_out, C_in, k, k], of an array's weights; dense ones as they are."""
    if stage.convolution is None:
        return weights
    k = stage.convolution.kernel
    return weights.reshape(-1, k, k, stage.image[0]).permute(0, 3, 1, 2).contiguous()


class InTorch(nn.Module):
    """The same network in torch.nn, its weights those of ours at the moment."""

    def __init__(self, ours: BPNetwork, given: Settings) -> None:
        super().__init__()
        self.given, self.layers, self.pools = given, nn.ModuleList(), nn.ModuleList()
        for stage, layer in zip(given.stages, ours.layers, strict=True):
            w, c = layer.array.snapshot(), stage.convolution
            w, b = (w[:, :-1], w[:, -1]) if layer.bias is None else (w, layer.bias)
            own: nn.Conv2d | nn.Linear
            if c is None:
                own = nn.Linear(w.shape[1], w.shape[0])
            else:
                own = nn.Conv2d(stage.image[0], c.channels, c.kernel, c.stride, c.padding)
                pools = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}
                pool = pools[c.pool](c.pool_size, c.pool_stride, c.pool_padding) if c.pool != "none" else nn.Identity()
                self.pools.append(pool)
            own.weight.data, own.bias.data = kernels(w, stage).clone(), b.clone()
            self.layers.append(own)

    def forward(self, x: Tensor) -> Tensor:
        maps = x.reshape(-1, *IMAGE)
        for own, pool in zip(self.layers, self.pools, strict=False):
            maps = pool(torch.relu(own(maps)))
        flat: Tensor = self.layers[-1](maps.permute(0, 2, 3, 1).flatten(1))  # our order of maps
        return flat

    def loss(self, x: Tensor, d: Tensor) -> Tensor:
        y = self(x)
        return F.cross_entropy(y, d) if self.given["training.loss"] == "cross-entropy" else F.mse_loss(y, d)


def batch(n: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(2)
    d = F.one_hot(torch.randint(OUTPUTS, (n,), generator=g), OUTPUTS)
    return torch.rand(n, IMAGE[0] * IMAGE[1] * IMAGE[2], generator=g, dtype=dtype), d.to(dtype)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
@pytest.mark.parametrize("pools", [("average", "max"), ("max", "average"), ("none", "none")])
@pytest.mark.parametrize("n", [1, 16])
@pytest.mark.parametrize("absent", [0.0, 0.4])
def test_answer_gradient_and_a_step_of_adam_are_those_of_torch(
    n: int, pools: tuple[str, str], loss: str, absent: float
) -> None:
    given = settings(pools, **{"training.loss": loss})
    ours = network(given, on_ideal(absent))
    theirs = InTorch(ours, given)
    masks = [None if (there := layer.array.present) is None else there.clone() for layer in ours.layers]
    assert all((mask is not None) == bool(absent) for mask in masks[:-1])
    x, d = batch(n)
    rates = [0.01, 0.02, 0.03]
    rule = build_rule("adam", ours.layers, rates)
    groups = [{"params": [*own.parameters()], "lr": rate} for own, rate in zip(theirs.layers, rates, strict=True)]
    adam = torch.optim.Adam(groups)
    for _ in range(2):
        state = ours.respond(x, train=True)
        torch.testing.assert_close(state.output, theirs(x), rtol=1e-5, atol=1e-5)
        adam.zero_grad()
        theirs.loss(x, d).backward()
        for own, stage, mask in zip(theirs.layers, given.stages, masks, strict=True):
            if mask is not None:
                own.weight.grad *= kernels(mask, stage)
        for (layer, products), stage, own in zip(ours.contrast(state, d), given.stages, theirs.layers, strict=True):
            written = layer.written(products)
            change = written.dense() if layer.array.present is None else written.dense() * layer.array.present
            torch.testing.assert_close(kernels(-change, stage), own.weight.grad, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(-layer.bias_change(written), own.bias.grad, rtol=1e-5, atol=1e-6)
            rule.apply(layer, products)
        adam.step()
        for layer, stage, own in zip(ours.layers, given.stages, theirs.layers, strict=True):
            torch.testing.assert_close(kernels(layer.array.snapshot(), stage), own.weight.data, rtol=1e-5, atol=1e-5)
            assert layer.bias is not None
            torch.testing.assert_close(layer.bias, own.bias.data, rtol=1e-5, atol=1e-5)
    for layer, mask in zip(ours.layers, masks, strict=True):
        if mask is not None:
            assert not layer.array.snapshot()[~mask].any()


@pytest.mark.parametrize("bias", ["digital", "line"])
@pytest.mark.parametrize("optimizer", ["pulsed-sgd", "sgd"])
def test_plain_steps_are_those_of_torch(bias: str, optimizer: str) -> None:
    double = torch.float64
    given = settings(bias=bias)
    ours = network(given, on_ideal(dtype=double, bias=bias))
    theirs = InTorch(ours, given)
    x, d = batch(5, double)
    theirs.loss(x, d).backward()
    rates = [0.5, 0.3, 0.2]
    rule = build_rule(optimizer, ours.layers, rates)
    before = [layer.array.snapshot() for layer in ours.layers]
    for layer, products in ours.contrast(ours.respond(x, train=True), d):
        rule.apply(layer, products)
    for layer, was, stage, own, rate in zip(ours.layers, before, given.stages, theirs.layers, rates, strict=True):
        moved = layer.array.snapshot() - was
        if bias == "line":
            torch.testing.assert_close(moved[:, -1], -rate * own.bias.grad, rtol=1e-9, atol=1e-12)
            moved = moved[:, :-1]
        torch.testing.assert_close(kernels(moved, stage), -rate * own.weight.grad, rtol=1e-9, atol=1e-12)


def test_the_error_of_a_first_convolution_reaches_its_image() -> None:
    given = settings(("none", "none"))
    ours = network(given, on_ideal(dtype=torch.float64))
    theirs = InTorch(ours, given)
    x, d = batch(3, torch.float64)
    inputs = x.clone().requires_grad_()
    theirs.loss(inputs, d).backward()
    state = ours.respond(x)
    products = ours.contrast(state, d)
    (term,), scale = products[0][1].terms, products[0][1].scale
    torch.testing.assert_close(-scale * ours.layers[0].read_back(term.post), inputs.grad, rtol=1e-9, atol=1e-12)


def test_competing_maps_and_their_gradient_are_as_published() -> None:
    channels, positions = 5, 12
    a = torch.randn(3, positions * channels, dtype=torch.float64, requires_grad=True)
    maps = a.reshape(3, positions, channels).permute(0, 2, 1)  # channels first, as the published code has them
    s = torch.relu(maps - maps.mean(2, keepdim=True))
    wanted = torch.relu(s - s.mean(1, keepdim=True)).permute(0, 2, 1).flatten(1)
    wta, error = MapCompetition(channels), torch.randn(3, positions * channels, dtype=torch.float64)
    torch.testing.assert_close(wta.rho(a.detach()), wanted)
    (gradient,) = torch.autograd.grad(wanted, a, error)
    torch.testing.assert_close(wta.back(a.detach(), error), gradient)


def test_devices_without_errors_convolve_and_learn_as_ideal_arrays_do() -> None:
    """Absent cells included: 0 for good, and none of the pulses that reach the others goes to them."""
    given, make, others = settings(), on_ideal(0.4), on_ideal(0.4)

    def on_devices(n_post: int, n_pre: int) -> AnalogArray:
        ideal = others(n_post, n_pre)
        absent = None if ideal.present is None else ~ideal.present
        return AnalogArray(ideal.snapshot(), FINE, read_path=ReadPath.perfect(), pulses=COUNTED, absent=absent)

    ideal, analog = network(given, make), network(given, on_devices)
    x, d = batch(16)
    answers = [net.respond(x, train=True) for net in (ideal, analog)]
    torch.testing.assert_close(answers[1].output, answers[0].output, rtol=1e-5, atol=1e-5)
    contrasts = [net.contrast(state, d) for net, state in zip((ideal, analog), answers, strict=True)]
    for (layer, wanted), (on_device, found) in zip(*contrasts, strict=True):
        before, there = on_device.array.snapshot(), on_device.array.present
        layer.update(wanted, 0.5)
        writes = on_device.update(found, 0.5)
        now = on_device.array.snapshot()
        torch.testing.assert_close(now, layer.array.snapshot(), rtol=0, atol=0.51 * STEP)
        assert writes.pulses_up is not None
        assert writes.pulses_down is not None
        given_pulses = float((now - before).abs().sum()) / STEP
        assert writes.pulses_up + writes.pulses_down == approx(given_pulses, rel=1e-3)
        if there is not None:
            assert not now[~there].any()
            assert not on_device.array.writes()["cell"][~there].any()
            assert not on_device.array.conductances()["cell"][~there].any()


@pytest.mark.parametrize(("compensation", "left"), [("none", 0.5), ("global", 1.0), ("per-column", 1.0)])
def test_drift_weakens_all_positions_but_no_bias(compensation: str, left: float) -> None:
    """After 2^(1 / nu) t0 half is left of every weight, and all of it where outputs are rescaled, both ways."""
    device = replace(FINE, retention=Retention(drift_nu=0.1))
    weights = 0.1 * torch.randn(6, 50, generator=torch.Generator().manual_seed(3))
    array = AnalogArray(weights, device, read_path=ReadPath.perfect(), compensation=compensation)
    layer = Layer(array, "digital", Patches(IMAGE, CONVOLUTIONS[0], first=True))
    assert layer.bias is not None
    layer.bias.copy_(torch.linspace(-1, 1, 6))
    x, errors = batch(3)[0], torch.randn(3, 6 * 9 * 7, generator=torch.Generator().manual_seed(4))
    bias = layer.bias.repeat(9 * 7)
    read, back = layer.read(x) - bias, layer.read_back(errors)
    array.elapse(2.0**10)
    torch.testing.assert_close(layer.read(x) - bias, left * read, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.read_back(errors), left * back, rtol=1e-5, atol=1e-5)


def test_initial_weights_are_those_of_torch_and_pruned_ones_are_absent() -> None:
    experiment = load_experiment("cnn_mnist")
    assert isinstance(experiment, OnChipExperiment)
    built = build_network(experiment, Streams(0), Clock(), image=(1, 28, 28))
    for layer, (fan_in, share) in zip(built.layers, ((25, 0.5), (288, 0.5), (6272, 0.0)), strict=True):
        w, there = layer.array.snapshot(), layer.array.present
        bound = fan_in**-0.5 * (1 + 1e-6)
        w = w if there is None else w[there]
        assert float(w.abs().max()) <= bound
        assert float(w.std()) == approx(bound / 3**0.5, rel=0.1)
        assert layer.bias is not None
        assert 0 < float(layer.bias.abs().max()) <= bound
        assert layer.array.n_cells == round((1 - share) * fan_in * layer.array.shape[0])
    other = build_network(experiment, Streams(1), Clock(), image=(1, 28, 28)).layers[0].array.present
    assert not torch.equal(built.layers[0].array.present, other)  # type: ignore[arg-type]


CONV = [{"channels": 4, "kernel": 3}]


@pytest.mark.parametrize(("overrides", "message"), [
    ({"network.conv": [{"channels": 4, "kernel": 9}]}, r"network\.conv\.0\.kernel: got 9 .* allowed: at most 8"),
    ({"network.conv": [{"channels": 4, "kernel": 3, "pool": "max", "pool_size": 7}]}, r"conv\.0\.pool_size: got 7"),
    ({"network.conv": [{"channels": 4, "kernel": 3, "pool": "max", "pool_padding": 2}]}, "pool_padding: got 2"),
    ({"network.conv": [{"channels": 4, "kernel": 3, "pool": "mean"}]}, r"pool.*'none', 'average' or 'max'"),
    ({"network.conv": [{"kernel": 3}]}, r"conv\.0\.channels"),
    ({"network.conv": [{"chanels": 4, "kernel": 3}]}, r"conv\.0\.chanels: unknown key \(did you mean channels\?\)"),
    ({"network.conv": {"channels": 4, "kernel": 3}}, "allowed: tables, each under a heading"),
    ({"network.conv": [CONV[0] | {"prune": 0.99}]}, r"conv\.0\.prune: got 0\.99, which leaves none of 36 cells"),
    ({"network.conv": CONV, "network.layers": [65, 10]}, r"network\.image: not given, and 65 inputs"),
    ({"network.conv": CONV, "network.image": [1, 8, 9]}, r"network\.image: got \[1, 8, 9\], 72 values; allowed: 64"),
    ({"network.image": [1, 8, 8]}, "which only a network with network.conv reads"),
    ({"network.conv": CONV, "training.learning_rate": [0.1]}, "training.learning_rate: got 1 values; allowed: 2"),
    ({"network.conv": CONV, "network.neurons": ["relu", "wta"]}, "'wta' of a dense layer"),
    ({"network.conv": CONV, "network.rule": "ep"}, "network.rule 'ep' does not read; .*rule bp"),
    ({"network.init": "torch", "network.init_gain": 1.0}, 'network.init "torch" does not read'),
])  # fmt: skip
def test_what_does_not_fit_is_refused(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_experiment("quickstart", overrides)

"""Equilibrium Propagation: physics first, then equality with a step-by-step reference."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from neurohw.circuits.neuron import NEURONS
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, SynapseArray, Writes
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.ideal import IdealArray
from neurohw.crossbar.periphery import ReadPath
from neurohw.crossbar.tiled import TiledArray
from neurohw.devices.laws import SoftBounds
from neurohw.devices.library import load_device
from neurohw.devices.retention import Retention
from neurohw.networks.capture import Capture, Function, Inputs, Replay
from neurohw.networks.ep import Dynamics, EPNetwork
from neurohw.networks.layer import Layer
from neurohw.networks.relax import relax, softmax_error
from tests.reference import ep_step_by_step, semi_ep_step_by_step

F64 = torch.float64


class Opaque(IdealArray):
    """An exact array that does not say so: the network must then take every step."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__(weights)
        self.exact = self.exact_writes = False


def layers_of(sizes: list[int], scale: float, seed: int = 0, kind: type[IdealArray] = IdealArray) -> list[Layer]:
    g = torch.Generator().manual_seed(seed)
    layers = []
    for n_pre, n_post in pairwise(sizes):
        layer = Layer(kind(torch.randn(n_post, n_pre, generator=g, dtype=F64) * scale))
        layer.bias.uniform_(0.35, 0.55, generator=g)  # type: ignore[union-attr]
        layers.append(layer)
    return layers


def network(sizes: list[int], dynamics: Dynamics, scale: float = 0.06, **kwargs: object) -> EPNetwork:
    kind = kwargs.pop("kind", IdealArray)
    return EPNetwork(layers_of(sizes, scale, kind=kind), dynamics=dynamics, **kwargs)  # type: ignore[arg-type]


def energy(net: EPNetwork, x: Tensor, states: list[Tensor]) -> Tensor:
    """E = 1/2 sum s^2 - sum rho(s) W rho(s') - sum b rho(s), per sample."""
    rho = net.neuron.rho
    total = torch.zeros(len(x), dtype=F64)
    below = x
    for layer, s in zip(net.layers, states, strict=True):
        total = total + (s * s).sum(1) / 2 - (rho(s) * (below @ layer.array.snapshot().T + layer.bias)).sum(1)
        below = rho(s)
    return total


@pytest.mark.parametrize("neuron", ["hardsigm", "sigmoid", "tanh"])
def test_energy_descends_in_the_free_phase(neuron: str) -> None:
    net = network([6, 8, 7, 5], Dynamics(dt=0.1), scale=0.4, neuron=NEURONS[neuron])
    x = torch.rand(5, 6, dtype=F64)
    states = [torch.rand(5, n, dtype=F64) for n in (8, 7, 5)]
    energies = [energy(net, x, states)]
    for _ in range(80):
        states = relax(states, x, None, net.layers, [None] * 3, net.neuron, 1, 0.1)
        energies.append(energy(net, x, states))
    drops = torch.stack(energies).diff(dim=0)
    assert drops.max() <= 1e-12
    assert drops.sum() < -0.1


def test_free_phase_ends_where_the_force_vanishes() -> None:
    net = network([6, 8, 5], Dynamics(free_steps=600))
    x = torch.rand(4, 6, dtype=F64)
    states = [s.clone().requires_grad_() for s in net.respond(x).states]
    assert all(((s > 0) & (s < 1)).all() for s in states), "units must be interior for this check"
    gradients = torch.autograd.grad(energy(net, x, states).sum(), states)
    assert max(float(g.abs().max()) for g in gradients) < 1e-10


def gradient_at_the_equilibrium(net: EPNetwork, x: Tensor, d: Tensor) -> list[Tensor]:
    """dC/dW at the free fixed point, C = 1/2 ||d - s||^2 / B, by autograd through a converged relaxation."""
    weights = [layer.array.snapshot().requires_grad_() for layer in net.layers]
    rho, slope = net.neuron.rho, net.neuron.slope
    states = [torch.zeros(len(x), w.shape[0], dtype=F64) for w in weights]
    for _ in range(400):
        new = []
        for i, s in enumerate(states):
            drive = (x if i == 0 else rho(states[i - 1])) @ weights[i].T + net.layers[i].bias
            if i + 1 < len(states):
                drive = drive + rho(states[i + 1]) @ weights[i + 1]
            new.append(s + 0.2 * (slope(s) * drive - s))
        states = new
    cost = ((d - states[-1]) ** 2).sum() / 2 / len(x)
    return list(torch.autograd.grad(cost, weights))


@pytest.mark.parametrize("neuron", ["hardsigm", "sigmoid"])
@pytest.mark.parametrize(("estimate", "order"), [("one-sided", 1), ("symmetric", 2)])
def test_contrast_tends_to_the_gradient_at_the_free_equilibrium(estimate: str, order: int, neuron: str) -> None:
    """With a hidden layer this is the gradient through the recurrent equilibrium, not feed-forward BP."""
    x = torch.rand(4, 6, dtype=F64, generator=torch.Generator().manual_seed(5))
    d = torch.rand(4, 5, dtype=F64, generator=torch.Generator().manual_seed(6))
    errors = []
    betas = [0.08, 0.04, 0.02]
    for beta in betas:
        dynamics = Dynamics(free_steps=500, nudged_steps=500, beta=beta, beta_sign="positive", estimate=estimate)
        net = network([6, 8, 5], dynamics, neuron=NEURONS[neuron], scale=0.06 if neuron == "hardsigm" else 0.5)
        state = net.respond(x)
        contrast = [products.dense() for _, products in net.contrast(state, d)]
        exact = gradient_at_the_equilibrium(net, x, d)
        errors.append(max(float((c + g).abs().max() / g.abs().max()) for c, g in zip(contrast, exact, strict=True)))
    assert errors[-1] < (0.05 if order == 1 else 0.002)
    for larger, smaller in pairwise(errors):
        assert larger / smaller == pytest.approx(2**order, rel=0.15)


def test_the_gradient_is_not_that_of_feed_forward_bp() -> None:
    x = torch.rand(4, 6, dtype=F64, generator=torch.Generator().manual_seed(5))
    d = torch.rand(4, 5, dtype=F64, generator=torch.Generator().manual_seed(6))
    net = network([6, 8, 5], Dynamics(), scale=0.1)
    recurrent = gradient_at_the_equilibrium(net, x, d)
    w1, w2 = (layer.array.snapshot().requires_grad_() for layer in net.layers)
    b1, b2 = (layer.bias for layer in net.layers)
    y = (x @ w1.T + b1).clamp(0, 1) @ w2.T + b2
    feed_forward = torch.autograd.grad(((d - y) ** 2).sum() / 2 / 4, [w1, w2])
    assert (recurrent[0] - feed_forward[0]).abs().max() > 0.05 * feed_forward[0].abs().max()


def reference_contrast(
    net: EPNetwork, x: Tensor, masks: list[Tensor], d: Tensor, beta: float
) -> list[tuple[Tensor, Tensor]]:
    """What every layer's weights and biases should be told, every step computed."""
    dyn = net.dynamics
    weights = [layer.array.snapshot() for layer in net.layers]
    biases = [layer.bias for layer in net.layers]
    free = ep_step_by_step(weights, biases, x, masks, dyn.free_steps, dyn.dt)  # type: ignore[arg-type]

    def nudge(b: float) -> list[Tensor]:
        return ep_step_by_step(weights, biases, x, masks, dyn.nudged_steps, dyn.dt, free, b, d)  # type: ignore[arg-type]

    symmetric = dyn.estimate == "symmetric"
    high, low, span = (nudge(beta), nudge(-beta), 2 * beta) if symmetric else (nudge(beta), free, beta)
    changes = []
    for i in range(len(weights)):
        a1, a0 = (x, x) if i == 0 else (high[i - 1], low[i - 1])
        bias_change = (high[i] - low[i]).sum(0) / (span * len(x))
        changes.append(((high[i].T @ a1 - low[i].T @ a0) / (span * len(x)), bias_change))
    return changes


@pytest.mark.parametrize("sizes", [[6, 5], [6, 8, 5], [6, 7, 8, 5]])
@pytest.mark.parametrize("estimate", ["one-sided", "symmetric"])
@pytest.mark.parametrize("contrast", ["two-phase", "difference"])
@pytest.mark.parametrize("kind", [IdealArray, Opaque])
@pytest.mark.parametrize("hold_input", [True, False])
def test_shortcuts_equal_the_steps(
    sizes: list[int], estimate: str, contrast: str, kind: type[SynapseArray], hold_input: bool
) -> None:
    dynamics = Dynamics(
        free_steps=12, nudged_steps=5, beta=0.3, beta_sign="positive", estimate=estimate, contrast=contrast,
        hold_input=hold_input,
    )  # fmt: skip
    dropout = [0.3] + [0.2] * (len(sizes) - 1)
    net = network(sizes, dynamics, scale=0.6, dropout=dropout, kind=kind)
    x = torch.rand(7, 6, dtype=F64)
    state = net.respond(x, train=True)
    d = torch.rand(7, 5, dtype=F64) * state.active
    masks = [m for m in state.masks[1:] if m is not None]
    expected = reference_contrast(net, x * state.masks[0], masks, d, 0.3)
    weights, biases = [la.array.snapshot() for la in net.layers], [la.bias for la in net.layers]
    free = ep_step_by_step(weights, biases, x * state.masks[0], masks, 12, 0.2)  # type: ignore[arg-type]
    torch.testing.assert_close(state.output, free[-1], rtol=1e-5, atol=1e-7)
    for (_, products), (change, bias_change) in zip(net.contrast(state, d), expected, strict=True):
        torch.testing.assert_close(products.dense(), change, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(products.post_sum(), bias_change, rtol=1e-5, atol=1e-7)


def test_clipping_is_exercised_by_the_shortcut_test() -> None:
    net = network([6, 5], Dynamics(free_steps=12), scale=0.6)
    output = net.respond(torch.rand(7, 6, dtype=F64)).output
    assert (output == 0).any()
    assert (output > 0).any()


def test_a_step_that_overshoots_is_not_taken_in_closed_form() -> None:
    dynamics = Dynamics(dt=0.9, free_steps=7, nudged_steps=4, beta=0.5, beta_sign="positive")
    net = network([6, 5], dynamics, scale=0.6)
    x, d = torch.rand(4, 6, dtype=F64), torch.rand(4, 5, dtype=F64)
    masks = [torch.ones(4, 5, dtype=F64)]
    for (_, products), (change, _) in zip(
        net.contrast(net.respond(x), d), reference_contrast(net, x, masks, d, 0.5), strict=True
    ):
        torch.testing.assert_close(products.dense(), change, rtol=1e-5, atol=1e-7)


def test_a_strong_negative_nudge_has_no_resting_point_and_is_stepped() -> None:
    net = network([6, 5], Dynamics(beta=1.0, estimate="symmetric", nudged_steps=4), scale=0.6)
    x, d = torch.rand(4, 6, dtype=F64), torch.rand(4, 5, dtype=F64)
    ((change, _),) = reference_contrast(net, x, [torch.ones(4, 5, dtype=F64)], d, 1.0)
    torch.testing.assert_close(net.contrast(net.respond(x), d)[0][1].dense(), change, rtol=1e-5, atol=1e-7)


def test_a_masked_read_out_gets_the_gradient_of_the_cross_entropy_over_masked_logits() -> None:
    """Its error, and the force on the hidden layer, by autograd; masked winners take nothing with them."""
    dynamics = Dynamics(free_steps=9, nudged_steps=1, beta=0.3, beta_sign="positive")
    net = network([6, 9, 4], dynamics, scale=0.6, loss="cross-entropy", dropout=[0.0, 0.0, 0.5])
    state = net.respond(torch.rand(7, 6, dtype=F64, generator=torch.Generator().manual_seed(2)), train=True)
    mask = state.active
    assert mask is not None
    d = torch.eye(4, dtype=F64)[[0, 1, 2, 3, 0, 1, 2]] * mask
    assert 0 < d.sum() < 7
    w, b = net.readout.array.snapshot(), net.readout.bias  # type: ignore[union-attr]
    free = state.states[0]
    torch.testing.assert_close(state.competition, (free @ w.t() + b) * mask)
    torch.testing.assert_close(state.output, torch.softmax(state.competition, dim=1))

    def gradients(hidden: Tensor) -> tuple[Tensor, Tensor]:
        hidden, own = hidden.clone().requires_grad_(), w.clone().requires_grad_()
        cost = torch.nn.functional.cross_entropy((hidden @ own.t() + b) * mask, d, reduction="sum")
        return torch.autograd.grad(cost, [hidden, own])  # type: ignore[return-value]

    (_, hidden), (_, readout) = net.contrast(state, d)
    force, _ = gradients(free)
    expected = free + 0.2 * (state.held - free - 0.3 * force)
    nudged = expected.clamp(0, 1)
    torch.testing.assert_close(hidden.terms[0].post, nudged - free)
    torch.testing.assert_close(readout.dense(), -gradients(nudged)[1] / 7)


def test_errors_of_several_winners_are_those_of_the_cross_entropy() -> None:
    """-sum d log softmax(z), by autograd, where the d of a sample add up to 1, to 2, and to nothing."""
    z = torch.rand(3, 5, dtype=F64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    d = torch.tensor([[1.0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=F64)
    (slope,) = torch.autograd.grad(torch.nn.functional.cross_entropy(z, d, reduction="sum"), [z])
    torch.testing.assert_close(softmax_error(z.detach(), d, None), -slope)


@pytest.mark.parametrize("kind", [IdealArray, Opaque])
def test_softmax_read_out_equals_the_steps(kind: type[IdealArray]) -> None:
    dynamics = Dynamics(free_steps=9, nudged_steps=4, beta=0.45, beta_sign="positive")
    net = network([6, 9, 4], dynamics, scale=0.6, loss="cross-entropy", dropout=[0.3, 0.5, 0.0], kind=kind)
    x = torch.rand(7, 6, dtype=F64)
    state = net.respond(x, train=True)
    d = torch.softmax(torch.rand(7, 4, dtype=F64), dim=1)
    (w1, b1), (w0, b0) = ((la.array.snapshot(), la.bias) for la in net.layers)
    masked, mask = x * state.masks[0], state.masks[1]
    free, nudged, y = semi_ep_step_by_step(w1, b1, w0, b0, masked, mask, 9, 4, 0.2, 0.45, d)  # type: ignore[arg-type]
    torch.testing.assert_close(state.competition, free @ w0.T + b0)
    hidden, readout = (products for _, products in net.contrast(state, d))
    torch.testing.assert_close(hidden.dense(), (nudged - free).T @ masked / (0.45 * 7))
    torch.testing.assert_close(readout.dense(), (d - y).T @ nudged / 7)


@pytest.mark.parametrize("estimate", ["one-sided", "symmetric"])
def test_every_read_of_a_read_out_is_charged_its_softmax(estimate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network([6, 9, 4], Dynamics(estimate=estimate, nudged_steps=3), scale=0.6, loss="cross-entropy")
    state = net.respond(torch.rand(7, 6, dtype=F64))
    read, reads = net.readout.read, []  # type: ignore[union-attr]
    monkeypatch.setattr(net.readout, "read", lambda hidden: reads.append(len(hidden)) or read(hidden))
    net.contrast(state, torch.eye(4, dtype=F64)[[0, 1, 2, 3, 0, 1, 2]])
    work = [(event, n) for _, phase, event, n in net.operations().of_contrasts(7) if phase == "nudged"]
    phases = 2 if estimate == "symmetric" else 1
    assert sum(n for event, n in work if event == "activations") == phases * 3 * 7 * 9 + 4 * sum(reads)
    errors, forces, leaks = 4 * sum(reads), phases * 3 * 7 * 9, 2 * phases * 3 * 7 * 9
    assert sum(n for event, n in work if event == "adds") == errors + forces + leaks


def test_sign_of_beta_is_random_and_seeded() -> None:
    x, d = torch.rand(3, 6, dtype=F64), torch.rand(3, 5, dtype=F64)

    def scales(seed: int) -> list[float]:
        net = network([6, 5], Dynamics(), signs=torch.Generator().manual_seed(seed))
        return [net.contrast(net.respond(x), d)[0][1].scale for _ in range(40)]

    assert scales(1) == scales(1)
    assert 8 < sum(scale > 0 for scale in scales(1)) < 32
    assert {abs(scale) for scale in scales(1)} == {1 / (0.2 * 3)}


def test_order_of_the_pulses() -> None:
    x, d = torch.rand(3, 6, dtype=F64), torch.rand(3, 5, dtype=F64)
    for order, signs in (("free-first", [-1, 1]), ("nudged-first", [1, -1])):
        net = network([6, 5], replace(Dynamics(), pulse_order=order), kind=Opaque)
        _, products = net.contrast(net.respond(x), d)[0]
        assert [term.sign for term in products.terms] == signs


@pytest.mark.parametrize("reads", ["perfect", "noisy"])
def test_what_is_written_does_not_depend_on_how_it_is_read(reads: str) -> None:
    """Two Hebbian products are two, each with its own pulses, as long as pulses are no arithmetic."""
    g = torch.Generator().manual_seed(0)
    path = ReadPath.perfect() if reads == "perfect" else ReadPath()
    weights = torch.rand(5, 6, generator=g) * 0.2
    array = AnalogArray(weights, load_device("reram_es"), read_path=path, generator=g)
    assert (array.exact, array.exact_writes) == (reads == "perfect", False)
    net = EPNetwork([Layer(array)], dynamics=Dynamics(beta_sign="positive"))
    x, d = torch.rand(8, 6, generator=g), torch.rand(8, 5, generator=g)
    state = net.respond(x, train=True)
    ((layer, products),) = net.contrast(state, d)
    assert [term.sign for term in products.terms] == [-1, 1]
    torch.testing.assert_close(products.terms[0].post, net.neuron.rho(state.states[0]))
    writes = layer.update(products, 0.2)
    step = load_device("reram_es").response().granularity
    for term, pulses in zip(products.terms, (writes.pulses_down, writes.pulses_up), strict=True):
        expected = 0.2 * abs(products.scale) * float((term.post.t() @ term.pre).sum()) / step
        assert pulses == pytest.approx(expected, abs=6 * expected**0.5)  # what trains draw at most: Poisson's spread


def test_line_biases_take_part_in_the_contrast() -> None:
    g = torch.Generator().manual_seed(0)
    layer = Layer(IdealArray(torch.randn(5, 7, generator=g, dtype=F64) * 0.2), "line")
    net = EPNetwork([layer], dynamics=Dynamics(beta_sign="positive"))
    x, d = torch.rand(3, 6, dtype=F64), torch.rand(3, 5, dtype=F64)
    (_, products), *_ = net.contrast(net.respond(x), d)
    before = layer.array.snapshot()
    layer.update(products, 0.1)
    torch.testing.assert_close((layer.array.snapshot() - before)[:, -1], 0.1 * products.post_sum())


def test_line_biases_get_the_same_contrast_in_both_forms() -> None:
    x, d = torch.rand(3, 6, dtype=F64), torch.rand(3, 5, dtype=F64)
    written = []
    for contrast in ("two-phase", "difference"):
        g = torch.Generator().manual_seed(0)
        layers = [Layer(Opaque(torch.rand(n_post, n_pre + 1, generator=g, dtype=F64) * 0.2), "line")
                  for n_pre, n_post in pairwise([6, 8, 5])]  # fmt: skip
        net = EPNetwork(layers, dynamics=Dynamics(beta_sign="positive", contrast=contrast))
        written.append([la.written(products).dense() for la, products in net.contrast(net.respond(x), d)])
    for one, other in zip(*written, strict=True):
        torch.testing.assert_close(one, other)


class NoWaiting(TorchDispatchMode):
    """Fails where a GPU would have to be waited for: its graphs cannot record that."""

    WAITS = (
        "_local_scalar_dense", "item", "nonzero", "masked_select", "_unique", "unique_consecutive", "bincount",
        "repeat_interleave", "equal", "is_nonzero", "_to_copy",
    )  # fmt: skip

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert name not in self.WAITS, name
        if name.startswith("index"):
            assert not any(isinstance(i, Tensor) and i.dtype == torch.bool for i in tree_leaves(args)), "a mask"
        return func(*args, **(kwargs or {}))


def analog_layers(remedy: str = "none", held: bool = True, **path: Any) -> list[Layer]:
    """Layers 6-8-7-5 on analog arrays; `held`: their reads take from memory that stays, as on a GPU."""
    layers = []
    for i, (n_pre, n_post) in enumerate(pairwise([6, 8, 7, 5])):
        g = torch.Generator().manual_seed(i)
        weights = torch.randn(n_post, n_pre, generator=g) * 0.1
        population = DevicePopulation(SoftBounds(), Retention(diffusion=0.02), read_noise=0.01)
        array = AnalogArray(weights, population, remedy, ReadPath(**path), generator=g, compensation="per-column")
        array._held = {} if held else None
        layers.append(Layer(array))
    return layers


READS: tuple[dict[str, Any], ...] = (
    {}, {"relative_noise": 0.05}, {"coding": "bit-serial"}, {"signed_passes": True, "column_gain": 0.1},
)  # fmt: skip


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
@pytest.mark.parametrize("path", [*READS, None], ids=str)
def test_a_relaxation_never_waits_for_a_gpu(path: dict[str, Any] | None, loss: str) -> None:
    """With 65 samples, so that states are laid out as on a GPU."""
    layers = layers_of([6, 8, 7, 5], 0.3) if path is None else analog_layers(**path)
    net = EPNetwork(layers, loss=loss, dropout=[0.2] * 4)
    dtype = net.dtype
    state = net.respond(torch.rand(65, 6, dtype=dtype), train=True)  # reads are brought up to date
    with NoWaiting():
        net._relax(list(state.states), state.x, state.held, state.masks, 3, 0.2, torch.rand(65, 5, dtype=dtype))


class Recorder:
    """Stands in for CUDA graphs: a replay works on the recorded call's buffers, and takes weights from where they were.

    Unlike a graph it runs Python again, so what a graph would not see is checked apart: that memory stays.
    """

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, function: Function, buffers: Inputs, generators: list[torch.Generator]) -> Replay:
        self.made += 1
        return lambda: function(buffers)


def recorded(layers: list[Layer]) -> tuple[EPNetwork, Recorder]:
    net, recorder = EPNetwork(layers, dynamics=Dynamics(free_steps=6, nudged_steps=4)), Recorder()
    net._captured = Capture(recorder)
    return net, recorder


def trained(net: EPNetwork, batches: int, seed: int = 3) -> list[Tensor]:
    """Train a few batches, and return every free state."""
    g = torch.Generator().manual_seed(seed)
    states: list[Tensor] = []
    for _ in range(batches):
        x, d = torch.rand(4, 6, generator=g, dtype=torch.float64), torch.rand(4, 5, generator=g, dtype=torch.float64)
        state = net.respond(x.to(net.dtype), train=True)
        for layer, products in net.contrast(state, d.to(net.dtype)):
            layer.update(products, 0.05)
        net.elapse(1.0)
        states += state.states
    return states


@pytest.mark.parametrize("kind", ["ideal", "none", "differential"])
def test_a_recorded_relaxation_is_the_plain_one_and_is_recorded_once(kind: str) -> None:
    def layers() -> list[Layer]:
        return layers_of([6, 8, 7, 5], 0.3) if kind == "ideal" else analog_layers(kind)

    plain = EPNetwork(layers(), dynamics=Dynamics(free_steps=6, nudged_steps=4))
    net, recorder = recorded(layers())
    for one, other in zip(trained(net, 5), trained(plain, 5), strict=True):
        assert torch.equal(one, other)
    assert recorder.made == 2  # free and nudged: weights, beta's sign and targets change in place


def test_what_reads_take_from_stays_where_it_is() -> None:
    net, recorder = recorded(analog_layers("differential"))
    trained(net, 2)
    saved = net.state_dict()
    before = [t.data_ptr() for layer in net.layers for t in layer.array.sources()[0]]  # type: ignore[attr-defined]
    first = trained(net, 2)
    net.load_state_dict(saved)
    net.signs.manual_seed(0)
    assert [t.data_ptr() for la in net.layers for t in la.array.sources()[0]] == before  # type: ignore[attr-defined]
    for one, other in zip(trained(net, 2)[:3], first[:3], strict=True):
        assert torch.equal(one, other)  # from a checkpoint, the same draws
    assert recorder.made == 2


def test_moved_memory_is_recorded_anew_and_tiles_are_not_recorded() -> None:
    net, recorder = recorded(analog_layers("differential", held=False))
    trained(net, 3)
    assert recorder.made > 2
    net, recorder = recorded([Layer(TiledArray(torch.rand(5, 6), (3, 3), lambda block, place: IdealArray(block)))])
    net._relax([torch.zeros(2, 5)], torch.rand(2, 6), None, (None, None), 2)
    assert recorder.made == 0


def test_exact_reads_are_no_promise_that_memory_stays() -> None:
    """An exact array that keeps its weights elsewhere after each write: a recording would read the old ones."""

    class Elsewhere(IdealArray):
        sources = SynapseArray.sources  # says nothing

        def update(self, products: OuterProducts, rate: float) -> Writes:
            self._columns = self._columns.clone()
            return super().update(products, rate)

    def layers(kind: type[IdealArray]) -> list[Layer]:
        return layers_of([6, 8, 7, 5], 0.3, kind=kind)

    net, recorder = recorded(layers(Elsewhere))
    plain = EPNetwork(layers(IdealArray), dynamics=Dynamics(free_steps=6, nudged_steps=4))
    for one, other in zip(trained(net, 3), trained(plain, 3), strict=True):
        assert torch.equal(one, other)
    assert recorder.made == 0

"""What does a graphics card do? Training and pulsed updates on it beside bare products, clusters beside a core."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from neurohw.bench.analog import captured_products
from neurohw.bench.epochs import Batches
from neurohw.bench.rounds import Figure, in_rounds
from neurohw.bench.throughput import bare_products, repeated
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.deepstdp.poisson import spike_trains
from neurohw.deepstdp.stdp_network import STDPNetwork
from neurohw.deepstdp.stdp_parameters import STDPParameters
from neurohw.deepstdp.torch_network import TorchNetwork
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment

_ANALOG = {"hardware.backend": "analog", "ep.contrast": "difference"}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "BP 784-2000": ("mnist_unsupervised_bp_1layer", {}),
    "BP 784-2000, ecram": ("mnist_unsupervised_bp_1layer", {"hardware.backend": "analog", "hardware.device": "ecram"}),
    "EP 784-2000": ("mnist_unsupervised_ep_1layer", {}),
    "EP 784-2000-2000": ("mnist_unsupervised_ep_2layer", {}),
    "EP 784-2000-2000, soft_bounds": ("mnist_unsupervised_ep_2layer", {**_ANALOG, "hardware.device": "soft_bounds"}),
    "EP 784-2000-2000, reram_es": ("mnist_unsupervised_ep_2layer", {**_ANALOG, "hardware.device": "reram_es"}),
    "semi-supervised EP 784-5000-10": ("mnist_semi_ep", {"data.labels": 600}),
}
_MS_GOALS = {"EP 784-2000-2000": 4.8}  # 100 epochs of MNIST, 187,500 batches, in 15 minutes
WRITTEN = ("soft_bounds", "ecram", "reram_es")
_PRECISIONS = {"float32": "highest", "TF32": "high"}  # of products, as torch names them
_BATCHES = 40  # trained at once
_REPEATS = 20  # of an update, between two waits for the GPU
_SAMPLES = (4, 512)  # that STDP learns from, and that it labels
_CAPTURED = 300  # batches of BP 784-2000-2000 after which the errors are taken


class CardFigure(Figure, frozen=True):
    """A figure of a GPU, with images trained, or cells written, per second."""

    per_second: float


def card(networks: tuple[str, ...] = tuple(NETWORKS), written: tuple[str, ...] = WRITTEN, batches: int = _BATCHES,
         captured: int = _CAPTURED, samples: tuple[int, int] = _SAMPLES, device: str = "cuda",
) -> list[CardFigure]:  # fmt: skip
    """Return each network's training and each device's writing over their bare products; nothing without a GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        return []
    figures = [_network(key, precision, batches, device) for key in networks for precision in _PRECISIONS]
    return [*figures, *_products(batches, device), *_writes(written, captured, device), *_clusters(samples, device)]


def _network(key: str, precision: str, batches: int, device: str) -> CardFigure:
    """Time the training of a network, and the products that it cannot do without."""
    name, overrides = NETWORKS[key]
    experiment = load_experiment(name, overrides)
    with _products_in(precision):
        trained = Batches(experiment, batches, device)
        calls = {"trained": trained.train, "products": repeated(bare_products(experiment, device), batches)}
        timed = in_rounds(calls, clock=_clock(device))
    figure = timed.figure(
        f"{key}, {precision}: over its products", "trained", "products", "lower", batches, _MS_GOALS.get(key)
    )
    return _with_rate(figure, len(trained.images) // batches)


def _products(batches: int, device: str) -> list[CardFigure]:
    """Time the bare products of EP 784-2000-2000 in each precision."""
    experiment = load_experiment("mnist_unsupervised_ep_2layer")
    calls: dict[str, Callable[[], None]] = {}
    for precision in (*_PRECISIONS, "bfloat16"):
        products = bare_products(experiment, device, torch.bfloat16 if precision == "bfloat16" else torch.float32)
        calls[precision] = _in_precision(precision, repeated(products, batches))
    timed = in_rounds(calls, clock=_clock(device))
    figures = [
        timed.figure(f"products of EP 784-2000-2000, {precision} over float32", precision, "float32", "<= 1", batches)
        for precision in calls
    ]
    return [_with_rate(figure, experiment.training.batch_size) for figure in figures]


def _writes(names: tuple[str, ...], captured: int, device: str) -> list[CardFigure]:
    """Time pulsed updates of 2000 x 2000 cells with activations and errors of BP."""
    (post, pre), = captured_products((captured,), "mnist_unsupervised_bp_2layer", 1, device).values()  # fmt: skip
    products, figures = OuterProducts((Product(post, pre),), scale=1.0), []
    for name in names:
        population = DevicePopulation.of(load_device(name))
        rate = 3 * population.response.granularity / float((post.abs().amax(1) * pre.amax(1)).mean())
        weights = torch.zeros(post.shape[1], pre.shape[1], device=device)
        array = AnalogArray(weights, population, generator=torch.Generator(device).manual_seed(0))
        calls = {
            "pulsed": repeated(partial(array.update, products, rate), _REPEATS),
            "product": repeated(partial(torch.matmul, post.T, pre), _REPEATS),
        }
        title = f"pulsed update of 2000 x 2000 {name}, batch {len(post)}: over its outer product"
        figure = in_rounds(calls, clock=_clock(device)).figure(title, "pulsed", "product", "lower", _REPEATS)
        figures.append(_with_rate(figure, weights.numel()))
    return figures


def _clusters(samples: tuple[int, int], device: str) -> list[CardFigure]:
    """Time STDP clustering, 512 inputs, 100 neurons and 400 steps, over the compiled engine on a core of the CPU."""
    parameters, figures = STDPParameters(), []
    compiled = STDPNetwork(512, 100, parameters, torch.Generator().manual_seed(0))
    card = TorchNetwork(512, 100, parameters, torch.Generator().manual_seed(0), device)
    for learn, n in zip((True, False), samples, strict=True):
        features = torch.full((n, 256), 1 / 16, device=device)
        spikes = spike_trains(features, 1.0, parameters.timesteps, torch.Generator(device).manual_seed(0))
        calls = {
            "torch": partial(card.present, spikes, learn=learn),
            "compiled": partial(compiled.present, spikes.cpu(), learn=learn),
        }
        title = f"STDP, {'learning from' if learn else 'labelling'} {n} samples: over the compiled engine on the CPU"
        figure = in_rounds(calls, clock=_clock(device)).figure(title, "torch", "compiled", "lower", n)
        figures.append(_with_rate(figure, 1))
    return figures


def _with_rate(figure: Figure, amount: int) -> CardFigure:
    return CardFigure(**figure.model_dump(), per_second=1e3 * amount / figure.ms)


def _clock(device: str) -> Callable[[], float]:
    """Return a clock that waits until the GPU has finished."""

    def seconds() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    return seconds


def _in_precision(precision: str, call: Callable[[], None]) -> Callable[[], None]:
    def inside() -> None:
        with _products_in(precision):
            call()

    return inside


@contextmanager
def _products_in(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(_PRECISIONS.get(precision, before))
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)

"""What does a graphics card do? Training and pulsed updates on it, each beside its bare matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import torch

from neurohw.bench.analog import captured_products
from neurohw.bench.epochs import Batches
from neurohw.bench.throughput import bare_products
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment

Rows = list[dict[str, Any]]
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
WRITTEN = ("soft_bounds", "ecram", "reram_es")
_PRECISIONS = {"float32": "highest", "TF32": "high"}  # of products, as torch names them
_BATCHES = 40  # trained at once
_REPEATS = 5
_PRODUCTS = 20  # bare products are so short that several are timed at once
_CAPTURED = 300  # batches of BP 784-2000-2000 after which the errors are taken


def card(networks: tuple[str, ...] = tuple(NETWORKS), written: tuple[str, ...] = WRITTEN, batches: int = _BATCHES,
         captured: int = _CAPTURED, device: str = "cuda") -> Rows:  # fmt: skip
    """Return images per second of each network and cells written per second, medians of 5; nothing without a GPU."""
    if device == "cuda" and not torch.cuda.is_available():
        return []
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    rows = [_network(key, precision, batches, device) for key in networks for precision in _PRECISIONS]
    rows += _products(device)
    rows += _writes(written, captured, device)
    return [{**row, "card": name, "torch": torch.__version__} for row in rows]


def _network(key: str, precision: str, batches: int, device: str) -> dict[str, Any]:
    """Time the training of a network, and the products that it cannot do without."""
    name, overrides = NETWORKS[key]
    experiment = load_experiment(name, overrides)
    with _products_in(precision):
        trained = Batches(experiment, batches, device)
        ms = _milliseconds(trained.train, device) / batches
        bare = _milliseconds(_repeated(bare_products(experiment, device)), device) / _PRODUCTS
    per_second = 1e3 * len(trained.images) / batches / ms
    return {
        "figure": f"{key}, {precision}: images per second",
        "value": per_second,
        "ms": ms,
        "over bare products": ms / bare,
        "minutes of 100 epochs": 100 * 60_000 / per_second / 60,
    }


def _products(device: str) -> Rows:
    """Time the bare products of EP 784-2000-2000 in each precision."""
    experiment = load_experiment("mnist_unsupervised_ep_2layer")
    rows = []
    for precision in (*_PRECISIONS, "bfloat16"):
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        with _products_in(precision):
            ms = _milliseconds(_repeated(bare_products(experiment, device, dtype)), device) / _PRODUCTS
        per_second = 1e3 * experiment.training.batch_size / ms
        rows.append(_plain(f"bare products of EP 784-2000-2000, {precision}: images per second", per_second, ms))
    return rows


def _writes(names: tuple[str, ...], captured: int, device: str) -> Rows:
    """Time pulsed updates of 2000 x 2000 cells with activations and errors of BP."""
    (post, pre), = captured_products((captured,), "mnist_unsupervised_bp_2layer", 1, device).values()  # fmt: skip
    products, rows = OuterProducts((Product(post, pre),), scale=1.0), []
    for name in names:
        population = DevicePopulation.of(load_device(name))
        rate = 3 * population.response.granularity / float((post.abs().amax(1) * pre.amax(1)).mean())
        weights = torch.zeros(post.shape[1], pre.shape[1], device=device)
        array = AnalogArray(weights, population, generator=torch.Generator(device).manual_seed(0))
        ms = _milliseconds(partial(array.update, products, rate), device)
        figure = f"pulsed update of 2000 x 2000 {name}, batch {len(post)}: cells per second"
        rows.append(_plain(figure, 1e3 * weights.numel() / ms, ms))
    return rows


def _plain(figure: str, value: float, ms: float) -> dict[str, Any]:
    return {"figure": figure, "value": value, "ms": ms, "over bare products": "", "minutes of 100 epochs": ""}


@contextmanager
def _products_in(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(_PRECISIONS.get(precision, before))
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _repeated(call: Callable[[], None]) -> Callable[[], None]:
    def several() -> None:
        for _ in range(_PRODUCTS):
            call()

    return several


def _milliseconds(call: Callable[[], Any], device: str) -> float:
    """Return the median time of a call until the GPU has ended it; the first two warm up."""
    times = []
    for _ in range(_REPEATS + 2):
        start = time.perf_counter()
        call()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e3)
    return median(times[2:])

"""How fast is the analog engine, against aihwkit's C++ tile, the bare matrix product, and ideal arrays?

Both engines have the same device (aihwkit's default soft bounds), read path and pulse trains; they take turns in one
process, and medians are reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor

from neurohw.bench.epochs import Batches
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import PLAIN
from neurohw.devices.laws import SoftBounds
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment
from neurohw.networks.layer import Layer

Rows = list[dict[str, Any]]
_SHAPE = (2000, 784)
_LEARNING_RATE = 0.01
_CAPTURED = (100, 3000)  # batches after which activations and errors are taken
_MNIST_DENSITY = 0.19  # share of pixels that are not 0
_NO_FLAGS = (False, False, False, False)


def analog(shape: tuple[int, int] = _SHAPE, repeats: int = 15, captured: tuple[int, ...] = _CAPTURED) -> Rows:
    """Return the figures of reads, of pulsed updates and of EP on analog arrays, each beside its goal."""
    relaxed = relaxations(repeats=max(3, repeats // 3))
    return [*reads(shape, repeats), *updates(shape, repeats, captured), *rounds(repeats), *relaxed]


def reads(shape: tuple[int, int], repeats: int) -> Rows:
    """Time noisy reads at batch 16 and 512: constant noise, and noise that depends on the weight."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(shape, generator=generator) * 0.05
    rows = []
    for batch, faster, slower in ((16, 8.0, 2.5), (512, 12.0, 2.2)):
        inputs = torch.rand(batch, shape[1], generator=generator)
        array, tile, _cells = _twins(weights, ReadPath())
        relative = AnalogArray(weights, _device(), read_path=ReadPath(relative_noise=0.05))
        calls = {
            "bare": partial(torch.matmul, inputs, weights.t()),
            "ours": partial(array.read, inputs),
            "relative": partial(relative.read, inputs),
            "aihwkit": partial(tile.forward, inputs, *_NO_FLAGS, False),
        }
        ms = _in_turns(calls, repeats)
        name = f"read, batch {batch}"
        rows += [
            _row(f"{name}: aihwkit over ours", ms["aihwkit"] / ms["ours"], f">= {faster}", ms["ours"]),
            _row(f"{name}: ours over bare product", ms["ours"] / ms["bare"], f"<= {slower}", ms["ours"]),
            _row(f"{name}, weight-dependent noise: over bare", ms["relative"] / ms["bare"], "<= 3.3", ms["relative"]),
        ]
    return rows


def updates(shape: tuple[int, int], repeats: int, captured: tuple[int, ...]) -> Rows:
    """Time pulsed updates on activations and errors of a real epoch of MNIST, and on the winners' rows alone."""
    generator = torch.Generator().manual_seed(0)
    array, tile, _cells = _twins(torch.randn(shape, generator=generator) * 0.1, ReadPath())
    tile.set_learning_rate(_LEARNING_RATE)
    rows = []
    for batches, (post, pre) in captured_products(captured).items():
        winners = post.clamp(min=0)
        for name, goal, errors in (("all rows", "<= 1.5", post), ("few rows", "<= 1", winners)):
            products = OuterProducts((Product(errors, pre),), scale=1.0)
            calls = {
                "ours": partial(array.update, products, _LEARNING_RATE),
                "aihwkit": partial(tile.update, pre, -errors, *_NO_FLAGS),
            }
            ms = _in_turns(calls, repeats)
            active = int((errors != 0).any(0).sum())
            title = f"update after {batches} batches, {name} ({active}): over aihwkit"
            rows.append(_row(title, ms["ours"] / ms["aihwkit"], goal, ms["ours"]))
    return rows


def rounds(repeats: int, shape: tuple[int, int] = (500, 784)) -> Rows:
    """Time pulsed updates at batch 1, 16 and 128 against the same ones with all rising pulses before the falling ones.

    Inputs are as sparse as MNIST's, errors have both signs; the largest product of a sample is worth 3 pulses.
    """
    generator = torch.Generator().manual_seed(0)
    rows = []
    for name in ("soft_bounds", "ecram", "reram_es", "reram_array_om"):
        device = DevicePopulation.of(load_device(name))
        array = AnalogArray(torch.zeros(shape), device)
        together = array.cells.together
        for batch in (1, 16, 128):
            inputs = torch.rand(batch, shape[1], generator=generator)
            pre = inputs * (torch.rand(inputs.shape, generator=generator) < _MNIST_DENSITY)
            post = torch.randn(batch, shape[0], generator=generator)
            rate = 3 * device.response.granularity / float((post.abs().amax(1) * pre.amax(1)).mean())
            products = OuterProducts((Product(post, pre),), scale=1.0)

            def written(pulses: float | None, products: OuterProducts = products, rate: float = rate,
                        array: AnalogArray = array) -> None:  # fmt: skip
                array.cells.together = pulses
                array.update(products, rate)

            ms = _in_turns({"in rounds": partial(written, together), "apart": partial(written, None)}, repeats)
            title = f"update of {name}, batch {batch}: in rounds over rising before falling"
            rows.append(_row(title, ms["in rounds"] / ms["apart"], "<= 1.3", ms["in rounds"]))
    return rows


def captured_products(
    batches: tuple[int, ...], name: str = "mnist_unsupervised_bp_1layer", layer: int = 0, device: str = "cpu"
) -> dict[int, tuple[Tensor, Tensor]]:
    """Return errors [B, N_post] and activations [B, N_pre] of a layer after so many batches of an experiment."""
    captured: dict[int, tuple[Tensor, Tensor]] = {}
    epoch = Batches(load_experiment(name), max(batches), device)
    seen = 0

    class Watched(Layer):
        """A layer that notes what it is asked to write."""

        def update(self, products: OuterProducts, rate: float) -> Any:
            nonlocal seen
            seen += 1
            if seen in batches:
                captured[seen] = (products.terms[0].post.clone(), products.terms[0].pre.clone())
            return Layer.update(self, products, rate)

    epoch.layers[layer].__class__ = Watched
    epoch.train()
    return captured


def relaxations(batches: int = 3, repeats: int = 5) -> Rows:
    """Time EP 784-2000-2000 on analog arrays with read noise against the same steps on ideal arrays."""
    ideal = load_experiment("mnist_unsupervised_ep_2layer")
    hardware = {"hardware.backend": "analog", "hardware.device": "soft_bounds", "ep.contrast": "difference"}
    noisy = load_experiment("mnist_unsupervised_ep_2layer", hardware)
    calls = {"ideal": Batches(ideal, batches).train, "analog": Batches(noisy, batches).train}
    ms = _in_turns(calls, repeats)
    name, images = "EP 784-2000-2000", 1e3 * batches * ideal.training.batch_size
    return [
        _row(f"{name}: analog over ideal", ms["analog"] / ms["ideal"], "<= 1.6", ms["analog"] / batches),
        *(_row(f"{name}: {kind}, images/s", images / ms[kind], "", ms[kind] / batches) for kind in calls),
    ]


def _device() -> DevicePopulation:
    return DevicePopulation(SoftBounds())


def _twins(weights: Tensor, path: ReadPath) -> tuple[AnalogArray, Any, Tensor]:
    """Return an analog array, a bare tile of aihwkit with the same device, read path and weights, and its memory."""
    from neurohw.crossbar.aihwkit.rpu_config import build_rpu_config
    from neurohw.crossbar.aihwkit.tile_state import new_tile

    config = build_rpu_config("soft_bounds", PLAIN, path, path, PulseScheme(), 1, {}, {})
    tile, cells = new_tile(config, (weights.shape[0], weights.shape[1]))
    tile.set_weights(weights)
    return AnalogArray(weights, _device(), read_path=path), tile, cells


def _in_turns(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median time of each call in ms; the first two turns warm up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: median(values[2:]) for name, values in times.items()}


def _row(figure: str, value: float, goal: str, ms: float) -> dict[str, Any]:
    return {"figure": figure, "ratio": value, "goal": goal, "ms": ms, "threads": torch.get_num_threads()}

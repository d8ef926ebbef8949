"""How fast is the analog engine, against aihwkit's C++ tile, the bare matrix product, and ideal arrays?

Both engines have the same device (aihwkit's default soft bounds), read path and pulse trains.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from neurohw.bench.epochs import Batches
from neurohw.bench.rounds import ROUNDS, Figure, in_rounds
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.precision import multiplies_bfloat16
from neurohw.crossbar.remedies import PLAIN
from neurohw.devices.laws import SoftBounds
from neurohw.devices.library import load_device
from neurohw.loading import load_experiment
from neurohw.networks.layer import Layer

_SHAPE = (2000, 784)
_LEARNING_RATE = 0.01
_CAPTURED = (100, 3000)  # batches after which activations and errors are taken
_MNIST_DENSITY = 0.19  # share of pixels that are not 0
_BFLOAT16 = multiplies_bfloat16(torch.device("cpu"))
_NO_FLAGS = (False, False, False, False)


def analog(
    shape: tuple[int, int] = _SHAPE, rounds: int = ROUNDS, captured: tuple[int, ...] = _CAPTURED
) -> list[Figure]:
    """Return the figures of reads, of pulsed updates and of EP on analog arrays, each beside its goal."""
    return [*reads(shape, rounds), *updates(shape, rounds, captured), *interleaved(rounds), *relaxations(rounds)]


def reads(shape: tuple[int, int], rounds: int) -> list[Figure]:
    """Time noisy reads at batch 16 and 512: constant noise, and noise that depends on the weight."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(shape, generator=generator) * 0.05
    figures = []
    for batch, faster, slower in ((16, ">= 12", "<= 2.5"), (512, ">= 40", "<= 2.2")):
        inputs = torch.rand(batch, shape[1], generator=generator)
        array, tile, _cells = _twins(weights, ReadPath())
        relative = AnalogArray(weights, _device(), read_path=ReadPath(relative_noise=0.05))
        calls = {
            "bare": partial(torch.matmul, inputs, weights.t()),
            "ours": partial(array.read, inputs),
            "relative": partial(relative.read, inputs),
            "aihwkit": partial(tile.forward, inputs, *_NO_FLAGS, False),
        }
        if _BFLOAT16:
            calls["bfloat16"] = partial(AnalogArray(weights, _device(), precision="bfloat16").read, inputs)
        timed = in_rounds(calls, rounds)
        name = f"noisy read of {shape[1]} x {shape[0]}, batch {batch}"
        figures += [
            timed.figure(f"{name}: aihwkit over ours", "aihwkit", "ours", faster),
            timed.figure(f"{name}: ours over bare product", "ours", "bare", slower),
            timed.figure(f"{name}, weight-dependent noise: ours over bare product", "relative", "bare", "<= 3.3"),
        ]
        if _BFLOAT16:
            figures.append(timed.figure(f"{name}: in bfloat16 over float32", "bfloat16", "ours", "<= 0.8"))
    return figures


def updates(shape: tuple[int, int], rounds: int, captured: tuple[int, ...]) -> list[Figure]:
    """Time pulsed updates on activations and errors of a real epoch of MNIST, and on the winners' rows alone."""
    generator = torch.Generator().manual_seed(0)
    array, tile, _cells = _twins(torch.randn(shape, generator=generator) * 0.1, ReadPath())
    tile.set_learning_rate(_LEARNING_RATE)
    figures = []
    for batches, (post, pre) in captured_products(captured).items():
        for rows, errors in (("all rows", post), ("few rows", post.clamp(min=0))):
            products = OuterProducts((Product(errors, pre),), scale=1.0)
            calls = {
                "ours": partial(array.update, products, _LEARNING_RATE),
                "aihwkit": partial(tile.update, pre, -errors, *_NO_FLAGS),
            }
            name = f"pulsed update after {batches} batches, {rows}: ours over aihwkit"
            figures.append(in_rounds(calls, rounds).figure(name, "ours", "aihwkit", "<= 0.9"))
    return figures


def interleaved(rounds: int, shape: tuple[int, int] = (500, 784)) -> list[Figure]:
    """Time pulsed updates at batch 1, 16 and 128 against the same ones with all rising pulses before the falling ones.

    Inputs are as sparse as MNIST's, errors have both signs; the largest product of a sample is worth 3 pulses.
    """
    generator = torch.Generator().manual_seed(0)
    figures = []
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

            timed = in_rounds({"in turn": partial(written, together), "apart": partial(written, None)}, rounds)
            title = f"update of {name}, batch {batch}: samples in turn over rising before falling"
            figures.append(timed.figure(title, "in turn", "apart", "<= 1.3"))
    return figures


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


def relaxations(rounds: int, batches: int = 3) -> list[Figure]:
    """Time EP 784-2000-2000 on analog arrays with read noise against the same on ideal arrays, and in bfloat16."""
    ideal = load_experiment("mnist_unsupervised_ep_2layer")
    hardware = {"hardware.backend": "analog", "hardware.device": "soft_bounds", "ep.contrast": "difference"}
    noisy = load_experiment("mnist_unsupervised_ep_2layer", hardware)
    calls = {"ideal": Batches(ideal, batches).train, "analog": Batches(noisy, batches).train}
    if _BFLOAT16:
        rounded = load_experiment("mnist_unsupervised_ep_2layer", {**hardware, "hardware.precision": "bfloat16"})
        calls["bfloat16"] = Batches(rounded, batches).train
    timed, name = in_rounds(calls, rounds), "EP 784-2000-2000, batch 32"
    figures = [timed.figure(f"{name}: analog over ideal arrays", "analog", "ideal", "<= 1.3", batches)]
    if _BFLOAT16:
        title = f"{name}, analog: in bfloat16 over float32"
        figures.append(timed.figure(title, "bfloat16", "analog", "<= 0.8", batches))
    return figures


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

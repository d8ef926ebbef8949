"""A convolution, as a file of `neurohw/networks/` would write it: a wiring, a pooling, and a network of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from neurohw.clock import Clock
from neurohw.errors import InputError
from neurohw.networks.base import MakeArray
from neurohw.networks.bp import BPNetwork
from neurohw.networks.layer import Layer, Wiring
from neurohw.networks.rules import Settings
from neurohw.networks.stage import Pooling
from neurohw.seeding import Streams


class Patches(Wiring):
    """Patches of kernel x kernel pixels, one vector each; the array's outputs are the channels of one position."""

    def __init__(self, image: tuple[int, int, int], channels: int, kernel: int) -> None:
        inputs, height, width = image
        self.image, self.kernel, self.lines = image, kernel, inputs * kernel**2
        self.map = channels, height - kernel + 1, width - kernel + 1
        self.vectors = self.map[1] * self.map[2]
        super().__init__(inputs * height * width, channels * self.vectors)

    def pre(self, neurons: Tensor) -> Tensor:
        return F.unfold(neurons.reshape(-1, *self.image), self.kernel).transpose(1, 2).reshape(-1, self.lines)

    def pre_sum(self, lines: Tensor) -> Tensor:
        patches = lines.reshape(-1, self.vectors, self.lines).transpose(1, 2)
        return F.fold(patches, self.image[1:], self.kernel).flatten(1)

    def post(self, neurons: Tensor) -> Tensor:
        return neurons.reshape(-1, self.map[0], self.vectors).transpose(1, 2).reshape(-1, self.map[0])

    def post_neurons(self, lines: Tensor) -> Tensor:
        return lines.reshape(-1, self.vectors, self.map[0]).transpose(1, 2).flatten(1)


class MaxPool:
    """The largest of every size x size neurons of a map."""

    def __init__(self, shape: tuple[int, int, int], size: int) -> None:
        self.shape, self.size = shape, size
        self.n_out = shape[0] * (shape[1] // size) * (shape[2] // size)
        self.adds = shape[0] * shape[1] * shape[2]

    def __call__(self, active: Tensor) -> Tensor:
        return F.max_pool2d(active.reshape(-1, *self.shape), self.size).flatten(1)

    def back(self, active: Tensor, error: Tensor) -> Tensor:
        pooled, where = F.max_pool2d(active.reshape(-1, *self.shape), self.size, return_indices=True)
        return F.max_unpool2d(error.reshape(pooled.shape), where, self.size, output_size=self.shape[1:]).flatten(1)


class ConvNetwork(BPNetwork):
    """A convolution and its pooling, then dense layers, trained by backpropagation."""

    @classmethod
    def layers_for(cls, settings: Settings, make: MakeArray) -> list[Layer]:
        wiring, pool = _first(settings)
        if settings.sizes[1] != pool.n_out:
            raise InputError(f"network.layers: got {settings.sizes[1]} after the input; allowed: {pool.n_out}, what is "
                             f"pooled of {' x '.join(map(str, wiring.map))}")  # fmt: skip
        first = Layer(make(wiring.map[0], wiring.lines), settings.bias, wiring)
        return [first, *super().layers_for(replace(settings, sizes=settings.sizes[1:]), make)]

    @classmethod
    def built(
        cls,
        layers: Sequence[Layer],
        settings: Settings,
        streams: Streams,
        clock: Clock,
        pools: Sequence[Pooling | None] = (),
    ) -> BPNetwork:
        return super().built(layers, settings, streams, clock, (_first(settings)[1], *(None for _ in layers[1:])))


def _first(settings: Settings) -> tuple[Patches, MaxPool]:
    channels, kernel, pool = (int(settings.parameters[key]) for key in ("channels", "kernel", "pool"))
    if settings.image is None or min(settings.image[1:]) < kernel + pool - 1:
        raise InputError(f"network.parameters.kernel: got {kernel} with a pool of {pool}; images are {settings.image}")
    wiring = Patches(settings.image, channels, kernel)
    return wiring, MaxPool(wiring.map, pool)

"""Convolutions on crossbars: kernels as one array, read once for each position, and the pooling of its neurons.

The kernels of a convolution are an array [C_out, k k C_in]; a sample is presented to it as one vector for each
position, its patch (im2col), row after row of pixels, the channels of a pixel together. Maps are flat, [B, H W C],
position after position, so that what an array reads at all positions is a map as it is; the images that a network gets
are [B, C H W], channel after channel.
"""

from __future__ import annotations

import abc

import torch
import torch.nn.functional as F
from torch import Tensor

from neurohw.networks.layer import Wiring
from neurohw.networks.shapes import Convolution, Image, StageShape


class Patches(Wiring):
    """Patches of kernel x kernel pixels, one vector each; an array's outputs are the channels at one position.

    Args:
        image: channels, height and width of what is convolved.
        convolution: see `Convolution`.
        first: it is the network's input, channel after channel.

    Attributes:
        maps: channels, height and width of the neurons.
    """

    def __init__(self, image: Image, convolution: Convolution, first: bool) -> None:
        self._image, self._first = image, first
        self._kernel, self._stride = convolution.kernel, convolution.stride
        self._padding = convolution.padding
        self.maps = convolution.maps(image)
        self.vectors = self.maps[1] * self.maps[2]
        super().__init__(image[0] * image[1] * image[2], self.maps[0] * self.vectors)
        self.adds = _overlap(self.pre_sum(torch.ones(self.vectors, self._kernel**2 * image[0])))

    def pre(self, neurons: Tensor) -> Tensor:
        """Return the patches, [B, n_pre] -> [B positions, k k C]."""
        channels, height, width = self._image
        if self._first:
            images = neurons.reshape(-1, channels, height, width).permute(0, 2, 3, 1)
        else:
            images = neurons.reshape(-1, height, width, channels)
        if self._padding:
            images = F.pad(images, (0, 0, *(self._padding,) * 4))
        patches = images.unfold(1, self._kernel, self._stride).unfold(2, self._kernel, self._stride)
        return patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, self._kernel**2 * channels)

    def pre_sum(self, lines: Tensor) -> Tensor:
        """Return the sum over the patches that a pixel is in, [B positions, k k C] -> [B, n_pre]."""
        (channels, height, width), (_, rows, columns) = self._image, self.maps
        p, s = self._padding, self._stride
        patches = lines.reshape(-1, rows, columns, self._kernel, self._kernel, channels)
        padded = lines.new_zeros(len(patches), height + 2 * p, width + 2 * p, channels)
        for i in range(self._kernel):
            for j in range(self._kernel):
                padded[:, i : i + s * rows : s, j : j + s * columns : s] += patches[:, :, :, i, j]
        images = padded[:, p : p + height, p : p + width]
        return (images.permute(0, 3, 1, 2) if self._first else images).flatten(1)

    def post(self, neurons: Tensor) -> Tensor:
        """Return the channels at each position, [B, H W C] -> [B positions, C]."""
        return neurons.reshape(-1, self.maps[0])

    def post_neurons(self, lines: Tensor) -> Tensor:
        """Return the maps, [B positions, C] -> [B, H W C]."""
        return lines.reshape(-1, self.n_post)


class MapPool(abc.ABC):
    """Pooling of every window of every map.

    Args:
        maps: channels, height and width of the neurons; convolution: has the windows.
    """

    def __init__(self, maps: Image, convolution: Convolution) -> None:
        self._maps, self._pooled = maps, convolution.pooled(maps)
        self._window = convolution.pool_size, convolution.pool_step, convolution.pool_padding
        self.n_out = self._pooled[0] * self._pooled[1] * self._pooled[2]
        self.adds = self.n_out * (convolution.pool_size**2 - 1)

    def __call__(self, active: Tensor) -> Tensor:
        """Return the outputs, [B, n_out], of neurons [B, n]."""
        return _flat(self._pool(_maps(active, self._maps)))

    def back(self, active: Tensor, error: Tensor) -> Tensor:
        """Return the error at the neurons, [B, n], of that at the outputs, [B, n_out]."""
        return _flat(self._spread(_maps(active, self._maps), _maps(error, self._pooled)))

    @property
    @abc.abstractmethod
    def adds_back(self) -> int:
        """Additions that `back` takes per sample, where windows overlap."""

    @abc.abstractmethod
    def _pool(self, maps: Tensor) -> Tensor:
        """Return what is left of maps [B, C, H, W]."""

    @abc.abstractmethod
    def _spread(self, maps: Tensor, error: Tensor) -> Tensor:
        """Return the error at the maps of that at the windows, [B, C, H', W']."""


class AveragePool(MapPool):
    """The mean of every window, in which what is padded counts as 0."""

    @property
    def adds_back(self) -> int:
        """A neuron's errors, of all windows that it is in."""
        spread = self._spread(torch.zeros(1, *self._maps), torch.ones(1, *self._pooled))
        return _overlap(spread.mul_(self._window[0] ** 2).round_())

    def _pool(self, maps: Tensor) -> Tensor:
        return F.avg_pool2d(maps, *self._window)

    def _spread(self, maps: Tensor, error: Tensor) -> Tensor:
        size, step, padding = ([n, n] for n in self._window)
        parts = (error, maps, size, step, padding, False, True, None)
        spread: Tensor = torch.ops.aten.avg_pool2d_backward(*parts)
        return spread


class MaxPool(MapPool):
    """The largest of every window; what is padded never is, and of equal ones the first gets the error."""

    @property
    def adds_back(self) -> int:
        """Every window's error, to that of its largest: at most, as if all were of other windows, too."""
        size, step, _ = self._window
        return self.n_out if step < size else 0

    def _pool(self, maps: Tensor) -> Tensor:
        return F.max_pool2d(maps, *self._window)

    def _spread(self, maps: Tensor, error: Tensor) -> Tensor:
        _, where = F.max_pool2d(maps, *self._window, return_indices=True)
        size, step, padding = ([n, n] for n in self._window)
        parts = (error, maps, size, step, padding, [1, 1], False, where)
        spread: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(*parts)
        return spread


def pooling_of(stage: StageShape) -> MapPool | None:
    """Return the pooling of a stage's neurons; None where nothing is pooled."""
    convolution = stage.convolution
    if convolution is None or convolution.pool == "none":
        return None
    kind = AveragePool if convolution.pool == "average" else MaxPool
    return kind(convolution.maps(stage.image), convolution)


def wiring_of(stage: StageShape, first: bool) -> Wiring | None:
    """Return how a stage's neurons stand on the lines of its array; None: one on each."""
    return None if stage.convolution is None else Patches(stage.image, stage.convolution, first)


def _maps(flat: Tensor, shape: Image) -> Tensor:
    """Return maps [B, C, H, W] of flat ones [B, H W C], where they lie."""
    channels, height, width = shape
    return flat.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def _overlap(shared: Tensor) -> int:
    """Return the additions that make one of all that comes to each place, whose number is given."""
    return int((shared - 1).clamp_(min=0).sum())


def _flat(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(1)

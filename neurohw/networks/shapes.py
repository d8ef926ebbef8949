"""What a network's stages look like, from its configuration alone: arrays, positions, and what is pooled.

A stage is a convolution, whose kernels are one array that is presented a patch after the other, or a dense layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt, prod

from neurohw.errors import InputError

Image = tuple[int, int, int]  # channels, height, width


@dataclass(frozen=True)
class Convolution:
    """A convolution, and the pooling of its neurons.

    Args:
        channels: kernels, maps that come out.
        kernel: rows and columns of each.
        stride: rows and columns from one position to the next.
        padding: rows and columns of zeros around the image.
        pool: "none", "average" (what is padded counts as 0) or "max".
        pool_size, pool_stride, pool_padding: of it, likewise; a stride of None is the size.
        prune: share of the cells that are absent from the start, drawn at random.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    pool: str = "none"
    pool_size: int = 2
    pool_stride: int | None = None
    pool_padding: int = 0
    prune: float = 0.0

    @property
    def pool_step(self) -> int:
        """Rows and columns from one window of the pooling to the next."""
        return self.pool_stride or self.pool_size

    def maps(self, image: Image) -> Image:
        """Return the neurons: one for each kernel and position.

        Raises:
            InputError: the kernel does not fit the image.
        """
        height, width = (windows(n, self.kernel, self.stride, self.padding) for n in image[1:])
        if min(height, width) < 1:
            raise InputError(f"kernel: got {self.kernel} with a padding of {self.padding}; allowed: at most "
                             f"{min(image[1:]) + 2 * self.padding}, on maps of {shown(image)}")  # fmt: skip
        return self.channels, height, width

    def pooled(self, maps: Image) -> Image:
        """Return what is left of the neurons after pooling.

        Raises:
            InputError: the windows do not fit the maps.
        """
        if self.pool == "none":
            return maps
        if 2 * self.pool_padding > self.pool_size:
            raise InputError(f"pool_padding: got {self.pool_padding}; allowed: at most half of pool_size, "
                             f"{self.pool_size // 2}")  # fmt: skip
        height, width = (windows(n, self.pool_size, self.pool_step, self.pool_padding) for n in maps[1:])
        if min(height, width) < 1:
            raise InputError(f"pool_size: got {self.pool_size}; allowed: at most "
                             f"{min(maps[1:]) + 2 * self.pool_padding}, on maps of {shown(maps)}")  # fmt: skip
        return maps[0], height, width


@dataclass(frozen=True)
class StageShape:
    """A stage.

    Args:
        n_pre, n_post: inputs and outputs of its array, a bias line apart.
        vectors: presented to it per sample, one for each position.
        n_out: outputs per sample, after pooling.
        prune: share of its cells that are absent.
        convolution: what it is, None of a dense layer; image: what that sees.
    """

    n_pre: int
    n_post: int
    vectors: int
    n_out: int
    prune: float = 0.0
    convolution: Convolution | None = None
    image: Image = (1, 1, 1)

    @property
    def weights(self) -> int:
        """Weights of its array."""
        return self.n_pre * self.n_post

    @property
    def absent(self) -> int:
        """How many of its cells are absent."""
        return round(self.prune * self.weights)


def stage_shapes(
    layers: Sequence[int], convolutions: Sequence[Convolution] = (), image: Image | None = None
) -> tuple[StageShape, ...]:
    """Return the stages of a network, input to output.

    Args:
        layers: inputs, then the neurons of each dense layer, which stand behind all convolutions.
        convolutions: the stages before.
        image: what the inputs are; None: square, of one channel or of three.

    Raises:
        InputError: something does not fit; the message begins with the key.
    """
    inputs, *dense = layers
    stages = []
    if convolutions:
        seen = image or square_image(inputs)
        if prod(seen) != inputs:
            raise InputError(f"network.image: got {list(seen)}, {prod(seen)} values; allowed: {inputs}, the inputs of "
                             "network.layers")  # fmt: skip
        for i, convolution in enumerate(convolutions):
            try:
                maps = convolution.maps(seen)
                pooled = convolution.pooled(maps)
            except InputError as error:
                raise InputError(f"network.conv.{i}.{error}") from None
            stages.append(StageShape(seen[0] * convolution.kernel**2, maps[0], maps[1] * maps[2], prod(pooled),
                                     convolution.prune, convolution, seen))  # fmt: skip
            if stages[-1].absent == stages[-1].weights:
                raise InputError(f"network.conv.{i}.prune: got {convolution.prune:g}, which leaves none of "
                                 f"{stages[-1].weights} cells; allowed: less")  # fmt: skip
            seen = pooled
        inputs = prod(seen)
    stages += [StageShape(n_pre, n_post, 1, n_post) for n_pre, n_post in pairwise([inputs, *dense])]
    return tuple(stages)


def square_image(inputs: int) -> Image:
    """Return a square image of so many values, of one channel or of three.

    Raises:
        InputError: there is none.
    """
    for channels in (1, 3):
        side = isqrt(inputs // channels)
        if channels * side**2 == inputs:
            return channels, side, side
    raise InputError(f"network.image: not given, and {inputs} inputs are no square image of one channel or three; "
                     "allowed: [channels, height, width]")  # fmt: skip


def windows(size: int, window: int, step: int, padding: int) -> int:
    """Return how many windows fit a padded line of `size`; less than 1: none does."""
    return (size + 2 * padding - window) // step + 1


def shown(image: Image) -> str:
    """Return channels x height x width."""
    return " x ".join(map(str, image))

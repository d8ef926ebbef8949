"""Convolutional networks whose features are clustered (Lu & Sengupta 2024, Sec. 5.1), in torch.nn.

They are ordinary rate networks, trained by torch's autograd in full precision; what is on crossbars is the clustering.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from neurohw.errors import InputError

FC_STD = 0.01  # of the initial weights of dense layers (DeepCluster, and VGG-15's code)
_VGG_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Dropout(nn.Module):
    """Dropout whose draws come from a generator that is passed.

    Args:
        probability: of a value to become 0 while training; the others are divided by 1 - probability.
        generator: of the draws; what is to be resumed has one that its checkpoints hold.
    """

    def __init__(self, probability: float, generator: torch.Generator) -> None:
        super().__init__()
        self.probability, self.generator = probability, generator

    def forward(self, x: Tensor) -> Tensor:
        """Return x, while training with some values dropped."""
        if not self.training or self.probability == 0:
            return x
        draws = torch.rand(x.shape, generator=self.generator, device=self.generator.device)
        return x * (draws >= self.probability) / (1 - self.probability)


class ConvNet(nn.Module):
    """Features and a head on them.

    Args:
        body: images to features; a flat sequence that ends with a dense layer, so that features are signed.
        after: what stands between features and head.
        head: features to outputs; made anew in each epoch, as pseudo-labels have no lasting order.
    """

    def __init__(self, body: nn.Sequential, after: nn.Sequential, head: nn.Linear) -> None:
        super().__init__()
        self.body, self.after, self.head = body, after, head

    def features(self, images: Tensor) -> Tensor:
        """Return features [B, d] of images [B, channels, height, width], before the last ReLU."""
        features: Tensor = self.body(images.contiguous(memory_format=torch.channels_last))
        return features

    def forward(self, images: Tensor) -> Tensor:
        """Return the outputs [B, k]."""
        outputs: Tensor = self.head(self.after(self.features(images)))
        return outputs


def small(
    channels: int, size: int, widths: tuple[int, ...], stride: int, features: int, generator: torch.Generator
) -> nn.Sequential:
    """Return a body that a CPU can train: 3x3 convolutions with batch norm, halved by average pooling after each.

    Args:
        channels: of the images.
        size: of the images, px.
        widths: channels of each convolution.
        stride: of the first convolution.
        features: outputs.
        generator: of the initial weights.

    Raises:
        InputError: nothing is left of the images.
    """
    layers: list[nn.Module] = []
    for i, width in enumerate(widths):
        size = math.ceil(size / (stride if i == 0 else 1)) // 2
        if size == 0:
            raise InputError(f"network.channels: got {len(widths)} convolutions, each of which halves the image; "
                             "allowed: fewer for images of this size")  # fmt: skip
        convolution = _convolution(channels, width, stride if i == 0 else 1, generator)
        layers += [convolution, nn.BatchNorm2d(width), nn.AvgPool2d(2), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), dense(channels * size**2, features, generator, bias=False))


def vgg_15(channels: int, size: int, features: int, dropout: Dropout, generator: torch.Generator) -> nn.Sequential:
    """Return the body of VGG-15: 13 convolutions, pooled before the ReLU that ends a block, and a dense layer.

    The paper does not define it; this is what the first author's code for converted networks has, in which "layers 6,
    12, 24 and 36" of its Fig. 5 are convolutions, as here. No layer has a bias.

    Raises:
        InputError: nothing is left of the images.
    """
    left = size // 2 ** len(_VGG_BLOCKS)
    if left == 0:
        raise InputError(f"preprocessing.size: got {size} px; allowed: at least 32 for vgg-15")
    layers: list[nn.Module] = []
    for block in _VGG_BLOCKS:
        for i, width in enumerate(block):
            last = i + 1 == len(block)
            layers.append(_convolution(channels, width, 1, generator))
            layers += [nn.AvgPool2d(2), nn.ReLU()] if last else [nn.ReLU(), dropout]
            channels = width
    layers += [dropout, nn.Flatten(), dense(channels * left**2, features, generator, bias=False)]
    return nn.Sequential(*layers)


def with_head(
    body: nn.Sequential, features: int, outputs: int, dropout: Dropout, generator: torch.Generator
) -> ConvNet:
    """Return the network of a body, with a first head."""
    after = nn.Sequential(nn.ReLU(), dropout)
    return ConvNet(body, after, dense(features, outputs, generator))


def dense(inputs: int, outputs: int, generator: torch.Generator, bias: bool = True) -> nn.Linear:
    """Return a dense layer with weights N(0, 0.01) and zero bias."""
    layer: nn.Linear = skip_init(nn.Linear, inputs, outputs, bias=bias, device=generator.device)
    nn.init.normal_(layer.weight, std=FC_STD, generator=generator)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def _convolution(inputs: int, outputs: int, stride: int, generator: torch.Generator) -> nn.Conv2d:
    """Return a 3x3 convolution without bias, its weights Kaiming-normal by fan-out, laid out for channels last."""
    layer: nn.Conv2d = skip_init(
        nn.Conv2d, inputs, outputs, 3, stride=stride, padding=1, bias=False, device=generator.device
    )
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
    return layer

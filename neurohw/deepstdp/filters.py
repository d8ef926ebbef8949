"""What a filter of a convolutional network responds to: images that drive a unit most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurohw.ascent import ascend, of_norm
from neurohw.deepstdp.convnets import ConvNet
from neurohw.deepstdp.modes import evaluating
from neurohw.errors import InputError


@dataclass(frozen=True)
class FilterImages:
    """Images that drive filters of a layer most.

    Args:
        layer: its place in the body.
        filters: which of its channels, n of them.
        images: the receptive field of each filter's unit in the middle, [n, channels, h, w], of mean square 1.
        before, after: activation of the unit, of the noise and of the image, [n].
    """

    layer: int
    filters: tuple[int, ...]
    images: Tensor
    before: Tensor
    after: Tensor

    def shown(self) -> Tensor:
        """Return images of 0 to 1, zero as grey and the largest |value| of each as black or white, [n, h, w, 3]."""
        images = self.images if self.images.shape[1] == 3 else self.images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        largest = images.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
        return (0.5 + 0.5 * images / largest).permute(0, 2, 3, 1)


def maximise_activation(
    network: ConvNet,
    layer: int,
    filters: Sequence[int],
    shape: tuple[int, int, int],
    generator: torch.Generator,
    steps: int = 100,
    step: float = 0.1,
) -> FilterImages:
    """Return images that maximise units, x* = argmax h(x) with |x| = rho, from Gaussian noise (Erhan et al. 2009).

    The unit of a filter is that in the middle of its map, before batch norm and ReLU, with batch norm of earlier layers
    in evaluation mode. rho is that of a receptive field of unit variance, the square root of its number of values. A
    unit without a gradient keeps its noise (`neurohw.ascent`).

    Args:
        network: what is looked into.
        layer: a convolution of its body, by its place; the paper shows 6, 12, 24 and 36 of VGG-15.
        filters: channels of that layer.
        shape: of the network's images: channels, height, width.
        generator: of the noise, where the network is.
        steps: of the ascent.
        step: in units of rho.

    Raises:
        InputError: a layer that is no convolution of the body, or a filter that it does not have.
    """
    convolution = network.body[layer] if 0 <= layer < len(network.body) else None
    if not isinstance(convolution, nn.Conv2d):
        places = [i for i, module in enumerate(network.body) if isinstance(module, nn.Conv2d)]
        raise InputError(f"filters: got layer {layer}; allowed: a convolution of the body, {places}")
    if not all(0 <= i < convolution.out_channels for i in filters):
        raise InputError(f"filters: got {list(filters)}; allowed in layer {layer}: 0 to {convolution.out_channels - 1}")
    layers = nn.Sequential(*list(network.body)[: layer + 1])
    with evaluating(network):
        middle = _middle(layers, shape, generator.device)
        rows, columns = (_receptive_field(layers, m, size) for m, size in zip(middle, shape[1:], strict=True))

        def activations(x: Tensor) -> Tensor:
            units: Tensor = layers(x)[torch.arange(len(filters)), list(filters), middle[0], middle[1]]
            return units

        x = torch.zeros(len(filters), *shape, device=generator.device)
        field = x[:, :, rows, columns]
        field.normal_(generator=generator)
        rho = field[0].numel() ** 0.5
        before = of_norm(x, rho)
        x = ascend(activations, before, steps, step)
        with torch.no_grad():
            return FilterImages(layer, tuple(filters), x[:, :, rows, columns], activations(before), activations(x))


@torch.no_grad()
def _middle(layers: nn.Sequential, shape: tuple[int, int, int], device: torch.device) -> tuple[int, int]:
    height, width = layers(torch.zeros(1, *shape, device=device)).shape[2:]
    return height // 2, width // 2


def _receptive_field(layers: Iterable[nn.Module], unit: int, size: int) -> slice:
    """Return the pixels that a unit of the last layer sees, along an axis; kernels are square here."""
    first = last = unit
    for layer in reversed(list(layers)):
        if isinstance(layer, nn.Conv2d | nn.AvgPool2d | nn.MaxPool2d):
            kernel, stride, padding = (_number(n) for n in (layer.kernel_size, layer.stride, layer.padding))
            first = first * stride - padding
            last = last * stride - padding + kernel - 1
    return slice(max(first, 0), min(last, size - 1) + 1)


def _number(value: Any) -> int:
    number: int = value[0] if isinstance(value, tuple) else value
    return number

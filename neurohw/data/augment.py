"""Images [B, channels, height, width] as a convolutional network takes them: cropped, flipped, normalised, filtered.

The augmentations are DeepCluster's (Caron et al. 2018): torchvision's random-resized crop and flip, a centre crop where
nothing is random, and a fixed Sobel front-end. What is random comes from a generator that is passed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TRIES = 10  # of a crop that does not fit into the image, before the largest one in the middle is taken

_SOBEL = torch.tensor([[[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]])


@dataclass(frozen=True)
class Crops:
    """Where each image is cut.

    Args:
        top, left, height, width: [B] int64, px.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation [channels] over all pixels of images [N, channels, height, width], float64."""
    histograms = torch.stack([torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)])
    shares = histograms.double() / histograms.sum(1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64, device=images.device)
    mean = shares @ values
    return mean, (shares @ values.square() - mean.square()).sqrt()


def normalised(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return (images - mean) / std by channel in float32; a channel without spread is only shifted.

    Args:
        images: [B, channels, height, width].
        mean, std: [channels], in the unit of the images.
    """
    scale = torch.where(std > 0, std, 1).to(torch.float32)
    return (images.to(torch.float32) - mean.to(torch.float32)[:, None, None]) / scale[:, None, None]


def draw_crops(
    count: int,
    size: tuple[int, int],
    generator: torch.Generator,
    area: tuple[float, float] = (0.08, 1.0),
    aspect: tuple[float, float] = (3 / 4, 4 / 3),
) -> Crops:
    """Draw crops as torchvision's RandomResizedCrop does (Szegedy et al. 2015).

    Args:
        count: number of crops.
        size: height and width of the images, px.
        generator: of the draws.
        area: least and most of the image's area, U(a, b).
        aspect: least and most of width / height, log-uniform.
    """
    height, width = size
    device = generator.device
    share, ratio, y, x = torch.rand(4, count, TRIES, generator=generator, device=device, dtype=torch.float64)
    pixels = (area[0] + share * (area[1] - area[0])) * height * width
    ratios = torch.exp(math.log(aspect[0]) + ratio * math.log(aspect[1] / aspect[0]))
    widths, heights = (pixels * ratios).sqrt().round().long(), (pixels / ratios).sqrt().round().long()
    fits = (widths >= 1) & (widths <= width) & (heights >= 1) & (heights <= height)
    chosen = fits.int().argmax(1, keepdim=True)  # the first that fits
    w, h = widths.gather(1, chosen)[:, 0], heights.gather(1, chosen)[:, 0]
    fallback_w, fallback_h = _largest(height, width, aspect)
    none = ~fits.any(1)
    w, h = w.where(~none, torch.tensor(fallback_w)), h.where(~none, torch.tensor(fallback_h))
    top = (y[:, 0] * (height - h + 1)).long().where(~none, (height - h) // 2)
    left = (x[:, 0] * (width - w + 1)).long().where(~none, (width - w) // 2)
    return Crops(top, left, h, w)


def _largest(height: int, width: int, aspect: tuple[float, float]) -> tuple[int, int]:
    """Return width and height of the largest crop whose ratio is allowed."""
    if width / height < aspect[0]:
        return width, round(width / aspect[0])
    if width / height > aspect[1]:
        return round(height * aspect[1]), height
    return width, height


def resized_crops(images: Tensor, crops: Crops, size: int) -> Tensor:
    """Return the crops, each resized to size x size, [B, channels, size, size] float32.

    A resized value is the mean of the crop's pixels under a triangle, one pixel to either side, or one pixel of the
    result where that is larger: bilinear interpolation with anti-aliasing, as Pillow's and torchvision's.

    Args:
        images: [B, channels, height, width].
        crops: where each is cut.
        size: px.
    """
    rows = _triangles(crops.top, crops.height, images.shape[2], size)
    columns = _triangles(crops.left, crops.width, images.shape[3], size)
    return _mixed(_mixed(images.to(torch.float32), columns).mT, rows).mT.contiguous()


def _mixed(images: Tensor, weights: Tensor) -> Tensor:
    """Return images [B, channels, rows, extent] with `weights` [B, size, extent] along the last axis."""
    batch, channels, rows, _ = images.shape
    return (images.flatten(1, 2) @ weights.mT).view(batch, channels, rows, -1)


def _triangles(start: Tensor, length: Tensor, extent: int, size: int) -> Tensor:
    """Return the weights [B, size, extent] of an image's rows (or columns) in those of its resized crop."""
    scale = (length.float() / size)[:, None, None]
    first, end = start[:, None, None], (start + length)[:, None, None]
    centre = first + (torch.arange(size, device=start.device)[:, None] + 0.5) * scale
    pixel = torch.arange(extent, device=start.device)
    weights = (pixel + 0.5 - centre).abs_().div_(-scale.clamp(min=1)).add_(1).clamp_(min=0)
    weights *= (pixel >= first) & (pixel < end)
    return weights.div_(weights.sum(2, keepdim=True))


def flipped(images: Tensor, generator: torch.Generator, probability: float = 0.5) -> Tensor:
    """Return images [B, channels, height, width], each mirrored left to right with a probability."""
    chosen = torch.rand(len(images), generator=generator, device=generator.device) < probability
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def centre_crop(images: Tensor, size: int) -> Tensor:
    """Return the middle size x size of images, which must be as large, [B, channels, size, size]."""
    top, left = (round((extent - size) / 2) for extent in images.shape[2:])
    return images[:, :, top : top + size, left : left + size]


def sobel(images: Tensor) -> Tensor:
    """Return horizontal and vertical gradients [B, 2, height, width] of the mean of RGB (DeepCluster's front-end)."""
    kernels = _SOBEL.to(images)[:, None]
    return functional.conv2d(images.mean(1, keepdim=True), kernels, padding=1)

"""Images as the network takes them: normalised, cropped, flipped while it learns, perhaps filtered."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.data.augment import centre_crop, draw_crops, flipped, normalised, resized_crops, sobel


@dataclass(frozen=True)
class Preparation:
    """What becomes of images; see `neurohw.data.augment`.

    Args:
        shape: channels, height and width of an image.
        mean, std: of each channel, subtracted and divided by, [channels].
        size: side of what is cropped, px.
        augmented: random-resized crops and flips while learning; else the centre crop, as in evaluation.
        area, aspect: of random crops, least and most.
        flip: probability of a mirrored image.
        gradients: Sobel's, instead of colours.
    """

    shape: tuple[int, int, int]
    mean: Tensor
    std: Tensor
    size: int
    augmented: bool = True
    area: tuple[float, float] = (0.08, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    gradients: bool = False

    @property
    def channels(self) -> int:
        """Channels of what the network takes."""
        return 2 if self.gradients else self.shape[0]

    def for_evaluation(self, images: Tensor) -> Tensor:
        """Return flattened images [B, n_values] as [B, channels, size, size]: the centre, nothing random."""
        return self._filtered(centre_crop(images.view(-1, *self.shape), self.size).float())

    def for_learning(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return the same with random crops and flips, if these are asked for."""
        if not self.augmented:
            return self.for_evaluation(images)
        crops = draw_crops(len(images), self.shape[1:], generator, self.area, self.aspect)
        return self._filtered(
            flipped(resized_crops(images.view(-1, *self.shape), crops, self.size), generator, self.flip)
        )

    def _filtered(self, images: Tensor) -> Tensor:
        images = normalised(images, self.mean, self.std)
        return sobel(images) if self.gradients else images

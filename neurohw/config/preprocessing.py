"""What becomes of images before a convolutional network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator

from neurohw.config.section import Count, Fraction, Positive, Section


class PreprocessingSection(Section):
    """What becomes of images [B, channels, height, width] (`neurohw.data.augment`); defaults as DeepCluster's.

    Args:
        augmentation: random-resized crops and flips while training; "none": the centre crop, as in evaluation.
        size: side of what is cropped, px; None: the images' shorter side.
        crop_area: least and most of the image's area in a crop.
        crop_aspect: least and most of width / height of a crop.
        flip: probability of a mirrored image.
        normalisation: zero mean and unit variance by channel, over the training set.
        sobel: gradients of the grey image instead of colours.
    """

    augmentation: Literal["crop-and-flip", "none"] = "crop-and-flip"
    size: Count | None = None
    crop_area: tuple[Fraction, Fraction] = (0.08, 1.0)
    crop_aspect: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    flip: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.5
    normalisation: Literal["channel", "none"] = "channel"
    sobel: StrictBool = False

    @model_validator(mode="after")
    def _in_order(self) -> PreprocessingSection:
        for key in ("crop_area", "crop_aspect"):
            least, most = getattr(self, key)
            if least > most:
                raise ValueError(f"{key}: got {[least, most]}; allowed: the smaller number first")
        return self

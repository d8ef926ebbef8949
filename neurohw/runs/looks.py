"""What a record keeps of how arrays look: weights of the first layer as small images, conductances as histograms."""

from __future__ import annotations

import base64
import binascii
from math import prod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from neurohw.values import Count, Text, Whole

MOST_NEURONS = 64
MOST_PIXELS = 8192  # of all of them: a record stays small
BINS = 64
ZERO, LARGEST = 128, 127  # the byte of no weight, and how far that of the largest |weight| is from it

Counts = Annotated[list[Whole], Field(min_length=1, max_length=BINS)]
Siemens = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class WeightMaps(BaseModel):
    """Weights of some neurons of the first layer, a byte each.

    Args:
        array: its name.
        neurons: which, counted from 0.
        image: channels, height and width of an input.
        scale: the largest |weight| shown; a byte b stands for scale (b - 128) / 127.
        pixels: base64 of the bytes, neuron after neuron.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    array: Text
    neurons: Annotated[list[Whole], Field(min_length=1, max_length=MOST_NEURONS)]
    image: tuple[Count, Count, Count]
    scale: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
    pixels: Text

    @model_validator(mode="after")
    def _fits(self) -> WeightMaps:
        try:
            found = len(base64.b64decode(self.pixels, validate=True))
        except (binascii.Error, ValueError):
            raise ValueError("pixels: got no base64") from None
        if found != len(self.neurons) * prod(self.image):
            raise ValueError(f"pixels: got {found} bytes; allowed: {len(self.neurons)} images of {self.image}")
        return self

    @classmethod
    def of(cls, array: str, neurons: list[int], image: tuple[int, int, int], weights: NDArray[Any]) -> WeightMaps:
        """Return the maps of weights [n, channels height width]."""
        scale = float(np.abs(weights).max())
        levels = np.rint(weights * (LARGEST / scale)) if scale else np.zeros_like(weights)
        encoded = base64.b64encode((levels + ZERO).astype(np.uint8).tobytes()).decode()
        return cls(array=array, neurons=neurons, image=image, scale=scale, pixels=encoded)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights, [n, channels, height, width], to 1/254 of the scale."""
        found = np.frombuffer(base64.b64decode(self.pixels), np.uint8).astype(np.float64) - ZERO
        return (found * (self.scale / LARGEST)).reshape(len(self.neurons), *self.image)

    @property
    def levels(self) -> NDArray[np.uint8]:
        """The bytes as images, [n, 1 or 3, height, width]: where channels are no colours, the first."""
        channels, height, width = self.image
        found = np.frombuffer(base64.b64decode(self.pixels), np.uint8).reshape(-1, channels, height, width)
        return found if channels in (1, 3) else found[:, :1]


class Histogram(BaseModel):
    """How many devices conduct how much, before training and now: bin i begins at i width and ends at (i + 1) width.

    Args:
        width: of a bin, siemens.
        before, now: numbers of devices.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Siemens
    before: Counts
    now: Counts

    def summary(self) -> dict[str, Any]:
        """Return the histogram of now as TensorBoard takes it, every device at the middle of its bin."""
        middles = self.width * (np.arange(len(self.now)) + 0.5)
        numbers = np.array(self.now)
        filled = np.flatnonzero(numbers)
        return {
            "min": float(middles[filled[0]]) if len(filled) else 0.0,
            "max": float(middles[filled[-1]]) if len(filled) else 0.0,
            "num": int(numbers.sum()),
            "sum": float(numbers @ middles),
            "sum_squares": float(numbers @ middles**2),
            "bucket_limits": list(self.width * np.arange(1, len(self.now) + 1)),
            "bucket_counts": list(self.now),
        }


class Looks(BaseModel):
    """How a chip looks: `weights` of the first layer, None where its inputs are no images; and `conductances`,
    array -> kind of devices -> histogram, empty where they are not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: WeightMaps | None = None
    conductances: dict[str, dict[str, Histogram]] = {}

    def __bool__(self) -> bool:
        return bool(self.weights or self.conductances)

"""Looking at the arrays of a run, as they are before training and by now; nothing is drawn or changed."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from neurohw.crossbar.by_kind import by_kind
from neurohw.networks.base import Network
from neurohw.runs.looks import BINS, MOST_NEURONS, MOST_PIXELS, Histogram, Looks, WeightMaps

_FILLED = 3 / 4  # of the bins, by the conductances before training
_LEAST = 1e-12  # siemens of a bin, where there is no conductance to go by


class Looking:
    """The looks of a network's arrays.

    Args:
        network: with fresh arrays.
        image: channels, height and width of an input.
    """

    def __init__(self, network: Network, image: tuple[int, int, int]) -> None:
        self._network, self._image = network, image
        self._young = {
            name: {kind: _binned(siemens) for kind, siemens in kinds.items()} for name, kinds in self._kinds().items()
        }

    def now(self) -> Looks:
        """Return the looks as they are now, beside those at the beginning."""
        histograms = {
            name: {kind: _beside(*self._young[name][kind], siemens) for kind, siemens in kinds.items()}
            for name, kinds in self._kinds().items()
        }
        return Looks(weights=self._maps(), conductances=histograms)

    def _kinds(self) -> dict[str, dict[str, Tensor]]:
        """Return the conductances of each array's devices by kind, [n], siemens; arrays without are left out."""
        arrays = [layer.array for layer in self._network.layers]
        found = {f"W{i + 1}": by_kind(array, array.conductances()) for i, array in enumerate(arrays)}
        return {name: kinds for name, kinds in found.items() if kinds}

    def _maps(self) -> WeightMaps | None:
        """Return the weights of neurons at even distances; None where a neuron does not see the whole image."""
        layer, pixels = self._network.layers[0], prod(self._image)
        if layer.wiring.vectors != 1 or layer.n_pre != pixels or pixels > MOST_PIXELS:
            return None
        number = min(MOST_NEURONS, MOST_PIXELS // pixels, layer.array.shape[0])
        neurons = [i * layer.array.shape[0] // number for i in range(number)]
        lines = layer.array.shape[1] - layer.line  # a bias line comes last
        weights = layer.wiring.pre_sum(layer.array.snapshot()[neurons, :lines])
        return WeightMaps.of("W1", neurons, self._image, weights.double().cpu().numpy())


def _binned(siemens: Tensor) -> tuple[float, list[int]]:
    """Return the width of a bin, and the numbers of devices in each."""
    width = max(float(siemens.max()) / (_FILLED * BINS), _LEAST)
    return width, _counted(siemens, width)


def _beside(width: float, before: list[int], siemens: Tensor) -> Histogram:
    """Return both histograms; bins are joined in pairs until they reach as far as the conductances of now."""
    while float(siemens.max()) >= width * BINS:
        width *= 2
        before = [a + b for a, b in zip(before[::2], before[1::2], strict=True)] + [0] * (BINS // 2)
    return Histogram(width=width, before=before, now=_counted(siemens, width))


def _counted(siemens: Tensor, width: float) -> list[int]:
    places = (siemens.double() / width).long().clamp_(0, BINS - 1)
    return [int(n) for n in torch.bincount(places, minlength=BINS)]

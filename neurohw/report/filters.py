"""Drawing what units look for: a row of images per layer of filters, a column per class of output neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurohw.report.drawing import layout

_WIDTH, _TITLE = 9.0, 0.35  # inches: of the figure, and the height of a row's title


def filters_figure(rows: Mapping[str, NDArray[np.floating[Any]]]) -> Figure:
    """Return a row of images per entry, each under its title.

    Args:
        rows: images of 0 to 1, [n, h, w, 3]; n may differ from row to row, and so may h and w.
    """
    columns = max(len(images) for images in rows.values())
    figure = Figure(figsize=(_WIDTH, len(rows) * (_WIDTH / columns + _TITLE)), layout=layout())
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, (title, images) in zip(axes, rows.items(), strict=True):
        row[0].set_title(title)
        for ax, image in zip(row, images, strict=False):
            ax.imshow(image, vmin=0, vmax=1, interpolation="nearest")
        for ax in row:
            ax.set_axis_off()
    return figure


@dataclass(frozen=True)
class Driven:
    """A neuron, and the images that drive it.

    Args:
        neuron, group: which, and the class it stands for.
        image: that drives it most, [channels, height, width], and `drive`, what with.
        best: of the training images the one that drives it most, of 0 to 1, and `best_drive`.
    """

    neuron: int
    group: int
    image: NDArray[np.floating[Any]]
    drive: float
    best: NDArray[np.floating[Any]]
    best_drive: float


def maximum_activation_figure(neurons: Sequence[Driven], title: str) -> Figure:
    """Return a column per class: each of its neurons' image, and under it the training image that drives it most.

    Of images of one channel red is positive and blue negative, up to the largest |value| of each.
    """
    groups = list(dict.fromkeys(each.group for each in neurons))
    columns = {group: [each for each in neurons if each.group == group] for group in groups}
    rows = 2 * max(map(len, columns.values()))
    wide = max(_WIDTH, 0.8 * len(groups))
    figure = Figure(figsize=(wide, rows * (wide / len(groups) + 0.22) + 0.6), layout=layout())
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5)
    axes = figure.subplots(rows, len(groups), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for column, (group, members) in enumerate(columns.items()):
        axes[0, column].set_title(f"class {group}\n", loc="center")
        for i, each in enumerate(members):
            _draw(axes[2 * i, column], each.image, f"#{each.neuron}: {each.drive:.3g}", signed=True)
            _draw(axes[2 * i + 1, column], each.best, f"{each.best_drive:.3g}", signed=False)
    return figure


def _draw(ax: Axes, image: NDArray[np.floating[Any]], text: str, signed: bool) -> None:
    largest = float(np.abs(image).max()) or 1.0
    if len(image) == 3:
        ax.imshow(np.moveaxis(0.5 + 0.5 * image / largest if signed else image, 0, -1), interpolation="nearest")
    elif signed:
        ax.imshow(image.mean(0), cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    else:
        ax.imshow(image.mean(0), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.text(0.5, 1.03, text, transform=ax.transAxes, ha="center", va="bottom", fontsize=8)

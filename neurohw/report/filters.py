"""Drawing filters: a row of images per layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
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

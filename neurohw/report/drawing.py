"""Drawing: the style of every figure, and figures as SVG and PNG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.style import context as style_context
from PIL import Image

from neurohw.runs.files import atomic

INK, PAPER, GRID = "#24292f", "#ffffff", "#d5d9de"  # the page replaces them by its own, light or dark


COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008


MARKERS = "osv^DPX"


_STYLE = {
    "svg.hashsalt": "neurohw",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # SVG repeats the whole list in every text
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style, whatever the user's own settings are."""
    with matplotlib.rc_context(), style_context(["default", _STYLE]):
        yield


def as_svg(figure: Figure) -> str:
    """Return a figure as SVG, the same text every time; places to a hundredth of a point, nothing indented."""
    text = _saved(figure, "svg", dict.fromkeys(("Date", "Creator", "Format", "Type"))).decode()
    return re.sub(r"\n +", "\n", re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", text))


def as_png(figure: Figure) -> bytes:
    """Return a figure as PNG of 256 colours, a third of the size of one with all; lines keep theirs to the eye."""
    buffer = BytesIO()
    drawn = Image.open(BytesIO(_saved(figure, "png", {"Software": None}))).convert("RGB")
    drawn.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def save(figure: Figure, *paths: Path) -> None:
    """Write a figure as SVG or PNG, as each path ends; whole or not at all."""
    for path in paths:
        with atomic(path) as temporary:
            temporary.write_bytes(as_svg(figure).encode() if path.suffix == ".svg" else as_png(figure))


def layout() -> ConstrainedLayoutEngine:
    """Return the spacing of every figure."""
    return ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
    return buffer.getvalue()

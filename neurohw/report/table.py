"""Tables as text in cells, for Markdown, HTML and terminals alike, and as frames for CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd

from neurohw.metrics import Metric
from neurohw.report.points import Point
from neurohw.report.spread import Spread

NOTHING = "–"
_SHARE = Metric("share", "Share")


@dataclass(frozen=True)
class Row:
    """Cells of one point.

    Args:
        cells: text.
        point: what the row is about.
        first: whether it begins a group.
    """

    cells: tuple[str, ...]
    point: Point
    first: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows of text; the first column names the point, the others are numbers."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def markdown(table: Table) -> str:
    """Return a table in Markdown."""
    lines = [table.columns, ("---", *("---:" for _ in table.columns[1:])), *(row.cells for row in table.rows)]
    return "\n".join(f"| {' | '.join(map(markdown_cell, cells))} |" for cells in lines)


def markdown_cell(text: str) -> str:
    """Return text that a Markdown table shows as it is."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")


def mean_text(spread: Spread, metric: Metric) -> str:
    """Return mean ± sample standard deviation, as the metric is shown, without its unit."""
    if not spread.n:
        return NOTHING
    return metric.number(spread.mean) + ("" if isnan(spread.std) else f" ± {metric.number(spread.std, digits=3)}")


def percent(spread: Spread) -> str:
    """Return mean ± sample standard deviation, in percent."""
    return mean_text(spread, _SHARE)


def text_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame for a CSV: texts that a spreadsheet would take for formulas begin with an apostrophe."""
    return frame.map(_as_text).rename(columns=_as_text)


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(("=", "@", "+", "-", "\t", "\r")):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def table_of(columns: tuple[str, ...], rows: Sequence[tuple[Point, tuple[str, ...]]]) -> Table:
    """Return rows of (point, cells) under `columns`; the first column is the point's name."""
    groups = [None, *(point.name.group for point, _ in rows)]
    return Table(
        columns,
        tuple(
            Row((point.label, *cells), point, first=point.name.group != before)
            for (point, cells), before in zip(rows, groups, strict=False)
        ),
    )

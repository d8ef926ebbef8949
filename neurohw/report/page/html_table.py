"""Tables for the page: which columns are numbers, and what each cell is sorted by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from neurohw.errors import InputError
from neurohw.report.page.section import Section
from neurohw.report.points import Point
from neurohw.report.table import NOTHING
from neurohw.units import parse_unit

_NUMBER = re.compile(r"[<>†±\s]*([+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?)(?: ([A-Za-zµΩ%]+2?))?(?![\w.,]|-\d)")
_LONG = 34  # characters, from which on a cell is wrapped
_PROSE = 60  # characters, from which on a column is text even where it begins with numbers
_HASH = "Hash"


@dataclass(frozen=True)
class Cell:
    """A cell: its text, the number it is sorted by (None: by its text), and its classes."""

    text: str
    number: float | None
    classes: str


@dataclass(frozen=True)
class HtmlRow:
    """A row with its classes; `point` is whose hash links to its configuration."""

    cells: tuple[Cell, ...]
    classes: str
    point: Point | None = None


@dataclass(frozen=True)
class HtmlTable:
    """A table for the page: titles, whether each column is text, and rows."""

    columns: tuple[str, ...]
    text: tuple[bool, ...]
    rows: tuple[HtmlRow, ...]
    note: str = ""


def html_table(section: Section) -> HtmlTable:
    """Return a section's table; a point that is named once for several rows is named in each, to be sorted."""
    table = section.table
    cells = [(row.cells[0] or row.point.label, *row.cells[1:]) for row in table.rows]
    text = text_columns(table.columns, cells)
    rows = tuple(
        HtmlRow(
            tuple(
                _cell(cell, table.columns[i], text[i], again=not i and not row.cells[0]) for i, cell in enumerate(of)
            ),
            _classes(row.point, row.first),
            row.point,
        )
        for row, of in zip(table.rows, cells, strict=True)
    )
    return HtmlTable(table.columns, text, rows, section.note)


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> HtmlTable:
    """Return a table whose rows are about no point."""
    text = text_columns(columns, rows)
    cells = [tuple(_cell(cell, columns[i], text[i]) for i, cell in enumerate(row)) for row in rows]
    return HtmlTable(tuple(columns), text, tuple(HtmlRow(row, "") for row in cells), note)


def text_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[bool, ...]:
    """Return which columns are text: the first, hashes, prose, and those with fewer numbers than other cells."""
    text = []
    for i, column in enumerate(columns):
        known = [row[i] for row in rows if row[i] not in ("", NOTHING, "reference")]
        numbers = sum(number_in(cell) is not None for cell in known)
        prose = any(len(cell) > _PROSE for cell in known)
        text.append(i == 0 or column == _HASH or prose or 2 * numbers < len(known))
    return tuple(text)


def number_in(cell: str) -> float | None:
    """Return the number that a cell begins with, in SI units where it has one: "1.2 uJ (0.9 to 2)" is 1.2e-6."""
    found = _NUMBER.match(cell)
    if found is None:
        return None
    value = float(found[1].replace(",", "").replace("−", "-"))
    try:
        return value * parse_unit(found[2])[0] if found[2] and found[2] != "%" else value
    except InputError:  # a word
        return value


def _cell(text: str, column: str, is_text: bool, again: bool = False) -> Cell:
    classes = ["text"] if is_text else []
    classes += ["long"] if is_text and len(text) > _LONG else []
    classes += ["again"] if again else []
    classes += ["quiet"] if text == "reference" else ["lead"] if column.startswith("Accuracy") else []
    return Cell(text, None if is_text else number_in(text), " ".join(classes))


def _classes(point: Point, first: bool) -> str:
    named = (("first", first), ("ideal", point.ideal), ("stopped", point.stopped), ("chance", point.at_chance))
    return " ".join(name for name, holds in named if holds)

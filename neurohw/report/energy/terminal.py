"""Tables of energy on a terminal: folded where they are too wide for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table as Printed
from rich.text import Text

from neurohw.report.energy.answers import answers
from neurohw.report.energy.sections import Energies, energy_sections, remarks
from neurohw.report.table import Row, Table

_LEFT = ("Quantity", "Phase", "Array", "Where", "Widest spread")
_NAME = 34  # characters of a point's name before it is wrapped
_GAP = 2


def print_energies(console: Console, data: Energies, tables: int | None = None) -> None:
    """Print the answers, what holds for all tables, and every table with its note, or the first so many."""
    for answer in answers(data):
        console.print(Text(answer, "bold"))
    for remark in remarks(data):
        console.print(Text(remark, "dim"))
    for title, table, note in list(energy_sections(data))[:tables]:
        console.print(Text(f"\n{title}", "bold"))
        for part in folded(table, console.width):
            console.print(_printed(part))
        console.print(Text(note, "dim"))


def folded(table: Table, width: int) -> Iterator[Table]:
    """Yield a table as one or several that fit a width, below each other, each with the first column.

    A column is as wide as its widest cell; its title may be wrapped between words. Columns that name the row are in
    every part, and a ratio stays beside what it is of.
    """
    widths = [min(_width(table, 0), _NAME), *(_width(table, i) for i in range(1, len(table.columns)))]
    names = 1 + next((i for i, column in enumerate(table.columns[1:]) if column not in _LEFT), 0)
    start = sum(widths[:names]) + _GAP * (names - 1)
    chosen: list[int] = []
    used = start
    for block in _blocks(table.columns, names):
        wide = sum(widths[i] + _GAP for i in block)
        if chosen and used + wide > width:
            yield _part(table, [*range(names), *chosen])
            chosen, used = [], start
        chosen += block
        used += wide
    yield _part(table, [*range(names), *chosen])


def _blocks(columns: Sequence[str], start: int) -> list[list[int]]:
    """Return the columns that stay together."""
    blocks: list[list[int]] = []
    for i in range(start, len(columns)):
        if columns[i] == "×" and blocks:
            blocks[-1].append(i)
        else:
            blocks.append([i])
    return blocks


def _part(table: Table, chosen: Sequence[int]) -> Table:
    rows = (Row(tuple(row.cells[i] for i in chosen), row.point, row.first) for row in table.rows)
    return Table(tuple(table.columns[i] for i in chosen), tuple(rows))


def _width(table: Table, i: int) -> int:
    title = max((len(word) for word in table.columns[i].split()), default=0)
    return max(title, *(len(row.cells[i]) for row in table.rows), min(len(table.columns[i]), 12))


def _printed(table: Table) -> Printed:
    printed = Printed(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for i, column in enumerate(table.columns):
        width = _width(table, i) if i else min(_width(table, 0), _NAME)
        printed.add_column(column, justify="left" if not i or column in _LEFT else "right", width=width)
    for row in table.rows:
        printed.add_row(*map(Text, row.cells), style="bold" if row.point.ideal else "")
    return printed

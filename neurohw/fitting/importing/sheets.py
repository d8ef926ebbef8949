"""Files of measurements as sheets of cells: CSV in its dialects, text with blanks, spreadsheets.

Rows are counted as in a text editor or spreadsheet: the first is row 1.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from neurohw.errors import InputError
from neurohw.fitting.importing.exports import easyexpert_sheets, neurosim_sheets
from neurohw.fitting.importing.options import Notes
from neurohw.reading import MEASURED, content_of
from neurohw.units import parse_unit

Row = tuple[int, tuple[str, ...]]  # its number, its cells
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma"}
_COMMENTS = ("#", "%", "//")
_PREAMBLE = 1000  # rows within which numbers begin
_NO_UNIT = ("", "#", "-", "1")
_SPREADSHEETS = (".xlsx", ".xlsm")


@dataclass(frozen=True)
class Sheet:
    """A table as it stands in a file.

    Args:
        where: for messages, the file and, of a workbook, the sheet.
        name: of the file without its suffix, or of the sheet.
        cells: the cells of each column by its header as it is written, or by its number where there is none.
        lines: the numbers of the rows.
        headed: there are headers.
        export: the program whose export it is, where it is recognised.
    """

    where: str
    name: str
    cells: dict[str, list[str]]
    lines: list[int]
    headed: bool = True
    export: str = ""


def read_sheets(path: Path, notes: Notes) -> list[Sheet]:
    """Return the tables of a file.

    Raises:
        InputError: it cannot be read, or holds no row of numbers; the message names it.
    """
    try:
        content = content_of(path, MEASURED)
    except ValueError as error:
        raise InputError(f"{path}: {error}; name a CSV file or a workbook (.xlsx)") from None
    if path.suffix.lower() == ".xls" or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise InputError(f"{path}: a workbook of Excel 97; allowed: .xlsx or CSV (save it as one of them)")
    if path.suffix.lower() in _SPREADSHEETS or content.startswith(b"PK\x03\x04"):
        return _workbook(path, content)
    text = _decoded(content, path)
    sheets = easyexpert_sheets(text, path) or neurosim_sheets(text, path)
    if sheets:
        notes.guess(str(path), f"an export of {sheets[0][0]}")
        return [_sheet(str(path), name, rows, export) for export, name, rows in sheets]
    return [_sheet(str(path), path.stem, _text_rows(text, path, notes))]


def transposed(sheet: Sheet) -> Sheet:
    """Return a sheet with a column for each row: its name is the first cell; a row without one counts pulses."""
    columns = [[header, *cells] if sheet.headed else cells for header, cells in sheet.cells.items()]
    names = [cell or "pulse" for cell in columns[0]]
    _refuse_twice(sheet.where, "rows", names)
    return Sheet(
        f"{sheet.where}, transposed", sheet.name, _by_name(names, columns[1:]), list(range(2, len(columns) + 1))
    )


def is_number(cell: str) -> bool:
    """Return whether a cell is a number."""
    return bool(_NUMBER.fullmatch(cell.strip()))


def _decoded(content: bytes, path: Path) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:1000]:
        raise InputError(f"{path}: not text; allowed: a CSV file or a workbook (.xlsx)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _text_rows(text: str, path: Path, notes: Notes) -> list[Row]:
    """Return the cells of a text, whatever separates them."""
    lines = text.splitlines()
    separator = _separator([x for x in lines[:_PREAMBLE] if x.strip() and not x.lstrip().startswith(_COMMENTS)])
    if separator is None:
        return _without_decimal_commas([(i, tuple(line.split())) for i, line in enumerate(lines, 1)], path, notes)
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                rows.append((reader.line_num, stripped))
    except csv.Error as error:
        raise InputError(f"{path}: row {reader.line_num}: not a CSV file ({error})") from None
    if separator != ",":
        notes.guess(str(path), f"separated by {_SEPARATORS[separator]}s")
    return _without_decimal_commas(rows, path, notes) if separator != "," else rows


def _separator(lines: list[str]) -> str | None:
    """Return what separates the cells: the first of tab, semicolon and comma that most lines have; None: blanks.

    Where it seems to be the comma, it is the blank if that leaves numbers with decimal commas: "1 2,5".
    """
    tokens = [line.split() for line in lines[1:]]
    if tokens and all(len(t) > 1 and all(is_number(cell.replace(",", ".")) for cell in t) for t in tokens):
        return None if "\t" not in "".join(lines[1:]) else "\t"
    for separator in _SEPARATORS:
        if lines and sum(separator in line for line in lines) > 0.5 * len(lines):
            return separator
    return None if any(len(line.split()) > 1 for line in lines[1:]) else ","


def _without_decimal_commas(rows: list[Row], path: Path, notes: Notes) -> list[Row]:
    """Return the rows with points in numbers that have decimal commas."""
    if not any("," in cell and _DECIMAL_COMMA.fullmatch(cell) for _, cells in rows for cell in cells):
        return rows
    notes.guess(str(path), "decimal commas")
    return [(i, tuple(c.replace(",", ".") if _DECIMAL_COMMA.fullmatch(c) else c for c in cells)) for i, cells in rows]


def _workbook(path: Path, content: bytes) -> list[Sheet]:
    try:
        import openpyxl
    except ImportError:
        raise InputError(f"{path}: workbooks need openpyxl, which is not installed: pip install 'neurohw[xlsx]', "
                         "or save each sheet as CSV") from None  # fmt: skip
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a workbook that can be read ({error}); allowed: .xlsx or CSV") from None
    sheets = []
    for page in book.worksheets:
        rows = [(i, tuple(map(_cell_text, cells))) for i, cells in enumerate(page.iter_rows(values_only=True), 1)]
        full = [(i, cells) for i, cells in rows if any(cells)]
        if any(is_number(cell) for _, cells in full for cell in cells):
            sheets.append(_sheet(f"{path}, sheet {page.title}", page.title, full))
    if not sheets:
        raise InputError(f"{path}: no sheet holds numbers (formulas count only with the values that were saved)")
    return sheets if len(sheets) > 1 else [replace(sheets[0], name=path.stem)]


def _cell_text(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value).strip()


def _sheet(where: str, name: str, rows: Iterable[Row], export: str = "") -> Sheet:
    """Return a table: what stands above the first row of numbers is its header, with a row of units if it has one."""
    full = [(i, _trimmed(cells)) for i, cells in rows if any(cells)]
    first = _first_of_numbers([cells for _, cells in full[:_PREAMBLE]])
    if first is None:
        shown = f"; row {full[1][0]} has {', '.join(map(repr, full[1][1][:5]))}" if len(full) > 1 else ""
        raise InputError(f"{where}: not a CSV file or workbook of measurements, no row of numbers{shown}; "
                         "allowed: numbers below a header, as in pulse,polarity,conductance_S")  # fmt: skip
    below = [(i, cells) for i, cells in full[first:] if not cells[0].startswith(_COMMENTS)]
    width = max(len(cells) for _, cells in below)
    names = _header([cells for _, cells in full[:first]], width)
    if names and width == 2 * len(names):  # one,two / 1,5,2,5
        raise InputError(f"{where}: {len(names)} names above {width} columns; if commas are decimal, "
                         "save it with semicolons between the columns")  # fmt: skip
    columns = [(names[k] if k < len(names) else "") or str(k + 1) for k in range(max(width, len(names)))]
    _refuse_twice(where, "columns", columns)
    return Sheet(
        where, name, _by_name(columns, [cells for _, cells in below]), [i for i, _ in below], bool(names), export
    )


def _by_name(names: list[str], rows: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Return the cells of rows by column, "" where a row is shorter."""
    width = len(names)
    padded = (row if len(row) == width else [*row, *[""] * (width - len(row))] for row in rows)
    return {name: list(cells) for name, cells in zip(names, zip(*padded, strict=True), strict=True)}


def _refuse_twice(where: str, kind: str, names: list[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{where}: two {kind} are named {twice}; allowed: a name for each")


def _header(above: list[tuple[str, ...]], width: int) -> tuple[str, ...]:
    """Return the names of columns out of the rows above the numbers, () if there are none.

    A row of units below the names goes with them; a comment ("# pulse G") counts where nothing else is a header.
    """
    plain = [c for c in above if not c[0].startswith(_COMMENTS) or (c[0] == "#" and len(c) == width)]
    if not plain:
        uncommented = [_trimmed(tuple(" ".join(cells).lstrip("#%/ ").split())) if len(cells) != width
                       else (cells[0].lstrip("#%/ ") or "#", *cells[1:]) for cells in above]  # fmt: skip
        plain = [cells for cells in uncommented if len(cells) == width][-1:]
    if len(plain) > 1 and _all_units(plain[-1]):
        return tuple(f"{n} ({u})" if u else n for n, u in _zipped(plain[-2], plain[-1]))
    return plain[-1] if plain else ()


def _first_of_numbers(rows: list[tuple[str, ...]]) -> int | None:
    """Return the first row that holds numbers in most of the columns that are of numbers; None: there is none."""
    width = max(map(len, rows), default=0)
    numbers = [sum(is_number(cells[k]) for cells in rows if k < len(cells)) for k in range(width)]
    full = [sum(bool(cells[k]) for cells in rows if k < len(cells)) for k in range(width)]
    columns = [k for k in range(width) if 2 * numbers[k] > full[k] and 2 * numbers[k] > max(numbers)]
    for i, cells in enumerate(rows):
        here = sum(is_number(cells[k]) for k in columns if k < len(cells))
        if columns and 2 * here > len(columns) and not cells[0].startswith(_COMMENTS):
            named = i == 0 and len(rows) > 1 and any(k < len(cells) and cells[k] and not is_number(cells[k])
                                                     for k in columns)  # fmt: skip
            return 1 if named else i  # pulse,1,2,3: devices may have numbers for names
    return next((i for i, cells in enumerate(rows) if any(map(is_number, cells))), None)


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    count = len(cells)
    while count and not cells[count - 1]:
        count -= 1
    return cells[:count]


def _zipped(names: tuple[str, ...], units: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    return zip_longest(names, ("" if unit in _NO_UNIT else unit.strip("()[] ") for unit in units), fillvalue="")


def _all_units(cells: tuple[str, ...]) -> bool:
    """Return whether every cell that holds something is a unit."""
    try:
        return bool([parse_unit(cell.strip("()[] ")) for cell in cells if cell not in _NO_UNIT])
    except InputError:
        return False

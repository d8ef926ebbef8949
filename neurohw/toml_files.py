"""Tables as TOML files that people read: a number with its unit and source is one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomlkit
from tomlkit import TOMLDocument
from tomlkit.items import InlineTable


def document(tables: Mapping[str, Any], plain: tuple[str, ...] = ()) -> TOMLDocument:
    """Return a file's keys, then its tables, whose own tables are lines.

    Args:
        tables: of plain values, or of what `line` made; a dotted name is that of a table within another.
        plain: names of the tables that are written as they are, tables within them as tables.
    """
    file = tomlkit.document()
    sections = [n for n, value in tables.items() if isinstance(value, Mapping) and not isinstance(value, InlineTable)]
    for name in (name for name in tables if name not in sections):
        file.add(name, line(tables[name]))
    for name, value in tables.items():
        if name in sections:
            table = tomlkit.table()
            for key, item in value.items():
                table.add(key, item if name in plain else line(item))
            file.add(tomlkit.nl())
            file.add(tomlkit.key(name.split(".")) if "." in name else name, table)
    return file


def line(value: Any) -> Any:
    """Return a value as it stands in one line."""
    if isinstance(value, Mapping) and not isinstance(value, InlineTable):
        return tomlkit.inline_table() | {key: line(item) for key, item in value.items()}
    return [line(item) for item in value] if isinstance(value, list | tuple) else value

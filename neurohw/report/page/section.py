"""A section of a report."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.report.table import Table


@dataclass(frozen=True)
class Section:
    """A heading, a table, and a sentence on how to read it."""

    title: str
    table: Table
    note: str = ""

"""The main table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from neurohw.report.accuracy.data import Accuracies, accuracy_data
from neurohw.report.accuracy.tables import comparison_table
from neurohw.report.points import group_records
from neurohw.runs.record import RunRecord

_SHOWN = 5  # columns: point, accuracy, gap, seeds, epochs


def accuracy_table(records: Sequence[RunRecord]) -> Group:
    """Return ideal against constrained, as the report's main tables have it, for a terminal."""
    shown = [a for a in accuracy_data(group_records(records)) if not a.metric.secondary]
    if not shown:
        return Group(Text("no run produced a result"))
    return Group(*map(_table, shown), Text("mean ± sample standard deviation over seeds; gap ± standard error", "dim"))


def _table(accuracies: Accuracies) -> Table:
    comparison = comparison_table(accuracies)
    table = Table(title=accuracies.metric.title, title_justify="left", box=None, pad_edge=False)
    for i, column in enumerate(comparison.columns[:_SHOWN]):
        table.add_column(column, justify="right" if i else "left", no_wrap=i in (1, 2))
    for row in comparison.rows:
        style = "bold" if row.point.ideal else "yellow" if row.point.stopped else ""
        table.add_row(*(Text(cell) for cell in row.cells[:_SHOWN]), style=style)
    return table

"""Measured beside published: the values of a table or figure, for terminals, Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.console import Group
from rich.table import Table as TerminalTable

from neurohw.kinds import METRICS
from neurohw.report.table import NOTHING, markdown_cell
from neurohw.studies.paper import LEAST_ALLOWED, PaperTable, Result
from neurohw.units import duration_text

COLUMNS = ("Network", "Metric", "Measured", "Published", "Difference", "Allowed", "Epochs", "A run takes", "Verdict")
NOTE = (
    "Mean ± sample standard deviation (number of seeds). Differences in percentage points; allowed are three standard "
    "errors of both sides (one seed: with the other side's spread), at least "
    f"{100 * LEAST_ALLOWED:g} points, or what the experiment's expected.toml says. Reproduced: at the published "
    "length, within what is allowed. A run that is shorter stands beside the published curve at the same epoch, and "
    "reproduces nothing yet; where no curve was published, it stands beside the final value, and nothing is compared."
)


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """Return a row of `COLUMNS` for each result."""
    return [_row(result) for result in results]


def terminal_tables(results: Sequence[Result]) -> Group:
    """Return a table for each network, narrow enough for a terminal."""
    titles = list(dict.fromkeys(result.expected.of(result.experiment) for result in results))
    return Group(*(_terminal_table(title, [r for r in results if r.expected.of(r.experiment) == title])
                   for title in titles))  # fmt: skip


def _terminal_table(title: str, results: Sequence[Result]) -> TerminalTable:
    table = TerminalTable(title=title, title_justify="left", title_style="bold", box=None, show_header=False)
    for justify in ("left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=justify == "right")
    for result, cells in zip(results, rows(results), strict=True):
        named = dict(zip(COLUMNS, cells, strict=True))
        style = "red" if result.outside else "dim" if result.found is None else ""
        compared = result.found is not None and result.after is None
        difference = f" ({named['Difference']}, allowed {named['Allowed']})" if compared else ""
        table.add_row(named["Metric"], named["Measured"], named["Published"], result.verdict + difference, style=style)
    return table


def summary(results: Sequence[Result]) -> str:
    """Return in one line how many values are reproduced, outside, shorter, and not run."""
    judged = [result for result in results if result.allowed is not None or result.after is not None]
    whole = [result for result in judged if result.whole]
    counts = {
        "reproduced": sum(not result.outside for result in whole),
        "outside": sum(result.outside for result in results),
        "from shorter runs": len(judged) - len(whole),
        "not judged": sum(result.found is not None and result not in judged for result in results),
        "beside nothing published": sum(result.found is None and result.seconds is not None for result in results),
        "not run": sum(result.found is None and result.seconds is None for result in results),
    }
    return f"{len(results)} values: " + ", ".join(f"{n} {what}" for what, n in counts.items() if n)


def markdown_page(tables: Sequence[tuple[PaperTable, Sequence[Result]]]) -> str:
    """Return all tables on one page."""
    parts = ["# Measured beside published", "", NOTE, ""]
    for table, results in tables:
        parts += [f"## {table.file.title}", "", f"{summary(results)}. `neurohw reproduce {table.name}`", ""]
        parts += [table.file.note, ""] if table.file.note else []
        lines = [COLUMNS, ("---", "---", *("---:" for _ in COLUMNS[2:-1]), "---"), *rows(results)]
        parts += [f"| {' | '.join(map(markdown_cell, line))} |" for line in lines] + [""]
    return "\n".join(parts)


def frame(tables: Sequence[tuple[PaperTable, Sequence[Result]]]) -> pd.DataFrame:
    """Return every value as numbers; shares as fractions."""
    return pd.DataFrame([_numbers(table, result) for table, results in tables for result in results])


def _row(result: Result) -> tuple[str, ...]:
    expected, found = result.expected, result.found
    metric = METRICS[expected.metric].fitted((expected.value, *([found.mean] if found else [])))

    def spread(mean: float, std: float | None, n: int) -> str:
        return metric.number(mean) + ("" if std is None else f" ± {metric.number(std, digits=3)}") + f" ({n})"

    return (
        expected.of(result.experiment),
        expected.what,
        spread(found.mean, found.std, found.n) if found else NOTHING,
        spread(expected.value, expected.std, expected.n),
        metric.number(found.difference, signed=True) if found else NOTHING,
        NOTHING if result.allowed is None else f"±{metric.number(result.allowed)}",
        f"{result.after or expected.epoch} of {result.full}" if expected.epoch else "pre-training",
        NOTHING if result.seconds is None or not found else duration_text(result.seconds),
        result.verdict,
    )


def _numbers(table: PaperTable, result: Result) -> dict[str, object]:
    expected, found = result.expected, result.found
    return {
        "table": table.name, "experiment": result.experiment, "metric": expected.metric,
        "where": str(expected.where or ""), "label_fraction": expected.label_fraction,
        "measured": found and found.mean, "measured_std": found and found.std, "seeds": found.n if found else 0,
        "published": expected.value, "published_std": expected.std, "published_seeds": expected.n,
        "difference": found and found.difference, "allowed": result.allowed, "epoch": result.after or expected.epoch,
        "schedule": result.full, "train_seconds": result.seconds if found else None, "verdict": result.verdict,
        "source": expected.source,
    }  # fmt: skip

"""Tables of sensitivities: where one point is lost, as text, and every number of the curves, for CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from neurohw import units
from neurohw.report.sensitivity.data import Line, Sensitivity
from neurohw.report.sensitivity.loss import Limit, Lost
from neurohw.report.table import NOTHING, Row, Table, mean_text
from neurohw.report.wording import axis_of

MOST_TOLD = 8  # lines in a caption
NONE_TO_LOSE = "none to lose, at chance"
_FRAME_COLUMNS = (
    *("key", "unit", "readout", "line", "value", "mean", "std", "seeds", "loss", "loss_error", "hash"),
    *("baseline_mean", "baseline_std", "baseline_seeds", "baseline_hash", "baseline_value"),
    *("lost_at", "lost_early", "lost_late"),
)


def lost_table(panels: Sequence[Sensitivity]) -> Table:
    """Return where one point is lost: a row per line with a baseline, or per side of zero if both signs were tried.

    A line whose baseline is at chance has none to lose, and says so.
    """
    labels = {panel.metric.label for panel in panels}
    baseline = f"Baseline {labels.pop().lower()}" if len(labels) == 1 else "Baseline, %"
    columns = ("Parameter", "Line", baseline, "1 point lost at", "± standard error", "Tried (values)", "Seeds")
    return Table(columns, tuple(row for panel in panels for row in _rows(panel)))


def lost_words(panels: Sequence[Sensitivity]) -> str:
    """Return where each line loses one point, for the caption of their figure; "" where none does, or too many."""
    told = [
        f"{panel.title}, {line.label}: {limit_text(lost.at, panel.key)}{_in_brackets(beside_text(lost, panel.key))}"
        for panel in panels for line in panel.lines for lost in line.lost
    ]  # fmt: skip
    return f"One point is lost at: {'; '.join(told)}." if 0 < len(told) <= MOST_TOLD else ""


def beside_text(lost: Lost, key: str) -> str:
    """Return within which limits a standard error puts it; "" where nobody knows, or that is the same."""
    interval = _interval(lost, key)
    return "" if interval in (NOTHING, limit_text(lost.at, key)) else interval


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def sensitivity_frame(panels: Sequence[Sensitivity]) -> pd.DataFrame:
    """Return a row per point of every curve, in SI and fractions, with its line's baseline and where a point is lost.

    Two limits, below and above zero, are separated by "; ".
    """
    rows = [row for panel in panels for line in panel.lines for row in _frame_rows(panel, line)]
    return pd.DataFrame(rows, columns=list(_FRAME_COLUMNS))


def value_text(value: float, key: str, digits: int = 3) -> str:
    """Return a parameter's value with its unit, as in "30 nA"."""
    return units.readable(value, axis_of(key).unit, digits).replace("-", "−")


def _rows(panel: Sensitivity) -> Iterator[Row]:
    first = True
    for line in panel.lines:
        for lost in line.lost or ((None,) if line.at_chance else ()):
            yield Row((panel.title, line.label, *_cells(panel, line, lost)), line.points[-1], first)
            first = False


def _cells(panel: Sensitivity, line: Line, lost: Lost | None) -> tuple[str, ...]:
    seeds = sorted({spread.n for spread in line.spreads})
    ends = [value_text(value, panel.key) for value in (line.values[0], line.values[-1])]
    return (
        _baseline(panel, line),
        NONE_TO_LOSE if lost is None else limit_text(lost.at, panel.key),
        NOTHING if lost is None else _interval(lost, panel.key),
        f"{' to '.join(ends)} ({len(line.values)})",
        str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}",
    )


def _baseline(panel: Sensitivity, line: Line) -> str:
    if line.baseline is None:
        return NOTHING
    off, value = line.baseline.off, line.baseline.value
    at = "" if off or value is None else f" (at {value_text(value, panel.key)})"
    return mean_text(line.baseline.spread, panel.metric) + at


def limit_text(limit: Limit, key: str) -> str:
    """Return a limit with its unit, as in "> 100 nA"."""
    return f"{limit.relation} {value_text(limit.value, key)}".strip()


def _interval(lost: Lost, key: str) -> str:
    if lost.early is None or lost.late is None:
        return NOTHING
    low, high = sorted((lost.early, lost.late), key=lambda limit: limit.value)
    ends = dict.fromkeys(limit_text(limit, key) for limit in (low, high))
    return " to ".join(ends)


def _frame_rows(panel: Sensitivity, line: Line) -> Iterator[tuple[Any, ...]]:
    base = line.baseline
    reference = (base.spread.mean, base.spread.std, base.spread.n, base.point.config_hash, base.value) if base else ()
    lost = [
        "; ".join(f"{limit.relation}{limit.value:.6g}" for limit in limits if limit)
        for limits in zip(*((x.at, x.early, x.late) for x in line.lost), strict=True)
    ]
    for point, spread, tried in zip(line.points, line.spreads, line.tried, strict=True):
        yield (
            *(panel.key, axis_of(panel.key).unit, panel.readout, line.label, tried.value),
            *(spread.mean, spread.std, spread.n, tried.loss, tried.error, point.config_hash),
            *(reference or (None,) * 5),
            *(lost or (None,) * 3),
        )

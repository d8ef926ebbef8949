"""What a report says of points without a record, and of attributions: sentences, and rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from neurohw.report.besides import CAUSE, STUDY, Besides
from neurohw.report.page.answer import Answer
from neurohw.report.table import NOTHING

FAILED_COLUMNS = ("Point", "Seed", "Hash", "Attempts", "How", "Why, the last time")
COST_COLUMNS = ("Cause", "Study", "Cost, points", "Lost if it is the only cause", "Regained if only it is taken away")
COST_NOTE = (
    "Points of accuracy with 95 % intervals over seeds. A cost is the mean loss over orders in which causes come in "
    "(Shapley): costs, and what is left with all causes taken away, add up to the gap to ideal arrays."
)
_TOLD = 2  # causes, and studies, in the answer


def failed_rows(besides: Besides) -> list[tuple[str, ...]]:
    """Return a row for each point that gave no record."""
    return [
        (
            f"{failed.name}: {failed.place}" if failed.place else failed.name,
            str(failed.seed),
            failed.config_hash,
            str(len(failed.attempts)),
            ", ".join(dict.fromkeys(tried.how for tried in failed.attempts)),
            failed.attempts[-1].message,
        )
        for failed in besides.failed
    ]


def failed_note(besides: Besides) -> tuple[str, ...]:
    """Return the note on points without a record; none where all have theirs."""
    n = len(besides.failed)
    if not n:
        return ()
    some = f"{n} points" if n > 1 else "One point"
    return (f"{some} of the sweep failed, and nothing below is of them but why; the same `neurohw sweep` tries again.",)


def cost_rows(besides: Besides) -> list[tuple[str, ...]]:
    """Return a row for each cause of each study."""
    if besides.costs is None:
        return []
    return [
        (str(row[CAUSE]), str(row[STUDY]), *(_points(row, name) for name in ("cost", "alone", "regained")))
        for row in besides.costs.to_dict("records")
    ]


def with_causes(answer: Answer, besides: Besides) -> Answer:
    """Return the answer with what costs most, as it was attributed, instead of what the sweep lets one guess."""
    told = list(_told(besides))[:_TOLD]
    if not told:
        return answer
    first, *rest = answer.sentences or ("",)
    others = rest[1:] if len(rest) > 1 else rest
    return replace(answer, sentences=tuple(filter(None, (first, " ".join(told), *others))))


def _told(besides: Besides) -> Iterator[str]:
    """Yield a sentence for each study: the last row is its gap, and what has no `alone` is no cause."""
    for study, rows in () if besides.costs is None else besides.costs.groupby(STUDY, sort=False):
        gap = rows.iloc[-1].to_dict()
        clear = rows[rows["alone"].notna() & (rows["cost"] > rows["cost_interval"])].to_dict("records")
        if clear and gap["cost"] > 0:
            costs = ", then ".join(f"{row[CAUSE]}, {_points(row, 'cost')}" for row in clear[:_TOLD])
            yield f"Of the gap of {_points(gap, 'cost')} points ({study}) most is {costs}."


def _points(row: Mapping[Any, Any], name: str) -> str:
    value, half = row[name], row[f"{name}_interval"]
    if pd.isna(value):
        return NOTHING
    return f"{value:.1f}" + ("" if pd.isna(half) else f" ± {half:.1f}")

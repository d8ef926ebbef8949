"""Tables of ageing: accuracy by age, what recovery takes, and every number for CSV."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from math import isnan

import pandas as pd

from neurohw.energy.ranges import Range
from neurohw.metrics import Metric
from neurohw.report.ageing.data import Ageing, Recovery, Way
from neurohw.report.ageing.loss import age_lost, lost_cells
from neurohw.report.energy.bounds import bounds_text, digits
from neurohw.report.points import Point
from neurohw.report.sensitivity.tables import MOST_TOLD
from neurohw.report.table import NOTHING, Row, Table, mean_text, table_of

_LOST = ("1 point lost after", "± standard error")
_SPANS = ((31_536_000, "year"), (86_400, "day"), (3_600, "hour"))
_COLUMNS = (
    *("label", "hash", "metric", "age_seconds", "compensation", "retrained", "mean", "std", "seeds"),
    *("recovery_images", "recovery_pulses", "recovery_joules_low", "recovery_joules", "recovery_joules_high"),
    *("compensating_joules_low", "compensating_joules", "compensating_joules_high"),
    *("lost_at", "lost_early", "lost_late"),
)


def age_text(seconds: float) -> str:
    """Return an age in words: seconds, hours, days and years where they come out even."""
    for unit, name in _SPANS:
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}{'' if seconds == unit else 's'}"
    return f"{seconds:g} s"


def ageing_table(ageings: Sequence[Ageing]) -> Table:
    """Return one metric of several points: a row for each way to meet drift, a column for each age.

    Where any of them can lose a point, columns say at which age it has.
    """
    ages = sorted({age for ageing in ageings for age in ageing.ages})
    several = any(len(ageing.lines) > 1 for ageing in ageings)
    lost = {(ageing.point.anchor, way): age_lost(ageing, way) for ageing in ageings for way in ageing.lines}
    losing = any(lost.values())
    columns = (
        "Point",
        *(("Drift",) if several else ()),
        "As trained",
        *map(age_text, ages),
        *(_LOST * losing),
        "Seeds",
    )
    rows: list[tuple[Point, tuple[str, ...]]] = []
    for ageing in ageings:
        for way, spreads in ageing.lines.items():
            at = dict(zip(ageing.ages, spreads, strict=True))
            cells = (mean_text(at[age], ageing.metric) if age in at else NOTHING for age in ages)
            named = (way.label,) if several else ()
            trained = mean_text(ageing.trained, ageing.metric)
            at_age = lost_cells(lost[ageing.point.anchor, way]) * losing
            seeds = str(max(spread.n for spread in spreads))
            rows.append((ageing.point, (*named, trained, *cells, *at_age, seeds)))
    return table_of(columns, rows)


def age_lost_words(ageings: Sequence[Ageing]) -> str:
    """Return after which time each way loses one point, for the caption of their figure; "" where none can."""
    told = []
    for ageing in ageings:
        for way in ageing.lines:
            if lost := age_lost(ageing, way):
                at, interval = lost_cells(lost)
                told.append(
                    f"{ageing.point.label}, {way.label}: {at}" + f" ({interval})" * (interval not in (NOTHING, at))
                )
    return f"One point is lost after: {'; '.join(told)}." if 0 < len(told) <= MOST_TOLD else ""


def recovery_table(recoveries: Sequence[Recovery], metric: Metric | None) -> Table:
    """Return what each recovery takes, and what re-training gains of the metric."""
    gained = "Gained, points" if metric is None or metric.share else f"Gained, {metric.shown_unit}"
    columns = ("Point", "Age", "Drift before", "Images without labels", gained, "Energy (low to high)", "Time",
               "Pulses", "Compensation, energy", "Seeds")  # fmt: skip
    rows = []
    for anchor, group in groupby(recoveries, key=lambda recovery: recovery.point.anchor):
        rows += [Row((r.point.label, *_cells(r, metric)), r.point, first=i == 0 and bool(anchor))
                 for i, r in enumerate(group)]  # fmt: skip
    return Table(columns, tuple(rows))


def ageing_frame(ageings: Sequence[Ageing], recoveries: Sequence[Recovery]) -> pd.DataFrame:
    """Return a row per point, metric, age and way, in seconds, fractions and joules."""
    taken = {(r.point.anchor, r.age, r.compensation): r for r in recoveries}
    rows = []
    for ageing in ageings:
        point = ageing.point
        for way, spreads in ageing.lines.items():
            found = age_lost(ageing, way)
            limits = (found.at, found.early, found.late) if found else (None,) * 3
            lost = [f"{limit.relation}{limit.value:.6g}" if limit else None for limit in limits]
            for age, spread in zip(ageing.ages, spreads, strict=True):
                if spread.n:
                    cost = _cost_cells(taken.get((point.anchor, age, way.compensation)), way)
                    what = (point.label, point.config_hash, ageing.metric.name, age, way.compensation, way.retrained)
                    rows.append((*what, spread.mean, spread.std, spread.n, *cost, *lost))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _cells(recovery: Recovery, metric: Metric | None) -> tuple[str, ...]:
    again = recovery.images > 0
    gained = recovery.gained
    points = NOTHING
    if gained.n and metric is not None:
        points = metric.number(gained.mean, signed=True)
        points += "" if isnan(gained.std) else f" ± {metric.number(gained.std, digits=3)}"
    return (
        age_text(recovery.age),
        Way(recovery.compensation).label,
        digits(recovery.images) if again else NOTHING,
        points.replace("-", "−"),
        bounds_text(recovery.energy, "J") if again else NOTHING,
        bounds_text(recovery.seconds, "s") if again else NOTHING,
        digits(recovery.pulses) if again else NOTHING,
        bounds_text(recovery.compensating, "J") if recovery.compensating.high else NOTHING,
        str(max(gained.n, len(recovery.point.records))),
    )


def _cost_cells(recovery: Recovery | None, way: Way) -> tuple[float | None, ...]:
    if recovery is None:
        return (None,) * 8
    again = (recovery.images, recovery.pulses, *_bounds(recovery.energy)) if way.retrained else (None,) * 5
    return (*again, *(_bounds(recovery.compensating) if way.compensation != "none" else (None,) * 3))


def _bounds(energy: Range) -> tuple[float, float, float]:
    return energy.low, energy.nominal, energy.high

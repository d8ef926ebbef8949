"""The numbers of findings, looked up in the records of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, floor, isfinite, nan
from pathlib import Path
from typing import Any

from neurohw.archive import ARCHIVE
from neurohw.energy.figures import FIGURES
from neurohw.errors import InputError
from neurohw.report.accuracy.data import curve_of
from neurohw.report.ageing.data import Ageing, Way, ageing_data
from neurohw.report.ageing.loss import age_limit_text, age_lost
from neurohw.report.energy.account import chip_of
from neurohw.report.findings.file import Finding, Wanted, metric_of
from neurohw.report.naming import Flat, flatten
from neurohw.report.points import Point, group_records
from neurohw.report.sensitivity.data import Line, Sensitivity, sensitivity_data
from neurohw.report.sensitivity.loss import Limit, Lost
from neurohw.report.sensitivity.tables import value_text
from neurohw.report.spread import Spread
from neurohw.report.table import mean_text
from neurohw.runs.collection import read_archive
from neurohw.runs.record import RunRecord
from neurohw.units import readable
from neurohw.validation import did_you_mean


@dataclass(frozen=True)
class Report:
    """A report's records.

    Args:
        name: its folder below that of all reports.
        points: of them.
    """

    name: str
    points: tuple[Point, ...]

    @cached_property
    def sensitivities(self) -> list[Sensitivity]:
        """Its swept keys."""
        return sensitivity_data(self.points)

    @cached_property
    def ageings(self) -> list[Ageing]:
        """Its chips that age."""
        return ageing_data(self.points)


def read_report(reports: Path, name: str) -> Report:
    """Return a report's records.

    Raises:
        InputError: there are none.
    """
    path = reports / name / ARCHIVE
    try:
        return Report(name, tuple(group_records(read_archive(path))))
    except InputError as error:
        raise InputError(f"reports.{name}: {error}; allowed: folders of reports below {reports}") from None


@dataclass(frozen=True)
class Found:
    """A number with what it is made of.

    Args:
        wanted: what was asked for.
        points: whose records it is made of.
        spread: of a metric or a figure; none of where a point is lost.
        lost: where one point is lost; none of a metric.
        line, panel: along which, of a swept key; ageing, way: of an age.
    """

    wanted: Wanted
    points: tuple[Point, ...]
    spread: Spread = field(default_factory=lambda: Spread(()))
    lost: Lost | None = None
    line: Line | None = None
    panel: Sensitivity | None = None
    ageing: Ageing | None = None
    way: Way | None = None

    @property
    def mean(self) -> float:
        """The number: a mean over seeds, or where a point is lost (NaN where it is only bounded)."""
        if self.lost is None:
            return self.spread.mean
        return nan if self.lost.value is None else self.lost.value

    @property
    def seeds(self) -> str:
        """How many seeds its points have."""
        counts = sorted({len(point.records) for point in self.points})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"

    def __str__(self) -> str:
        """Return it as a sentence has it: with spread, or the ends of its standard error, and unit."""
        if self.lost is None:
            metric = metric_of(self.wanted.of)
            if metric.name in FIGURES:  # nominal: over seeds they hardly differ, and what they rest on does far more
                return readable(self.spread.mean, metric.unit or "1", 3)
            metric = metric.fitted([self.spread.mean])
            return f"{mean_text(self.spread, metric)} {metric.shown_unit}".strip()
        ends = [end for end in (self.lost.early, self.lost.late) if end is not None]
        texts = list(dict.fromkeys(self._limit(end) for end in sorted(ends, key=lambda end: end.value)))
        at = self._limit(self.lost.at)
        return at if texts in ([], [at]) else f"{at} ({' to '.join(texts)})"

    def _limit(self, limit: Limit) -> str:
        if self.panel is None:
            text = age_limit_text(limit)
        elif self.panel.key.endswith("fraction"):  # a share
            text = f"{limit.relation} {100 * limit.value:.2g} %".strip()
        else:
            limit = self._whole(limit)
            text = f"{limit.relation} {value_text(limit.value, self.panel.key, digits=2)}".strip()
        return text.replace("<", "less than").replace(">", "more than")

    def _whole(self, limit: Limit) -> Limit:
        """Return the last whole number at which nothing is lost yet, of a key that takes no others: "< 4" for 3.99."""
        assert self.panel is not None
        assert self.line is not None
        key, value = self.panel.key, limit.value
        counts = (p.config.get(key) for p in self.line.points)
        if limit.relation or value.is_integer() or not (
            key.endswith(".levels") or all(isinstance(count, int | None) for count in counts)
        ):  # fmt: skip
            return limit
        worse_below = self.panel.worse == "smaller"
        return Limit(float(ceil(value)), "<") if worse_below else Limit(float(floor(value)), ">")


def found_values(finding: Finding, reports: dict[str, Report]) -> dict[str, Found]:
    """Return a finding's numbers by name.

    Args:
        finding: from its file.
        reports: by name.

    Raises:
        InputError: a number that no configuration has, or several.
    """
    found = {}
    for name, wanted in finding.values.items():
        try:
            found[name] = _found(wanted, reports[wanted.report])
        except InputError as error:
            raise InputError(f"{finding.title}, {name}: {error}") from None
    return found


def _found(wanted: Wanted, report: Report) -> Found:
    if wanted.lost_along:
        return _lost_along(wanted, report)
    if wanted.lost_after:
        return _lost_after(wanted, report)
    point = _only([p for p in report.points if _fits(p.config, wanted)], report.points, wanted)
    if wanted.epoch is not None:
        return Found(wanted, (point,), _at_epoch(point, wanted.of, wanted.epoch))
    values = [value for record in point.records if (value := _value(record, wanted.of)) is not None]
    if not values:
        raise InputError(f"of: got {wanted.of!r}, which no record of {point.label} ({point.config_hash}) has")
    return Found(wanted, (point,), Spread(tuple(values)))


def _at_epoch(point: Point, metric: str, epoch: int) -> Spread:
    curve = curve_of(point, metric)
    if epoch not in curve:
        raise InputError(f"epoch: got {epoch}, at which no record of {point.label} ({point.config_hash}) has {metric}; "
                         f"allowed: {', '.join(map(str, curve)) or 'none'}")  # fmt: skip
    return curve[epoch]


def _lost_along(wanted: Wanted, report: Report) -> Found:
    key, metric = wanted.lost_along, metric_of(wanted.of)
    panels = [panel for panel in report.sensitivities if panel.key == key and panel.metric == metric]
    lines = [line for panel in panels for line in panel.lines
             if line.lost and _fits(line.points[0].config, wanted, less=key)]  # fmt: skip
    if len(lines) != 1:
        keys = ", ".join(dict.fromkeys(panel.key for panel in report.sensitivities)) or "none"
        raise InputError(f"lost_along: got {key!r} with where {wanted.where}, which {len(lines)} lines of "
                         f"{report.name} fit; allowed: one; swept there: {keys}")  # fmt: skip
    (line,) = lines
    base = (line.baseline.point,) if line.baseline and line.baseline.point not in line.points else ()
    return Found(wanted, (*base, *line.points), lost=line.lost[0], line=line, panel=panels[0])


def _lost_after(wanted: Wanted, report: Report) -> Found:
    metric, way = metric_of(wanted.of), Way(str(wanted.lost_after))
    looked = [ageing for ageing in report.ageings if ageing.metric == metric and way in ageing.lines]
    if not looked:
        others = dict.fromkeys(way.compensation for ageing in report.ageings for way in ageing.lines)
        raise InputError(f"lost_after: got {wanted.lost_after!r}, but no chip of {report.name} ages so; allowed there: "
                         f"{', '.join(others) or 'nothing, since none has evaluation.age_seconds'}")  # fmt: skip
    aged = [ageing for ageing in looked if _fits(ageing.point.config, wanted)]
    point = _only([ageing.point for ageing in aged], [ageing.point for ageing in looked], wanted)
    lost = age_lost(aged[0], way)
    if lost is None:
        raise InputError(f"lost_after: got {wanted.lost_after!r}, but {point.label} has nothing to lose, or one age "
                         "only; allowed: points above chance with two ages or more")  # fmt: skip
    return Found(wanted, (point,), lost=lost, ageing=aged[0], way=way)


def _only(points: Sequence[Point], among: Sequence[Point], wanted: Wanted) -> Point:
    """Return the only point that is meant."""
    if len(points) == 1:
        return points[0]
    known = dict.fromkeys(key for point in among for key in point.config)
    for key in () if points else wanted.keys.keys() - known:
        raise InputError(f"where: got {key!r}{did_you_mean(key, known)}, a key that no configuration of "
                         f"{wanted.report} has")  # fmt: skip
    labels = list(dict.fromkeys(f"{p.label} ({p.config_hash})" for p in points or among))
    shown = "; ".join(labels[:8]) + ("; ..." if len(labels) > 8 else "")
    raise InputError(f"where: got {wanted.where}, which {len(points)} configurations of {wanted.report} fit; allowed: "
                     f"one; {'these' if points else 'there are'}: {shown or 'none'}")  # fmt: skip


def _fits(config: Flat, wanted: Wanted, less: str | None = None) -> bool:
    """Return whether a configuration has the keys; `"none"` stands for none."""
    return all(_alike(config.get(key), value) for key, value in wanted.keys.items() if key != less)


def _alike(value: Any, asked: Any) -> bool:
    value = list(value) if isinstance(value, list | tuple) else value
    return value == asked or (value is None and asked == "none")


def _value(record: RunRecord, name: str) -> float | None:
    """Return a number of a record's metrics, or of its account."""
    if name in FIGURES:
        chip = chip_of(record)
        return None if chip is None else FIGURES[name].of(chip)
    value = flatten(record.metrics).get(name)
    return float(value) if isinstance(value, int | float) and isfinite(value) else None

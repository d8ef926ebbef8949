"""Sensitivity: a metric against each swept parameter, line by line, and where one percentage point of it is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import hypot, nan

from neurohw.config.section import Worse
from neurohw.kinds import standing_metrics
from neurohw.metrics import Metric
from neurohw.report.naming import REMEDY, SPARSE, Flat, differing_keys, ideal_arrays, name_points, plain
from neurohw.report.points import Point
from neurohw.report.sensitivity.lines import Baseline, Candidate, Setting, candidates_for, numeric_keys, settings_of
from neurohw.report.sensitivity.loss import Lost, Tried, point_lost
from neurohw.report.spread import Spread, at_chance, spread_of
from neurohw.report.wording import axis_of


@dataclass(frozen=True)
class Line:
    """Accuracy against one parameter, all else being equal.

    Args:
        label: what tells the line from the others of its panel.
        kind: what the same colour shows in every panel: rule, mode and arrays.
        points: one per value.
        tried: the values, ascending, in SI, with what is lost against the baseline there (NaN without one).
        spreads: accuracy at each value.
        baseline: None where no point has the parameter off and no value of it is the mildest.
        at_chance: whether the baseline is no better than guessing, by this metric or by its own answers.
        lost: where one point is lost against the baseline: towards larger values, smaller ones, or one of each; none
            where the baseline is at chance and has none to lose, or the metric is not in percent.
    """

    label: str
    kind: str
    points: tuple[Point, ...]
    tried: tuple[Tried, ...]
    spreads: tuple[Spread, ...]
    baseline: Baseline | None
    at_chance: bool
    lost: tuple[Lost, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The values tried, ascending, in SI."""
        return tuple(tried.value for tried in self.tried)


@dataclass(frozen=True)
class Sensitivity:
    """One panel: every line along which one parameter was swept.

    Args:
        key: the parameter's dotted key.
        metric: what is measured; of several that share a panel (training with labels has the one, training without
            the other), the first.
        worse: in which direction the hardware gets worse; with values of both signs: away from zero.
        logarithmic: whether values span a decade or more.
        lines: those that share most settings with all points first.
    """

    key: str
    metric: Metric
    worse: Worse
    logarithmic: bool
    lines: tuple[Line, ...]

    @property
    def readout(self) -> str:
        """How it was read out; "" for the accuracy as trained."""
        return readout_of(self.metric)

    @property
    def counts(self) -> bool:
        """Whether the parameter takes whole numbers only, as levels, bits and winners do."""
        given = (point.config.get(self.key) for line in self.lines for point in line.points)
        return self.key.endswith(".levels") or all(isinstance(value, int | None) for value in given)

    @property
    def title(self) -> str:
        """The parameter in words."""
        return axis_of(self.key).title + (f": {self.readout}" if self.readout else "")


def sensitivity_data(points: Sequence[Point]) -> list[Sensitivity]:
    """Return a panel per swept numeric key and read-out; runs that were stopped are left out."""
    finished = [point for point in points if not point.stopped]
    settings = settings_of([point.config for point in finished])
    panels = []
    for metrics in _panels().values():
        spreads = [_first_spread(point, metrics) for point in finished]
        known = [known for known in zip(finished, settings, spreads, strict=True) if known[2].n]
        for key in numeric_keys(settings):
            if candidates := candidates_for(key, known):
                panels.append(_sensitivity(key, metrics[0], candidates, settings))
    return panels


def readout_of(metric: Metric) -> str:
    """Return what tells a metric from others on the same axes."""
    return metric.title if metric.readout is None else metric.readout


def _panels() -> dict[tuple[str, str, str], list[Metric]]:
    """Return the metrics that share a panel: those of one read-out, on one axis."""
    panels: dict[tuple[str, str, str], list[Metric]] = {}
    for metric in standing_metrics():
        panels.setdefault((readout_of(metric), metric.label, metric.better), []).append(metric)
    return panels


def _first_spread(point: Point, metrics: Iterable[Metric]) -> Spread:
    return next((spread for metric in metrics if (spread := spread_of(point, metric.name)).n), Spread(()))


def _sensitivity(key: str, metric: Metric, candidates: list[Candidate], settings: Sequence[Setting]) -> Sensitivity:
    values = [value for candidate in candidates for value in candidate.tried]
    panel = Sensitivity(key, metric, _worse(key, metric, candidates), _is_logarithmic(key, values), ())
    keys = {k for candidate in candidates for k in candidate.shared}
    usual = Counter((k, setting.get(k)) for setting in settings for k in keys)
    ordered = sorted(candidates, key=lambda c: -sum(usual[k, c.shared.get(k)] for k in keys))
    labels = _labels([_configuration(candidate, key) for candidate in ordered])
    lines = [_line(panel, c, label) for c, label in zip(ordered, labels, strict=True)]
    return replace(panel, lines=tuple(sorted(lines, key=lambda line: line.kind)))


def _worse(key: str, metric: Metric, candidates: Iterable[Candidate]) -> Worse:
    """Return where the hardware gets worse: as is known of the key, else where the lines lose."""
    if known := axis_of(key).worse:
        return known
    ends = [[spread.mean for _, spread in candidate.tried.values()] for candidate in candidates]
    return "larger" if sum(metric.loss(means[0], means[-1]) for means in ends) >= 0 else "smaller"


def _is_logarithmic(key: str, values: Sequence[float]) -> bool:
    return not key.endswith("bits") and min(values) > 0 and max(values) / min(values) >= 10 - 1e-9


def _configuration(candidate: Candidate, key: str) -> Flat:
    point, _ = next(iter(candidate.tried.values()))
    return {k: v for k, v in point.config.items() if k not in (key, "name")}


def _labels(configs: Sequence[Flat]) -> list[str]:
    """Return a label for each line; companions that all lines share are no part of it."""
    differing = differing_keys(configs)
    shown = [{k: v for k, v in c.items() if k in differing or not k.startswith(SPARSE)} for c in configs]
    names = name_points(shown, short=True)
    one_place = all(ideal_arrays(config) for config in configs)
    return [name.group if one_place and name.variant == "ideal" else name.label for name in names]


def _line(panel: Sensitivity, candidate: Candidate, label: str) -> Line:
    values = tuple(candidate.tried)
    points, spreads = zip(*candidate.tried.values(), strict=True)
    baseline = _placed(panel, candidate.baseline, values) or _mildest(panel, values, points, spreads)
    tried = tuple(_tried(value, spread, baseline, panel.metric) for value, spread in zip(values, spreads, strict=True))
    idle = baseline is not None and (
        baseline.point.at_chance or at_chance(baseline.point, baseline.spread, panel.metric)
    )
    line = Line(label, _kind(points[0].config), points, tried, spreads, baseline, idle, ())
    if idle or not panel.metric.share:
        return line
    return replace(line, lost=tuple(point_lost(p, panel.logarithmic) for p in _paths(panel, tried, baseline)))


def _tried(value: float, spread: Spread, baseline: Baseline | None, metric: Metric) -> Tried:
    """Return the loss against the baseline's mean and its standard error; the baseline itself has lost nothing."""
    if baseline is None:
        return Tried(value, nan, nan)
    if value == baseline.value:
        return Tried(value, 0.0, 0.0)
    return Tried(value, metric.loss(baseline.spread.mean, spread.mean), hypot(spread.error, baseline.spread.error))


def _kind(config: Flat) -> str:
    """Return rule, mode and arrays of a configuration: what one colour stands for."""
    keys = ("network.rule", "training.mode", "hardware.backend", "hardware.device", *REMEDY)
    return ", ".join(plain(config.get(key)) for key in keys)


def _mildest(
    panel: Sensitivity, values: Sequence[float], points: Sequence[Point], spreads: Sequence[Spread]
) -> Baseline | None:
    if axis_of(panel.key).off is None or values[0] < 0:
        return None
    i = 0 if panel.worse == "larger" else -1
    return Baseline(points[i], spreads[i], off=False, value=values[i])


def _placed(panel: Sensitivity, baseline: Baseline | None, values: Sequence[float]) -> Baseline | None:
    """Return the baseline at zero, where that is both what "off" means and the mild end of an axis."""
    at_zero = axis_of(panel.key).off == 0 and not panel.logarithmic
    if baseline and at_zero and (values[0] < 0 or panel.worse == "larger"):
        return replace(baseline, value=0.0)
    return baseline


def _paths(panel: Sensitivity, tried: Sequence[Tried], baseline: Baseline | None) -> list[list[Tried]]:
    """Return the ways from the mildest value to the severest: one, or one to either side of zero."""
    if baseline is None:
        return []
    nodes = sorted({*tried, *(() if baseline.value is None else (Tried(baseline.value, 0.0, 0.0),))}, key=_value)
    if nodes[0].value < 0:
        ways = [[t for t in reversed(nodes) if t.value <= 0], [t for t in nodes if t.value >= 0]]
    else:
        ways = [nodes if panel.worse == "larger" else nodes[::-1]]
    return [way for way in ways if len(way) > 1]


def _value(tried: Tried) -> float:
    return tried.value

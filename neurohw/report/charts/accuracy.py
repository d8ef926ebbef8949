"""Interactive figures of accuracies: a row for each point, and learning curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan, nan

import altair as alt
import pandas as pd

from neurohw.kinds import METRICS
from neurohw.metrics import Metric
from neurohw.report.accuracy.data import Accuracies, Accuracy
from neurohw.report.accuracy.published import Beside
from neurohw.report.charts.chart import (
    INK,
    MOST_DASHES,
    QUIET,
    ROW,
    Chart,
    Rows,
    brief,
    chart,
    chosen,
    colours,
    faded,
    menu,
    task,
    values,
)
from neurohw.report.points import Point
from neurohw.report.table import mean_text

MOST_ROWS = 24  # points in the figure of accuracies: of more, the best
MOST_LINES = 24  # learning curves

_ROWS = (
    "Mean over seeds, bar: sample standard deviation, small: each seed; thin line: the ideal point it is compared with."
)
_CURVES = "Mean over seeds; band: one sample standard deviation. A click in the legend chooses, with shift several."


def accuracy_rows(accuracies: Sequence[Accuracies], most: int = MOST_ROWS) -> Rows:
    """Return a row per metric and point, in percent or the metric's unit; of more than `most` points, the best."""
    briefs = brief([row.point for data in accuracies for row in data.rows])
    return [_row(data, row, place) | {"brief": briefs[row.point.anchor]}
            for data in accuracies for place, row in enumerate(_foremost(data, most))]  # fmt: skip


def accuracy_chart(accuracies: Sequence[Accuracies], points: Sequence[Point]) -> Chart:
    """Return all points below each other, one metric at a time; a click on a point leads to its configuration."""
    names, axis = _named([data.metric for data in accuracies])
    rows = [{**row, "metric": names[str(row["metric"])]} for row in accuracy_rows(accuracies)]
    seeds = [{**row, "value": value} for row in rows for value in row["seeds"]]
    titles = [*names.values()]
    metric = menu("metric", "metric", titles, "Show")
    y = alt.Y("brief:N", sort=alt.EncodingSortField("place", order="ascending"), title=None)
    x = alt.X("mean:Q", title=axis, scale=alt.Scale(zero=False, padding=8))
    colour = alt.Color("variant:N", scale=colours(points), legend=None)
    tip = [alt.Tooltip("label:N", title="Point"), alt.Tooltip("text:N", title="Value"),
           alt.Tooltip("gap:N", title="Gap to ideal"), alt.Tooltip("n:Q", title="Seeds")]  # fmt: skip
    base = alt.Chart(values(rows)).encode(y=y, color=colour)
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q")
    means = base.mark_point(filled=True, size=80, opacity=1).encode(x=x, tooltip=tip, href="link:N")
    each = alt.Chart(values(seeds)).mark_tick(thickness=1, size=9, opacity=0.7).encode(x="value:Q", y=y, color=colour)
    ideal = base.mark_tick(thickness=1, size=16, color=QUIET).encode(x="ideal:Q", color=alt.value(INK))
    layers = [layer.transform_filter(metric) for layer in (ideal, bars, each, means)]
    drawn = alt.layer(*layers).add_params(metric) if len(titles) > 1 else alt.layer(ideal, bars, each, means)
    more = max(len(data.rows) for data in accuracies) - MOST_ROWS
    note = f" The {MOST_ROWS} best of {more + MOST_ROWS} points." if more > 0 else ""
    title = titles[0] if len(titles) == 1 else accuracies[0].metric.quantity or "All points"
    return chart(
        "accuracy", title, _ROWS + note, drawn, ROW * max(min(len(data.rows), MOST_ROWS) for data in accuracies)
    )


def curve_rows(curves: pd.DataFrame, most: int = MOST_LINES) -> Rows:
    """Return a row per metric, point and epoch, in percent or the metric's unit; of more than `most`, the best."""
    rows: Rows = []
    many = curves["group"].nunique() > MOST_DASHES
    for name, of in curves.groupby("metric", sort=False):
        metric = METRICS[str(name)].fitted(of["mean"])
        last = of.groupby(["label", "hash"], sort=False)["mean"].last().sort_values(ascending=metric.better != "higher")
        kept = set(last.index[:most])
        for c in of.to_dict("records"):
            if (c["label"], c["hash"]) in kept:
                mean, std = metric.scale * c["mean"], metric.scale * c["std"]
                rows.append({"metric": metric.title, "label": c["label"], "group": task(c["group"], many),
                             "variant": c["variant"], "epoch": c["epoch"], "mean": mean, "low": mean - std,
                             "high": mean + std, "n": c["seeds"],
                             "text": f"{mean:.5g}" + ("" if isnan(std) else f" ± {std:.3g}")})  # fmt: skip
    return rows


def curves_chart(curves: pd.DataFrame, points: Sequence[Point], published: Sequence[Beside]) -> Chart:
    """Return learning curves, one metric at a time, with published values where there are some."""
    metrics = [METRICS[str(name)].fitted(of["mean"]) for name, of in curves.groupby("metric", sort=False)]
    names, axis = _named(metrics)
    titles = [*names.values()]
    rows = [{**row, "metric": names[str(row["metric"])]} for row in curve_rows(curves)]
    metric, variant = menu("metric", "metric", titles, "Show"), chosen("variant")
    shown = {row["variant"] for row in rows}
    base = alt.Chart(values(rows)).encode(
        x=alt.X("epoch:Q", title="Epoch", axis=alt.Axis(format="d", values=_ticks(curves["epoch"].unique()))),
        color=alt.Color("variant:N", title=None, scale=colours(p for p in points if p.variant in shown)),
        detail="label:N",
    )
    y = alt.Y("mean:Q", title=axis, scale=alt.Scale(zero=False))
    several = len({row["group"] for row in rows}) > 1
    dash = {"strokeDash": alt.StrokeDash("group:N", title=None, legend=alt.Legend(orient="top"))} if several else {}
    tip = [alt.Tooltip("label:N", title="Point"), alt.Tooltip("epoch:Q", title="Epoch"),
           alt.Tooltip("text:N", title="Value"), alt.Tooltip("n:Q", title="Seeds")]  # fmt: skip
    bands = base.mark_area(fillOpacity=0.15).encode(y=alt.Y("low:Q"), y2="high:Q", opacity=faded(variant))
    lines = base.mark_line().encode(y=y, opacity=faded(variant), **dash)
    dots = base.mark_point(filled=True, size=28).encode(y=y, opacity=faded(variant), tooltip=tip)
    layers: list[alt.Chart] = [bands, lines, dots.add_params(variant)]
    if known := [{**row, "metric": names[str(row["metric"])]} for row in published_rows(published, shown)
                 if row["metric"] in names]:  # fmt: skip
        rule = alt.Chart(values(known)).mark_rule(strokeDash=[2, 3])
        layers.append(rule.encode(y="mean:Q", color="variant:N", tooltip=["name:N", "mean:Q"]))
    if len(titles) > 1:
        layers = [layer.transform_filter(metric) for layer in layers]
        layers[0] = layers[0].add_params(metric)
    note = " Dotted: published values, of other settings." if known else ""
    return chart("curves", "Learning curves", _CURVES + note, alt.layer(*layers))


def published_rows(published: Sequence[Beside], variants: set[str]) -> Rows:
    """Return published values of the points shown."""
    known = [(METRICS[b.value.metric], b) for b in published if b.point.variant in variants]
    return [{"metric": metric.title, "name": b.value.name, "variant": b.point.variant,
             "mean": metric.scale * b.value.value} for metric, b in known]  # fmt: skip


def _named(metrics: Sequence[Metric]) -> tuple[dict[str, str], str]:
    """Return title -> what it is called in a menu, and the axis's title: where units differ, the menu has them."""
    labels = {metric.label for metric in metrics}
    if len(labels) == 1:
        return {metric.title: metric.title for metric in metrics}, labels.pop()
    return {m.title: ", ".join(filter(None, (m.title, m.shown_unit))) for m in metrics}, ""


def _ticks(epochs: Iterable[int]) -> list[int]:
    """Return at most eleven whole epochs."""
    last = max(map(int, epochs))
    step = next(step for step in (10**e * d for e in range(9) for d in (1, 2, 5)) if last / step <= 10)
    return [*range(0, last + 1, step)]


def _foremost(data: Accuracies, most: int) -> list[Accuracy]:
    if len(data.rows) <= most:
        return list(data.rows)
    return sorted(data.rows, key=lambda row: data.metric.loss(0.0, row.spread.mean))[:most]


def _row(data: Accuracies, row: Accuracy, place: int) -> dict[str, object]:
    metric, spread, gap = data.metric, row.spread, row.gap
    mean, std = metric.scale * spread.mean, metric.scale * spread.std
    ideal = mean - gap.points if gap else nan
    return {
        "metric": metric.title, "label": row.point.label, "variant": row.point.variant, "place": place, "mean": mean,
        "low": mean - std, "high": mean + std, "n": spread.n,
        "text": f"{mean_text(spread, metric)} {metric.shown_unit}",
        "seeds": [float(f"{metric.scale * value:.6g}") for value in spread.values], "ideal": ideal,
        "gap": f"{gap.points:+.2f}".replace("-", "−") if gap else "–", "link": f"#{row.point.anchor}",
    }  # fmt: skip

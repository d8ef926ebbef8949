"""Interactive figures of ageing: accuracy against the time since training, one point at a time."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import altair as alt

from neurohw.report.ageing.axis import ticks_between
from neurohw.report.ageing.data import Ageing
from neurohw.report.ageing.loss import age_limit_text, age_lost
from neurohw.report.ageing.tables import age_text
from neurohw.report.charts.chart import INK, PALETTE, Chart, Rows, chart, chosen, faded, menu, values
from neurohw.report.sensitivity.loss import POINT
from neurohw.report.table import mean_text

_CAPTION = (
    "Mean over seeds; bars: sample standard deviation; the thin line: at the end of training; diamonds: where one "
    "percentage point is lost. Each age starts from the same trained chip."
)


def ageing_rows(data: Sequence[Ageing]) -> Rows:
    """Return a row per point, way and age beyond 0, in percent or the metric's unit; one metric."""
    rows: Rows = []
    for ageing in data:
        scale = ageing.metric.scale
        for way, spreads in ageing.lines.items():
            for age, spread in zip(ageing.ages, spreads, strict=True):
                if age > 0 and spread.n:
                    mean, std = scale * spread.mean, 0.0 if isnan(spread.std) else scale * spread.std
                    rows.append({"point": ageing.point.label, "way": way.label, "age": age, "shown": age_text(age),
                                 "mean": mean, "low": mean - std, "high": mean + std, "n": spread.n,
                                 "trained": scale * ageing.trained.mean, "text": mean_text(spread, ageing.metric),
                                 "link": f"#{ageing.point.anchor}"})  # fmt: skip
    return rows


def lost_rows(data: Sequence[Ageing]) -> Rows:
    """Return where each way loses one point, within the ages that were looked at."""
    rows: Rows = []
    for ageing in data:
        sign = 1 if ageing.metric.better == "higher" else -1
        for way in ageing.lines:
            if (lost := age_lost(ageing, way)) and lost.value is not None:
                rows.append({"point": ageing.point.label, "way": way.label, "age": lost.value,
                             "shown": age_limit_text(lost.at),
                             "mean": ageing.metric.scale * (ageing.trained.mean - sign * POINT)})  # fmt: skip
    return rows


def ageing_chart(data: Sequence[Ageing]) -> Chart | None:
    """Return one metric of all points as they age, a menu for the point; None where there is no age but 0."""
    rows = ageing_rows(data)
    if not rows:
        return None
    metric = data[0].metric
    labels = list(dict.fromkeys(str(row["point"]) for row in rows))
    ways = list(dict.fromkeys(str(row["way"]) for row in rows))
    ticks = ticks_between([float(row["age"]) for row in rows])
    words = " : ".join(f"datum.value == {age!r} ? '{text}'" for age, text in ticks.items())
    axis = alt.Axis(values=list(ticks), labelExpr=f"{words} : ''" if ticks else "datum.label", labelFlush=True)
    x = alt.X("age:Q", title="Time since training", axis=axis, scale=alt.Scale(type="log", nice=False, padding=12))
    y = alt.Y("mean:Q", title=metric.label, scale=alt.Scale(zero=False, padding=8))
    way = chosen("way", "way")
    tint, dash = _looks(data, ways)
    base = alt.Chart(values(rows)).encode(x=x, color=tint)
    rule = base.mark_rule(strokeWidth=0.8, color=INK).encode(
        x=alt.value(0), x2=alt.value("width"), y=alt.Y("trained:Q"), color=alt.value(INK))  # fmt: skip
    bars = base.mark_rule().encode(y=alt.Y("low:Q"), y2="high:Q", opacity=faded(way, 0.7))
    lines = base.mark_line().encode(y=y, strokeDash=dash, opacity=faded(way))
    dots = base.mark_point(filled=True, size=36).encode(
        y=y, opacity=faded(way), href="link:N",
        tooltip=[alt.Tooltip("way:N", title="Drift"), alt.Tooltip("shown:N", title="Age"),
                 alt.Tooltip("text:N", title=metric.label), alt.Tooltip("n:Q", title="Seeds")],
    ).add_params(way)  # fmt: skip
    lost = alt.Chart(values(lost_rows(data))).mark_point(shape="diamond", size=110, strokeWidth=2).encode(
        x=x, y=y, color=tint, opacity=faded(way),
        tooltip=[alt.Tooltip("way:N", title="Drift"), alt.Tooltip("shown:N", title="One point lost after")],
    )  # fmt: skip
    layers = [rule, bars, lines, dots, lost]
    if len(labels) > 1:
        point = menu("point", "point", labels, "Show")
        drawn = alt.layer(*(layer.transform_filter(point) for layer in layers)).add_params(point)
    else:
        drawn = alt.layer(*layers)
    return chart("ageing", f"{metric.title} as the chip ages", _CAPTION, drawn, 240)


def _looks(data: Sequence[Ageing], labels: Sequence[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """Return a colour for each way to compensate drift, and dashes after re-training."""
    ways = {way.label: way for ageing in data for way in ageing.lines}
    kinds = list(dict.fromkeys(ways[label].compensation for label in labels))
    tints = [PALETTE[kinds.index(ways[label].compensation) % len(PALETTE)] for label in labels]
    dashes = [[5, 3] if ways[label].retrained else [1, 0] for label in labels]
    return (
        alt.Color("way:N", title=None, scale=alt.Scale(domain=[*labels], range=tints)),
        alt.StrokeDash("way:N", title=None, scale=alt.Scale(domain=[*labels], range=dashes)),
    )

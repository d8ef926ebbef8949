"""Interactive figures of swept parameters: a metric against one of them, line by line."""

from __future__ import annotations

import altair as alt

from neurohw.report.charts.chart import Chart, Rows, chart, chosen, faded, log_ticks, palette, values
from neurohw.report.sensitivity.data import Sensitivity
from neurohw.report.sensitivity.loss import POINT
from neurohw.report.sensitivity.tables import value_text
from neurohw.report.table import mean_text
from neurohw.report.wording import axis_of

NOTE = "Bars: sample standard deviation; thin lines: the baselines; diamonds: where one percentage point is lost."


def sensitivity_rows(panel: Sensitivity) -> Rows:
    """Return a row per line and value tried, in percent or the metric's unit."""
    scale = panel.metric.scale
    return [
        {"line": line.label, "value": value, "shown": value_text(value, panel.key), "mean": scale * spread.mean,
         "low": scale * (spread.mean - spread.std), "high": scale * (spread.mean + spread.std), "n": spread.n,
         "text": mean_text(spread, panel.metric), "link": f"#{point.anchor}"}
        for line in panel.lines for point, value, spread in zip(line.points, line.values, line.spreads, strict=True)
    ]  # fmt: skip


def baseline_rows(panel: Sensitivity) -> Rows:
    """Return the baseline of each line that has one."""
    return [{"line": line.label, "mean": panel.metric.scale * line.baseline.spread.mean}
            for line in panel.lines if line.baseline is not None]  # fmt: skip


def lost_rows(panel: Sensitivity) -> Rows:
    """Return where each line loses one point, within what was tried."""
    sign = 1 if panel.metric.better == "higher" else -1
    return [
        {"line": line.label, "value": lost.value, "shown": value_text(lost.value, panel.key),
         "mean": panel.metric.scale * (line.baseline.spread.mean - sign * POINT)}
        for line in panel.lines if line.baseline is not None for lost in line.lost if lost.value is not None
    ]  # fmt: skip


def sensitivity_chart(panel: Sensitivity) -> Chart:
    """Return one swept parameter's lines."""
    line = chosen("line")
    unit = axis_of(panel.key).unit
    title = ".".join(panel.key.split(".")[-2:]) + ("" if unit == "1" else f", {unit}")
    scale = alt.Scale(type="log", nice=False, padding=10) if panel.logarithmic else alt.Scale(zero=False, padding=10)
    ticks = log_ticks(value for each in panel.lines for value in each.values) if panel.logarithmic else []
    axis = alt.Axis(format="~g" if unit == "1" else "~s", labelFlush=True, values=ticks or alt.Undefined)
    x = alt.X("value:Q", title=title, scale=scale, axis=axis)
    y = alt.Y("mean:Q", title=panel.metric.label, scale=alt.Scale(zero=False))
    tint = alt.Color("line:N", title=None, scale=palette({}, [each.label for each in panel.lines]))
    base = alt.Chart(values(sensitivity_rows(panel))).encode(x=x, color=tint)
    rules = alt.Chart(values(baseline_rows(panel))).mark_rule(strokeWidth=0.8).encode(
        y=y, color=tint, opacity=faded(line, 0.8))  # fmt: skip
    bars = base.mark_rule().encode(y=alt.Y("low:Q"), y2="high:Q", opacity=faded(line, 0.7))
    lines = base.mark_line().encode(y=y, opacity=faded(line))
    dots = base.mark_point(filled=True, size=36).encode(
        y=y, opacity=faded(line), href="link:N",
        tooltip=[alt.Tooltip("line:N", title="Line"), alt.Tooltip("shown:N", title=title.partition(",")[0]),
                 alt.Tooltip("text:N", title=panel.metric.label), alt.Tooltip("n:Q", title="Seeds")],
    ).add_params(line)  # fmt: skip
    lost = alt.Chart(values(lost_rows(panel))).mark_point(shape="diamond", size=110, strokeWidth=2).encode(
        x=x, y=y, color=tint, opacity=faded(line),
        tooltip=[alt.Tooltip("line:N", title="Line"), alt.Tooltip("shown:N", title="One point lost at")])  # fmt: skip
    return chart(f"sensitivity-{panel.key}", panel.title, NOTE, alt.layer(rules, bars, lines, dots, lost), 220)

"""The interactive figure of conductances: shares of devices before training and at its end, one array at a time."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from neurohw import units
from neurohw.report.charts.chart import PALETTE, QUIET, Chart, Rows, chart, menu, values
from neurohw.report.looks.data import Conductances

_CAPTION = "Of the first seed; filled: at the end of training, line: before it."
_WHEN = {"before": "before training", "now": "at the end"}


def conductance_rows(data: Sequence[Conductances]) -> Rows:
    """Return a row per histogram, time and bin, conductances in the unit that suits the largest."""
    unit = conductance_unit(data)
    scale = 1 / units.parse_unit(unit)[0]
    return [
        {"what": f"{each.point.label}: {each.label}", "when": words, "low": scale * low, "high": scale * high,
         "share": share, "link": f"#{each.point.anchor}"}
        for each in data for when, words in _WHEN.items()
        for low, high, share in zip(each.edges, each.edges[1:], each.shares(when), strict=False)
    ]  # fmt: skip


def conductance_unit(data: Sequence[Conductances]) -> str:
    """Return siemens with the prefix that suits the largest conductance."""
    return units.fitting_prefix(max(float(each.edges[-1]) for each in data), "S") + "S"


def conductances_chart(data: Sequence[Conductances]) -> Chart | None:
    """Return the histograms, a menu for which; None where there are none."""
    if not data:
        return None
    rows, unit = conductance_rows(data), conductance_unit(data)
    names = list(dict.fromkeys(str(row["what"]) for row in rows))
    x = alt.X("low:Q", title=f"Conductance, {unit}", scale=alt.Scale(zero=True, nice=False))
    y = alt.Y("share:Q", title="Devices, %")
    tip = [alt.Tooltip("low:Q", title=f"From, {unit}", format=".3g"),
           alt.Tooltip("high:Q", title=f"To, {unit}", format=".3g"),
           alt.Tooltip("share:Q", title="Devices, %", format=".2f")]  # fmt: skip
    base = alt.Chart(values(rows))
    now = base.transform_filter(f"datum.when == '{_WHEN['now']}'").mark_rect(color=PALETTE[0], opacity=0.5).encode(
        x=x, x2="high:Q", y=y, y2=alt.datum(0), tooltip=tip)  # fmt: skip
    before = base.transform_filter(f"datum.when == '{_WHEN['before']}'").mark_line(
        interpolate="step-after", color=QUIET, strokeWidth=1.5).encode(x=x, y=y)  # fmt: skip
    layers = [now, before]
    if len(names) > 1:
        what = menu("what", "what", names, "Show")
        drawn = alt.layer(*(layer.transform_filter(what) for layer in layers)).add_params(what)
    else:
        drawn = alt.layer(*layers)
    return chart("conductances", "Conductances of the devices", _CAPTION, drawn, 220)

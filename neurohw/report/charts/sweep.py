"""Interactive figures of a whole sweep: a heat map of two keys, parallel coordinates of more."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import ceil, floor, log10
from typing import Any

import altair as alt

from neurohw.report.accuracy.data import Accuracies, Accuracy
from neurohw.report.charts.chart import FAINT, INK, Chart, Rows, chart, values
from neurohw.report.naming import differing_keys, follows, given, natural_order, plain
from neurohw.report.table import mean_text

LEAST = 4  # points, from which on a sweep is drawn
MOST_LINES = 1000  # of parallel coordinates
_RAMP = ["#d55e00", "#b8a500", "#009e73", "#0072b2"]  # seen on white and on black paper

_HEAT = "Means over seeds; what shares a cell is averaged no further: the best point of it is shown."
_PARALLEL = (
    "A line per point, through its value of each key that was swept to its mean over seeds, at the right; values stand "
    "in their order, at even distances. The slider keeps the best; a line under the pointer stands out."
)


def swept_keys(rows: Sequence[Accuracy]) -> list[str]:
    """Return the fewest keys whose values tell these points apart as well as all do, those that name a point first."""
    configs = [row.point.config for row in rows]
    followed = follows(configs)
    keys = [key for key in differing_keys(configs) if key not in ("name", followed)] if configs else []

    def told_apart(by: Sequence[str]) -> int:
        return len({tuple(_hashable(config.get(key)) for key in by) for config in configs})

    kept: list[str] = []
    for key in keys:
        if told_apart([*kept, key]) > told_apart(kept):
            kept.append(key)
    for key in list(kept):
        fewer = [other for other in kept if other != key]
        kept = fewer if told_apart(fewer) == told_apart(kept) else kept
    return kept


def sweep_chart(data: Accuracies) -> Chart | None:
    """Return a heat map of two swept keys, parallel coordinates of more, one of them a number; else None."""
    rows = [row for row in data.rows if not row.point.stopped]
    keys = swept_keys(rows)
    if len(rows) < LEAST or len(keys) < 2:
        return None
    if len(keys) == 2:
        return _heat_map(data, rows, keys)
    numeric = any(isinstance(_bare(row.point.config.get(key)), int | float) for key in keys for row in rows)
    return _parallel(data, rows, keys) if numeric and len(rows) <= MOST_LINES else None


def cell_rows(data: Accuracies, rows: Sequence[Accuracy], keys: Sequence[str]) -> Rows:
    """Return a row per pair of values: of the points that share it, the best."""
    best: dict[tuple[str, str], Accuracy] = {}
    for row in rows:
        cell = _value(row, keys[0]), _value(row, keys[1])
        if cell not in best or data.metric.loss(best[cell].spread.mean, row.spread.mean) < 0:
            best[cell] = row
    return [{"x": x, "y": y, "mean": data.metric.scale * row.spread.mean, "label": row.point.label,
             "text": mean_text(row.spread, data.metric), "n": row.spread.n, "link": f"#{row.point.anchor}"}
            for (x, y), row in best.items()]  # fmt: skip


def line_rows(data: Accuracies, rows: Sequence[Accuracy], keys: Sequence[str]) -> Rows:
    """Return a row per point and key: the value, and its place among all of the key, from 0 to 1; then the mean."""
    places = {key: _places(rows, key) for key in keys}
    means = [row.spread.mean for row in rows]
    low, high = min(means), max(means)
    lines: Rows = []
    for row in rows:
        mean = data.metric.scale * row.spread.mean
        same = {
            "id": row.point.anchor,
            "label": row.point.label,
            "mean": mean,
            "text": mean_text(row.spread, data.metric),
        }
        lines += [same | {"key": _short(key, keys), "value": value, "place": places[key][value]}
                  for key in keys for value in [_value(row, key)]]  # fmt: skip
        share = (row.spread.mean - low) / (high - low) if high > low else 0.5
        lines.append(same | {"key": data.metric.label, "value": f"{mean:.4g}", "place": share})
    return lines


def _heat_map(data: Accuracies, rows: Sequence[Accuracy], keys: Sequence[str]) -> Chart:
    x, y = sorted(keys, key=lambda key: -len({_value(row, key) for row in rows}))
    columns, lines = ([*_places(rows, key)] for key in (x, y))
    base = alt.Chart(values(cell_rows(data, rows, (x, y)))).encode(
        x=alt.X("x:N", sort=columns, title=_short(x, keys), axis=alt.Axis(labelAngle=-40)),
        y=alt.Y("y:N", sort=lines, title=_short(y, keys)),
        tooltip=[alt.Tooltip("label:N", title="Point"), alt.Tooltip("text:N", title=data.metric.label),
                 alt.Tooltip("n:Q", title="Seeds")],
    )  # fmt: skip
    better = data.metric.better == "higher"
    tint = alt.Color("mean:Q", title=data.metric.label, scale=alt.Scale(scheme="viridis", reverse=not better))
    cells = base.mark_rect().encode(color=tint, href="link:N")
    means = [float(row["mean"]) for row in cell_rows(data, rows, (x, y))]
    middle = (min(means) + max(means)) / 2
    dark = f"datum.mean {'>' if better else '<'} {middle}"  # the light end of the colours
    ink = alt.when(dark).then(alt.value("#000")).otherwise(alt.value("#fff"))
    numbers = base.mark_text(fontSize=11).encode(
        text=alt.Text("mean:Q", format=".1f" if data.metric.share else ".3~g"), color=ink, href="link:N"
    )
    title = f"{data.metric.title}: {_short(x, keys)} and {_short(y, keys)}"
    return chart("sweep", title, _HEAT, alt.layer(cells, numbers), 34 * len(lines))


def _parallel(data: Accuracies, rows: Sequence[Accuracy], keys: Sequence[str]) -> Chart:
    lines = line_rows(data, rows, keys)
    order = [*(_short(key, keys) for key in keys), data.metric.label]
    means = sorted(float(row["mean"]) for row in lines)
    better = data.metric.better == "higher"
    step = 10.0 ** floor(log10((means[-1] - means[0]) / 50 or 1.0))
    low, high = step * floor(means[0] / step), step * ceil(means[-1] / step)
    slider = alt.binding_range(min=low, max=high, step=step,
                               name=f"{data.metric.label}, at {'least' if better else 'most'} ")  # fmt: skip
    bound = alt.param("bound", value=low if better else high, bind=slider)
    over = alt.selection_point(name="over", fields=["id"], on="pointerover", empty=False, nearest=False)
    kept = f"datum.mean {'>=' if better else '<='} bound - {'' if better else '-'}1e-9"
    x = alt.X("key:N", sort=order, title=None, axis=alt.Axis(labelAngle=0, domain=False, ticks=False, grid=True),
              scale=alt.Scale(type="point", padding=0.35))  # fmt: skip
    y = alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.05, 1.05]))
    base = alt.Chart(values(lines)).encode(x=x, y=y)
    seen = alt.when(over).then(alt.value(1.0)).when(kept).then(alt.value(0.65)).otherwise(alt.value(FAINT / 2))
    strokes = base.mark_line().encode(
        detail="id:N", opacity=seen,
        color=alt.Color("mean:Q", title=data.metric.label, scale=alt.Scale(range=_RAMP if better else _RAMP[::-1])),
        size=alt.when(over).then(alt.value(4)).otherwise(alt.value(1.5)),
        tooltip=[alt.Tooltip("label:N", title="Point"), alt.Tooltip("text:N", title=data.metric.label)],
    ).add_params(bound, over)  # fmt: skip
    marks = {(row["key"], row["value"]): row for row in lines if row["key"] != data.metric.label}
    words = alt.Chart(values(list(marks.values()))).encode(x=x, y=y, text="value:N")
    halo = words.mark_text(dy=-7, fontSize=11, stroke="var(--paper)", strokeWidth=4)
    texts = words.mark_text(dy=-7, fontSize=11, color=INK)
    ends = [min(lines, key=lambda row: row["mean"]), max(lines, key=lambda row: row["mean"])]
    at_ends = [{"key": data.metric.label, "place": place, "value": f"{row['mean']:.4g}"}
               for place, row in zip((0.0, 1.0), ends, strict=True)]  # fmt: skip
    scale = alt.Chart(values(at_ends)).mark_text(align="left", dx=6, fontSize=11, color=INK).encode(
        x=x, y=y, text="value:N")  # fmt: skip
    title = f"{data.metric.title}: {len(rows)} points, {len(keys)} swept keys"
    return chart("sweep", title, _PARALLEL, alt.layer(strokes, halo, texts, scale), 320)


def _places(rows: Sequence[Accuracy], key: str) -> dict[str, float]:
    """Return value -> its place from 0 to 1, values in their natural order."""
    found = {_value(row, key): row.point.config.get(key) for row in rows}
    ordered = sorted(found, key=lambda text: natural_order([_bare(found[text])]))
    return {text: i / max(len(ordered) - 1, 1) for i, text in enumerate(ordered)}


def _bare(value: Any) -> Any:
    """Return a list of one as its element, to be sorted by it."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _value(row: Accuracy, key: str) -> str:
    value = row.point.config.get(key)
    return "ideal" if value is None and key == "hardware.device" else given(key, _bare(value))


def _short(key: str, keys: Sequence[str]) -> str:
    """Return a key's last part, or more of it where another has the same."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key


def _hashable(value: Any) -> Hashable:
    return plain(value)

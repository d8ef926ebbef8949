"""Interactive figures of energies: against accuracy, over training, and where and when a run's energy goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import altair as alt

from neurohw.energy.ranges import Range
from neurohw.report.charts.chart import (
    INK,
    MOST_DASHES,
    ROW,
    SHAPES,
    Chart,
    Rows,
    brief,
    chart,
    chosen,
    faded,
    log_ticks,
    palette,
    task,
    values,
)
from neurohw.report.energy import notes
from neurohw.report.energy.account import Parts, PointEnergy
from neurohw.report.energy.bars_figure import PHASES
from neurohw.report.energy.bounds import bounds_text
from neurohw.report.energy.compare import drawable, foremost, pareto_front
from neurohw.report.energy.digital import CHEAPEST, PointDigital, kind_name
from neurohw.report.energy.figures import MOST_BARS, MOST_LINES, MOST_MARKERS
from neurohw.report.energy.learning import Learning, best_settings
from neurohw.report.energy.looks import device_of
from neurohw.report.energy.sections import Energies
from neurohw.report.energy.tables import marked
from neurohw.report.points import Point
from neurohw.report.spread import Spread
from neurohw.report.table import percent

_DIGITAL = f"no chip: digital, {kind_name(CHEAPEST)}"
_PARETO = (
    "Nominal energy of all training, bar from low to high. Dotted: chips that no other beats in both; faint: no better "
    f"than guessing; {notes.MARK} in the numbers: not all was counted."
)
_LEARNING = (
    "Mean accuracy after each evaluated epoch, and the nominal energy of training by then. Colour: device; line: what "
    "is learnt. In ink: no chip, full precision at the energy of a digital accelerator."
)
_BARS = "Shares of the run's nominal energy; the total is in the tooltip."


def energy_charts(data: Energies) -> Iterator[Chart]:
    """Yield accuracy against energy, accuracy over the energy spent, and shares by component and by phase."""
    if drawable(data.accounts):
        yield pareto_chart(data)
    learnings = [learning for learning in data.learnings if len(learning.mean()) > 1]
    if any(not learning.digital for learning in learnings):
        yield learning_chart(best_settings(learnings, MOST_LINES), len(learnings))
    if data.accounts:
        bars, of = foremost(data.accounts, MOST_BARS), len(data.accounts)
        yield shares_chart("component", bars, [e.components for e in bars], of)
        yield shares_chart("phase", bars, [e.phases for e in bars], of)


def pareto_rows(accounts: Sequence[PointEnergy], ideals: Sequence[PointDigital]) -> Rows:
    """Return a row per chip, and per full-precision point at the energy of the cheapest digital accelerator."""
    front = {id(e) for e in pareto_front(accounts)}
    many = _many([*(e.point for e in accounts), *(ideal.point for ideal in ideals)])
    rows = [
        _marker(e.point, device_of(e.point), e.accuracy, e.training, many)
        | {"front": id(e) in front, "faint": e.at_chance, "text": marked(e, bounds_text(e.training, "J"))}
        for e in drawable(accounts) if e.training is not None
    ]  # fmt: skip
    costs = [(ideal, ideal.cost(CHEAPEST)) for ideal in ideals if ideal.accuracy.n]
    return rows + [
        _marker(ideal.point, _DIGITAL, ideal.accuracy, cost.training, many) | {"front": False, "faint": False}
        for ideal, cost in costs if cost and cost.training.nominal > 0
    ]  # fmt: skip


def pareto_chart(data: Energies) -> Chart:
    """Return accuracy against the energy of training: colours are devices, shapes what is learnt."""
    accounts = foremost(data.accounts, MOST_MARKERS)
    rows = pareto_rows(accounts, data.ideals)
    device = chosen("device")
    x = _joules("Energy of training, J", [row[end] for row in rows for end in ("low", "joules", "high")])
    y = alt.Y("mean:Q", title="Accuracy at the end, %", scale=alt.Scale(zero=False, padding=8))
    base = alt.Chart(values(rows)).encode(y=y, color=_device_colour(rows))
    bars = base.mark_rule(strokeWidth=1).encode(x=alt.X("low:Q"), x2="high:Q", opacity=faded(device, 0.5))
    spread = base.mark_rule(strokeWidth=1).encode(x=x, y=alt.Y("down:Q"), y2="up:Q", opacity=faded(device, 0.5))
    groups = list(dict.fromkeys(str(row["group"]) for row in rows))
    scale = alt.Scale(domain=groups, range=[SHAPES[i % len(SHAPES)] for i in range(len(groups))])
    marks = base.mark_point(filled=True, size=90).encode(
        x=x, opacity=faded(device), href="link:N",
        fillOpacity=alt.when("datum.faint").then(alt.value(0.35)).otherwise(alt.value(1)),
        shape=alt.Shape("group:N", title=None, scale=scale, legend=alt.Legend(orient="top")),
        tooltip=[alt.Tooltip("label:N", title="Point"), alt.Tooltip("accuracy:N", title="Accuracy"),
                 alt.Tooltip("text:N", title="Energy of training")],
    ).add_params(device)  # fmt: skip
    front = alt.Chart(values([row for row in rows if row["front"]])).mark_line(
        interpolate="step-after", strokeDash=[2, 3], color=INK).encode(x=x, y=y)  # fmt: skip
    shown = notes.drawn_of(len(accounts), len(data.accounts), "those no other beats, then those of highest accuracy")
    return chart("pareto", "Accuracy against energy", _PARETO + shown, alt.layer(front, bars, spread, marks))


def learning_rows(learnings: Sequence[Learning]) -> Rows:
    """Return a row per point and epoch: accuracy, and the energy of training by then."""
    many = _many([learning.point for learning in learnings])
    rows: Rows = []
    for learning in learnings:
        device = _DIGITAL if learning.digital else device_of(learning.point)
        rows += [
            _marker(learning.point, device, accuracy, energy, many) | {"label": learning.name, "epoch": epoch}
            for epoch, accuracy, energy in learning.mean()
        ]
    return rows


def learning_chart(learnings: Sequence[Learning], of: int) -> Chart:
    """Return accuracy over the energy spent so far."""
    rows = learning_rows(learnings)
    device = chosen("device")
    base = alt.Chart(values(rows)).encode(
        x=_joules("Energy of training so far, J", [row["joules"] for row in rows]),
        y=alt.Y("mean:Q", title="Accuracy, %", scale=alt.Scale(zero=False)),
        color=_device_colour(rows), detail="label:N", opacity=faded(device),
    )  # fmt: skip
    tip = [alt.Tooltip("label:N", title="Point"), alt.Tooltip("epoch:Q", title="Epoch"),
           alt.Tooltip("accuracy:N", title="Accuracy"), alt.Tooltip("text:N", title="Energy so far")]  # fmt: skip
    lines = base.mark_line().encode(
        strokeDash=alt.StrokeDash("group:N", title=None, legend=alt.Legend(orient="top")), order="epoch:Q"
    )
    dots = base.mark_point(filled=True, size=28).encode(tooltip=tip).add_params(device)
    shown = notes.drawn_of(len(learnings), of, "of each rule and device the setting that ends at the highest accuracy")
    return chart("energy_curves", "Accuracy over the energy spent", _LEARNING + shown, alt.layer(lines, dots))


def _joules(title: str, drawn: Sequence[float]) -> alt.X:
    """Return a logarithmic axis of the energies that are drawn along it."""
    axis = alt.Axis(format="~s", labelFlush=True, values=log_ticks(drawn) or alt.Undefined)
    return alt.X("joules:Q", title=title, axis=axis, scale=alt.Scale(type="log", nice=False, padding=10))


def share_rows(accounts: Sequence[PointEnergy], parts: Sequence[Parts]) -> Rows:
    """Return a row per point and part: its joules and its share of the point's parts."""
    briefs = brief([e.point for e in accounts])
    rows: Rows = []
    for place, (e, of) in enumerate(zip(accounts, parts, strict=True)):
        whole = sum(of.values())
        same = {
            "label": e.point.label,
            "brief": briefs[e.point.anchor],
            "place": place,
            "total": bounds_text(e.total, "J"),
        }
        rows += [same | {"part": part.replace("_", " "), "joules": joules, "share": joules / whole}
                 for part, joules in of.items() if joules]  # fmt: skip
    return rows


def shares_chart(name: str, accounts: Sequence[PointEnergy], parts: Sequence[Parts], of: int) -> Chart:
    """Return a bar per point, shared out by components, or by phases."""
    rows = share_rows(accounts, parts)
    part = chosen("part")
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["part"]] = sums.get(row["part"], 0.0) + row["share"]
    largest = sorted(sums, key=lambda each: -sums[each])
    fixed = PHASES if name == "phase" else {}
    tint = palette({p: fixed[p] for p in largest if p in fixed}, [p for p in largest if p not in fixed])
    drawn = alt.Chart(values(rows)).mark_bar().encode(
        x=alt.X("share:Q", title="Share of the run's energy", axis=alt.Axis(format="%"), stack="normalize"),
        y=alt.Y("brief:N", sort=alt.EncodingSortField("place"), title=None),
        color=alt.Color("part:N", title=None, scale=tint),
        order=alt.Order("share:Q", sort="descending"),
        opacity=faded(part),
        tooltip=[alt.Tooltip("label:N", title="Point"), alt.Tooltip("part:N", title="Part"),
                 alt.Tooltip("share:Q", title="Share", format=".1%"), alt.Tooltip("joules:Q", title="J", format=".3~s"),
                 alt.Tooltip("total:N", title="Whole run")],
    ).add_params(part)  # fmt: skip
    shown = notes.drawn_of(len(accounts), of, "those no other beats, then those of highest accuracy")
    title = {"component": "Where a run's energy goes: by component", "phase": "When it goes: by phase"}[name]
    return chart(f"energy-{name}", title, _BARS + shown, drawn, ROW * len(accounts))


def _many(points: Sequence[Point]) -> bool:
    return len({point.name.group for point in points}) > MOST_DASHES


def _marker(point: Point, device: str, accuracy: Spread, energy: Range, many: bool) -> dict[str, object]:
    mean, std = 100 * accuracy.mean, 100 * accuracy.std
    return {
        "label": point.label, "group": task(point.name.group, many), "device": device, "link": f"#{point.anchor}",
        "mean": mean, "down": mean - std, "up": mean + std, "accuracy": f"{percent(accuracy)} %",
        "low": energy.low, "joules": energy.nominal, "high": energy.high, "text": bounds_text(energy, "J"),
    }  # fmt: skip


def _device_colour(rows: Rows) -> alt.Color:
    devices = [str(row["device"]) for row in rows]
    fixed = {_DIGITAL: INK} if _DIGITAL in devices else {}
    return alt.Color("device:N", title=None, scale=palette(fixed, [d for d in devices if d != _DIGITAL]))

"""Tables of energy: as text, and every number of every record, for CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from neurohw import units
from neurohw.report.energy import Bounds, PointEnergy, rule_pairs
from neurohw.report.points import Point
from neurohw.report.tables import NOTHING, Row, Table, percent
from neurohw.runs.record import RunRecord

FRAME_COLUMNS = (
    *("point", "hash", "seed", "table", "device", "quantity", "component", "part", "phase", "event", "count"),
    *("low", "nominal", "high", "unit", "provenance", "figures"),
)
_QUANTITIES = {"per_inference": "J", "per_training_image": "J", "per_epoch": "J", "total": "J", "average_power": "W",
               "tops_per_watt": "1e12/J", "latency": "s", "area": "m2"}  # fmt: skip
_MARK = "*"  # energy of something is missing

BOUNDS_NOTE = (
    "Nominal (low to high), means over seeds; low and high take every figure at its low or at its high together. "
    "Training: all its phases; inference and association are in the run's total only."
)
PAIRS_NOTE = (
    "Energy of training per percentage point of accuracy above chance (10 %). The ratio is of the nominal energies: "
    "both sides are accounted with one table, so most of the spread is common to them."
)
WEAR_NOTE = (
    "Pulses per cell over the run: mean, 99.9th percentile, maximum. Lifetime: training images until the cell at the "
    "99.9th percentile has had as many pulses as the device's file says that it endures."
)


FIGURE_NOTE = (
    "Nominal energies, means over seeds; whiskers: every figure at its low or at its high together. Hollow and *: "
    "something was not counted, so the energy is too low."
)


def energy_sections(data: Sequence[PointEnergy]) -> list[tuple[str, Table, str]]:
    """Return title, table and note of what a report says of energy; nothing of what has no rows."""
    sections = [
        ("What each point costs", energy_table(data), BOUNDS_NOTE),
        ("Energy per accuracy point, BP and EP", pairs_table(data), PAIRS_NOTE),
        ("Writes and lifetime", wear_table(data), WEAR_NOTE),
    ]
    return [section for section in sections if section[1].rows]


def energy_table(data: Sequence[PointEnergy]) -> Table:
    """Return what each point costs."""
    columns = ("Point", "Accuracy, %", "Per inference", "Per training image", "Per epoch", "Whole run",
               "Time of the run", "Assumed", "Widest spread", "Seeds")  # fmt: skip
    return _table(columns, [(e.point, _cells(e)) for e in data])


def pairs_table(data: Sequence[PointEnergy]) -> Table:
    """Return the energy per accuracy point of BP and EP, side by side."""
    columns = ("Point", "BP: accuracy, %", "EP: accuracy, %", "BP: per accuracy point", "EP: per accuracy point",
               "EP / BP")  # fmt: skip
    rows = []
    for bp, ep in rule_pairs(data):
        one, two = bp.per_accuracy_point, ep.per_accuracy_point
        ratio = f"{two.nominal / one.nominal:.3g}" if one and two and one.nominal else NOTHING
        costs = (_marked(bp, bounds_text(one, "J")), _marked(ep, bounds_text(two, "J")), ratio)
        rows.append((ep.point, (percent(bp.accuracy), percent(ep.accuracy), *costs)))
    return _table(columns, rows, lambda point: point.name.group.partition(" · ")[2], lambda point: point.variant)


def wear_table(data: Sequence[PointEnergy]) -> Table:
    """Return writes per cell and lifetime of every array."""
    columns = ("Point", "Array", "Mean", "99.9 %", "Maximum", "Endurance, pulses", "Lifetime, images",
               "Lifetime, such runs")  # fmt: skip
    rows = []
    for e in data:
        for wear in e.wear:
            runs = wear.images / wear.trained if wear.images is not None and wear.trained else None
            cells = (wear.array, *(f"{v:.3g}" for v in (wear.mean, wear.p999, wear.max)))
            rows.append((e.point, (*cells, *(_number(v) for v in (wear.endurance, wear.images, runs)))))
    return _table(columns, rows)


def remarks(data: Sequence[PointEnergy]) -> tuple[str, ...]:
    """Return, in sentences: what it was accounted with, what is missing, and which figures nobody published."""
    found = [f"Accounted with {_listed(e.table for e in data)}; {_listed(map(_scheduled, data))}."]
    if missing := {e.point.label: e.uncounted for e in data if e.uncounted}:
        told = _listed(what for uncounted in missing.values() for what in uncounted)
        found.append(
            f"{_MARK} Not counted, so missing from the energy of {len(missing)} of {len(data)} points: {told}."
        )
    largest: dict[str, float] = {}
    for e in data:
        for key, share in e.assumed.items():
            largest[key] = max(share, largest.get(key, 0.0))
    if largest:
        told = ", ".join(f"{k} {_share(v)}" for k, v in sorted(largest.items(), key=lambda pair: -pair[1]))
        found.append(f"Assumed figures, published by nobody, and the largest share of a point's nominal energy that "
                     f"each is a factor of: {told}.")  # fmt: skip
    return tuple(found)


def energy_frame(data: Sequence[PointEnergy]) -> pd.DataFrame:
    """Return every number of every record, in SI, a row each.

    Rows whose quantity is "energy" add up to the record's "total"; they are single events where the record has them
    (`items`), else components and phases.
    """
    rows = [
        {"point": e.point.label, "hash": record.config_hash, "seed": record.seed, "table": record.energy["table"],
         "device": record.energy["device"], **row}
        for e in data for record in e.point.records if record.energy for row in _record_rows(record)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FRAME_COLUMNS))


def bounds_text(bounds: Bounds | None, unit: str) -> str:
    """Return nominal, low and high with one prefix, as in "7 nJ (5.3 to 13)"."""
    if bounds is None:
        return NOTHING
    scaled = units.readable(bounds.nominal, unit, 3).partition(" ")[2]
    factor = units.parse_unit(scaled)[0]
    nominal, low, high = (_digits(value / factor) for value in (bounds.nominal, bounds.low, bounds.high))
    return f"{nominal} {scaled} ({low} to {high})"


def marked_total(e: PointEnergy) -> str:
    """Return the run's energy, with a mark where some of it is missing."""
    return _marked(e, bounds_text(e.total, "J"))


def _cells(e: PointEnergy) -> tuple[str, ...]:
    energies = (e.per_inference, e.per_training_image, e.per_epoch, e.total)
    told = (_marked(e, bounds_text(energy, "J")) for energy in energies)
    share = _share(e.assumed_share)
    return (percent(e.accuracy), *told, bounds_text(e.latency, "s"), share, e.widest or NOTHING, str(e.seeds))


def _record_rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    summary = record.energy
    if items := summary.get("items"):
        for item in items:
            bounds = {key: item[f"{key}_joules"] for key in ("low", "nominal", "high")}
            yield {"quantity": "energy", "unit": "J", **item, **bounds}
    else:
        for component, by_phase in summary["by_component_and_phase"].items():
            for phase, energy in by_phase.items():
                yield {"quantity": "energy", "component": component, "phase": phase, **energy, "unit": "J"}
    for quantity, unit in _QUANTITIES.items():
        if summary.get(quantity):
            yield {"quantity": quantity, **summary[quantity], "unit": unit}
    for phase, seconds in summary["latency_by_phase"].items():
        yield {"quantity": "phase_latency", "phase": phase, **seconds, "unit": "s"}
    for part, area in summary["area_by_part"].items():
        yield {"quantity": "part_area", "part": part, **area, "unit": "m2"}
    yield from _single_rows(record)


def _single_rows(record: RunRecord) -> Iterator[dict[str, Any]]:
    """Yield what has no low and high."""
    summary = record.energy
    for array, share in summary["utilisation"].items():
        yield {"quantity": "utilisation", "part": array, "nominal": share, "unit": "1"}
    yield {"quantity": "cells_used", "nominal": summary["cells_used"], "unit": "1"}
    for provenance, share in summary["provenance"].items():
        yield {"quantity": "share", "nominal": share, "unit": "1", "provenance": provenance}
    for key, share in summary["assumed"].items():
        yield {"quantity": "figure_share", "nominal": share, "unit": "1", "provenance": "assumed", "figures": key}
    for wear in summary["lifetime"]:
        names = {"mean": "writes_per_cell_mean", "p999": "writes_per_cell_p999", "max": "writes_per_cell_max",
                 "endurance": "endurance", "images": "lifetime_images"}  # fmt: skip
        for key, quantity in names.items():
            yield {"quantity": quantity, "part": wear["array"], "nominal": wear[key], "unit": "1"}
    for what, number in summary["images"].items():
        yield {"quantity": f"{what}_epochs" if what == "epochs" else f"{what}_images", "nominal": number, "unit": "1"}
    for metric, value in record.metrics.items():
        if isinstance(value, int | float):
            yield {"quantity": metric, "nominal": value, "unit": "1"}


def _table(columns: tuple[str, ...], rows: Sequence[tuple[Point, tuple[str, ...]]], *naming: Any) -> Table:
    """Return a table; each row is named by the point's label, or by all that `naming` says of it."""
    found, group = [], None
    for point, cells in rows:
        name = " · ".join(filter(None, (of(point) for of in naming))) if naming else point.label
        found.append(Row((name, *cells), point, first=point.name.group != group))
        group = point.name.group
    return Table(columns, tuple(found))


def _scheduled(e: PointEnergy) -> str:
    schedule: Mapping[str, Any] = e.schedule
    how = schedule["parallelism"]
    tiles = "all tiles" if how["tiles_at_once"] is None else f"{how['tiles_at_once']} tiles"
    arrays = "together" if how["arrays_overlap"] else "one after the other"
    leaks = {"simulated": "over the simulated time", "busy": "over the busy time", "none": "left out"}
    told = [f"{how['columns_per_adc']} columns per ADC, {tiles} of an array at once, arrays {arrays}"]
    told += [f"{schedule['ep']} relaxation"] if _relaxes(e) else []
    told += [f"digital units at {schedule['digital']}", f"leakage and bias {leaks[schedule['standby']]}"]
    told += ["phases of images pipelined"] if how["phases_overlap"] else []
    if bits := schedule["unquantised_bits"]:
        told.append(f"converters at {bits} bits where the run did not quantise")
    rule = e.point.name.group.partition(" · ")[0]
    return f"{rule}: {', '.join(told)}"


def _relaxes(e: PointEnergy) -> bool:
    return "nudged" in e.phases or "free" in e.phases


def _marked(e: PointEnergy, text: str) -> str:
    return f"{text} {_MARK}" if e.uncounted and text != NOTHING else text


def _share(share: float) -> str:
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3g}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))

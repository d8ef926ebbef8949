"""Energies as files beside the CSV: everything as JSON, and the tables as Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from neurohw.report.energy.account import PointEnergy
from neurohw.report.energy.answers import answers
from neurohw.report.energy.digital import PointDigital
from neurohw.report.energy.figures import Drawn
from neurohw.report.energy.sections import Energies, energy_sections, remarks
from neurohw.report.points import Point
from neurohw.report.spread import Spread
from neurohw.report.table import markdown, markdown_cell


def energy_summary(data: Energies) -> list[dict[str, Any]]:
    """Return each point's means, its digital side, and the account of each of its records, less their single lines."""
    accounts = {e.point.anchor: e for e in data.accounts}
    digitals = {digital.point.anchor: digital for digital in data.digitals}
    return [_point(point, accounts.get(point.anchor), digitals.get(point.anchor)) for point in data.points]


def energy_markdown(data: Energies, drawn: Sequence[Drawn]) -> str:
    """Return the answers, the figures and the tables."""
    parts = ["# Energy, time and lifetime", *map(markdown_cell, (*answers(data), *remarks(data)))]
    for each in drawn:
        parts += [f"![{each.alt}]({each.name}.svg)", markdown_cell(each.caption)]
    for title, table, note in energy_sections(data):
        parts += [f"## {title}", markdown(table), markdown_cell(note)]
    return "\n\n".join(parts) + "\n"


def _point(point: Point, e: PointEnergy | None, digital: PointDigital | None) -> dict[str, Any]:
    accuracy = e.accuracy if e else digital.accuracy if digital else Spread(())
    records = {record.seed: record.energy.as_recorded() for record in point.records if record.energy}
    return {
        "point": point.label,
        "hash": point.config_hash,
        "accuracy": {"mean": accuracy.mean if accuracy.n else None, "values": accuracy.values},
        **(_account(e) if e else {}),
        "digital": [dataclasses.asdict(cost) for cost in digital.costs] if digital else [],
        "records": records,
    }


def _account(e: PointEnergy) -> dict[str, Any]:
    fields = {
        f.name: getattr(e, f.name) for f in dataclasses.fields(e) if f.name not in ("point", "metric", "accuracy")
    }
    return {key: _plain(value) for key, value in fields.items()} | {"per_accuracy_point": _plain(e.per_accuracy_point)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value

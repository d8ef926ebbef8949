"""What kept points from learning: first in a report, a row for each sign of each point, with what to change."""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.report.energy.tables import table_of
from neurohw.report.page.section import Section
from neurohw.report.points import Point
from neurohw.runs.record import RunRecord
from neurohw.runs.symptoms import Symptom, near_chance

TITLE = "What did not learn, and what hinders learning"
_COLUMNS = ("Point", "Seeds", "Sign", "Where", "What was counted, and what to change")
_NOTE = (
    "Counted in the runs: numbers are of the seed that shows it most. "
    "A point at chance is marked so wherever it stands, and no sentence, ratio or limit below is made of it: not to "
    "learn is cheap, and loses nothing. Other signs exclude nothing: they say what may cost accuracy."
)


def symptoms_of(record: RunRecord) -> list[Symptom]:
    """Return a record's symptoms; of one from before they were recorded, which metrics are near chance."""
    return record.symptoms or near_chance(record.metrics, record.chance)


def symptoms_section(points: Sequence[Point]) -> Section | None:
    """Return the table of all points that show something; None where none does."""
    rows = [(point, cells) for point in points for cells in _cells(point)]
    return Section(TITLE, table_of(_COLUMNS, rows), _NOTE) if rows else None


def _cells(point: Point) -> list[tuple[str, ...]]:
    """Return seeds, kind, place and message of each sign of a point."""
    by_sign: dict[tuple[str, str], list[tuple[int, Symptom]]] = {}
    for record in point.records:
        for symptom in symptoms_of(record):
            by_sign.setdefault((symptom.kind, symptom.where), []).append((record.seed, symptom))
    cells: list[tuple[str, ...]] = []
    for (kind, where), signs in by_sign.items():
        seeds = ", ".join(str(seed) for seed, _ in signs)
        _, most = max(signs, key=lambda sign: sign[1].amount if kind != "near chance" else -sign[1].amount)
        cells.append(
            (
                seeds,
                kind,
                where if kind == "step time" else where.replace("_", " "),
                most.message.removeprefix(f"{where}: "),
            )
        )
    return cells

"""What a report says, in order: everything its templates need, as text and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import pandas as pd

from neurohw.kinds import METRICS
from neurohw.report.accuracy.data import Accuracies, accuracy_data, curve_data
from neurohw.report.accuracy.expected import expected_rows
from neurohw.report.accuracy.published import PUBLISHED_NOTE, Beside, published_beside, published_table
from neurohw.report.accuracy.tables import comparison_table, measured
from neurohw.report.besides import Besides
from neurohw.report.charts.all_charts import Charts, charts_of
from neurohw.report.clusters.data import equal_accuracy
from neurohw.report.clusters.tables import equal_accuracy_note, equal_accuracy_table
from neurohw.report.energy.answers import answers, per_image
from neurohw.report.energy.sections import Energies, energies_of, energy_sections, remarks
from neurohw.report.naming import differing_keys, flatten, given, name_alone, on_hardware
from neurohw.report.page.aged import AgedPart, aged_part
from neurohw.report.page.answer import Answer, answer_of
from neurohw.report.page.besides import failed_note, with_causes
from neurohw.report.page.breakdowns import by_class, by_fraction, by_time_steps, costs
from neurohw.report.page.caveats import listed, warnings_of
from neurohw.report.page.looks import LooksPart, looks_part
from neurohw.report.page.reproduce import command
from neurohw.report.page.section import Section
from neurohw.report.page.symptoms import symptoms_section
from neurohw.report.points import Point, epochs_done, epochs_scheduled, group_records
from neurohw.report.sensitivity.data import Sensitivity, sensitivity_data
from neurohw.report.sensitivity.tables import lost_table, lost_words
from neurohw.report.wording import DEFINITIONS, LOST
from neurohw.runs.record import RunRecord, Status

_SETTING = (
    "data.dataset",
    "data.train_limit",
    "data.test_limit",
    "data.evaluate_on",
    "training.mode",
    "network.layers",
)


MOST_COMMANDS = 100  # points with the shortest command that runs them again; of more, commands name the records
COMPARED = "Ideal against hardware-constrained"


@dataclass(frozen=True)
class Detail:
    """Where one point's numbers come from.

    Args:
        point: which.
        command: the shell line that runs it again, or None.
        reference: label and hash of the ideal point it is compared with, or None.
        differs: (key, value) of what differs between the points.
        runs: (seed, commit, values) of each record.
    """

    point: Point
    command: str | None
    reference: str | None
    differs: tuple[tuple[str, str], ...]
    runs: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Unfinished:
    """A run that failed, diverged or was interrupted."""

    label: str
    config_hash: str
    seed: int
    status: str
    length: str
    message: str


@dataclass(frozen=True)
class Content:
    """A whole report."""

    title: str
    compared: str
    measured: str
    answer: Answer
    facts: tuple[str, ...]
    code: str
    symptoms: Section | None
    warnings: tuple[str, ...]
    accuracies: tuple[Accuracies, ...]
    curves: pd.DataFrame
    published: tuple[Beside, ...]
    sensitivities: tuple[Sensitivity, ...]
    lost: Section | None
    lost_words: str
    main: tuple[Section, ...]
    aged: AgedPart
    looks: LooksPart
    more: tuple[Section, ...]
    energies: Energies
    energy_answers: tuple[str, ...]
    energy: tuple[Section, ...]
    energy_remarks: tuple[str, ...]
    details: tuple[Detail, ...]
    common: tuple[tuple[str, str], ...]
    unfinished: tuple[Unfinished, ...]
    definitions: tuple[tuple[str, str], ...]
    charts: Charts
    expected: tuple[tuple[str, ...], ...]
    besides: Besides


def content(
    records: Sequence[RunRecord], title: str | None = None, left_out: Sequence[str] = (), besides: Besides | None = None
) -> Content:
    """Return what a report says of records, of what stands besides them, and of what could not be read (`left_out`)."""
    besides = (besides or Besides()).without(records)
    points = group_records(records)
    every = accuracy_data(points)
    accuracies = tuple(a for a in every if not a.metric.secondary)
    secondary = tuple(a for a in every if a.metric.secondary)
    sensitivities = tuple(sensitivity_data(points))
    published = tuple(published_beside(points))
    curves = curve_data(points)
    energies, aged, looks = energies_of(points), aged_part(points), looks_part(points)
    compared = COMPARED if any(on_hardware(flatten(record.config)) for record in records) else "Results"
    quantities = {a.metric.quantity or a.metric.title for a in every} or {"Accuracy"}
    return Content(
        title or f"{compared}: {', '.join(sorted({record.name for record in records}))}",
        compared,
        quantities.pop() if len(quantities) == 1 else "Value",
        with_causes(answer_of(points, accuracies, sensitivities, per_image(energies), aged.words), besides),
        _facts(records, points),
        _code(records),
        symptoms_section(points),
        (
            *failed_note(besides),
            *warnings_of(records, points),
            *(f"A record could not be read and is left out: {text}" for text in left_out),
        ),
        accuracies,
        curves,
        published,
        sensitivities,
        _lost(sensitivities),
        lost_words(sensitivities),
        (*_accuracies(accuracies), *_equal(points)),
        aged,
        looks,
        (
            *_published(published),
            *_accuracies(secondary),
            *by_fraction(points),
            *by_class(points),
            *by_time_steps(points),
            *costs(points),
        ),
        energies,
        answers(energies),
        tuple(Section(name, table, f"{note} {energies.basis}") for name, table, note in energy_sections(energies)),
        remarks(energies),
        _details(points, every),
        _common(points),
        unfinished_data(records),
        _definitions(every),
        charts_of(points, accuracies, curves, published, sensitivities, energies, aged.drawn, looks.conductances),
        expected_rows(records),
        besides,
    )


def unfinished_data(records: Sequence[RunRecord]) -> tuple[Unfinished, ...]:
    """Return the runs that left a message: those that failed or diverged, and those that were interrupted."""
    return tuple(_unfinished(record) for record in records if not record.has_result or record.message)


def _unfinished(record: RunRecord) -> Unfinished:
    config = flatten(record.config)
    label = f"{record.name}: {name_alone(config).label}"
    length = f"{epochs_done(record)} of {epochs_scheduled(config) or '?'}"
    return Unfinished(label, record.config_hash, record.seed, record.status, length, record.message or "no message")


def _facts(records: Sequence[RunRecord], points: Sequence[Point]) -> tuple[str, ...]:
    """Return the lines under the title: how many runs, of what."""
    counts = [(s, sum(r.status == s for r in records)) for s in get_args(Status)]
    runs = f"{len(records)} runs ({', '.join(f'{n} {s}' for s, n in counts if n)}) in {len(points)} points"
    runs += f"; seeds {listed({r.seed for r in records})}"
    common = dict(_common(points))
    setting = ", ".join(f"{key} = {common[key]}" for key in _SETTING if common.get(key, "none") != "none")
    return (runs, f"All runs: {setting}") if setting else (runs,)


def _code(records: Sequence[RunRecord]) -> str:
    """Return by which code: versions and commits."""
    packages = list(dict.fromkeys(package for r in records for package in r.versions))
    code = [
        f"{package} {listed({r.versions[package] for r in records if package in r.versions})}" for package in packages
    ]
    code.append(f"commit {listed({r.git or 'unknown' for r in records})}")
    return f"Code: {', '.join(code)}"


def _accuracies(accuracies: Sequence[Accuracies]) -> list[Section]:
    return [Section(a.metric.title, comparison_table(a)) for a in accuracies]


def _equal(points: Sequence[Point]) -> list[Section]:
    compared = equal_accuracy(points)
    return [
        Section(
            f"Reaching equal accuracy{f': {c.dataset}' if len(compared) > 1 else ''}",
            equal_accuracy_table(c),
            equal_accuracy_note(c),
        )
        for c in compared
    ]


def _published(values: Sequence[Beside]) -> list[Section]:
    return [Section("Beside published values", published_table(values), PUBLISHED_NOTE)] if values else []


def _lost(sensitivities: Sequence[Sensitivity]) -> Section | None:
    table = lost_table(sensitivities)
    return Section("Where one percentage point is lost", table, LOST) if table.rows else None


def _definitions(accuracies: Sequence[Accuracies]) -> tuple[tuple[str, str], ...]:
    """Return the glossary: the metrics that these runs have, in the order of their kinds, and the general terms."""
    there = [a.metric.name for a in accuracies]
    metrics = tuple((m.title, m.meaning) for m in METRICS.values() if m.name in there and m.meaning)
    known = {"", *("accuracy" for a in accuracies if a.metric.quantity == "Accuracy")}
    known |= {"hardware" for a in accuracies for row in a.rows if on_hardware(row.point.config)}
    return metrics + tuple((term, text) for term, text, needed in DEFINITIONS if needed in known)


def _common(points: Sequence[Point]) -> tuple[tuple[str, str], ...]:
    if not points:
        return ()
    differing = set(differing_keys([point.config for point in points]))
    return tuple((key, given(key, value)) for key, value in points[0].config.items() if key not in differing)


def _details(points: Sequence[Point], accuracies: Sequence[Accuracies]) -> tuple[Detail, ...]:
    keys = differing_keys([point.config for point in points]) if points else []
    gaps = {row.point.anchor: row.gap.reference for a in accuracies for row in a.rows if row.gap}
    return tuple(
        Detail(
            point,
            command(point, by_records=len(points) > MOST_COMMANDS),
            f"{gaps[point.anchor].label}, {gaps[point.anchor].config_hash}" if point.anchor in gaps else None,
            tuple((key, given(key, point.config.get(key))) for key in keys),
            tuple((str(r.seed), r.git or "unknown", measured(r.metrics)) for r in point.records),
        )
        for point in points
    )

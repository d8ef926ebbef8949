"""Sections that take results apart: by label fraction, class, time steps; and what simulating took."""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.report.accuracy.data import breakdown_data, cost_data
from neurohw.report.accuracy.tables import breakdown_table, cost_table, fraction_titles
from neurohw.report.page.section import Section
from neurohw.report.points import Point
from neurohw.report.wording import IN_PERCENT


def by_fraction(points: Sequence[Point]) -> list[Section]:
    """Return the tables of accuracies by the share of labels that the read-out had."""
    breakdowns = breakdown_data(points, "by_label_fraction")
    return [
        Section(f"By label fraction: {b.metric.title}", breakdown_table(b, fraction_titles(b.levels)), IN_PERCENT)
        for b in breakdowns
        if len(b.levels) > 1 and not b.metric.secondary
    ]


def by_class(points: Sequence[Point]) -> list[Section]:
    """Return the tables of what of each class is answered right."""
    return [
        Section(f"By class: {b.metric.title}", breakdown_table(b, _classes(b.levels)), IN_PERCENT)
        for b in breakdown_data(points, "by_class")
    ]


def by_time_steps(points: Sequence[Point]) -> list[Section]:
    """Return the tables of networks that were converted to spikes."""
    return [
        Section(f"By time steps: {b.metric.title}", breakdown_table(b, _steps(b.levels)), IN_PERCENT)
        for b in breakdown_data(points, "by_time_steps")
    ]


def _classes(levels: Sequence[str]) -> dict[str, str]:
    return {level: f"class {level}" for level in levels}


def _steps(levels: Sequence[str]) -> dict[str, str]:
    return {level: f"{level} steps" for level in levels}


def costs(points: Sequence[Point]) -> list[Section]:
    """Return the table of what simulating took."""
    note = (
        "What simulating took on the machine that ran it; says nothing about the speed or size of the hardware. "
        "Seeds that were trained as one batch share its time evenly, so that they do not spread."
    )
    return [Section("Throughput and memory of the simulation", cost_table(cost_data(points)), note)] if points else []

"""Everything a report says of energy, the answer first: sentences, then tables with their notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurohw.report.energy import notes
from neurohw.report.energy.account import PointEnergy, energy_data
from neurohw.report.energy.compare import rule_pairs, unlike
from neurohw.report.energy.comparison_tables import digital_table, equal_table, pairs_table, reached_table
from neurohw.report.energy.digital import PointDigital, digital_data
from neurohw.report.energy.equal import EqualAccuracy, equal_data
from neurohw.report.energy.learning import Learning, learning_data
from neurohw.report.energy.models import ArrayModels, models_data
from neurohw.report.energy.tables import (
    assumed_table,
    cost_table,
    models_table,
    phases_table,
    time_table,
    trust_table,
    wear_table,
)
from neurohw.report.points import Point
from neurohw.report.table import Table


@dataclass(frozen=True)
class Energies:
    """What the accounts of some points say.

    Args:
        points: all that have an account or a digital side, in the report's order.
        accounts: of the points on hardware.
        digitals: the digital side of every point.
        learnings: accuracy against energy, epoch by epoch.
        equals: BP against EP at equal accuracy.
        models: the arrays by NeuroSim's formulas, too.
    """

    points: tuple[Point, ...]
    accounts: tuple[PointEnergy, ...]
    digitals: tuple[PointDigital, ...]
    learnings: tuple[Learning, ...]
    equals: tuple[EqualAccuracy, ...]
    models: tuple[ArrayModels, ...]

    @property
    def ideals(self) -> tuple[PointDigital, ...]:
        """The points that have no account of hardware."""
        chips = {e.point.anchor for e in self.accounts}
        return tuple(digital for digital in self.digitals if digital.point.anchor not in chips)

    @property
    def basis(self) -> str:
        """What table, schedule and seeds stand behind it."""
        return notes.basis(self.accounts, self.digitals)

    def __bool__(self) -> bool:
        return bool(self.points)


def energies_of(points: Sequence[Point]) -> Energies:
    """Return what the accounts that these points' records carry say."""
    accounts, learnings = energy_data(points), learning_data(points)
    return Energies(
        tuple(point for point in points if any(record.energy for record in point.records)),
        tuple(accounts),
        tuple(digital_data(points)),
        tuple(learnings),
        tuple(equal_data(accounts, learnings)),
        tuple(models_data(points)),
    )


def energy_sections(data: Energies) -> list[tuple[str, Table, str]]:
    """Return title, table and note of each table that has rows, what was asked first."""
    accounts = data.accounts
    pairs = rule_pairs(accounts)
    equal = [pair for pair in pairs if any(pair[0] is each.bp.account for each in data.equals)]
    sections: Iterable[tuple[str, Table, str]] = (
        ("What each point costs", cost_table(accounts), notes.COST),
        ("Energy to reach an accuracy", reached_table(data.learnings, accounts), notes.REACHED),
        ("BP against EP at equal accuracy", equal_table(data.equals), notes.EQUAL + notes.unlike(unlike(equal))),
        ("Energy per accuracy point, BP and EP", pairs_table(accounts), notes.PAIRS + notes.unlike(unlike(pairs))),
        (
            f"Against a digital accelerator{_at_node(data)}, per training image",
            digital_table(data.digitals, accounts),
            notes.DIGITAL,
        ),
        ("What each phase of training costs", phases_table(accounts), notes.PHASES),
        ("Time, power and area", time_table(accounts), notes.TIME),
        ("Writes and lifetime", wear_table(accounts), notes.WEAR),
        ("How far to trust it", trust_table(accounts), notes.TRUST),
        ("Assumed figures", assumed_table(accounts), notes.ASSUMED),
        ("The arrays by another model", models_table(data.models), notes.MODELS),
    )
    return [section for section in sections if section[1].rows]


def _at_node(data: Energies) -> str:
    nodes = {cost.node for digital in data.digitals for cost in digital.costs}
    return f" at {nodes.pop():g} nm" if len(nodes) == 1 else ""


def remarks(data: Energies) -> tuple[str, ...]:
    """Return what holds for all tables: their basis, and what is missing."""
    missing = notes.uncounted_note(data.accounts)
    return (data.basis, *([missing] if missing else []))

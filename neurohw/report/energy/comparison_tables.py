"""Tables of points against each other: to an accuracy, BP against EP, chip against digital."""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.energy.ranges import Range
from neurohw.report.energy.account import PointEnergy
from neurohw.report.energy.bounds import bounds_text, digits, nominal_text, ratio_of
from neurohw.report.energy.compare import rule_pairs
from neurohw.report.energy.digital import PointDigital
from neurohw.report.energy.equal import EqualAccuracy
from neurohw.report.energy.learning import Learning, Reached, levels, reached
from neurohw.report.energy.tables import marked, table_of
from neurohw.report.points import Point
from neurohw.report.table import NOTHING, Row, Table, percent

_KINDS = (("int8", False), ("int8", True), ("fp16", False), ("fp16", True))


def reached_table(data: Sequence[Learning], accounts: Sequence[PointEnergy]) -> Table:
    """Return the energy of training to reach round accuracies; no rows where no chip reaches any."""
    wanted = levels(data)
    by_anchor = {e.point.anchor: e for e in accounts}
    rows, group = [], None
    for learning in data if wanted else ():
        point, e = learning.point, by_anchor.get(learning.point.anchor)
        texts = [_reached_text(reached(learning, level)) for level in wanted]
        cells = [marked(e, text) if e and not learning.digital else text for text in texts]
        rows.append(Row((learning.name, *cells), point, first=point.name.group != group))
        group = point.name.group
    return Table(("Point", *(f"To {100 * level:.0f} %" for level in wanted)), tuple(rows))


def equal_table(data: Sequence[EqualAccuracy]) -> Table:
    """Return BP against EP at equal accuracy, a row per quantity."""
    rows = []
    for pair in data:
        bp, ep = pair.bp, pair.ep
        energy = (marked(bp.account, bounds_text(bp.energy, "J")), marked(ep.account, bounds_text(ep.energy, "J")))
        time = bounds_text(bp.seconds, "s"), bounds_text(ep.seconds, "s")
        point, epochs = ep.account.point, (digits(bp.epochs), digits(ep.epochs))
        rows += [
            (point, (f"Epochs to {100 * pair.wanted:.0f} %", *epochs, _over(ep.epochs, bp.epochs))),
            (point, ("Energy", *energy, _ratio(ep.energy, bp.energy))),
            (point, ("Time", *time, _ratio(ep.seconds, bp.seconds))),
            (point, ("Writes per cell", *map(_count, (bp.writes, ep.writes)), _over(ep.writes, bp.writes))),
        ]
    return table_of(("Point", "Quantity", "BP", "EP", "EP / BP"), rows, _without_rule)


def pairs_table(data: Sequence[PointEnergy]) -> Table:
    """Return the energy per accuracy point of BP and EP, side by side."""
    columns = ("Point", "BP: accuracy, %", "EP: accuracy, %", "BP: per accuracy point", "EP: per accuracy point",
               "EP / BP")  # fmt: skip
    rows = []
    for bp, ep in rule_pairs(data):
        one, two = bp.per_accuracy_point, ep.per_accuracy_point
        ratio = _ratio(two, one) if one and two else NOTHING
        costs = (marked(bp, bounds_text(one, "J")), marked(ep, bounds_text(two, "J")), ratio)
        rows.append((ep.point, (percent(bp.accuracy), percent(ep.accuracy), *costs)))
    return table_of(columns, rows, _without_rule)


def digital_table(data: Sequence[PointDigital], accounts: Sequence[PointEnergy]) -> Table:
    """Return the energy of a training image on each chip and on digital accelerators."""
    several = len({cost.node for digital in data for cost in digital.costs}) > 1
    titles = [f"{precision} {'with DRAM' if dram else 'on chip'}" for precision, dram in _KINDS]
    columns = ("Point", "Chip", *(column for title in titles for column in (title, "×")))
    by_anchor = {e.point.anchor: e for e in accounts}
    rows = []
    for digital in data:
        e = by_anchor.get(digital.point.anchor)
        chip = e.per_training_image if e else None
        cells = [marked(e, bounds_text(chip, "J")) if e else NOTHING]
        for kind in _KINDS:
            cost = digital.cost(kind)
            there = cost.per_training_image if cost else None
            node = f" ({cost.node:g} nm)" if cost and several else ""
            learns = e is not None and not e.at_chance
            ratio = digits(chip.nominal / there.nominal) if chip and there and there.nominal and learns else NOTHING
            cells += [nominal_text(there, "J") + node, ratio]
        rows.append((digital.point, tuple(cells)))
    return table_of(columns, rows)


def _reached_text(took: Reached | None) -> str:
    return NOTHING if took is None else f"{bounds_text(took.energy, 'J')}, {took.seeds} of {took.of}"


def _without_rule(point: Point) -> str:
    return " · ".join(filter(None, (point.name.group.partition(" · ")[2], point.variant)))


def _ratio(one: Range, other: Range) -> str:
    ratio = ratio_of(one, other)
    return NOTHING if ratio is None else bounds_text(ratio, "1")


def _over(one: float | None, other: float | None) -> str:
    return digits(one / other) if one is not None and other else NOTHING


def _count(value: float | None) -> str:
    return "not counted" if value is None else digits(value)

"""What a report says of chips that age: sentences, tables, and the numbers behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neurohw.report.ageing.data import Ageing, Recovery, ageing_data, recovery_data
from neurohw.report.ageing.tables import age_lost_words, ageing_table, recovery_table
from neurohw.report.ageing.words import ageing_words
from neurohw.report.page.section import Section
from neurohw.report.points import Point
from neurohw.report.wording import AGED, LEARNT, PROGRAMMED, RECOVERED, TRAINED

_PLACES = {"programmed": PROGRAMMED, "programmed (network.weights)": LEARNT, "trained on them": TRAINED}


@dataclass(frozen=True)
class AgedPart:
    """What there is to say; all empty where nothing was evaluated at ages.

    Args:
        ageings, recoveries: the numbers.
        words: the answer, a sentence each.
        sections: tables.
    """

    ageings: tuple[Ageing, ...]
    recoveries: tuple[Recovery, ...]
    words: tuple[str, ...]
    sections: tuple[Section, ...]

    def __bool__(self) -> bool:
        return bool(self.ageings)

    @property
    def lost(self) -> str:
        """After which time one point is lost, of what figures show."""
        return age_lost_words(self.drawn)

    @property
    def drawn(self) -> list[Ageing]:
        """What figures show: the first metric, of points with an age beyond 0."""
        if not self.ageings:
            return []
        return [a for a in self.ageings if a.metric == self.ageings[0].metric and a.ages[-1] > 0]


def aged_part(points: Sequence[Point]) -> AgedPart:
    """Return what these points' records say of the aged chip."""
    ageings = ageing_data(points)
    recoveries = recovery_data(ageings)
    words = ageing_words(ageings, recoveries)
    return AgedPart(tuple(ageings), tuple(recoveries), words, tuple(_sections(ageings, recoveries)))


def _sections(ageings: Sequence[Ageing], recoveries: Sequence[Recovery]) -> Iterator[Section]:
    """Yield the tables of ages, networks that were programmed into devices apart, and what recovery takes."""
    metrics = list(dict.fromkeys(ageing.metric for ageing in ageings))
    for place, note in _PLACES.items():
        for metric in metrics:
            shown = [a for a in ageings if a.metric == metric and _place(a.point) == place]
            if shown:
                yield Section(f"By age of the devices, {place}: {metric.title}", ageing_table(shown), f"{note} {AGED}")
    if recoveries:
        yield Section("What recovery takes", recovery_table(recoveries, metrics[0]), RECOVERED)


def _place(point: Point) -> str:
    """Return how what was learnt came to the devices that age."""
    if point.config.get("hardware.off_chip"):
        return "programmed"
    return "programmed (network.weights)" if point.config.get("network.weights") else "trained on them"

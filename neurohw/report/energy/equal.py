"""BP against EP at equal accuracy: energy, time and writes until both have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurohw.energy.ranges import Range
from neurohw.report.energy.account import PointEnergy
from neurohw.report.energy.compare import rule_pairs
from neurohw.report.energy.learning import ROUND, Learning, always_reaches, reached


@dataclass(frozen=True)
class Effort:
    """What a point took to reach an accuracy; means over its seeds, all of which reached it.

    Args:
        account: of the point.
        energy: of training, J.
        epochs: of training.
        seconds: of training: the run's time per epoch times the epochs.
        writes: pulses of the cell at the 99.9th percentile, of the array where it had most: the run's per epoch times
            the epochs; None: not counted.
    """

    account: PointEnergy
    energy: Range
    epochs: float
    seconds: Range
    writes: float | None


@dataclass(frozen=True)
class EqualAccuracy:
    """BP and EP, the same in all else, at the highest round accuracy that both reach with every seed."""

    wanted: float
    bp: Effort
    ep: Effort


def equal_data(accounts: Sequence[PointEnergy], learnings: Sequence[Learning]) -> list[EqualAccuracy]:
    """Return every pair that reaches some round accuracy."""
    by_anchor = {learning.point.anchor: learning for learning in learnings if not learning.digital}
    pairs = []
    for bp, ep in rule_pairs(accounts):
        one, two = by_anchor.get(bp.point.anchor), by_anchor.get(ep.point.anchor)
        if one is None or two is None:
            continue
        both = [wanted for wanted in ROUND if always_reaches(one, wanted) and always_reaches(two, wanted)]
        efforts = [_effort(bp, one, both[-1]), _effort(ep, two, both[-1])] if both else []
        if efforts and efforts[0] and efforts[1]:
            pairs.append(EqualAccuracy(both[-1], efforts[0], efforts[1]))
    return pairs


def _effort(account: PointEnergy, learning: Learning, wanted: float) -> Effort | None:
    took = reached(learning, wanted)
    if took is None or not account.epochs:
        return None
    share = took.epochs / account.epochs
    counted = [wear.p999 * share for wear in account.wear]
    complete = bool(counted) and not any("pulses" in what for what in account.uncounted)
    writes = max(counted) if complete else None
    return Effort(account, took.energy, took.epochs, account.training_latency * share, writes)

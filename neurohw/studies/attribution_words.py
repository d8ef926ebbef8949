"""What an attribution says, in sentences and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from neurohw.studies.attribution import Attribution, Share

_TOLD = 3  # causes named in a sentence


def sentences(found: Attribution, name: str) -> Iterator[str]:
    """Yield what a network loses on its hardware, to what, and what regains it.

    Args:
        found: the attribution.
        name: what runs on which device, in words.
    """
    seeds, gains = found.seeds, found.gap.clear and found.gap.mean < 0
    gap = f"{found.gap.negative.points()} points more" if gains else f"{found.gap.points()} points less"
    yield (f"{name}: {100 * found.actual.mean:.1f} % against {100 * found.ideal.mean:.1f} % on ideal arrays, "
           f"{gap} (95 % interval, {seeds} seeds).")  # fmt: skip
    clear = [share for share in found.shares if share.cost.clear and share.cost.mean > 0]
    if gains:
        gained = [share for share in reversed(found.shares) if share.cost.clear and share.cost.mean < 0]
        yield from [f"{_most(found, gained)} the gain is {_listed(gained, True)}."] if gained else []
    elif not found.gap.clear:
        yield "No gap that these seeds could tell from none; more --seeds tell smaller ones."
    elif not clear:
        yield f"No single cause is told from none{_bare(found)}."
    else:
        yield f"{_most(found, clear)} it is {_listed(clear)}{_bare(found)}."
    if found.sudden and found.gap.clear:
        yield ("Accuracy falls at once, in each order with another cause: intervals of single causes are too narrow "
               "(4 to 9 of 10 hold the cost); more --seeds, or a milder setting, tell more.")  # fmt: skip
    for (a, b), extra in found.together.items():
        if extra.clear:
            more = f"{extra.points()} points more" if extra.mean > 0 else f"{extra.negative.points()} points less"
            yield f"{a} and {b} together cost {more} than the sum of each alone."
    if found.changes:
        best = found.cheapest()
        tried = "; ".join(f"{change.name} {100 * gain.mean:+.1f}" for change, gain in found.changes)
        yield (f"Cheapest that regains half of the largest: {best[0].name}, {best[1].points()} points." if best else
               "Nothing that was tried regains half of the largest.") + f" Tried, in points: {tried}."  # fmt: skip


def _most(found: Attribution, shares: Sequence[Share]) -> str:
    """Return whether the causes that are named make more than half of the gap."""
    told = abs(sum(share.cost.mean for share in shares[:_TOLD]))
    return "Most of" if 2 * told > abs(found.gap.mean) else "Part of"


def _listed(shares: Sequence[Share], gained: bool = False) -> str:
    costs = [share.cost.negative if gained else share.cost for share in shares[:_TOLD]]
    return ", then ".join(f"{share.cause.name}, {cost.points()} points"
                          for share, cost in zip(shares, costs, strict=False))  # fmt: skip


def _bare(found: Attribution) -> str:
    """Return what no cause accounts for, in words, where it is told from none."""
    if not found.left.clear or found.left.mean < 0:
        return ""
    return f"; {found.left.points()} points are left when all causes are taken away: the devices' steps and bounds"


def as_frame(found: Attribution) -> pd.DataFrame:
    """Return a row per cause and one for what is left, in points of accuracy with the half of their 95 % intervals."""
    rows = [_row(share) for share in found.shares]
    left = {"cause": "steps and bounds of the devices (all causes taken away)", "cost": 100 * found.left.mean,
            "cost_interval": 100 * found.left.half}  # fmt: skip
    gap = {"cause": "gap to ideal arrays", "cost": 100 * found.gap.mean, "cost_interval": 100 * found.gap.half}
    return pd.DataFrame([*rows, left, gap])


def _row(share: Share) -> dict[str, object]:
    row: dict[str, object] = {"cause": share.cause.name}
    for name in ("cost", "alone", "regained"):
        estimate = getattr(share, name)
        row |= {name: 100 * estimate.mean, f"{name}_interval": 100 * estimate.half}
    return row

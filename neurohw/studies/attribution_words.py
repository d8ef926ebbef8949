"""What an attribution says, in sentences and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from neurohw.studies.attribution import Attribution, Estimate, Share

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
        yield from [f"Most of the gain is {_listed(gained, [s.cost.negative for s in gained])}."] if gained else []
    elif not found.gap.clear:
        yield "No gap that these seeds could tell from none; more --seeds tell smaller ones."
    elif not clear:
        yield f"No single cause is told from none{_bare(found)}."
    else:
        yield f"Most of it is {_listed(clear, [s.cost for s in clear])}{_bare(found)}."
    for (a, b), extra in found.together.items():
        if extra.clear:
            more = f"{extra.points()} points more" if extra.mean > 0 else f"{-100 * extra.mean:.1f} points less"
            yield f"{a} and {b} together cost {more} than the sum of each alone."
    if found.changes:
        best = found.cheapest()
        tried = "; ".join(f"{change.name} {100 * gain.mean:+.1f}" for change, gain in found.changes)
        yield (f"Cheapest that regains half of the largest: {best[0].name}, {best[1].points()} points." if best else
               "Nothing that was tried regains half of the largest.") + f" Tried, in points: {tried}."  # fmt: skip


def _listed(shares: Sequence[Share], points: Sequence[Estimate]) -> str:
    told = [f"{share.cause.name}, {each.points()} points" for share, each in zip(shares, points, strict=True)]
    return ", then ".join(told[:_TOLD])


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

"""What ageing costs, and what compensation and re-training regain, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from neurohw.report.ageing.data import Ageing, Recovery, Way
from neurohw.report.ageing.tables import age_text
from neurohw.report.energy.bounds import digits, nominal_text

MOST = 4  # points that have a sentence of their own


def ageing_words(ageings: Sequence[Ageing], recoveries: Sequence[Recovery]) -> tuple[str, ...]:
    """Return a sentence per point on its oldest age; of more than `MOST`, those that lose least and most."""
    main = [ageing for ageing in ageings if ageing.metric == ageings[0].metric]
    if len(main) > MOST:
        ranked = sorted(main, key=lambda ageing: _lost(ageing, next(iter(ageing.lines))))
        main = [ranked[0], ranked[-1]]
    return tuple(_sentence(ageing, recoveries) for ageing in main)


def _sentence(ageing: Ageing, recoveries: Sequence[Recovery]) -> str:
    first, *others = ageing.lines
    unit = "points" if ageing.metric.share else ageing.metric.shown_unit
    usual = "" if first == Way("none") else f", {first.label}"
    begin = f"{ageing.point.label} after {age_text(ageing.ages[-1])}{usual}: {_change(first, ageing, unit)}"
    several = sum(way.retrained for way in others) > 2  # kinds of compensation, each with re-training
    told = (_other(ageing, way, several, recoveries) for way in others)
    return f"{'; '.join([begin, *told])}."


def _other(ageing: Ageing, way: Way, several: bool, recoveries: Sequence[Recovery]) -> str:
    both = way.retrained and way.compensation != "none"
    took = "" if both else _taken(ageing, way, recoveries)
    return f"{'both' if both and not several else way.label} {_change(way, ageing)}{took}"


def _taken(ageing: Ageing, way: Way, recoveries: Sequence[Recovery]) -> str:
    """Return what re-training takes, where that was accounted."""
    wanted = ageing.point.anchor, ageing.ages[-1], way.compensation
    found = (r for r in recoveries if way.retrained and (r.point.anchor, r.age, r.compensation) == wanted)
    if (recovery := next(found, None)) is None:
        return ""
    return f", for {nominal_text(recovery.energy, 'J')} and {digits(recovery.images)} images without labels"


def _change(way: Way, ageing: Ageing, unit: str = "") -> str:
    """Return how far it is from that at the end of training ± the standard error; within that there is no change."""
    lost = ageing.losses[way][-1]
    change, error = (lost.mean if ageing.metric.better == "lower" else -lost.mean), lost.error
    scale, known = ageing.metric.scale, isfinite(error)
    shown = f"{scale * change:+.1f}{f' ± {scale * error:.1f}' if known else ''} {unit}".replace("-", "−").rstrip()
    return f"no change ({shown})" if known and abs(change) <= error else shown


def _lost(ageing: Ageing, way: Way) -> float:
    """Return what is lost at the oldest age, in the metric's own unit."""
    return ageing.losses[way][-1].mean

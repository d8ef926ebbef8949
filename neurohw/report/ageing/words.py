"""What ageing costs, and what compensation and re-training regain, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot, isfinite

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
    parts = [f"{ageing.point.label} {_change(first, ageing)} within {age_text(ageing.ages[-1])}"
             f"{'' if first == Way('none') else f', {first.label}'}"]  # fmt: skip
    parts += [_other(ageing, way, recoveries) for way in others]
    return f"{'; '.join(parts)}."


def _other(ageing: Ageing, way: Way, recoveries: Sequence[Recovery]) -> str:
    took = ""
    if way.retrained:
        found = (r for r in recoveries if (r.point.anchor, r.age, r.compensation)
                 == (ageing.point.anchor, ageing.ages[-1], way.compensation))  # fmt: skip
        if (recovery := next(found, None)) is not None:
            took = f", for {nominal_text(recovery.energy, 'J')} and {digits(recovery.images)} images without labels"
    return f"{way.label} it {_change(way, ageing)}{took}"


def _change(way: Way, ageing: Ageing) -> str:
    """Return what has become of the metric at the oldest age; within the standard error nothing has."""
    change, error = -_lost(ageing, way), hypot(ageing.trained.error, ageing.lines[way][-1].error)
    if isfinite(error) and abs(change) <= error:
        return f"stands where it did ({ageing.metric.scale * change:+.1f})".replace("-", "−")
    unit = "points" if ageing.metric.share else ageing.metric.shown_unit
    return f"{'loses' if change < 0 else 'gains'} {abs(ageing.metric.scale * change):.1f} {unit}"


def _lost(ageing: Ageing, way: Way) -> float:
    """Return what is lost at the oldest age, in the metric's own unit."""
    return ageing.metric.loss(ageing.trained.mean, ageing.lines[way][-1].mean)

"""At which age a chip has lost one percentage point of what it had learnt."""

from __future__ import annotations

from neurohw.report.ageing.data import Ageing, Way
from neurohw.report.sensitivity.loss import Limit, Lost, Tried, point_lost
from neurohw.report.spread import at_chance
from neurohw.report.table import NOTHING

_UNITS = ((31_536_000.0, "years"), (86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "s"))


def age_lost(ageing: Ageing, way: Way) -> Lost | None:
    """Return at which age one point is lost, interpolated between logarithms of the ages that were looked at.

    Losses are against the end of training, seed by seed: their mean ± its standard error.

    Args:
        ageing: one metric of one point.
        way: what is done about drift.

    Returns:
        None where the metric is no percentage, the network had learnt nothing, or it was looked at fewer than two ages
        beyond 0.
    """
    trained, metric = ageing.trained, ageing.metric
    looked = [(age, lost) for age, lost in zip(ageing.ages, ageing.losses[way], strict=True) if age > 0 and lost.n]
    if not metric.share or not trained.n or len(looked) < 2 or at_chance(ageing.point, trained, metric):
        return None
    return point_lost([Tried(age, lost.mean, lost.error) for age, lost in looked], logarithmic=True)


def age_limit_text(limit: Limit) -> str:
    """Return an age with two significant digits, in its largest unit of which there is one: "1.7 days", "> 1 year"."""
    size, unit = next((unit for unit in _UNITS if limit.value >= unit[0]), _UNITS[-1])
    number = f"{limit.value / size:.2g}" if limit.value / size < 10 else f"{limit.value / size:.0f}"
    unit = unit.removesuffix("s") if number == "1" and unit != "s" else unit
    return f"{limit.relation} {number} {unit}".strip()


def lost_cells(lost: Lost | None) -> tuple[str, str]:
    """Return where a point is lost, and between which ages with its standard error."""
    if lost is None:
        return NOTHING, NOTHING
    ends = [end for end in (lost.early, lost.late) if end is not None]
    return age_limit_text(lost.at), " to ".join(dict.fromkeys(map(age_limit_text, ends))) or NOTHING

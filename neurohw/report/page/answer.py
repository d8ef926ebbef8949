"""What was asked, and the answer in three sentences: what hardware costs, what most of it is, which energy it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, hypot, inf, isfinite

from neurohw.report.accuracy.data import Accuracies, Accuracy, Gap
from neurohw.report.naming import REMEDY, ideal_arrays, on_hardware
from neurohw.report.page.symptoms import symptoms_of
from neurohw.report.points import Point
from neurohw.report.sensitivity.data import Sensitivity
from neurohw.report.sensitivity.loss import Lost
from neurohw.report.sensitivity.tables import beside_text, value_text
from neurohw.runs.symptoms import EFFECTS

MOST_NAMED = 4  # chips, or parameters, that a sentence lists; of more, the ends
MOST_GROUPS = 3  # tasks with a part of their own; of more, or of many chips, each rule has one
MOST_CHIPS = 24
_OF_AGES = "How long does the chip keep what it has learnt, and what does recovery take?"


@dataclass(frozen=True)
class Answer:
    """What was asked, and the sentences that answer it."""

    question: str
    sentences: tuple[str, ...]


def answer_of(
    points: Sequence[Point],
    accuracies: Sequence[Accuracies],
    sensitivities: Sequence[Sensitivity],
    energy: str,
    ageing: Sequence[str] = (),
) -> Answer:
    """Return question and answer.

    Args:
        points: all of the report.
        accuracies: a table per metric; the sentences are about the one that has most gaps to ideal, or most points.
        sensitivities: a panel per swept parameter.
        energy: what the accounts say, in a sentence; "" of none.
        ageing: what the age of the chip costs, in sentences; empty where none was looked at.
    """
    main = max(accuracies, key=lambda a: (sum(row.gap is not None for row in a.rows), len(a.rows)), default=None)
    rows = [] if main is None else [row for row in main.rows if not row.point.at_chance]
    first = (_gaps(main, rows) if main else "") or _best(main, rows)
    if ageing and not _compares(main, sensitivities):
        return Answer(_OF_AGES, (*ageing, energy) if energy else tuple(ageing))
    causes = [part for part in (_idle(points), _cause(main, rows, sensitivities)) if part]
    sentences = (first, _sentence("; ".join(causes)), energy or _certainty(main, rows))
    return Answer(_question(points, main, sensitivities), tuple(filter(None, sentences)))


def _compares(main: Accuracies | None, sensitivities: Sequence[Sensitivity]) -> bool:
    """Return whether something is compared with the ideal, or was swept."""
    return bool(sensitivities) or (main is not None and any(row.gap for row in main.rows))


def _question(points: Sequence[Point], main: Accuracies | None, sensitivities: Sequence[Sensitivity]) -> str:
    if main is not None and any(row.gap for row in main.rows):
        devices = any(not ideal_arrays(p.config) or p.config.get("hardware.off_chip") for p in points)
        rules = sorted({p.name.group.partition(" · ")[0] for p in points} - {""})
        what = "the devices" if devices else "the circuits"
        return f"What do {what} cost {_listed(rules) or 'learning'}, against the ideal?"
    if sensitivities:
        return "How far may each parameter go before one point of accuracy is lost?"
    return f"How do these {len(points)} points compare?" if len(points) > 1 else "How well is it learnt?"


def _gaps(main: Accuracies, rows: Sequence[Accuracy]) -> str:
    """Return what chips cost, group by group, the cheapest chip first."""
    known = [(row.gap, row.point) for row in rows if row.gap is not None]
    few = len(known) <= MOST_CHIPS and len({point.name.group for _, point in known}) <= MOST_GROUPS
    by_group: dict[str, list[tuple[Gap, str]]] = {}
    for gap, point in known:
        group = point.name.group if few else point.name.group.partition(" · ")[0]
        by_group.setdefault(group, []).append((gap, point.variant if few else point.label))
    parts = [_costs(gaps, f"costs {group}" if group else "costs") for group, gaps in by_group.items()]
    return _sentence("; ".join(parts), f"{main.metric.title}, against the ideal: ") if parts else ""


def _costs(gaps: Sequence[tuple[Gap, str]], costs: str) -> str:
    """Return what each costs; of many, the cheapest and the dearest."""
    ranked = sorted(gaps, key=lambda pair: -pair[0].points)
    (least, cheapest), (most, dearest) = ranked[0], ranked[-1]
    if len(ranked) > MOST_NAMED:
        return f"of {len(ranked)} chips {cheapest} {costs} least, {_cost(least)}, and {dearest} most, {_cost(most)}"
    return _listed([f"{cheapest} {costs} {_cost(least)}", *(f"{name} {_cost(gap)}" for gap, name in ranked[1:])])


def _cost(gap: Gap) -> str:
    """Return a loss in points ± its standard error; a gain, or what lies within that, is nothing."""
    unlike = "" if gap.same_length else " after unlike epochs"
    if gap.points >= 0 or (isfinite(gap.error) and -gap.points < gap.error):
        return f"nothing ({gap.points:+.1f} points){unlike}".replace("-", "−")
    error = f" ± {gap.error:.1f}" if isfinite(gap.error) else ""
    return f"{-gap.points:.1f}{error} points{unlike}"


def _best(main: Accuracies | None, rows: Sequence[Accuracy]) -> str:
    """Return the best point and the worst, where nothing ideal is beside them."""
    known = [row for row in rows if row.spread.n]
    if main is None or not known:
        return ""
    ranked = sorted(known, key=lambda row: main.metric.loss(0.0, row.spread.mean))
    best, worst = ranked[0], ranked[-1]
    title = main.metric.title
    top, bottom = (main.metric.text(row.spread.mean) for row in (best, worst))
    if best is worst:
        return f"{title}: {best.point.label} ends at {top}."
    if top == bottom:
        return f"{title}: all {len(known)} points end at {top}."
    return (
        f"{title}: of {len(known)} points {best.point.label} ends best, at {top}, "
        f"{worst.point.label} worst, at {bottom}."
    )


def _idle(points: Sequence[Point]) -> str:
    """Return which points do not learn, and what was counted there most often."""
    idle = [point for point in points if point.at_chance]
    if not idle:
        return ""
    found = ({s.kind for record in point.records for s in symptoms_of(record)} for point in idle)
    kinds = Counter(kind for of_point in found for kind in of_point if kind not in EFFECTS)
    names = _listed([p.name.label for p in idle]) if len(idle) <= MOST_NAMED else f"{len(idle)} of {len(points)} points"
    why = f", most often with this sign: {kinds.most_common(1)[0][0]}" if kinds else ""
    return f"{names} {'does' if len(idle) == 1 else 'do'} not learn{why}"


def _cause(main: Accuracies | None, rows: Sequence[Accuracy], sensitivities: Sequence[Sensitivity]) -> str:
    """Return what most of the loss is: limits that were swept, what a remedy wins back, or chip against rule."""
    compared = ("", "") if main is None else (_remedy(main, rows), _chip_or_rule(main, rows))
    found = (_limits(sensitivities), *compared)
    return next(filter(None, found), "")


def _limits(sensitivities: Sequence[Sensitivity]) -> str:
    """Return where one point is lost, of each parameter that loses it on the line where that is soonest."""
    swept: dict[str, list[tuple[Sensitivity, Lost]]] = {}
    for panel in sensitivities:
        for lost in (lost for line in panel.lines for lost in line.lost):
            swept.setdefault(panel.key, []).append((panel, lost))
    soonest = {key: found for key, every in swept.items() if (found := _soonest(every))}
    lines = Counter(panel.key for panel in sensitivities for line in panel.lines if line.lost)
    told = [_lost_at(*found, lines[key]) for key, found in soonest.items()]
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    listed = f"{', '.join(told[:MOST_NAMED])}{more}" if more else _listed(told)
    parts = [f"one point is lost by {listed}"] if told else []
    if held := len(swept) - len(soonest):
        parts.append(f"{held} of {len(swept)} parameters lose it nowhere within what was tried")
    return "; ".join(parts)


def _soonest(every: Sequence[tuple[Sensitivity, Lost]]) -> tuple[Sensitivity, Lost] | None:
    """Return where one parameter loses a point soonest, with its panel; None where it does so nowhere."""
    losing = [(panel, lost) for panel, lost in every if lost.at_mildest or lost.value is not None]

    def order(pair: tuple[Sensitivity, Lost]) -> tuple[bool, float]:
        panel, lost = pair
        return not lost.at_mildest, abs(lost.at.value) if _outwards(panel) else -lost.at.value

    return min(losing, key=order, default=None)


def _lost_at(panel: Sensitivity, lost: Lost, lines: int) -> str:
    """Return where it is lost, within which a standard error puts it, and of how many lines this is the soonest.

    Of whole numbers: between which two.
    """
    mildest = " already, the mildest value tried" if lost.at_mildest else ""
    soonest = f"the soonest of {lines} lines" if lines > 1 else ""
    between = panel.counts and not lost.at.value.is_integer()
    beside = "; ".join(filter(None, ("" if between else beside_text(lost, panel.key), soonest)))
    place = _between(panel, lost.at.value) if between else f"at {value_text(lost.at.value, panel.key)}{mildest}"
    return f"{panel.title.partition(': ')[0]} {place}" + (f" ({beside})" if beside else "")


def _between(panel: Sensitivity, value: float) -> str:
    """Return the whole numbers around a value, the milder one first."""
    ends = [float(floor(value)), float(ceil(value))]
    milder, severer = sorted(ends, key=abs) if _outwards(panel) else reversed(ends)
    return f"between {value_text(milder, panel.key)} and {value_text(severer, panel.key)}"


def _outwards(panel: Sensitivity) -> bool:
    """Return whether the hardware gets worse away from zero."""
    return panel.worse == "larger" or any(line.values[0] < 0 for line in panel.lines)


def _remedy(main: Accuracies, rows: Sequence[Accuracy]) -> str:
    """Return the remedy that wins back most, of chips that are in the report without and with it."""
    bare: dict[tuple[str, str, str], tuple[float, Accuracy]] = {}
    for row in rows:
        if row.gap and not _treated(row.point):
            place = _place(row.point)
            bare[place] = max((row.gap.points, row), bare.get(place, (-inf, row)), key=lambda pair: pair[0])
    won = [
        (row.gap.points - bare[_place(row.point)][0], row)
        for row in rows
        if row.gap and _treated(row.point) and _place(row.point) in bare
    ]
    if not won:
        return ""
    points, row = max(won, key=lambda pair: pair[0])
    device = row.point.config.get("hardware.device")
    if points <= 0:
        return f"no remedy tried wins anything back ({len(won)} compared)"
    error = main.metric.scale * hypot(row.spread.error, bare[_place(row.point)][1].spread.error)
    amount = f"{points:.1f}" + (f" ± {error:.1f}" if isfinite(error) else "")
    return f"{amount} points are won back on {device} by {row.point.variant.partition(' + ')[2]} ({row.point.label})"


def _place(point: Point) -> tuple[str, str, str]:
    return point.name.group, str(point.config.get("hardware.device")), str(point.config.get("hardware.backend"))


def _treated(point: Point) -> bool:
    return any(point.config.get(key) not in (None, "none") for key in REMEDY)


def _chip_or_rule(main: Accuracies, rows: Sequence[Accuracy]) -> str:
    """Return how far apart chips of one rule end, and rules on one chip; of stopped runs only by themselves."""
    if not main.metric.share or not any(on_hardware(row.point.config) for row in rows):
        return ""
    whole = [row for row in rows if not row.point.stopped] or rows
    means = {(row.point.name.group, row.point.name.variant): 100 * row.spread.mean for row in whole if row.spread.n}
    chips, rules = (_widest(means, i) for i in (0, 1))
    if not chips:
        return ""
    between = f"up to {chips:.1f} points lie between chips that learn the same"
    if not rules:
        return between
    several = len({group.partition(" · ")[0] for group, _ in means}) > 1
    how = "the rule" if several else "how it is learnt"
    more, less = ("the chip", how) if chips > rules else (how, "the chip")
    return f"{more} matters more than {less}: {between}, up to {rules:.1f} between what is learnt on one chip"


def _widest(means: dict[tuple[str, str], float], shared: int) -> float:
    """Return the largest difference among those that share one part of their name."""
    groups: dict[str, list[float]] = {}
    for parts, mean in means.items():
        groups.setdefault(parts[shared], []).append(mean)
    return max((max(group) - min(group) for group in groups.values()), default=0.0)


def _certainty(main: Accuracies | None, rows: Sequence[Accuracy]) -> str:
    """Return how well means are known, where no energy was counted; of one seed nobody knows."""
    errors = [row.spread.error for row in rows if row.spread.n > 1]
    if main is None or not errors or not main.metric.share:
        return ""
    whose = "Means" if len(errors) == len(rows) else f"Of {len(rows)} means, those of several seeds ({len(errors)})"
    return f"{whose} are known to ± {100 * max(errors):.2g} points or better (standard error over seeds)."


def _sentence(text: str, before: str = "") -> str:
    if not text:
        return ""
    whole = before + text
    return f"{whole[0].upper()}{whole[1:]}."


def _listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)

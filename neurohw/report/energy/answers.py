"""The answer first: what the accounts say, in a few sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from neurohw.energy.ranges import Range
from neurohw.report.energy.bounds import bounds_text, digits, nominal_text
from neurohw.report.energy.compare import drawable, rule_pairs, unlike
from neurohw.report.energy.digital import CHEAPEST, kind_name
from neurohw.report.energy.learning import Learning, always_reaches, levels, reached
from neurohw.report.energy.sections import Energies


def answers(data: Energies) -> tuple[str, ...]:
    """Return the sentences; points whose energy lacks something, or that are at chance, are no best ones."""
    return (*_left_out(data), *_images(data), *_accuracies(data), *_rules(data), *_doubts(data))


def per_image(data: Energies) -> str:
    """Return what a training image costs on the cheapest chip that learns, and on the dearest; "" of no chip.

    Where not all that learns is on the chip, that is said before.
    """
    images = list(_images(data))
    return " ".join([*_left_out(data), *images]) if images else ""


def _left_out(data: Energies) -> Iterator[str]:
    """Say so where not all that learns is on the chip."""
    if any("clustering.method" in e.point.config for e in data.accounts):
        yield ("Of runs that learn from clusters, only the network that clusters is on the chip: the convolutional "
               "network, which learns in full precision, is in no energy, time or lifetime here.")  # fmt: skip


def _images(data: Energies) -> Iterator[str]:
    counted = [(e.per_training_image, e) for e in data.accounts if e.per_training_image and not e.uncounted]
    known = [(cost, e) for cost, e in counted if not e.at_chance]
    if not known:
        if counted:
            yield f"No chip here learns, so no energies are compared: {_points(len(counted))} at chance left out."
        return
    (low, cheapest), (high, dearest) = (end(known, key=lambda pair: pair[0].nominal) for end in (min, max))
    sentence = f"A training image costs {bounds_text(low, 'J')} on {cheapest.point.label}"
    if cheapest is not dearest:
        sentence += f", the cheapest chip here, and {bounds_text(high, 'J')} on {dearest.point.label}, the dearest"
    learnt = [digital for digital in data.digitals if not digital.point.at_chance]
    costs = [cost for digital in learnt if (cost := digital.cost(CHEAPEST))]
    there = [cost.per_training_image for cost in costs if cost.per_training_image]
    if there:
        ends = nominal_text(min(there, key=_nominal), "J"), nominal_text(max(there, key=_nominal), "J")
        sentence += f"; on a digital accelerator ({kind_name(CHEAPEST)}) {' to '.join(dict.fromkeys(ends))}"
    if idle := len(counted) - len(known):
        sentence += f"; {_points(idle)} at chance left out"
    yield f"{sentence}."


def _accuracies(data: Energies) -> Iterator[str]:
    missing = {e.point.anchor for e in data.accounts if e.uncounted}
    chips = [learning for learning in data.learnings if not learning.digital and learning.point.anchor not in missing]
    wanted = levels(chips)
    if not wanted:
        learnt = [e for e in drawable(data.accounts) if not e.at_chance]
        best = max(learnt, key=lambda e: e.accuracy.mean, default=None)
        if best is not None and data.learnings:
            ended = f"{100 * best.accuracy.mean:.1f} % ({best.point.label})"
            yield f"No chip reaches a round accuracy with every seed; the best ends at {ended}."
        return
    level = wanted[-1]
    sentence = f"To {100 * level:.0f} % accuracy with every seed, {_least(chips, level)}"
    if other := _least([learning for learning in data.learnings if learning.digital], level):
        sentence += f"; at full precision and the energy of a digital accelerator ({kind_name(CHEAPEST)}), {other}"
    yield f"{sentence}."


def _least(learnings: list[Learning], level: float) -> str:
    """Return which takes least to an accuracy, and how much."""
    able = [(took.energy, chip) for chip in learnings if always_reaches(chip, level) and (took := reached(chip, level))]
    if not able:
        return ""
    energy, cheapest = min(able, key=lambda pair: pair[0].nominal)
    return f"{cheapest.point.label} takes least: {bounds_text(energy, 'J')}"


def _rules(data: Energies) -> Iterator[str]:
    counted = [pair for pair in rule_pairs(data.accounts) if not any(e.uncounted for e in pair)]
    learnt = [pair for pair in counted if not any(e.at_chance for e in pair)]
    pairs = [(bp.per_training_image, ep.per_training_image) for bp, ep in learnt]
    ratios = [ep.nominal / bp.nominal for bp, ep in pairs if bp and ep and bp.nominal]
    sentences = []
    if ratios:
        others = ", ".join(unlike(learnt))
        alike = f"on like devices, some with unlike {others}" if others else "on like devices and settings"
        alike = f"({_pairs(len(ratios))} {alike}, each rule with its own learning rates)"
        sentences.append(f"EP takes {_between(ratios)} times the energy of BP per training image {alike}")
    complete = [pair for pair in data.equals if not (pair.bp.account.uncounted or pair.ep.account.uncounted)]
    if at_equal := [pair.ep.energy.nominal / pair.bp.energy.nominal for pair in complete if pair.bp.energy.nominal]:
        sentences.append(f"{_between(at_equal)} times until both have the same accuracy ({_pairs(len(at_equal))})")
    if sentences:
        idle = len(counted) - len(learnt)
        yield f"{', and '.join(sentences)}{f'; {_pairs(idle)} with one at chance left out' if idle else ''}."


def _doubts(data: Energies) -> Iterator[str]:
    if not data.accounts:
        return
    shares = [100 * e.provenance.get("assumed", 0.0) for e in data.accounts]
    widest = Counter(e.widest for e in data.accounts if e.widest).most_common(1)
    sentence = f"{_between(shares)} % of a chip's nominal energy rests on assumed figures"
    if widest:
        name, times = widest[0]
        sentence += f"; the spread comes mostly from “{name}” (in {times} of {len(data.accounts)} points)"
    yield f"{sentence}."


def _points(number: int) -> str:
    return f"{number} point{'s' if number > 1 else ''}"


def _pairs(number: int) -> str:
    return f"{number} pair{'s' if number > 1 else ''}"


def _between(values: list[float]) -> str:
    ends = digits(min(values)), digits(max(values))
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _nominal(bounds: Range) -> float:
    return bounds.nominal

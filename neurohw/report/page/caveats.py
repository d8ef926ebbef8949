"""What a reader must know before the numbers of a report."""

from __future__ import annotations

import re
from collections.abc import Sequence

from neurohw.report.inert import inert_settings
from neurohw.report.page.symptoms import symptoms_of
from neurohw.report.points import Point, repeated_seeds
from neurohw.runs.record import RunRecord


def listed(values: set[int] | set[str]) -> str:
    """Return the values in order, or how many there are of more than ten."""
    ordered = list(map(str, sorted(values)))
    return ", ".join(ordered) if len(ordered) <= 10 else f"{ordered[0]} to {ordered[-1]} ({len(ordered)} of them)"


def warnings_of(records: Sequence[RunRecord], points: Sequence[Point]) -> tuple[str, ...]:
    """Return what the runs warn of, and which are short, alone, failed, or have settings that changed nothing."""
    texts = _of_the_runs(points)
    if not points:
        texts.append("No run produced a result: every one failed or diverged, with the messages below.")
    stopped, diverged, failed = (sum(r.status == s for r in records) for s in ("stopped", "diverged", "failed"))
    if stopped:
        texts.append(f"{stopped} of {len(records)} runs were stopped before their schedule ended; their points say so.")
    if diverged:
        texts.append(f"{diverged} of {len(records)} runs diverged: what they learnt was no number any more. They "
                     "are in no average; they are listed below.")  # fmt: skip
    if failed:
        texts.append(f"{failed} of {len(records)} runs failed and are in no average; they are listed below.")
    if single := sum(len(p.records) == 1 for p in points):
        texts.append(f"{single} of {len(points)} points have one seed only: no spread, no standard error.")
    if repeats := repeated_seeds(records, points):
        texts.append(f"{repeats} records repeat the seed of another run of the same point; the first of each counts.")
    if twins := len(points) - len({(repr(p.config), p.stopped, p.epochs) for p in points}):
        texts.append(
            f"{twins} of {len(points)} points have all settings of another one, but files of other contents (data, "
            "devices, weights, ...): their hashes tell them apart, and lines of swept parameters are of one of them."
        )
    if len({(r.git, r.versions.get("neurohw")) for r in records}) > 1:  # an installed package has no commit
        texts.append("The runs come from several code versions.")
    return (*texts, *inert_settings(points))


def _of_the_runs(points: Sequence[Point]) -> list[str]:
    """Return what the runs warn of besides symptoms, a line per point and warning; of seeds with other numbers, one."""
    by_warning: dict[tuple[str, str], tuple[str, list[int]]] = {}
    for point in points:
        for record in point.records:
            symptoms = [symptom.message for symptom in symptoms_of(record)]
            for text in record.warnings:
                if text in symptoms:
                    continue
                key = point.label, re.sub(r"[0-9.]+", "", text)
                by_warning.setdefault(key, (text, []))[1].append(record.seed)
    return [
        f"{label} (seed{'s' if len(seeds) > 1 else ''} {listed(set(seeds))}): {text}"
        for (label, _), (text, seeds) in by_warning.items()
    ]

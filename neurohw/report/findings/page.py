"""The page of findings: Markdown, a self-contained page for a browser, figures, and every number as CSV."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import pandas as pd
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from neurohw.archive import ARCHIVE
from neurohw.errors import InputError
from neurohw.report import drawing
from neurohw.report.findings.figures import finding_figure
from neurohw.report.findings.file import Finding, Findings, Source, metric_of
from neurohw.report.findings.values import Found, found_values, read_report
from neurohw.report.page.environment import page_environment
from neurohw.report.table import text_cells
from neurohw.runs.files import atomic, writable_folder, write_text

MARKDOWN, PAGE, NUMBERS = "report.md", "index.html", "findings.csv"


@dataclass(frozen=True)
class Told:
    """A finding with its numbers.

    Args:
        finding: from its file.
        sentence: filled.
        found: numbers by name.
        sources: the reports behind it, by name.
    """

    finding: Finding
    sentence: str
    found: dict[str, Found]
    sources: dict[str, Source]


def told(findings: Findings, reports: Path) -> list[Told]:
    """Return the findings, their sentences filled.

    Args:
        findings: from their file.
        reports: the folder with the reports.

    Raises:
        InputError: a report, a configuration or a number is not there, or a sentence cannot be filled.
    """
    file = findings.file
    try:
        known = {name: read_report(reports, name) for name in file.reports}
        return [_told(finding, found_values(finding, known), file.reports) for finding in file.findings]
    except InputError as error:
        raise InputError(f"{findings.path}: {error}") from None


def write_findings(findings: Findings, every: list[Told], folder: Path) -> Path:
    """Write the page and return its path.

    Args:
        findings: from their file.
        every: what `told` made of it.
        folder: gets report.md, index.html, findings.csv and finding_1.svg, ...

    Raises:
        InputError: the folder holds another report.
    """
    folder = writable_folder(folder)
    if (folder / ARCHIVE).exists():
        raise InputError(f"--out {folder}: holds {ARCHIVE}, and so another report; name another folder")
    with drawing.style():
        figures = [drawing.as_svg(finding_figure(each.finding, each.found.values())) for each in every]
    for old in folder.glob("finding_*.svg"):
        old.unlink()
    for number, svg in enumerate(figures, 1):
        write_text(folder / f"finding_{number}.svg", svg)
    environment = page_environment()
    page = {"findings": findings, "told": every, "archive": ARCHIVE}
    write_text(folder / MARKDOWN, environment.get_template("findings.md.j2").render(page))
    drawn = [Markup(_inline(svg)) for svg in figures]
    write_text(folder / PAGE, environment.get_template("findings.html.j2").render(page, figures=drawn))
    with atomic(folder / NUMBERS) as temporary:
        text_cells(findings_frame(every)).to_csv(temporary, index=False, float_format="%.6g")
    return folder / PAGE


def findings_frame(every: list[Told]) -> pd.DataFrame:
    """Return a row per number: fractions and SI; where a point is lost, the value and its standard error's ends."""
    return pd.DataFrame([_row(number, name, found) for number, each in enumerate(every, 1)
                         for name, found in each.found.items()])  # fmt: skip


def _row(number: int, name: str, found: Found) -> dict[str, object]:
    lost, wanted = found.lost, found.wanted
    kind = f"lost along {wanted.lost_along}" if wanted.lost_along else f"lost after, {wanted.lost_after}"
    ends = [limit and f"{limit.relation}{limit.value:.6g}" for limit in (lost.early, lost.late)] if lost else [None] * 2
    return {
        "finding": number, "name": name, "label": wanted.label, "report": wanted.report,
        "of": wanted.of if lost is None else kind,
        "value": f"{lost.at.relation}{lost.at.value:.6g}" if lost else found.spread.mean,
        "std": None if lost else found.spread.std, "early": ends[0], "late": ends[1], "seeds": found.seeds,
        "shown": str(found), "hashes": " ".join(point.config_hash for point in found.points),
    }  # fmt: skip


def _told(finding: Finding, found: dict[str, Found], sources: dict[str, Source]) -> Told:
    def points(better: Found, worse: Found, sign: str = "") -> str:
        both = metric_of(better.wanted.of), metric_of(worse.wanted.of)
        if not all(metric.share for metric in both) or better.lost or worse.lost:
            raise InputError(f"{finding.title}: points: got {better.wanted.label!r} and {worse.wanted.label!r}; "
                             "allowed: two metrics in percent")  # fmt: skip
        return f"{100 * (better.mean - worse.mean):{sign}.1f} points".replace("-", "−")

    def change(before: Found, after: Found) -> str:
        return points(after, before, "+")

    def times(more: Found, less: Found) -> str:
        ratio = more.mean / less.mean
        if isnan(ratio):
            raise InputError(f"{finding.title}: times: got {more.wanted.label!r} and {less.wanted.label!r}, of which "
                             "one is only bounded; allowed: two numbers")  # fmt: skip
        return f"{ratio:.2g} times"

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    environment.globals |= {"points": points, "change": change, "times": times}
    try:
        sentence = environment.from_string(finding.says).render(found)
    except (TemplateError, ArithmeticError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{finding.title}, says: {error}; allowed: a Jinja template of {', '.join(found)}") from None
    used = {value.wanted.report: sources[value.wanted.report] for value in found.values()}
    return Told(finding, " ".join(sentence.split()), found, used)


def _inline(svg: str) -> str:
    """Return a figure that stands in a page, in its colours."""
    start = svg.index("<svg")
    return re.sub(r"#24292f|#ffffff|#d5d9de", lambda m: _PAGE_COLOURS[m[0]], svg[start:])


_PAGE_COLOURS = {drawing.INK: "var(--ink)", drawing.PAPER: "var(--paper)", drawing.GRID: "var(--grid)"}

"""The command `neurohw findings`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neurohw.cli import console


def findings(
    file: Annotated[str, typer.Argument(metavar="[FINDINGS]", help="A findings.toml, or a shipped name.")] = "hardware",
    reports: Annotated[
        Path | None,
        typer.Option("--reports", metavar="DIR", help="Folder of the reports; that of a checkout if left out."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the page; runs/findings/NAME if left out.")
    ] = None,
) -> None:
    """Write the page of what reports say together: sentences and figures, every number looked up in their records.

    Runs nothing. FINDINGS names reports, numbers of their records, and sentences that these fill.
    """
    from neurohw.report.findings.file import read_findings
    from neurohw.report.findings.page import told, write_findings
    from neurohw.shipping import shipped

    chosen = read_findings(file)
    folder = shipped("experiments").parent / "reports" if reports is None else reports
    every = told(chosen, folder)
    page = write_findings(chosen, every, out or Path("runs/findings") / chosen.name)
    for number, each in enumerate(every, 1):
        text = f"{number}. {each.finding.title}. {each.sentence} [{', '.join(each.sources)}]"
        console.stdout.print(text, highlight=False, markup=False, soft_wrap=True)
    console.stdout.print(f"page: {page}", highlight=False, soft_wrap=True)

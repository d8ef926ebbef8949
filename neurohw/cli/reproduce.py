"""The command `neurohw reproduce`: parse, call, print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from neurohw.cli import console
from neurohw.errors import DataError, NeurohwError

if TYPE_CHECKING:
    from neurohw.studies.paper import PaperTable, Result

Lacking = dict[str, list[str]]  # what is said of data that are missing -> experiments that need them


def reproduce(
    tables: Annotated[
        list[str] | None, typer.Argument(metavar="[TABLE]...", help="Names, or files; none: say how all of them stand.")
    ] = None,
    known: Annotated[
        list[Path] | None,
        typer.Option("--known", metavar="DIR", help="Look for records here too; may be given again."),
    ] = None,
    stop_after: Annotated[
        int | None, typer.Option("--stop-after", min=1, help="End each run after so many epochs, and say so.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Local processes; they share the cores.")] = 1,
    out: Annotated[Path, typer.Option("--out", help="Folder of the runs.")] = Path("runs/paper"),
    page: Annotated[
        Path | None, typer.Option("--report", metavar="DIR", help="Write reproduced.md and reproduced.csv there.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run nothing: say what there is, what is missing, and how long it takes.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the result only.")] = False,
) -> None:
    """Measure what Liu et al. 2024 published: run what is missing, print measured beside published.

    Runs are looked for in --out, in the reports of a checkout, and in --known; the rest is run, at the published length
    unless --stop-after says otherwise. The same command goes on where it ended. Exit status 1: a value lies outside
    what is allowed; 2: data are missing, which are named at the end; what does not need them is run.
    """
    from neurohw.cli.sweep_display import watcher
    from neurohw.studies.paper import paper_table, paper_tables, results
    from neurohw.studies.reproduce import missing
    from neurohw.studies.run_sweep import Execution, run_sweep

    if not tables and not page and not dry_run:
        _print_standing(list(paper_tables().values()), _records(out, known or []))
        return
    chosen = [paper_table(name) for name in tables or paper_tables()]
    lacking: Lacking = {}
    for table in chosen if tables and not dry_run else ():
        for sweep in missing(table, _records(out, known or []), stop_after):
            try:
                with watcher(console.stdout, quiet) as shown:
                    run_sweep(sweep, out, Execution(jobs), shown).raise_failure()
            except DataError as error:
                lacking.setdefault(str(error), []).append(sweep.file.experiment)
            except KeyboardInterrupt:
                raise KeyboardInterrupt("interrupted; the same command goes on with what is not finished") from None
    records = _records(out, known or [])
    told = [(table, results(table, records)) for table in chosen]
    for table, found in told:
        _print(table, found)
        if dry_run:
            _print_missing(table, records, stop_after, out, lacking)
    if page:
        _write(told, page)
    outside = sum(result.outside for _, found in told for result in found)
    beyond = [f"{outside} values lie outside what is allowed"] * (outside > 0)
    if lacking and not dry_run:
        raise DataError("\n".join([*_data_missing(lacking), *beyond]))
    for line in _data_missing(lacking):
        console.stdout.print(line, highlight=False, soft_wrap=True)
    if beyond:
        raise NeurohwError(*beyond)


def _data_missing(lacking: Lacking) -> list[str]:
    """Return which experiments cannot be run, and how to get their data."""
    return [f"{', '.join(dict.fromkeys(names))} cannot be run: {text}" for text, names in lacking.items()]


def _records(out: Path, known: Sequence[Path]) -> list[Any]:
    from neurohw.runs.collection import find_records
    from neurohw.shipping import shipped

    reports = shipped("experiments").parent / "reports"  # of a checkout
    usual = [folder for folder in (out, reports) if any(folder.rglob("record*"))]
    return find_records([*usual, *known], [])


def _print_standing(tables: Sequence[PaperTable], records: Sequence[Any]) -> None:
    from neurohw.report.reproduced import summary
    from neurohw.studies.paper import results

    table = Table("table", "what", "standing")
    for each in tables:
        table.add_row(each.name, each.file.title, summary(results(each, records)))
    console.stdout.print(table)
    console.stdout.print("neurohw reproduce TABLE runs what is missing; --dry-run says how long that takes")


def _print(table: PaperTable, found: Sequence[Result]) -> None:
    from neurohw.report.reproduced import NOTE, summary, terminal_tables

    console.stdout.print(f"{table.file.title}: measured, published", style="bold")
    console.stdout.print(terminal_tables(found))
    console.stdout.print(summary(found), highlight=False)
    console.stdout.print(f"{table.file.note} {NOTE}".lstrip(), style="dim", highlight=False)


def _print_missing(
    table: PaperTable, records: Sequence[Any], stop_after: int | None, out: Path, lacking: Lacking
) -> None:
    """Print what is missing of a table and how long it takes; runs whose data are not here are added to `lacking`."""
    from neurohw.studies.forecast import forecast
    from neurohw.studies.reproduce import missing
    from neurohw.units import duration_text

    points, without_data = [], []
    for sweep in missing(table, records, stop_after):
        try:
            points += list(sweep.points(out))
        except DataError as error:
            without_data.append(sweep.file)
            lacking.setdefault(str(error), []).append(sweep.file.experiment)
    forecasts = forecast(points)
    for row in forecasts:
        seeds = ", ".join(map(str, row.seeds))
        console.stdout.print(f"missing: {row.point.folder.name.rpartition('-')[0]}, seeds {seeds}: "
                             f"about {duration_text(row.seconds)}", highlight=False, soft_wrap=True)  # fmt: skip
    for file in without_data:
        seeds = ", ".join(map(str, file.seeds or ()))
        console.stdout.print(f"missing: {file.experiment}, seeds {seeds}: its data are missing, see below",
                             highlight=False, soft_wrap=True)  # fmt: skip
    total = sum(row.seconds for row in forecasts)
    if forecasts:
        console.stdout.print(f"about {duration_text(total)} in all, one after the other")
    elif not without_data:
        console.stdout.print("none missing")


def _write(told: Sequence[tuple[PaperTable, Sequence[Result]]], folder: Path) -> None:
    from neurohw.report.reproduced import frame, markdown_page
    from neurohw.runs.files import writable_folder, write_text

    writable_folder(folder)
    write_text(folder / "reproduced.md", markdown_page(told))
    write_text(folder / "reproduced.csv", frame(told).to_csv(index=False, float_format="%.6g"))
    console.stdout.print(f"wrote {folder / 'reproduced.md'} and .csv", highlight=False, soft_wrap=True)

"""The commands that run experiments and report on them: parse, call, print."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurohw.cli import completion, console
from neurohw.errors import InputError

if TYPE_CHECKING:
    from neurohw.report.besides import Besides
    from neurohw.runs.record import RunRecord
    from neurohw.studies.run_sweep import Execution, Swept
    from neurohw.studies.sweep import Sweep

Out = Annotated[Path | None, typer.Option("--out", help="Folder to write to.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result only.")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="Local processes; they share the cores.")]
CORES = os.cpu_count() or 1
MOST_WARNINGS = 20


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")] = Path("runs/demo"),
    jobs: Jobs = CORES,
) -> None:
    """The main job in under three minutes: BP and EP learn 8x8 digits without labels, ideal against constrained."""
    from neurohw.studies.run_sweep import Execution
    from neurohw.studies.sweep import load_sweep

    swept = _swept(load_sweep("quickstart"), out, Execution(jobs), quiet=False)
    _print_report(
        swept.records(), out / "report", "Ideal against hardware-constrained: 8x8 digits, learnt without labels"
    )


def run(
    experiment: Annotated[
        str,
        typer.Argument(
            help="A TOML file, a name in experiments/, or REPORT:HASH.", autocompletion=completion.experiments
        ),
    ],
    assign: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a dotted key: training.epochs=5; KEY=default.",
            autocompletion=completion.settings,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of every random stream.")] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    stop_after: Annotated[
        int | None, typer.Option("--stop-after", min=1, help="End after so many epochs, the schedule unchanged.")
    ] = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
    quiet: Quiet = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write a TensorBoard log, too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check it, and tell the time and disk that it would take; run nothing.")
    ] = False,
) -> None:
    """Run one experiment and write its record, metrics and checkpoint."""
    from neurohw.cli.dry_run import print_estimate
    from neurohw.config.unread import unread
    from neurohw.kinds import shown_metrics
    from neurohw.loading import Overrides, load_with_advice, parse_override
    from neurohw.runs.files import writable_folder
    from neurohw.runs.progress import TensorBoard, reporter
    from neurohw.runs.run import run as run_experiment

    overrides = dict(parse_override(text) for text in assign or [])
    loaded, applied = load_with_advice(experiment, overrides, "--set")
    for each in (*applied, *unread(loaded, "note")) if not quiet else ():
        console.stdout.print(str(each), highlight=False, soft_wrap=True)
    try:
        if dry_run:
            print_estimate(loaded, out, stop_after)
            return
        progress = reporter(console.stdout, quiet)
        if tensorboard:
            logs = writable_folder((out or Path("runs")) / "tensorboard" / f"{loaded.name}-{seed}")
            progress = TensorBoard(progress, logs)
        record = run_experiment(
            loaded,
            seed,
            out,
            device=_checked_device(device),
            stop_after=stop_after,
            resume=resume,
            report=progress,
        )
    except InputError as error:
        raise Overrides(tuple(overrides), "--set").blame(error, loaded, experiment) from None
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; the same command with --resume goes on from the last checkpoint"
        ) from None
    folder = out or Path("runs") / f"{record.name}-{record.config_hash}-{record.seed}"
    console.stdout.print(f"{record.status}: {shown_metrics(record.metrics)}", highlight=False)
    for line in _aged(record):
        console.stdout.print(line, highlight=False, soft_wrap=True)
    console.stdout.print(f"record: {folder / 'record.json'}", highlight=False, soft_wrap=True)
    _print_warnings(record.warnings)


def sweep(
    sweep_file: Annotated[
        str,
        typer.Argument(metavar="SWEEP", help="A TOML file, or a folder's name.", autocompletion=completion.sweeps),
    ],
    jobs: Jobs = 1,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, help="Of each process; its share of the cores unless given, 1 on a cluster."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            help="Run on a Dask cluster, as many at a time as its workers take.",
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", min=0, help="Of a point that is killed, raises or takes too long.")
    ] = 2,
    point_timeout: Annotated[
        float | None,
        typer.Option("--point-timeout", metavar="SECONDS", help="Longest attempt at a point; unlimited unless given."),
    ] = None,
    out: Out = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option("--reuse", metavar="DIR", help="Copy runs that are finished there; may be given again."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the points, and the time and disk they would take.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Run even more than 10,000 points.")] = False,
    quiet: Quiet = False,
) -> None:
    r"""Run all points of a sweep; finished ones are skipped, so the same command goes on where it ended.

    Points run in --jobs local processes, or on a Dask cluster (--scheduler; pip install 'neurohw\[cluster]'), whose
    records come back to this folder. What fails is tried again, from its last checkpoint; what fails for good is
    written to failed.json and log.txt in its folder, and the others go on.

    Seeds of one small network on ideal arrays are trained as one batch, each to the numbers that it would have alone.
    """
    from neurohw.cli.dry_run import print_dry_run
    from neurohw.studies.run_sweep import Execution, all_points
    from neurohw.studies.sweep import load_sweep

    loaded = load_sweep(sweep_file)
    folder = out or Path("runs") / loaded.name
    size = loaded.size()
    if size > 10_000 and not yes:
        raise InputError(f"{loaded.path}: {size} points; more than 10,000 need --yes")
    if dry_run:
        print_dry_run(loaded, all_points(loaded, folder, 0 if scheduler else jobs), folder, jobs)
        return
    _swept(loaded, folder, Execution(jobs, threads, scheduler, retries, point_timeout), quiet, reuse or [])
    console.stdout.print(f"records: {folder}   report: neurohw report {folder}", highlight=False, soft_wrap=True)


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that run, sweep or report wrote.")],
    out: Out = None,
    title: Annotated[str | None, typer.Option("--title", help="Heading of the page.")] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print it to report.pdf, too, by Chromium or Chrome.")] = False,
) -> None:
    """Write a report (HTML, Markdown, CSV, figures) from records; runs nothing."""
    from neurohw.report.besides import besides_in
    from neurohw.report.page.pdf import find_browser, write_pdf
    from neurohw.runs.collection import find_records

    if pdf:
        find_browser()
    left_out: list[str] = []
    besides = besides_in(folders, left_out)
    try:
        records = find_records(folders, left_out)
    except InputError as error:
        raise InputError("\n".join([str(error), *besides.failures()])) from None
    for reason in left_out:
        console.stderr.print(f"left out: {reason}", style="red", markup=False, highlight=False, soft_wrap=True)
    page = _print_report(records, out or folders[0] / "report", title, left_out, besides)
    if pdf:
        console.stdout.print(f"PDF: {write_pdf(page)}", highlight=False, soft_wrap=True)


def _swept(loaded: Sweep, folder: Path, execution: Execution, quiet: bool, reuse: Sequence[Path] = ()) -> Swept:
    from neurohw.cli.sweep_display import watcher
    from neurohw.studies.run_sweep import run_sweep

    try:
        with watcher(console.stdout, quiet) as shown:
            swept = run_sweep(loaded, folder, execution, shown, reuse=reuse)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; the same command goes on with what is not finished") from None
    _print_warnings(swept.warned())
    swept.raise_failure()
    return swept


def _aged(record: RunRecord) -> Iterator[str]:
    """Yield a line for each age of the chip after training, and way to meet its drift."""
    if "by_age_seconds" not in record.metrics:
        return
    from neurohw.kinds import shown_metrics
    from neurohw.report.ageing.data import by_age
    from neurohw.report.ageing.tables import age_text
    from neurohw.report.naming import flatten

    for (age, way), metrics in by_age(record.metrics, flatten(record.config)).items():
        yield f"{age_text(age)} later, {way.label}: {shown_metrics(metrics)}"


def _print_warnings(warnings: list[str]) -> None:
    for text in warnings[:MOST_WARNINGS]:
        console.stdout.print(f"warning: {text}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    if (more := len(warnings) - MOST_WARNINGS) > 0:
        console.stdout.print(f"warning: {more} more; they stand in the records", style="yellow", highlight=False)


def _print_report(
    records: list[Any],
    folder: Path,
    title: str | None,
    left_out: Sequence[str] = (),
    besides: Besides | None = None,
) -> Path:
    from neurohw.report.energy.sections import energies_of
    from neurohw.report.energy.terminal import print_energies
    from neurohw.report.page.write import accuracy_table, write_report
    from neurohw.report.points import group_records

    page = write_report(records, folder, title, left_out, besides)
    console.stdout.print(accuracy_table(records))
    energies = energies_of(group_records(records))
    if energies.accounts:
        print_energies(console.stdout, energies, tables=1)
    console.stdout.print(f"report: {page}", highlight=False, soft_wrap=True)
    return page


def _checked_device(device: str) -> str:
    import torch

    if device not in ("cpu", "cuda"):
        raise InputError(f"--device: got {device!r}; allowed: cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device: got 'cuda', but torch sees no GPU here; allowed: cpu")
    return device

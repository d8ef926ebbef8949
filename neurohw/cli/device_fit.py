"""The command `neurohw device fit`: parse, call, print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neurohw.cli import condition_options as given
from neurohw.cli import import_options as shared
from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.fitting.retention import RetentionFit
    from neurohw.fitting.trains import Fit, Progress
    from neurohw.fitting.verdict import Verdict

AS_MEASURED = "as measured"
WHAT_READS_CANNOT_TELL = (
    "read_noise holds what a write adds that is not kept (write_noise), too: one read after each pulse cannot tell the "
    "two apart. step_ctoc is noise that stays in the cell."
)


def device_fit(
    files: shared.Files,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The device's TOML file to write.")],
    law: Annotated[str | None, typer.Option("--law", help="A pulse-response law; chosen by BIC unless given.")] = None,
    retention: Annotated[
        list[Path] | None,
        typer.Option("--retention", metavar="FILE", help="Conductances over times after a write; repeatable."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The device's name; FILE without .toml unless given.")
    ] = None,
    layout: shared.Layout = None,
    unit: shared.Unit = None,
    read_voltage: shared.ReadVoltage = None,
    g_min: shared.GMin = None,
    g_max: shared.GMax = None,
    polarity: shared.Polarity = None,
    each: shared.Each = None,
    every: shared.Every = 1,
    column: shared.Columns = None,
    time_offset: shared.TimeOffset = 0.0,
    write_voltage: given.WriteVoltage = None,
    depression_voltage: given.DepressionVoltage = None,
    pulse_width: given.PulseWidth = None,
    write_energy: given.WriteEnergy = None,
    depression_energy: given.DepressionEnergy = None,
    endurance: given.Endurance = None,
    read_time: given.ReadTime = None,
    cell_area: given.CellArea = None,
    cell: given.Cell = AS_MEASURED,
    technology: given.Technology = AS_MEASURED,
    accept: Annotated[
        bool, typer.Option("--accept", help="Exit with 0 even if the device does not describe the data.")
    ] = False,
) -> None:
    """Fit a device to measured pulse trains, and say whether it behaves like them.

    Writes its file, a JSON with every interval, and figures: measured and simulated trains, pairs of parameters,
    residuals. Exit status 1: the device does not describe the data.
    """
    from neurohw.fitting.conditions import Conditions
    from neurohw.fitting.device_file import annotated, fit_report, fitted_device, with_verdict
    from neurohw.fitting.fit_device import fit_device
    from neurohw.fitting.importing import import_pulses, import_retention
    from neurohw.fitting.law_parameters import fitted_laws
    from neurohw.fitting.retention import fit_retention
    from neurohw.fitting.retention_figure import retention_figure, retention_panels
    from neurohw.fitting.verdict import with_checks
    from neurohw.names import checked_name
    from neurohw.report.drawing import save, style
    from neurohw.runs.files import writable_folder, write_text
    from neurohw.seeding import Streams

    if law is not None:
        fitted_laws(law)
    if out.suffix != ".toml":
        raise InputError(f"--out: got {str(out)!r}; allowed: a file that ends in .toml")
    called = checked_name(name, "--name") if name else checked_name(out.stem, "--out (or else give a --name)")
    conditions = Conditions(
        write_voltage, depression_voltage, pulse_width, write_energy, depression_energy, endurance,
        None if read_voltage is None else f"{read_voltage:g} V", read_time, cell_area, cell, technology,
    )  # fmt: skip
    conditions.tables()
    options = shared.import_options(
        layout=layout, unit=unit, read_voltage=read_voltage, g_range=(g_min, g_max), polarity=polarity, each=each,
        every=every, columns=column, time_offset=time_offset,
    )  # fmt: skip
    imported = import_pulses(files, options)
    shared.print_notes(imported.guesses, imported.cautions)
    conditions = conditions.completed(imported.conditions.known(), f"stated in {imported.trains.source}")
    curves = None
    if retention:
        kept = import_retention(retention, options)
        shared.print_notes(kept.guesses)
        curves = kept.curves
    writable_folder(out.parent)
    with _bar() as progress:
        found = fit_device(imported.trains, law, called, conditions, progress=progress)
    aged = fit_retention(curves, found.device.g_min, found.device.g_max) if curves else None
    plain = fitted_device(found.fit, aged, called, conditions)
    verdict = with_checks(found.verdict, plain)
    model = with_verdict(plain, verdict)
    written = [out, out.with_suffix(".fit.json")]
    with style():
        for kind, figure in found.figures().items():
            written.append(out.with_suffix(f".{kind}.png"))
            save(figure, written[-1])
        if aged:
            written.append(out.with_suffix(".retention.png"))
            panels = retention_panels(aged, model, Streams(0).generator("retention"))
            save(retention_figure(panels, aged, model.name), written[-1])
    write_text(written[1], fit_report(found.fit, aged, verdict))
    write_text(out, annotated(model, found.fit, aged, verdict))
    _print_fit(found.fit, aged)
    meaning = f"what each number means: neurohw keys device_parameters --device {out}"
    new_console().print(meaning, highlight=False, soft_wrap=True)
    for path in written:
        new_console().print(f"wrote {path}", highlight=False, soft_wrap=True)
    _print_verdict(verdict)
    if not (verdict.describes or accept):
        raise typer.Exit(1)


@contextmanager
def _bar() -> Iterator[Progress]:
    """Show how far the fit is, on a terminal."""
    from rich import progress as rich_progress

    columns = (rich_progress.TextColumn("{task.description}"), rich_progress.BarColumn())
    console = Console(stderr=True)
    with rich_progress.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("fit", total=1.0)
        yield lambda step, share: bar.update(task, description=f"fit: {step}", completed=share)


def _print_verdict(verdict: Verdict) -> None:
    colour = "green" if verdict.level == "good" else "yellow" if verdict.describes else "red"
    new_console().print(verdict.figures(), highlight=False, soft_wrap=True)
    line = escape(str(verdict).removeprefix(verdict.level))
    new_console(markup=True).print(f"[{colour}]{verdict.level}[/{colour}]{line}", highlight=False, soft_wrap=True)


def _print_fit(fitted: Fit, aged: RetentionFit | None) -> None:
    from neurohw.fitting.device_file import doubts, interval
    from neurohw.fitting.retention_report import sentences

    if fitted.candidates:
        laws = Table("law", "noise relative to", "log-likelihood", "numbers", "ΔBIC", "ΔAIC", "")
        first = fitted.candidates[0]
        for c in fitted.candidates:
            row = (f"{c.log_likelihood:.1f}", str(c.parameters), f"{c.bic - first.bic:.1f}", f"{c.aic - first.aic:.1f}")
            noise = ("mean " if c.alike_noise else "") + ("step at w = 0" if c.additive_noise else "step")
            laws.add_row(c.law, noise, *row, f"[yellow]{c.remark}[/yellow]" if c.remark else "")
        new_console(markup=True).print(laws)
    new_console(markup=True).print(f"law: {fitted.law}; weights -1 and 1 are the mean bounds", highlight=False)
    table = Table("parameter", "value", "95 % interval", "")
    for key, estimate in {**fitted.estimates, **(aged.estimates if aged else {})}.items():
        values = estimate.value if isinstance(estimate.value, tuple) else (estimate.value,)
        unit = "" if estimate.unit == "1" else f" {estimate.unit}"
        doubt = "; ".join(doubts(estimate)).replace("NOT IDENTIFIABLE", "not identifiable")
        value = ", ".join(f"{v:.4g}" for v in values) + unit
        table.add_row(key, value, interval(estimate), f"[yellow]{escape(doubt)}[/yellow]" if doubt else "")
    new_console(markup=True).print(table)
    for sentence in sentences(aged) if aged else ():
        new_console().print(sentence, highlight=False, soft_wrap=True)
    new_console().print(WHAT_READS_CANNOT_TELL, highlight=False, soft_wrap=True)

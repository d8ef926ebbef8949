"""The command `neurohw device fit`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from neurohw.cli import import_options as shared
from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.fitting.retention import RetentionFit
    from neurohw.fitting.trains import Fit


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
) -> None:
    """Fit a device to measured pulse trains: its file, a JSON with every interval, a figure of the residuals."""
    from neurohw.fitting.device_file import annotated, fit_report, fitted_device
    from neurohw.fitting.importing import import_pulses, import_retention
    from neurohw.fitting.law_parameters import fitted_laws
    from neurohw.fitting.residuals import residual_data
    from neurohw.fitting.residuals_figure import residuals_figure
    from neurohw.fitting.retention import fit_retention
    from neurohw.fitting.retention_figure import retention_figure, retention_panels
    from neurohw.fitting.trains import fit
    from neurohw.names import checked_name
    from neurohw.report.drawing import save, style
    from neurohw.runs.files import writable_folder, write_text
    from neurohw.seeding import Streams

    if law is not None:
        fitted_laws(law)
    if out.suffix != ".toml":
        raise InputError(f"--out: got {str(out)!r}; allowed: a file that ends in .toml")
    called = checked_name(name, "--name") if name else checked_name(out.stem, "--out (or else give a --name)")
    options = shared.import_options(
        layout=layout, unit=unit, read_voltage=read_voltage, g_range=(g_min, g_max), polarity=polarity, each=each,
        every=every, columns=column, time_offset=time_offset,
    )  # fmt: skip
    imported = import_pulses(files, options)
    shared.print_notes(imported.guesses, imported.cautions)
    trains, curves = imported.trains, None
    if retention:
        kept = import_retention(retention, options)
        shared.print_notes(kept.guesses)
        curves = kept.curves
    writable_folder(out.parent)
    fitted = fit(trains, law)
    bounds = (float(fitted.estimates[key].value) for key in ("g_min", "g_max"))  # type: ignore[arg-type]
    aged = fit_retention(curves, *bounds) if curves else None
    model = fitted_device(fitted, aged, called)
    with style():
        figure = residuals_figure(residual_data(fitted), f"{model.name}: {fitted.law}, fit of {trains.source}")
        save(figure, out.with_suffix(".residuals.png"))
        if aged:
            panels = retention_panels(aged, model, Streams(0).generator("retention"))
            save(retention_figure(panels, aged, model.name), out.with_suffix(".retention.png"))
    write_text(out.with_suffix(".fit.json"), fit_report(fitted, aged))
    write_text(out, annotated(model, fitted, aged))
    _print_fit(fitted, aged)
    endings = (".toml", ".fit.json", ".residuals.png", *((".retention.png",) if aged else ()))
    for path in map(out.with_suffix, endings):
        new_console().print(f"wrote {path}", highlight=False, soft_wrap=True)


def _print_fit(fitted: Fit, aged: RetentionFit | None) -> None:
    from neurohw.fitting.device_file import interval
    from neurohw.fitting.retention_report import sentences

    if fitted.candidates:
        laws = Table("law", "noise relative to", "log-likelihood", "numbers", "ΔBIC", "ΔAIC")
        first = fitted.candidates[0]
        for c in fitted.candidates:
            row = (f"{c.log_likelihood:.1f}", str(c.parameters), f"{c.bic - first.bic:.1f}", f"{c.aic - first.aic:.1f}")
            laws.add_row(c.law, "step at w = 0" if c.additive_noise else "step", *row)
        new_console(markup=True).print(laws)
    new_console(markup=True).print(f"law: {fitted.law}; weights -1 and 1 are the mean bounds", highlight=False)
    table = Table("parameter", "value", "95 % interval", "")
    for key, estimate in {**fitted.estimates, **(aged.estimates if aged else {})}.items():
        values = estimate.value if isinstance(estimate.value, tuple) else (estimate.value,)
        unit = "" if estimate.unit == "1" else f" {estimate.unit}"
        doubt = "" if estimate.identifiable else "[yellow]not identifiable[/yellow]"
        table.add_row(key, ", ".join(f"{v:.4g}" for v in values) + unit, interval(estimate), doubt)
    new_console(markup=True).print(table)
    for sentence in sentences(aged) if aged else ():
        new_console().print(sentence, highlight=False, soft_wrap=True)

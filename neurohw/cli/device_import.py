"""The command `neurohw device import`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurohw.cli import import_options as shared
from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.fitting.importing import Imported
    from neurohw.fitting.measurements import RetentionCurves


def device_import(
    files: shared.Files,
    out: Annotated[Path, typer.Option("--out", metavar="CSV", help="The table to write, which `device fit` takes.")],
    retention: Annotated[bool, typer.Option("--retention", help="The files hold retention, not pulses.")] = False,
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
    """Read measured pulses (or retention) of any common shape into one table; every guess is printed."""
    from neurohw.fitting.importing import import_pulses, import_retention
    from neurohw.fitting.importing.canonical import pulses_csv, retention_csv
    from neurohw.runs.files import writable_folder, write_text

    if out.suffix != ".csv":
        raise InputError(f"--out: got {str(out)!r}; allowed: a file that ends in .csv")
    if any(out.resolve() == file.resolve() for file in files):
        raise InputError(f"--out: {out} is one of the files; allowed: another name")
    options = shared.import_options(
        layout=layout, unit=unit, read_voltage=read_voltage, g_range=(g_min, g_max), polarity=polarity, each=each,
        every=every, columns=column, time_offset=time_offset,
    )  # fmt: skip
    if retention:
        curves = import_retention(files, options)
        shared.print_notes(curves.guesses)
        text, summary = retention_csv(curves.curves), _retention(curves.curves)
    else:
        imported = import_pulses(files, options)
        shared.print_notes(imported.guesses, imported.cautions)
        text, summary = pulses_csv(imported), _pulses(imported)
    writable_folder(out.parent)
    write_text(out, text)
    for line in (*summary, f"wrote {out}"):
        new_console().print(line, highlight=False, soft_wrap=True, markup=False)


def _pulses(imported: Imported) -> list[str]:
    from neurohw.units import readable

    trains = imported.trains
    read = trains.conductance[trains.valid]
    up = int((trains.up & trains.valid).sum())
    lines = [f"{_counted(len(trains.devices), 'device')}, {_counted(sum(map(len, imported.cycles)), 'train')}; "
             f"{int(trains.valid.sum()):,} conductances ({up:,} after potentiating pulses) from "
             f"{readable(float(read.min()), 'S')} to {readable(float(read.max()), 'S')}"]  # fmt: skip
    known = [f"{key.replace('_', ' ')} {readable(value, 's' if key == 'pulse_width' else 'V')}"
             for key, value in imported.conditions.known().items()]  # fmt: skip
    return lines + ([f"write conditions: {', '.join(known)}"] if known else [])


def _retention(curves: RetentionCurves) -> list[str]:
    times = [t for seconds in curves.seconds for t in (seconds[0], seconds[-1])]
    kelvin = sorted({k for k in curves.kelvin if k is not None})
    at = f"; {', '.join(f'{k:g}' for k in kelvin)} K" if kelvin else ""
    return [f"{_counted(len(curves.seconds), 'curve')} from {min(times):g} s to {max(times):g} s{at}"]


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"

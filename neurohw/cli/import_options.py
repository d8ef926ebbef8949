"""The options of an import of measurements, which `device import` and `device fit` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurohw.errors import InputError
from neurohw.output import new_console

if TYPE_CHECKING:
    from neurohw.fitting.importing import ImportOptions

_PANEL = "What the files leave open"

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="Measured pulses: CSV (any separator), .xlsx, instruments' exports; "
                   "set and reset may be in files of their own.")]  # fmt: skip
Layout = Annotated[
    str | None,
    typer.Option("--layout", rich_help_panel=_PANEL, help="long: one column of values; wide: one for each device or "
                 "cycle; rows: a row for each; up-down: one for potentiation, one for depression.")]  # fmt: skip
Unit = Annotated[
    str | None,
    typer.Option("--unit", rich_help_panel=_PANEL, help="Of values whose column names none: uS, kOhm, nA, ...; "
                 "normalised (0 to 1) or weights (-1 to 1), with --g-min and --g-max.")]  # fmt: skip
ReadVoltage = Annotated[
    float | None,
    typer.Option("--read-voltage", rich_help_panel=_PANEL, help="At which currents were read, V.")]  # fmt: skip
GMin = Annotated[
    float | None,
    typer.Option("--g-min", metavar="S", rich_help_panel=_PANEL, help="Conductance of normalised 0.")]  # fmt: skip
GMax = Annotated[
    float | None,
    typer.Option("--g-max", metavar="S", rich_help_panel=_PANEL, help="Conductance of normalised 1.")]  # fmt: skip
Polarity = Annotated[
    str | None,
    typer.Option("--polarity", rich_help_panel=_PANEL, help="up, down, or runs as in up50,down50 (repeated); or which "
                 "sign of the voltage potentiates: positive, negative.")]  # fmt: skip
Each = Annotated[
    str | None,
    typer.Option("--each", rich_help_panel=_PANEL, help="What a column, sheet or file of several is: device or "
                 "cycle.")]  # fmt: skip
Every = Annotated[
    int,
    typer.Option("--every", metavar="N", min=1, rich_help_panel=_PANEL, help="Pulses between reads, where no column "
                 "counts them.")]  # fmt: skip
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME=ROLE", rich_help_panel=_PANEL, help="What a column is: device, cycle, "
                 "pulse, polarity, conductance, resistance, current, write-voltage, read-voltage, width, time, "
                 "temperature, level, ignore; repeatable.")]  # fmt: skip
TimeOffset = Annotated[
    float,
    typer.Option("--time-offset", metavar="S", rich_help_panel=_PANEL, help="Time from the write to time zero of a "
                 "retention file.")]  # fmt: skip


def import_options(
    *,
    layout: str | None,
    unit: str | None,
    read_voltage: float | None,
    g_range: tuple[float | None, float | None],
    polarity: str | None,
    each: str | None,
    every: int,
    columns: Sequence[str] | None,
    time_offset: float,
) -> ImportOptions:
    """Return the options as one; columns are texts NAME=ROLE."""
    from neurohw.fitting.importing import ImportOptions

    pairs = [text.rpartition("=") for text in columns or ()]
    for (name, equals, _), text in zip(pairs, columns or (), strict=True):
        if not (name and equals):
            raise InputError(f"--column: got {text!r}; allowed: NAME=ROLE, as in Id=current")
    roles = {name: role for name, _, role in pairs}
    return ImportOptions(layout, unit, read_voltage, *g_range, polarity, each, every, roles, time_offset)


def print_notes(guesses: Sequence[str], cautions: Sequence[str] = ()) -> None:
    """Print what an import guessed, and what it warns of."""
    for mark, texts in (("guess", guesses), ("caution", cautions)):
        for text in texts:
            new_console().print(f"{mark}: {text}", highlight=False, soft_wrap=True, markup=False)

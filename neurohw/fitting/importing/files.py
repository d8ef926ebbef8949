"""Measurements from files of any common shape, and what was guessed of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.directions import check_directions
from neurohw.fitting.importing.layouts import of_crosssim, pulse_strips
from neurohw.fitting.importing.options import ImportOptions, Notes
from neurohw.fitting.importing.outliers import check_outliers
from neurohw.fitting.importing.polarities import signs_decide
from neurohw.fitting.importing.pulses import joined, listed_backwards, trains_of
from neurohw.fitting.importing.sheets import Sheet, read_sheets
from neurohw.fitting.importing.stack import WriteConditions, conditions, stacked
from neurohw.fitting.importing.values import conductances, read_voltage
from neurohw.fitting.measurements import PulseTrains
from neurohw.shown import as_html

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Imported:
    """Pulse trains from files.

    Args:
        trains: what was measured.
        cycles: the names of each device's cycles.
        conditions: how pulses were applied, where the files say it.
        guesses: what the files left open and how it was taken.
        cautions: what speaks against a fit of a law of identical pulses.
    """

    trains: PulseTrains
    cycles: tuple[tuple[str, ...], ...]
    conditions: WriteConditions
    guesses: tuple[str, ...]
    cautions: tuple[str, ...]

    def _repr_html_(self) -> str:
        known = [("write condition", f"{name} {value:g}") for name, value in self.conditions.known().items()]
        notes = [("guess", text) for text in self.guesses] + [("caution", text) for text in self.cautions]
        return as_html(repr(self.trains), ("", ""), [*known, *notes])


def import_pulses(paths: Paths, options: ImportOptions | None = None) -> Imported:
    """Return the pulse trains of files: CSV in its dialects, .xlsx, exports of EasyEXPERT, CrossSim, NeuroSim, aihwkit.

    Args:
        paths: one file or several; set and reset may be in files of their own.
        options: what the files leave open.

    Raises:
        InputError: naming the file, the row and the column, or what is ambiguous and which options make it clear.
    """
    options, notes = options or ImportOptions(), Notes()
    sheets, source = all_sheets(paths, options, notes)
    strips = pulse_strips(sheets, options, notes)
    values = conductances(strips, options, notes)
    if of_crosssim(strips, notes):
        values = [np.where(g == 0, np.nan, g) for g in values]
    backwards = listed_backwards(strips, values, notes)
    trains = []
    for strip, g in zip(strips, values, strict=True):
        trains += trains_of(strip, g, backwards and strip.up is False, options, notes)
    trains = joined(trains, notes)
    stack = stacked(trains, source)
    check_directions(stack, any(signs_decide(strip, options) for strip in strips), notes)
    names = {device: tuple(t.cycle for t in trains if t.device == device) for device in stack.devices}
    check_outliers(stack, tuple(names.values()), notes)
    applied = conditions(trains, read_voltage(strips, options, notes), notes)
    return Imported(stack, tuple(names.values()), applied, notes.guesses, notes.cautions)


def all_sheets(paths: Paths, options: ImportOptions, notes: Notes) -> tuple[list[Sheet], str]:
    """Return the tables of all files, and the files' names.

    Raises:
        InputError: no file, one that cannot be read, or none with a column that the options name.
    """
    files = [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]
    if not files:
        raise InputError("no file of measurements; name one or several")
    if twice := next((path for path in files if files.count(path) > 1), None):
        raise InputError(f"{twice}: given twice; allowed: each file once")
    sheets = [sheet for path in files for sheet in read_sheets(path, notes)]
    columns = list(dict.fromkeys(column for sheet in sheets for column in sheet.cells))
    if unknown := next((name for name in options.columns if name not in columns), None):
        raise InputError(f"--column {unknown}={options.columns[unknown]}: no such column; got: {', '.join(columns)}")
    return sheets, ", ".join(path.name for path in files)
